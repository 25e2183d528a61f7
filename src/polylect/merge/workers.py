"""Threads that work on blocks of tensors: a queue of small jobs, and maps whose caller waits for its own jobs alone.

Processes would not share buffers, and NumPy, pread and hashing all let go of Python's lock. Which thread takes which block
never shows in a result: results come back in the order of the items.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["Cancelled", "Workers", "cores"]

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cancelled(Exception):  # noqa: N818 - it ends work that another error has made pointless, and is no error itself
    """The merge has failed elsewhere: this job was not done."""


class Workers:
    """`count` threads; use as a context manager, which waits for them at the end.

    Once `cancel` was called, jobs that have not begun are given up and their maps raise `Cancelled`.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._jobs: SimpleQueue[tuple[_Batch[Any, Any], int] | None] = SimpleQueue()
        self._cancelled = threading.Event()
        self._threads = [threading.Thread(target=self._loop, name=f"merge-{i}", daemon=True) for i in range(count)]

    def __enter__(self) -> Workers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self.cancel()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def cancel(self) -> None:
        """Give up all jobs that have not begun."""
        self._cancelled.set()

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Return function(item) for all items, in their order; must not be called from a job.

        Raises:
            Exception: that of the first item, in their order, whose job failed.
        """
        batch = _Batch(function, list(items))
        for index in range(len(batch.items)):
            self._jobs.put((batch, index))
        return batch.wait()

    def _loop(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch, index = job
            batch.run(index, cancelled=self._cancelled.is_set())
            # A worker that waits must not keep the last tensor's results alive.
            del job, batch


class _Batch(Generic[T, R]):
    """The jobs of one map."""

    def __init__(self, function: Callable[[T], R], items: Sequence[T]) -> None:
        self.function, self.items = function, items
        self.results: list[Any] = [None] * len(items)
        self.errors: dict[int, BaseException] = {}
        self._left = len(items)
        self._lock = threading.Lock()
        self._done = threading.Event()
        if not items:
            self._done.set()

    def run(self, index: int, *, cancelled: bool) -> None:
        try:
            # After a failure the rest of a map is pointless; what comes before it still decides which error is told.
            if cancelled or (self.errors and index > min(self.errors)):
                raise Cancelled
            self.results[index] = self.function(self.items[index])
        except BaseException as error:
            with self._lock:
                self.errors[index] = error
        with self._lock:
            self._left -= 1
            if not self._left:
                self._done.set()

    def wait(self) -> list[R]:
        self._done.wait()
        if self.errors:
            told = [i for i, error in self.errors.items() if not isinstance(error, Cancelled)]
            raise self.errors[min(told or self.errors)]
        return self.results
