"""What a person sees of a run: bars with rate and time left in a terminal, one line per event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polylect.progress import duration
from polylect.run.steps import Step, StepReport

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["Display", "counted"]

_PLAIN_INTERVAL = 30.0
"""Seconds between two progress lines of one step where lines pile up (a CI log, a file)."""


def counted(number: int, noun: str = "step") -> str:
    """Return a count with its noun: "1 step", "3 steps"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass
class _Running:
    step: Step
    started: float
    message: Mapping[str, Any] = field(default_factory=dict)
    first: tuple[float, float] | None = None
    printed: float = 0.0
    task: TaskID | None = None

    def hear(self, message: Mapping[str, Any], now: float) -> None:
        """Take in a progress message; the first one of a count is where its rate is measured from."""
        if message == self.message or not message:
            return
        done = message["done"]
        if done is not None and (self.first is None or done < self.first[1] or message["unit"] != self.message.get("unit")):
            self.first = (now, done)
        self.message = message

    def fraction(self) -> float:
        """Return which part of the step is done, as far as it tells."""
        done, total = self.message.get("done"), self.message.get("total")
        return min(1.0, done / total) if done and total else 0.0

    def text(self, now: float) -> str:
        """Return count, rate, time left and note, as far as the step tells them."""
        done, total, unit = (self.message.get(part) for part in ("done", "total", "unit"))
        parts = []
        if done is not None:
            parts.append(f"{done:,.10g}{f' of {total:,.10g}' if total else ''}{f' {unit}' if unit else ''}")
            parts += self._speed(done, total, unit, now)
        if self.message.get("note"):
            parts.append(self.message["note"])
        return ", ".join(parts)

    def _speed(self, done: float, total: float | None, unit: str | None, now: float) -> list[str]:
        if self.first is None or done <= self.first[1] or now - self.first[0] < 0.5:
            return []
        rate = (done - self.first[1]) / (now - self.first[0])
        if rate >= 0.1:
            speed = f"{rate:.3g}{f' {unit}' if unit else ''}/s"
        else:
            each = f" per {unit.removesuffix('s')}" if unit else ""
            speed = f"{1 / rate:.3g} s{each}"
        return [speed, f"{duration((total - done) / rate)} left"] if total and total > done else [speed]


class Display:
    """Shows a run of `steps` (those that will run) on a console; use as a context manager."""

    def __init__(self, console: Console, steps: list[Step]) -> None:
        self.console = console
        self.live = console.is_terminal and not console.is_dumb_terminal
        self.began = time.monotonic()
        self.total = len(steps)
        self.finished = 0
        self.weight = sum(step.weight for step in steps) or 1.0
        self.weight_done = 0.0
        self.running: dict[str, _Running] = {}
        self._bars: Progress | None = None
        self._overall: TaskID | None = None

    def __enter__(self) -> Display:
        if self.live and self.total:
            self._bars = self._new_bars()
            self._overall = self._bars.add_task("all steps", total=1.0, text="")
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def line(self, text: str, style: str = "") -> None:
        """Print one line, with the elapsed time where there are no bars to show it."""
        from rich.text import Text

        clock = "" if self.live else f"[{duration(time.monotonic() - self.began):>7}] "
        (self._bars.console if self._bars else self.console).print(Text(clock + text, style=style), soft_wrap=True)

    def started(self, step: Step) -> None:
        """Show that a step runs now."""
        running = _Running(step, time.monotonic(), printed=time.monotonic())
        self.running[step.name] = running
        if self._bars is not None:
            running.task = self._bars.add_task(f"  {step.name}", total=1.0, text=step.title)
        else:
            number = self.finished + len(self.running)
            self.line(f"{number}/{self.total} {step.name} starts{f': {step.title}' if step.title else ''}")

    def ended(self, report: StepReport) -> None:
        """Show that a step is whole."""
        self.weight_done += self.running[report.name].step.weight
        self._remove(report.name)
        self.finished += 1
        self.line(f"{report.name} done in {duration(report.seconds)}, peak memory {report.peak_memory_mb:,.0f} MB")

    def failed(self, name: str, reason: str) -> None:
        """Show that a step failed; the reason, at once, while others go on (else the error that ends the run tells it)."""
        self._remove(name)
        self.line(f"{name} failed: {reason}" if self.running else f"{name} failed", style="bold red")

    def _remove(self, name: str) -> None:
        running = self.running.pop(name)
        if self._bars is not None and running.task is not None:
            self._bars.remove_task(running.task)

    def tick(self, messages: Mapping[str, Mapping[str, Any]], loading: bool) -> None:
        """Take in the last message of each running step and redraw; `loading`: the steps still wait for the libraries."""
        now = time.monotonic()
        for name, message in messages.items():
            running = self.running[name]
            running.hear(message, now)
            if self._bars is not None and running.task is not None:
                self._bars.update(
                    running.task,
                    completed=running.fraction(),
                    text="loading libraries" if loading else running.text(now) or running.step.title,
                )
            elif running.message and now - running.printed > _PLAIN_INTERVAL:
                running.printed = now
                self.line(f"{name}: {running.text(now)}{self._overall_text(now)}")
        if self._bars is not None and self._overall is not None:
            text = f"{self.finished} of {counted(self.total)}{self._overall_text(now)}"
            self._bars.update(self._overall, completed=self._share(), text=text)

    def _share(self) -> float:
        running = sum(running.fraction() * running.step.weight for running in self.running.values())
        return (self.weight_done + running) / self.weight

    def _overall_text(self, now: float) -> str:
        """Return the time left for all, from the share of the weights that is done; nothing before it means something."""
        share = self._share()
        if share < 0.02 or now - self.began < 5:
            return ""
        return f", about {duration((now - self.began) * (1 - share) / share)} left for all"

    def _new_bars(self) -> Progress:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), TimeElapsedColumn())
        return Progress(
            *columns, TextColumn("{task.fields[text]}", markup=False), console=self.console, refresh_per_second=2, transient=True
        )
