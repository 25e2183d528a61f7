"""Rows on their way to the store: gathered for a few milliseconds, written by one thread, one transaction at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from polylect.models.store import Row, Store

__all__ = ["Commits"]

_GATHER = 0.001
"""Seconds. A call counts as in flight until its answer is stored, so this is part of every round trip. Measured at 64 calls
of 50 ms: 4 ms gave 970 requests/s and 0.17 ms of CPU each, 2 ms 1,030 and 0.17, 0.5 ms 1,100 and 0.20."""


class Commits:
    """The only writer of a run. It belongs to the running event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "polylect-store")
        self._rows: list[Row] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._busy = False

    def add(self, rows: Sequence[Row]) -> asyncio.Future[None]:
        """Store rows together; the future is done when they are safe, or has the error that kept them out."""
        future = self._loop.create_future()
        self._rows.extend(rows)
        self._waiting.append(future)
        if not self._busy:
            self._busy = True
            self._loop.call_later(_GATHER, self._write)
        return future

    def close(self) -> None:
        """Store what is left, and end the thread; it blocks for that long."""
        self._thread.shutdown()
        rows, self._rows = self._rows, []
        if rows:
            self._store.put(rows)

    def _write(self) -> None:
        if not self._rows:
            return
        rows, waiting = self._rows, self._waiting
        self._rows, self._waiting = [], []
        writing = self._loop.run_in_executor(self._thread, self._store.put, rows)
        writing.add_done_callback(lambda done: self._written(done, waiting))

    def _written(self, done: asyncio.Future[None], waiting: Sequence[asyncio.Future[None]]) -> None:
        error = None if done.cancelled() else done.exception()
        for future in waiting:
            if future.done():  # its worker was cancelled
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        if self._rows:
            self._loop.call_later(_GATHER, self._write)
        else:
            self._busy = False
