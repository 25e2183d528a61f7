"""Carry out a merge plan: stream tensors through a pool of threads into a folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import MergeError, PolylectError
from polylect.merge import journal, kernel, manifest
from polylect.merge.arrays import backend
from polylect.merge.feeds import Scratch
from polylect.merge.manifest import MergeReport
from polylect.merge.output import Output
from polylect.merge.selection import BLOCK
from polylect.merge.shards import layout, sync
from polylect.merge.sources import Files
from polylect.merge.statistics import Sums
from polylect.merge.streaming import Done, Map, buffers, merge_tensor
from polylect.merge.takeover import Context
from polylect.merge.workers import Workers, cores
from polylect.models.safetensors_file import TensorInfo
from polylect.progress import StepProgress

if TYPE_CHECKING:
    from polylect.merge.plan import MergePlan, TensorPlan

__all__ = ["MergeReport", "execute"]

_TINY = 1 << 16
"""Elements of tensors that are merged by one worker, one after another: all that several did was wait for Python's lock."""


def execute(plan: MergePlan, out: Path, *, progress: StepProgress | None = None) -> MergeReport:
    """Carry out `plan` and write the checkpoint `out`.

    A killed merge goes on where it stopped when it is started again; a finished one with the same plan is left alone.

    Args:
        plan: what to do.
        out: folder of the result: new, or empty.
        progress: called with (tensors done, tensors in all, note) after every tensor, from several threads but one at a time.

    Raises:
        MergeError: an input or the result is not finite, the disk is full, or `out` holds something else.
        ModelError: an input cannot be read.
    """
    start = time.perf_counter()
    places = layout([TensorInfo(t.name, t.dtype, t.shape) for t in plan.tensors], plan.settings.shard_size)
    key = journal.fingerprint(plan)
    _check_out(out)
    if (done := manifest.finished(out, key, plan, places)) is not None:
        if progress is not None:
            progress(len(plan.tensors), len(plan.tensors), "already merged: nothing to do")
        return done
    if out.is_dir() and any(out.iterdir()):
        raise MergeError(f"{out}: exists and is not empty, and holds no finished merge of these settings. Choose another folder.")
    with _full_disk(out, places.bytes), journal.Partial(out, key, places) as partial:
        run = _Run(plan, partial, Output(partial.folder, places), progress)
        try:
            run.merge()
        except PolylectError:
            # A fault of the inputs: going on after it would fail again.
            partial.discard()
            raise
        made = manifest.report(plan, run.entries, run.costs(time.perf_counter() - start), run.sums)
        _write_files(plan, partial.folder)
        manifest.write(partial.folder, plan, key, run.entries, made)
        for path in partial.folder.iterdir():
            sync(path)
        partial.publish()
    return made


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise MergeError(f"{out}: is a file; the output is a folder. Choose another name.")


