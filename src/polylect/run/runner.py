"""Carry out a plan: skip what is current, run the rest in processes of their own, keep whatever finishes."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import errors
from polylect.errors import PolylectError, RunError, StepError
from polylect.progress import duration
from polylect.run.cluster import Cluster, RayHead
from polylect.run.disk import full_disk_message, is_disk_full
from polylect.run.keys import Identity, identities
from polylect.run.lock import FolderLock
from polylect.run.memory import MemoryGauge
from polylect.run.outputs import Outputs
from polylect.run.progress import Display, counted
from polylect.run.steps import Outcome, Step, StepReport, ancestors, checked_plan, log_name, select
from polylect.run.worker import job_of
from polylect.run.workers import Worker, Workers, default_threads

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["execute"]

_TICK = 0.25
"""Seconds between two looks at the progress while nothing else happens."""


def execute(
    steps: Sequence[Step],
    folder: Path,
    *,
    until: str | None = None,
    force: Sequence[str] = (),
    jobs: int = 1,
    threads: int | None = None,
    preload: Sequence[str] = (),
    on_start: Callable[[], None] | None = None,
    cluster: Cluster | None = None,
    console: Console | None = None,
) -> Outcome:
    """Bring the outputs of a plan up to date in `folder` and report on each of its steps.

    Args:
        steps: the plan, in any order.
        folder: the run folder; it is created when it does not exist.
        until: run only what this step needs; the start of a name stands for all steps that begin so.
        force: steps (or starts of names) to run although they are current; what depends on them runs too.
        jobs: how many steps may run side by side.
        threads: threads of one step; None shares the cores out (see `default_threads`).
        preload: modules that the workers' server imports before the first step.
        on_start: called once, when the folder is locked and before any step runs.
        cluster: a Ray cluster's actors answer in place of the steps' processes, which write what comes back.
        console: where to show progress; None is standard error.

    Raises:
        RunError: unsound plan, unknown step, folder in use, full disk.
        StepError: a step failed; its `exit_code` is 1 where the stage itself is at fault.
        PolylectError: a step raised it; the same kind, with step and log added to the message.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; its message says how to go on.
    """
    began = time.monotonic()
    if jobs < 1:
        raise RunError(f"jobs={jobs}: at least one step must be allowed to run. Use 1 or more.")
    order = checked_plan(steps)
    names = [step.name for step in order]
    wanted = ancestors(select(until, names, "--until"), order) if until is not None else set(names)
    forced = _forced(force, names, wanted, until)
    known = identities(order)
    order = [step for step in order if step.name in wanted]
    try:
        _prepare(folder)
        with FolderLock(folder) as lock, _stoppable():
            if on_start is not None:
                on_start()
            outputs = Outputs(folder)
            outputs.recover()
            due = _due(order, outputs.states(order, known), forced)
            run = _Run(folder, outputs, known, due, order, jobs, cluster)
            run.carry_out(_console(console), preload, threads or default_threads(jobs), lock.fd)
            return _outcome(steps, wanted, run, began)
    except OSError as error:
        if is_disk_full(error):
            raise RunError(full_disk_message(folder, "the runner's own files")) from error
        raise


def _prepare(folder: Path) -> None:
    try:
        for path in (folder, folder / "logs", folder / "store"):
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        if is_disk_full(error):
            raise
        raise RunError(f"{folder}: cannot be used as a run folder ({error.strerror}). Choose another one with --out.") from error


def _forced(force: Sequence[str], names: Sequence[str], wanted: set[str], until: str | None) -> set[str]:
    forced: set[str] = set()
    for pattern in force:
        found = set(select(pattern, names, "--force"))
        if not found & wanted:
            raise RunError(f"--force {pattern!r}: --until {until!r} does not need this step. Leave one of the two options out.")
        forced |= found & wanted
    return forced


def _due(order: Sequence[Step], states: Mapping[str, str], forced: set[str]) -> list[Step]:
    """Return the steps to run: those not current or forced, and everything that reads the output of one of them."""
    due: dict[str, Step] = {}
    for step in order:
        if states[step.name] != "current" or step.name in forced or any(name in due for name in step.inputs.values()):
            due[step.name] = step
    return list(due.values())


def _console(console: Console | None) -> Console:
    if console is not None:
        return console
    from rich.console import Console

    return Console(stderr=True)


def _outcome(steps: Sequence[Step], wanted: set[str], run: _Run, began: float) -> Outcome:
    reports = [run.report(step.name) for step in steps if step.name in wanted]
    return Outcome(steps=reports, seconds=time.monotonic() - began, peak_memory_mb=run.gauge.peak)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C; only the main thread can, elsewhere they keep their effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # A signal that is ignored (nohup) stays ignored.
    caught = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


@dataclass(frozen=True)
class _Active:
    """A step at work: its worker, the folder it writes and the `build` that its manifest will bear."""

    worker: Worker
    out: Path
    build: str


class _Run:
    """One call of `execute`, from the plan to the last step."""

    def __init__(
        self,
        folder: Path,
        outputs: Outputs,
        known: Mapping[str, Identity],
        due: Sequence[Step],
        order: Sequence[Step],
        jobs: int,
        cluster: Cluster | None,
    ) -> None:
        self.folder, self.outputs, self.known, self.jobs, self.cluster = folder, outputs, known, jobs, cluster
        self.due = {step.name: step for step in due}
        self.total = len(order)
        self.waiting = dict(self.due)
        self.running: dict[str, _Active] = {}
        self.failure: PolylectError | None = None
        self.gauge = MemoryGauge()
        self.urgency = _urgency(due)

    def carry_out(self, console: Console, preload: Sequence[str], threads: int, lock_fd: int) -> None:
        """Run all due steps; on an interrupt end the workers, clear up and say how to go on."""
        log = self.folder / "logs" / "server.log"
        with Display(console, list(self.due.values())) as display, RayHead(self.folder / "logs" / "ray.log") as head:
            self._announce(display)
            environment = head.environment if self.cluster else dict
            workers = Workers(preload=preload, threads=threads, log=log, lock_fd=lock_fd, environment=environment)
            try:
                with workers:
                    self._loop(workers, display)
            except KeyboardInterrupt:
                self.outputs.recover()
                done = len(self.due) - len(self._left())
                text = f"interrupted: {done} of {counted(len(self.due))} finished and kept. Run the same command again to go on."
                display.line(text, style="yellow")
                raise KeyboardInterrupt(f"{self.folder}: {text}") from None
            if self.failure is not None:
                raise self.failure

    def report(self, name: str) -> StepReport:
        """Return the report of a finished step, from its manifest."""
        manifest = self.outputs.manifest(name)
        if manifest is None:
            raise RunError(
                f"{self.folder}: the output of step {name!r} is gone. Do not delete steps while a run works; run again."
            )
        facts = {part: manifest[part] for part in ("name", "key", "seconds", "peak_memory_mb", "bytes", "notes")}
        return StepReport(skipped=name not in self.due, **facts)

    def _left(self) -> list[str]:
        return [*self.waiting, *(name for name, active in self.running.items() if not self._is_built(name, active.build))]

    def _announce(self, display: Display) -> None:
        current = self.total - len(self.due)
        if not self.due:
            display.line(f"nothing to do: {counted(current)} current")
        else:
            display.line(f"{f'{counted(current)} current, ' if current else ''}{counted(len(self.due))} to run")

    def _loop(self, workers: Workers, display: Display) -> None:
        said = False
        while self.running or (self.waiting and self.failure is None):
            self._submit_ready(workers, display)
            for worker in workers.wait(_TICK):
                self._end(worker, display)
            if workers.loaded is not None and not said:
                said = True
                if workers.preload:
                    display.line(f"libraries loaded in {duration(workers.loaded)}")
            self.gauge.sample([os.getpid(), *workers.pids()])
            messages = {name: active.worker.progress for name, active in self.running.items()}
            display.tick(messages, loading=workers.loaded is None)

    def _submit_ready(self, workers: Workers, display: Display) -> None:
        if self.failure is not None:
            return
        blocked = {*self.waiting, *self.running}
        ready = [step for step in self.waiting.values() if not blocked.intersection(step.inputs.values())]
        for step in sorted(ready, key=lambda step: -self.urgency[step.name])[: self.jobs - len(self.running)]:
            del self.waiting[step.name]
            out, build = self.outputs.temporary(step.name), secrets.token_hex(8)
            self.running[step.name] = _Active(workers.submit(self._job(step, out, build)), out, build)
            display.started(step)

    def _job(self, step: Step, out: Path, build: str) -> dict[str, Any]:
        folder = self.folder.absolute()
        builds = {role: (self.outputs.manifest(source) or {})["build"] for role, source in step.inputs.items()}
        log = folder / "logs" / log_name(step.name)
        return job_of(step, self.known[step.name], folder, out.absolute(), log, builds, build, self.cluster)

    def _end(self, worker: Worker, display: Display) -> None:
        """Book a worker that has ended: its step is done if, and only if, the output on disk is the one it was to make."""
        name = next(name for name, active in self.running.items() if active.worker is worker)
        active = self.running.pop(name)
        if self._is_built(name, active.build):
            display.ended(self.report(name))
            return
        self.outputs.discard(active.out)
        failure = self._failure(name, worker)
        display.failed(name, worker.error["text"] if worker.error else _ending(worker.status))
        if self.failure is None:
            self.failure = failure
        if self.running:
            display.line(f"waiting for the steps that still run: {', '.join(self.running)}")

    def _is_built(self, name: str, build: str) -> bool:
        return (self.outputs.manifest(name) or {}).get("build") == build

    def _failure(self, name: str, worker: Worker) -> PolylectError:
        """Return the error to raise for a worker that did not deliver."""
        log = self.folder / "logs" / log_name(name)
        error = worker.error
        if error is None:
            killed = worker.status is not None and worker.status < 0
            failed = StepError(f"step {name!r} {_ending(worker.status)} Its log is {log}. Finished steps are kept.")
            failed.exit_code = 2 if killed and -(worker.status or 0) in (signal.SIGKILL, signal.SIGTERM) else 1
            return failed
        if error["kind"]:
            kind: type[PolylectError] = getattr(errors, error["kind"])
            raised = kind(f"{error['text']} (step {name!r}, log {log})")
        else:
            raised = StepError(f"step {name!r} failed: {error['text']}. Its log is {log}. Finished steps are kept.")
        raised.exit_code = error["exit_code"]
        return raised


def _ending(status: int | None) -> str:
    if status is None or status >= 0:
        return f"ended by itself with code {status} before its work was done."
    if -status == signal.SIGKILL:
        return "was killed by signal 9: out of memory? Close other programs or let fewer steps run side by side."
    return f"was killed by signal {-status} ({signal.strsignal(-status)})."


def _urgency(steps: Sequence[Step]) -> dict[str, float]:
    """Return for each step the weight of the longest chain of steps that begins with it (`steps`: inputs come first)."""
    urgency = {step.name: 0.0 for step in steps}
    for step in reversed(steps):
        urgency[step.name] += step.weight
        for source in step.inputs.values():
            if source in urgency:
                urgency[source] = max(urgency[source], urgency[step.name])
    return urgency
