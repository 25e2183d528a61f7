"""What a person sees of an arbitrage while it runs: bars with rate and time left in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from polylect.progress import duration

__all__ = ["StageDisplay", "silence_loading"]

_LINE_EVERY = 15.0
"""Seconds between two lines of one stage where lines pile up (a log, a file)."""

_TITLES = {
    "prepare": "read prompts",
    "probe": "probe",
    "plan": "plan",
    "ask": "ask",
    "check": "check answers",
    "reroute": "ask again",
    "score": "score",
    "fuse": "fuse",
    "write": "write tables",
}


class StageDisplay:
    """Shows progress on stderr; use as a context manager and call `show`. `quiet`: shows nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet, self._live = quiet, sys.stderr.isatty()
        self._stage, self._began, self._first, self._printed = "", 0.0, 0, 0.0
        self._progress: Any = None
        self._task: Any = None

    def __enter__(self) -> StageDisplay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()
        if kind is KeyboardInterrupt:
            sys.stderr.write("Interrupted. What was answered is stored: give the same command again to go on.\n")
            raise KeyboardInterrupt("told") from error

    def show(self, stage: str, done: int, total: int | None, note: str) -> None:
        """Take in how far a stage is."""
        if self._quiet:
            return
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._first, self._printed = stage, now, done, now
            self._begin(total)
        text = self._text(now, done, total, note)
        if self._live:
            self._progress.update(self._task, completed=done, total=total, text=text)
        elif now - self._printed > _LINE_EVERY or (done == total and now - self._began > 1):
            self._printed = now
            sys.stderr.write(f"{_TITLES.get(stage, stage)}: {text}\n")

    def _begin(self, total: int | None) -> None:
        if not self._live:
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        if self._progress is None:
            columns = (TextColumn("{task.description:<13}", markup=False), BarColumn(bar_width=20), TimeElapsedColumn())
            text = TextColumn("{task.fields[text]}", markup=False)
            self._progress = Progress(*columns, text, console=Console(stderr=True), refresh_per_second=4)
            self._progress.start()
        self._task = self._progress.add_task(_TITLES.get(self._stage, self._stage), total=total, text="")

    def _text(self, now: float, done: int, total: int | None, note: str) -> str:
        """Return "1,200 of 6,000, 310/s, 15 s left" and the note."""
        parts = [f"{done:,}" + (f" of {total:,}" if total else "")]
        seconds = now - self._began
        if seconds > 0.5 and done > self._first:
            rate = (done - self._first) / seconds
            parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
            if total and total > done:
                parts.append(f"{duration((total - done) / rate, places=0)} left")
        return ", ".join([*parts, *([note] if note else [])])


def silence_loading(model: str) -> None:
    """Turn off the bar that transformers draws for loading a local model, named by its spec: it would tear ours."""
    from polylect.models.spec import parse_spec

    if parse_spec(model).local:
        from transformers.utils import logging

        logging.disable_progress_bar()
