"""From requests to calls: windows of requests, without what the store holds, as the batches that the model wants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from polylect.errors import ModelError
from polylect.models.engine.counts import Counts
from polylect.models.engine.settings import Job
from polylect.models.requests import Request, Sampling
from polylect.models.store import Keys, Store

__all__ = ["Unit", "units"]

_WINDOW, _WINDOW_IN_PROCESS = 64, 1024


class Unit:
    """One call of `model.answer` and where its answers go.

    Attributes:
        job: whose it is.
        requests: for one call.
        sampling: of the call.
        wanted: per answer to store (place among the call's answers, key, request, number of the sample).
        failures: calls that failed.
        refusals: calls that the endpoint turned down.
        reserved: tokens that the rate was charged with.
        sent: when the last call went out (seconds of the loop's clock).
    """

    __slots__ = ("failures", "job", "refusals", "requests", "reserved", "sampling", "sent", "wanted")

    def __init__(
        self, job: Job, requests: list[Request], sampling: Sampling, wanted: list[tuple[int, bytes, Request, int]]
    ) -> None:
        self.job, self.requests, self.sampling, self.wanted = job, requests, sampling, wanted
        self.failures = self.refusals = self.reserved = 0
        self.sent = 0.0


def units(job: Job, store: Store, counts: Counts, pending: set[bytes], *, retry_failed: bool) -> Iterator[Unit | None]:
    """Yield the calls that a job still needs; None after a window that needs none, so that others get their turn.

    A window's batches are those of all its requests, stored or not: a run that was killed goes on with the batches of an
    unbroken one. Requests of one content are asked once. `pending` has the keys that are on their way; the caller takes out
    what is stored.
    """
    sampling, model = job.sampling, job.model
    keys = Keys(job.fingerprint or model.fingerprint, sampling)
    alone = [_alone(sampling, number) for number in range(sampling.samples)]
    in_process = model.in_flight == 1
    size = job.window or (_WINDOW_IN_PROCESS if in_process else _WINDOW)
    source = iter(job.requests)
    while window := list(islice(source, size)):
        of = {request_keys[0]: (request, request_keys) for request in reversed(window) for request_keys in (keys.of(request),)}
        wanted = [key for _, request_keys in reversed(of.values()) for key in request_keys]
        settled = store.answered(wanted, sampling.max_tokens, retry_failed=retry_failed)
        settled.update(key for key in wanted if key in pending)
        counts.reused += len(window) * sampling.samples - len(wanted) + len(settled)
        if len(settled) == len(wanted):
            yield None
            continue
        pending.update(key for key in wanted if key not in settled)
        keys_of = {id(request): request_keys for request, request_keys in of.values()}
        for batch in model.batches([request for request, _ in reversed(of.values())], sampling):
            if in_process or len(batch) > 1:
                yield from _batch(job, batch, _keys_of(batch, keys_of, model.name), settled)
                continue
            (request,) = batch
            for number, key in enumerate(_keys_of(batch, keys_of, model.name)[0]):
                if key not in settled:
                    yield Unit(job, [request], alone[number], [(0, key, request, number)])


def _batch(job: Job, batch: Sequence[Request], keys: list[list[bytes]], settled: set[bytes]) -> Iterator[Unit]:
    """Yield a batch as one call, without the requests all of whose samples are settled."""
    samples = job.sampling.samples
    rest = [(request, own) for request, own in zip(batch, keys, strict=True) if not settled.issuperset(own)]
    if rest:
        wanted = [
            (place * samples + number, key, request, number)
            for place, (request, own) in enumerate(rest)
            for number, key in enumerate(own)
            if key not in settled
        ]
        yield Unit(job, [request for request, _ in rest], job.sampling, wanted)


def _keys_of(batch: Sequence[Request], keys_of: dict[int, list[bytes]], name: str) -> list[list[bytes]]:
    try:
        return [keys_of[id(request)] for request in batch]
    except KeyError:
        raise ModelError(
            f"{name}: `batches` returned requests that it was not given. A model must split them as they are."
        ) from None


def _alone(sampling: Sampling, number: int) -> Sampling:
    """Return how to ask for one sample in a call of its own: further samples differ from the first by their seed."""
    if number == 0:
        return replace(sampling, samples=1)
    digest = hashlib.blake2b(f"{sampling.seed}/{number}".encode(), digest_size=4).digest()
    return replace(sampling, samples=1, seed=int.from_bytes(digest) >> 1)
