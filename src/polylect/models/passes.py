"""Runs passes of a model on a CPU side by side, each on a core of its own.

The matrices of short texts are too small to be divided: two passes on one core each are done sooner than one after the other
on both cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["in_order", "side_by_side"]

T = TypeVar("T")
R = TypeVar("R")
_MOST = 8
"""Passes at a time: Python's lock is held between the operators, and every pass takes memory."""


def side_by_side(device: Any) -> int:
    """Return how many passes to run at a time on a torch device: on a CPU one per thread that torch may use, up to 8."""
    import torch

    return min(torch.get_num_threads(), _MOST) if str(device).startswith("cpu") else 1


def in_order(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield function(item) of every item in their order, `workers` of them at a time, a few ahead of what was taken.

    `items` is gone through in the caller's thread. Whatever the function raises is raised here; what has not begun is then left.
    """
    if workers == 1:
        yield from map(function, items)
        return
    import torch

    threads = torch.get_num_threads()
    pending: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(max(1, threads // workers),))
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
