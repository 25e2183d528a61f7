"""What runs on the nodes of a Ray cluster: a model and the request engine, without a store of their own."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from polylect import __version__
from polylect.models.engine import Job, Limits, Retries, run_async
from polylect.models.interface import Model, Price
from polylect.models.requests import Request, Sampling
from polylect.models.spec import open_model
from polylect.models.store import Row

__all__ = ["Opened", "Shard", "ShardWorker"]

_GATHER = 0.2
"""Seconds between two parcels of rows: what a lost node takes with it at most, besides what is in flight."""


@dataclass(frozen=True)
class Opened:
    """What a worker says of the model that it opened."""

    name: str
    fingerprint: str
    price: Price
    in_process: bool
    version: str = __version__


@dataclass(frozen=True)
class Shard:
    """Requests for one worker.

    Attributes:
        requests: in order.
        sampling: how to sample.
        settled: keys that need no answer.
        limits: this worker's part of the model's limits.
        retries: how to try again.
        fingerprint: that makes the keys of the store.
    """

    requests: Sequence[Request]
    sampling: Sampling
    settled: frozenset[bytes]
    limits: Limits | None
    retries: Retries | None
    fingerprint: str


class ShardWorker:
    """Holds a model and answers shards; made a Ray actor by `polylect.models.ray_shards`."""

    def __init__(self) -> None:
        self._model: Model | None = None

    async def open(self, spec: str, settings: Mapping[str, Any]) -> Opened:
        """Open the model. It is no part of the construction, so that its error reaches the driver as it is.

        Raises:
            ModelError: it cannot be had on this node.
        """
        self._model = await asyncio.to_thread(lambda: open_model(spec, **settings))
        return Opened(self._model.name, self._model.fingerprint, self._model.price, self._model.in_flight == 1)

    async def answer(self, shard: Shard) -> AsyncIterator[list[Row] | Counter[str]]:
        """Yield the rows of a shard in parcels, as they come; at the end the number of repeated calls by reason.

        Raises:
            PolylectError: nothing can be answered (see `polylect.models.engine.run`); the rows before it are good.
        """
        if self._model is None:
            raise RuntimeError("a worker is asked before its model is opened")
        job = Job(self._model, shard.requests, shard.sampling, shard.limits, fingerprint=shard.fingerprint)
        outbox = _Outbox(shard.settled)
        task = asyncio.create_task(run_async([job], cast(Any, outbox), retries=shard.retries))
        try:
            ended = False
            while not ended:
                # Rows may come while a parcel is handed over: only what is taken after the end is the last.
                ended = bool((await asyncio.wait({task}, timeout=_GATHER))[0])
                if rows := outbox.take():
                    yield rows
            yield (await task).retries
        finally:
            task.cancel()


class _Outbox:
    """Stands for the store in the engine: knows what the driver's store has, and gathers what goes there."""

    def __init__(self, settled: frozenset[bytes]) -> None:
        self._settled, self._lock = settled, threading.Lock()
        self._rows: list[Row] = []

    def answered(self, keys: Sequence[bytes], max_tokens: int, *, retry_failed: bool = False) -> set[bytes]:
        """Return those of `keys` that need no answer."""
        return set(self._settled.intersection(keys))

    def put(self, rows: Sequence[Row]) -> None:
        """Take rows; called from the engine's writing thread."""
        with self._lock:
            self._rows.extend(rows)

    def take(self) -> list[Row]:
        """Return the rows since the last call."""
        with self._lock:
            rows, self._rows = self._rows, []
        return rows
