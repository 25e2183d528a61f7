"""Runs jobs: the event loop, the lanes, progress, and an end that keeps what was answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import chain

from polylect.errors import PolylectError
from polylect.models.engine.commits import Commits
from polylect.models.engine.counts import Counts
from polylect.models.engine.lane import Lane, Shared
from polylect.models.engine.pace import Pace
from polylect.models.engine.sessions import connections
from polylect.models.engine.settings import Job, Limits, Retries
from polylect.models.engine.units import units
from polylect.models.store import Store

__all__ = ["run", "run_async"]

_EVERY = 0.5
"""Seconds between two calls of `progress`."""

Progress = Callable[[Counts], None]


def run(
    jobs: Sequence[Job],
    store: Store,
    *,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Ask everything that the jobs want and the store does not hold; the answers are then in the store.

    Ctrl-C and errors keep what was answered. Jobs run side by side; jobs of one model (by fingerprint) one after the other.
    A request that fails for good is a stored row with its reason; the next run asks it again unless that cannot help (see
    `Retries.failed`). The function may be called where an event loop runs (a notebook): it then works in a thread.

    Args:
        jobs: models and requests.
        store: where answers go; it may be shared with other processes.
        limits: of every model whose job has none of its own.
        retries: how to try again.
        progress: called twice a second and at the end.

    Raises:
        EndpointError: an endpoint refused the key or the model, or nothing works there any more.
        PolylectError: whatever a model, the requests or the store raise.
    """

    def work() -> Counts:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(run_async(jobs, store, limits=limits, retries=retries, progress=progress))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


async def run_async(
    jobs: Sequence[Job],
    store: Store,
    *,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Do what `run` does in the event loop of the caller; cancelling it keeps what was answered."""
    counts = Counts(total=_total(jobs))
    shared = Shared(Commits(store), counts, retries or Retries())
    ticker = asyncio.create_task(_tick(counts, progress)) if progress else None
    try:
        async with connections(), asyncio.TaskGroup() as group:
            for lane in _lanes(jobs, store, limits or Limits(), shared):
                lane.start(group)
    except BaseExceptionGroup as failed:
        raise _first(failed) from None
    finally:
        if ticker:
            ticker.cancel()
        shared.commits.close()
        counts.tick()
        if progress:
            progress(counts)
    return counts


def _lanes(jobs: Sequence[Job], store: Store, limits: Limits, shared: Shared) -> list[Lane]:
    """Return one lane per model: several jobs of one model share its limits."""
    by_model: dict[str, list[Job]] = {}
    for job in jobs:
        by_model.setdefault(job.fingerprint or job.model.fingerprint, []).append(job)
    lanes = []
    for same in by_model.values():
        calls = (units(job, store, shared.counts, shared.pending, retry_failed=shared.retries.failed) for job in same)
        in_flight = same[0].model.in_flight
        pace = Pace(same[0].limits or limits, in_flight)
        lanes.append(Lane(chain.from_iterable(calls), pace, in_process=in_flight == 1, shared=shared))
    return lanes


def _total(jobs: Sequence[Job]) -> int | None:
    if not all(isinstance(job.requests, Sized) for job in jobs):
        return None
    return sum(len(job.requests) * job.sampling.samples for job in jobs if isinstance(job.requests, Sized))


async def _tick(counts: Counts, progress: Progress) -> None:
    while True:
        await asyncio.sleep(_EVERY)
        counts.tick()
        progress(counts)


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error to show: one of ours before others, since the others may follow from it."""
    leaves: list[BaseException] = []
    groups: list[BaseException] = [failed]
    while groups:
        error = groups.pop(0)
        if isinstance(error, BaseExceptionGroup):
            groups.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, PolylectError)), leaves[0])


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop where it is installed: a third less CPU per request."""
    try:
        uvloop = import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
