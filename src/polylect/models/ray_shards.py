"""More than one machine: requests are shared out over a Ray cluster in shards, and all answers come to one store.

Actors on the nodes hold the models (or call endpoints) and run the request engine; a free actor is given the next shard. The
driver alone writes: rows arrive while a shard is worked on, so that a lost node takes what is in flight with it and nothing else.
What it had not sent is asked again on another one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager, suppress
from typing import Any

from polylect.errors import ModelError, PolylectError
from polylect.models.engine import Counts, Retries
from polylect.models.engine.running import Progress
from polylect.models.ray_crew import Crew, RayJob
from polylect.models.store import Store

__all__ = ["RayJob", "run_on_ray"]

_POLL = 0.5
"""Seconds after which progress is told and waiting actors are looked at, whatever comes."""


def run_on_ray(
    jobs: Sequence[RayJob],
    store: Store,
    *,
    address: str | None = None,
    retries: Retries | None = None,
    progress: Progress | None = None,
    losses: int = 3,
    patience: float = 600.0,
) -> Counts:
    """Ask everything that the jobs want and the store does not hold, on a Ray cluster; the answers are then in the store.

    Means the same as `polylect.models.engine.run`: what is stored is not asked, each request ends as one row, Ctrl-C and errors
    keep what arrived, and the next run goes on from there.

    Args:
        jobs: models and requests.
        store: where answers go; this process is its only writer.
        address: of the cluster ("HOST:6379", "ray://...", "auto": the one on this machine); None takes $RAY_ADDRESS, else
            starts one. A session that is open already is used and left open.
        retries: how to try a request again.
        progress: called twice a second and at the end.
        losses: how often a shard may lose its actor before its requests are stored as failed: it may be what kills them.
        patience: seconds to wait for the cluster to place a first actor, or another one after all are lost.

    Raises:
        ModelError: Ray is not installed, a model cannot be had on a node, or differs from one node to the other.
        EndpointError: no actor could be placed within `patience`, or an endpoint refuses everything.
    """
    ray = _ray()
    counts = Counts(total=_total(jobs))
    with _session(ray, address):
        crews = [Crew(ray, job, store, counts, retries, losses=losses, patience=patience) for job in jobs]
        try:
            _drive(ray, crews, counts, progress)
        finally:
            _keep_what_came(ray, crews)
            for crew in crews:
                crew.close()
            counts.tick()
            if progress:
                progress(counts)
    return counts


def _drive(ray: Any, crews: Sequence[Crew], counts: Counts, progress: Progress | None) -> None:
    told = 0.0
    while any(not crew.done for crew in crews):
        owners = {waited: crew for crew in crews for waited in crew.fill()}
        ready, _ = ray.wait(list(owners), num_returns=1, timeout=_POLL, fetch_local=False) if owners else ([], [])
        for waited in ready:
            owners[waited].take(waited)
        for crew in crews:
            crew.check_patience()
        counts.tick()
        if progress and counts.seconds - told >= _POLL:
            told = counts.seconds
            progress(counts)


def _keep_what_came(ray: Any, crews: Sequence[Crew]) -> None:
    """Store the rows that have arrived and were not looked at: after Ctrl-C or an error of another job."""
    while True:
        owners = {waited: crew for crew in crews for waited in crew.at_work()}
        ready, _ = ray.wait(list(owners), num_returns=1, timeout=0, fetch_local=False) if owners else ([], [])
        if not ready:
            return
        with suppress(PolylectError):  # what is told is the first error
            owners[ready[0]].take(ready[0], last=True)


def _total(jobs: Sequence[RayJob]) -> int | None:
    if not all(isinstance(job.requests, Sized) for job in jobs):
        return None
    return sum(len(job.requests) * job.sampling.samples for job in jobs if isinstance(job.requests, Sized))


@contextmanager
def _session(ray: Any, address: str | None) -> Iterator[None]:
    """Connect to a cluster for as long as it is needed."""
    if ray.is_initialized():
        yield
        return
    # Of a cluster that Ray starts here; it would report its use to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray itself would look for a cluster on this machine first, and wait minutes for one that was killed.
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    dashboard = False if where == "local" else None
    try:
        ray.init(address=where, log_to_driver=False, logging_level=logging.WARNING, include_dashboard=dashboard)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ModelError(f"Ray cluster {address or 'here'}: no connection ({' '.join(str(error).split())[:300]}).") from error
    try:
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ModelError(
            f"executor ray: Ray cannot be imported ({error}). Install it with: pip install 'polylect[ray]'"
        ) from error
    return ray