class _Run:
    """The work on one plan."""

    def __init__(self, plan: MergePlan, partial: journal.Partial, output: Output, progress: StepProgress | None) -> None:
        self.plan, self.partial, self.output = plan, partial, output
        self.progress = progress
        self.entries: dict[str, dict[str, Any]] = {}
        self.sums: dict[str, Sums] = {}
        self._kept: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self.threads = _threads(plan)
        device = plan.settings.device
        self._arrays = backend(device)
        self._kernel, self._arithmetic = kernel.load() if device == "cpu" else (None, device)
        self._context: Context

    def merge(self) -> None:
        """Do what earlier attempts left to do."""
        settings = self.plan.settings
        _check_space(self.partial.out, self.partial.folder, self.output.layout.bytes)
        tensors = sorted(self.plan.tensors, key=lambda tensor: -tensor.size)
        with Files() as files, self.output, _matrix_products(self.plan), Workers(self.threads) as workers:
            self._context = Context(settings, self.plan.method, files, self._arrays, Scratch(), self._kernel)
            if self.partial.note:
                self._tell(self.partial.note)
            if self.partial.finished:
                self._keep(tensors, workers)
            left = [tensor for tensor in tensors if tensor.name not in self.entries]
            jobs: list[Callable[[], object]] = [self._whole(tensor, workers.map) for tensor in left if tensor.size > BLOCK]
            jobs.append(lambda: workers.map(self._batch, _batches([tensor for tensor in left if tensor.size <= BLOCK])))
            self._drive(jobs, workers)

    def _drive(self, jobs: Sequence[Callable[[], object]], workers: Workers) -> None:
        """Work on a few tensors at a time: while one waits for the last block of a pass, the others keep the workers busy."""

        def drive(job: Callable[[], object]) -> None:
            try:
                job()
            except BaseException:
                workers.cancel()
                drivers.cancel()
                raise

        with Workers(2 + self.threads // 16) as drivers:
            try:
                drivers.map(drive, jobs)
            except BaseException:
                workers.cancel()
                raise

    def _whole(self, tensor: TensorPlan, each: Map) -> Callable[[], None]:
        return lambda: self._finish(tensor, merge_tensor(tensor, self._context, each, self.output.writer(tensor.name)))

    def _batch(self, tensors: Sequence[TensorPlan]) -> None:
        for tensor in tensors:
            self._whole(tensor, _serial)()

    def _finish(self, tensor: TensorPlan, done: Done) -> None:
        sums = None if done.sums is None else done.sums.packed()
        entry = {"name": tensor.name, "hash": done.hash, "sums": sums, "inputs": done.inputs}
        with self._lock:
            if done.sums is not None:
                self.sums[tensor.name] = done.sums
            self.partial.append(entry)
            self.entries[tensor.name] = entry
            self._tell("")

    def _keep(self, tensors: Sequence[TensorPlan], workers: Workers) -> None:
        """Take over the tensors that an earlier attempt finished, if their bytes are still what it wrote."""
        names = [tensor.name for tensor in tensors if tensor.name in self.partial.finished]
        hashes = workers.map(self.output.hash, names)
        for name, found in zip(names, hashes, strict=True):
            if found == self.partial.finished[name]["hash"]:
                self.entries[name] = self.partial.finished[name]
        self._kept = frozenset(self.entries)

    def _tell(self, note: str) -> None:
        if self.progress is not None:
            self.progress(len(self.entries), len(self.plan.tensors), note)

    def costs(self, seconds: float) -> dict[str, Any]:
        """Return the fields of the report that say what the merge took."""
        done = [tensor for tensor in self.plan.tensors if tensor.name not in self._kept]
        sources = {s.tensor for t in done for s in ((t.copy,) if t.copy is not None else (*t.inputs, t.base)) if s is not None}
        return {
            "bytes_read": sum(tensor.bytes for tensor in sources),
            "bytes_written": self.output.layout.bytes,
            "seconds": round(seconds, 3),
            "threads": self.threads,
            "arithmetic": self._arithmetic,
            "peak_memory": _peak_memory(),
            "resumed": len(self._kept),
        }


def _serial(function: Callable[[int], Any], items: Any) -> list[Any]:
    return [function(item) for item in items]


def _batches(tensors: Sequence[TensorPlan]) -> list[list[TensorPlan]]:
    """Return what one worker does without a break: a tensor of up to a block, or all the tiny ones, which come first."""
    tiny = [tensor for tensor in tensors if tensor.size <= _TINY]
    return [*([tiny] if tiny else []), *([tensor] for tensor in tensors if tensor.size > _TINY)]


def _threads(plan: MergePlan) -> int:
    """Return the number of workers: as many as asked for, or as there are cores, but no more than memory allows."""
    needed = max((buffers(tensor, plan.method) for tensor in plan.tensors), default=1)
    return max(1, min(plan.settings.threads or cores(), plan.settings.max_memory // needed))


def _matrix_products(plan: MergePlan) -> contextlib.AbstractContextManager[object]:
    """Return a context in which matrix products use one thread each, as the workers are many; needed for adapters only."""
    sources = (source for tensor in plan.tensors for source in (*tensor.inputs, tensor.base, tensor.copy) if source is not None)
    if not any(source.updates for source in sources):
        return contextlib.nullcontext()
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: contextlib.AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits


def _write_files(plan: MergePlan, folder: Path) -> None:
    """Write configuration, tokenizer and notices."""
    for file in plan.files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.source is not None:
            shutil.copyfile(file.source, path)
        else:
            path.write_bytes(file.content)


def _check_space(out: Path, folder: Path, needed: int) -> None:
    """Raise MergeError unless the disk has room for what is not written yet."""
    there = sum(path.stat().st_blocks * 512 for path in folder.iterdir())
    free = shutil.disk_usage(folder).free
    if needed - there > free:
        raise _no_space(out, needed, free)


def _no_space(out: Path, needed: int, free: int) -> OSError:
    return OSError(errno.ENOSPC, f"{needed} bytes needed, {free} free", str(out))


@contextlib.contextmanager
def _full_disk(out: Path, needed: int) -> Iterator[None]:
    """Turn a full disk into an error that says what is needed; what is finished stays for the next attempt."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise MergeError(f"{out}: cannot be written ({error}). Choose another folder with --out.") from error
        parent = next(path for path in out.absolute().parents if path.exists())
        raise MergeError(
            f"{out}: the disk is full: the merge takes {needed:,} bytes, {shutil.disk_usage(parent).free:,} are free. Free space "
            "and start it again (finished tensors are kept), or choose a folder on another disk with --out."
        ) from error


def _peak_memory() -> int:
    """Return the most memory that this process had at a time, in bytes."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
