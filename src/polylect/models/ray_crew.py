"""The actors of one job: who is free, what each works on, and what becomes of the work of one that is lost."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from polylect import __version__
from polylect.errors import EndpointError, ModelError, PolylectError
from polylect.models.engine import Counts, Limits, Retries
from polylect.models.ray_worker import Opened, Shard, ShardWorker
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.store import Keys, Row, Store

__all__ = ["Crew", "RayJob"]


@dataclass(frozen=True)
class RayJob:
    """Requests for one model on a cluster.

    Attributes:
        spec: what each actor opens, see `polylect.models.open_model`; a folder must be there on every node.
        requests: any iterable; it is read as answers come in.
        sampling: how to sample.
        settings: of `open_model`, such as those of `Member.opening()`. Keys are read from the nodes' environment.
        limits: for the model as a whole; each actor gets its part.
        actors: copies of the model; None: one per node that has the resources, or as many as the GPUs allow.
        num_cpus: of an actor.
        num_gpus: of an actor.
        resources: further resources of an actor, by Ray's names.
        shard: requests that an actor is given at a time.
        opened: called once, with what the first actor says of its model; what it raises ends the run.
        stored: called with answers and failures that were stored, as they come.
    """

    spec: str
    requests: Iterable[Request]
    sampling: Sampling
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits | None = None
    actors: int | None = None
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    shard: int = 256
    opened: Callable[[Opened], None] | None = None
    stored: Callable[[Sequence[Generated]], None] | None = None


@dataclass
class _Work:
    """A shard on its way: the requests with the keys of their answers, and the keys that have not arrived."""

    requests: list[tuple[Request, list[bytes]]]
    missing: set[bytes]
    losses: int = 0


@dataclass(eq=False)
class _Actor:
    """An actor: `opening` is the reference to its model until it is there, `works` has its shards by the stream of their rows."""

    handle: Any
    opening: Any
    works: dict[Any, _Work] = field(default_factory=dict)

    @property
    def waited(self) -> list[Any]:
        """What Ray will make ready next."""
        return [self.opening] if self.opening is not None else list(self.works)


class Crew:
    """The actors of one job.

    Args:
        ray: the module.
        job: what to ask.
        store: where rows go.
        counts: of the run, added to.
        retries: how an actor tries again.
        losses: actors that a shard may lose.
        patience: seconds without any actor.
    """

    def __init__(
        self, ray: Any, job: RayJob, store: Store, counts: Counts, retries: Retries | None, *, losses: int, patience: float
    ) -> None:
        self._ray, self._job, self._store, self._counts, self._retries = ray, job, store, counts, retries
        self._losses, self._patience = losses, patience
        self._source = iter(job.requests)
        self._again: deque[_Work] = deque()
        self._pending: set[bytes] = set()
        self._exhausted = False
        self._stillborn = 0
        self._model: Opened | None = None
        self._keys: Keys | None = None
        self._size = job.actors or _places(ray, job)
        self._class = ray.remote(ShardWorker).options(
            num_cpus=job.num_cpus, num_gpus=job.num_gpus, resources=dict(job.resources), scheduling_strategy="SPREAD",
            max_restarts=0, max_task_retries=0,
        )  # fmt: skip
        self._actors = [self._hire() for _ in range(self._size)]
        self._alone_since = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether every request has its row."""
        return self._exhausted and not self._again and not any(actor.works for actor in self._actors)

    def fill(self) -> list[Any]:
        """Give work to those who are free; return what to wait for."""
        if self.done:
            return []
        for depth in range(1, self._depth + 1):
            for actor in self._actors:
                if actor.opening is None and len(actor.works) < depth and (work := self._next()) is not None:
                    stream = actor.handle.answer.options(num_returns="streaming").remote(self._shard(work))
                    actor.works[stream] = work
        return [waited for actor in self._actors for waited in actor.waited]

    def at_work(self) -> list[Any]:
        """Return what will have rows."""
        return [stream for actor in self._actors for stream in actor.works]

    def take(self, waited: Any, *, last: bool = False) -> None:
        """Take what an actor made ready.

        Args:
            waited: one of those that `fill` returned.
            last: the run ends: do not replace an actor that is lost.

        Raises:
            PolylectError: what the model or the engine raised there.
        """
        actor = next(actor for actor in self._actors if any(waited is one for one in actor.waited))
        try:
            if waited is actor.opening:
                self._opened(actor, self._ray.get(waited))
                return
            try:
                parcel = self._ray.get(next(waited))
            except StopIteration:
                self._finished(actor.works.pop(waited))
                return
            self._arrived(actor.works[waited], parcel)
        except PolylectError as error:
            actor.works.pop(waited, None)
            # Ray's error quotes the traceback of the node; ours is its cause.
            raise getattr(error, "cause", error) from None
        except self._ray.exceptions.RayTaskError:
            raise  # our bug
        except self._ray.exceptions.RayError as error:
            self._lost(actor, type(error).__name__, replaced=not last)

    def check_patience(self) -> None:
        """Give up when no actor has been there for too long.

        Raises:
            EndpointError: the cluster has no place for one.
        """
        if self.done or any(actor.opening is None for actor in self._actors):
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > self._patience:
            job = self._job
            raise EndpointError(
                f"{job.spec}: no actor could be placed for {self._patience:.0f} s; one needs {job.num_cpus:g} CPUs, "
                f"{job.num_gpus:g} GPUs{f', {dict(job.resources)}' if job.resources else ''}; the cluster has "
                f"{self._ray.cluster_resources()}. "
                "Add nodes or ask for less, then run again: what was answered is kept."
            )

    def close(self) -> None:
        """End the actors."""
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors = []

    def _hire(self) -> _Actor:
        handle = self._class.remote()
        return _Actor(handle, handle.open.remote(self._job.spec, dict(self._job.settings)))

    def _opened(self, actor: _Actor, opened: Opened) -> None:
        """Take an actor in; all must have the same model, for their answers go under the same keys.

        Raises:
            ModelError: it is another model, or another version of Polylect.
        """
        first = self._model or opened
        if opened.version != __version__:
            raise ModelError(
                f"{self._job.spec}: a node has Polylect {opened.version}, this machine {__version__}. Install the same one."
            )
        if opened.fingerprint != first.fingerprint:
            raise ModelError(
                f"{self._job.spec}: two nodes have different models of this name (fingerprints {first.fingerprint} and "
                f"{opened.fingerprint}). Copy the same folder to every node, or name a revision."
            )
        if self._model is None and self._job.opened is not None:
            self._job.opened(opened)
        self._model, self._keys = first, self._keys or Keys(first.fingerprint, self._job.sampling)
        actor.opening = None

    def _next(self) -> _Work | None:
        """Return a shard that lost its actor, else the next one that the store does not hold."""
        if self._again:
            return self._again.popleft()
        while not self._exhausted:
            window = list(islice(self._source, self._job.shard))
            if not window:
                self._exhausted = True
            elif (work := self._unsettled(window)).requests:
                return work
        return None

    def _unsettled(self, window: list[Request]) -> _Work:
        """Return the requests of a window that have no row and are not on their way; one of several with the same content."""
        assert self._keys is not None
        of = {keys[0]: (request, keys) for request in reversed(window) for keys in (self._keys.of(request),)}
        wanted = [key for _, keys in of.values() for key in keys]
        retry_failed = bool(self._retries and self._retries.failed)
        settled = self._store.answered(wanted, self._job.sampling.max_tokens, retry_failed=retry_failed)
        missing = {key for key in wanted if key not in settled and key not in self._pending}
        self._counts.reused += len(window) * self._job.sampling.samples - len(missing)
        self._counts.asked += len(missing)
        self._pending |= missing
        return _Work([pair for pair in reversed(of.values()) if not missing.isdisjoint(pair[1])], missing)

    def _shard(self, work: _Work) -> Shard:
        assert self._model is not None
        rest = [(request, keys) for request, keys in work.requests if not work.missing.isdisjoint(keys)]
        self._counts.in_flight += len(work.missing)
        return Shard(
            requests=[request for request, _ in rest],
            sampling=self._job.sampling,
            settled=frozenset(key for _, keys in rest for key in keys if key not in work.missing),
            limits=self._part_of_limits(),
            retries=self._retries,
            fingerprint=self._model.fingerprint,
        )

    @property
    def _depth(self) -> int:
        """Shards that an actor works on: an endpoint is not left idle while the last requests of a shard wait to be retried."""
        return 1 if self._model is None or self._model.in_process else 2

    def _part_of_limits(self) -> Limits | None:
        given, size = self._job.limits, self._size * self._depth
        if given is None:
            return None
        return replace(
            given,
            in_flight=given.in_flight and max(1, given.in_flight // size),
            requests_per_minute=given.requests_per_minute and given.requests_per_minute / size,
            tokens_per_minute=given.tokens_per_minute and given.tokens_per_minute / size,
        )

    def _arrived(self, work: _Work, parcel: list[Row] | Counter[str]) -> None:
        if isinstance(parcel, Counter):
            self._counts.retries += parcel
            self._counts.retried += parcel.total()
            return
        self._keep(work, [row for row in parcel if row.key in work.missing])

    def _keep(self, work: _Work, rows: list[Row]) -> None:
        assert self._model is not None
        self._store.put(rows)
        for row in rows:
            work.missing.discard(row.key)
            self._pending.discard(row.key)
            self._counts.add(row.answer, self._model.price)
        self._counts.in_flight -= len(rows)
        if self._job.stored is not None:
            self._job.stored([row.answer for row in rows])

    def _finished(self, work: _Work) -> None:
        if work.missing:
            raise ModelError(f"{self._job.spec}: a shard ended without {len(work.missing)} of its answers.")

    def _lost(self, actor: _Actor, error: str, *, replaced: bool) -> None:
        """Put back what a lost actor had not sent, or store why it cannot be asked; put another actor in its place.

        Raises:
            ModelError: actors die again and again before they can work.
        """
        self._actors.remove(actor)
        for stream, work in actor.works.items():
            self._drain(stream, work)
            self._put_back(work, error)
        if replaced:
            self._stillborn += actor.opening is not None
            if self._stillborn > 3 * self._size:
                raise ModelError(
                    f"{self._job.spec}: {self._stillborn} actors died before their model was open ({error}). Look at Ray's logs "
                    "on the nodes: Polylect may be missing there, or the memory too small."
                )
            self._actors.append(self._hire())

    def _drain(self, stream: Any, work: _Work) -> None:
        """Take the rows that a lost actor had sent."""
        with suppress(self._ray.exceptions.RayError, StopIteration):
            while self._ray.wait([stream], timeout=0, fetch_local=False)[0]:
                self._arrived(work, self._ray.get(next(stream)))

    def _put_back(self, work: _Work, error: str) -> None:
        self._counts.in_flight -= len(work.missing)
        work.losses += 1
        if not work.missing:
            return  # lost between its last row and its end
        if work.losses < self._losses:
            self._counts.retried += 1
            self._counts.retries[f"lost its actor: {error}"] += 1
            self._again.append(work)
        else:
            times = "once" if work.losses == 1 else f"{work.losses} times"
            self._counts.in_flight += len(work.missing)
            self._keep(work, list(self._failures(work, f"lost its actor {times}: {error}")))

    def _failures(self, work: _Work, reason: str) -> Iterator[Row]:
        assert self._model is not None
        for request, keys in work.requests:
            for sample, key in enumerate(keys):
                if key in work.missing:
                    answer = Generated(request.key, sample, "", "", 0, 0, reason)
                    yield Row(key, answer, self._job.sampling.max_tokens, self._model.name)


def _places(ray: Any, job: RayJob) -> int:
    """Return how many actors the cluster has room for: one per node, or as many as its GPUs allow; at least 1."""
    needs = {"CPU": job.num_cpus, "GPU": job.num_gpus, **job.resources}
    places = 0
    for node in ray.nodes():
        has = node["Resources"]
        if node["Alive"] and all(has.get(name, 0.0) >= amount for name, amount in needs.items()):
            places += int(has["GPU"] // job.num_gpus) if job.num_gpus else 1
    return max(1, places)
