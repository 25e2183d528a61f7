"""Asks teachers through the engine, within a budget per language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.teachers import Teacher
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import Prompt

if TYPE_CHECKING:
    from polylect.arbitrage.budget import Budget, Ticket
    from polylect.arbitrage.cluster import Cluster
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.store import Store

__all__ = ["Asker", "Order", "Requests", "Windows", "ask", "count_stored"]

Windows = Callable[[int], Iterable[Sequence[Prompt]]]
"""Returns the windows of prompts for a teacher, by its index."""

_COUNTED = ("asked", "stored", "reused", "failed", "retried")


class Requests:
    """Requests that are made as the engine asks for them; how many there are at most is known before.

    Args:
        make: returns them from the start.
        count: their number.
    """

    def __init__(self, make: Callable[[], Iterator[Request]], count: int) -> None:
        self._make, self._count = make, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Request]:
        return self._make()


@dataclass
class _Open:
    """A request that was admitted: its answers that were stored before and are missing, and those that have come since."""

    ticket: Ticket
    stored: int
    missing: int
    gathered: list[Generated] = field(default_factory=list)


class Asker:
    """A teacher's model within a budget: what the engine asks in its place.

    Args:
        teacher: who is asked.
        budget: what may be spent; requests over it are not made.

    Attributes:
        refused: requests that were not made, by reason.
    """

    def __init__(self, teacher: Teacher, budget: Budget) -> None:
        self.teacher, self._model, self._budget = teacher, teacher.model, budget
        model = teacher.model
        self.name, self.fingerprint, self.in_flight = model.name, model.fingerprint, model.in_flight
        self.price, self.licence, self.may_train = model.price, model.licence, model.may_train
        self.refused: Counter[str] = Counter()
        self._open: dict[str, _Open] = {}

    def requests(self, windows: Iterable[Sequence[Prompt]], store: Store) -> Iterator[Request]:
        """Yield the requests for windows of prompts that are answered or within the budget."""
        for prompts in windows:
            for prompt, request, keys, stored in self.paid_before(prompts, store):
                if stored == len(keys) or self._admitted(prompt.language, request, keys, stored):
                    yield request

    def paid_before(self, prompts: Sequence[Prompt], store: Store) -> list[tuple[Prompt, Request, list[bytes], int]]:
        """Count as paid what the store holds of the answers to `prompts`, each answer once.

        Returns:
            per prompt: it, its request, the keys of its answers, and how many of them are stored.
        """
        teacher, counted = self.teacher, self._budget.counted
        requests = [teacher.member.request(prompt) for prompt in prompts]
        keys = [teacher.keys.of(request) for request in requests]
        found = store.get([key for own in keys for key in own], teacher.sampling.max_tokens)
        answers = {key: answer for key, answer in found.items() if answer.reason is None}
        fresh = counted.fresh(list(answers))
        counted.add(fresh)
        rows = []
        for prompt, request, own in zip(prompts, requests, keys, strict=True):
            stored = [key for key in own if key in answers]
            # Numbered anew: the prompt is paid with the first of them.
            new = [replace(answers[key], sample=number) for number, key in enumerate(stored) if key in fresh]
            self._budget.paid(prompt.language, self._model, new)
            fresh.difference_update(stored)
            rows.append((prompt, request, own, len(stored)))
        return rows

    def _admitted(self, language: str, request: Request, keys: Sequence[bytes], stored: int) -> bool:
        """Set the cost of a request's missing answers aside, if there is room for it."""
        missing = len(keys) - stored
        ticket = self._budget.admit(language, self._model, request, replace(self.teacher.sampling, samples=missing))
        if isinstance(ticket, str):
            self.refused[ticket] += 1
            return False
        self._budget.counted.add(keys)
        self._open[request.key] = _Open(ticket, stored, missing)
        return True

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Split a window of requests as the model does."""
        return self._model.batches(requests, sampling)

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer a batch, and settle what it cost."""
        answers = await self._model.answer(batch, sampling)
        self.settle(answers)
        return answers

    def settle(self, answers: Sequence[Generated]) -> None:
        """Take note of answers; a request's cost is settled when all its samples have come, which may take several calls."""
        for answer in answers:
            one = self._open.get(answer.key)
            if one is not None:
                one.gathered.append(replace(answer, sample=one.stored + len(one.gathered)))
                if len(one.gathered) == one.missing:
                    self._budget.settle(one.ticket, self._model, one.gathered)
                    del self._open[answer.key]

    def end(self) -> None:
        """Give back what was set aside for requests that failed."""
        for one in self._open.values():
            self._budget.settle(one.ticket, self._model, one.gathered)
        self._open.clear()

    def count(self, text: str) -> int:
        """Return the model's number of tokens of a text."""
        return self._model.count(text)

    async def close(self) -> None:
        """Close the model."""
        await self._model.close()


@dataclass(frozen=True)
class Order:
    """What one teacher is asked, and who keeps its budget."""

    teacher: Teacher
    requests: Requests
    asker: Asker | None

    @property
    def limits(self) -> Limits | None:
        """The teacher's own limits; None where the pool gives none."""
        own = self.teacher.member.limits
        return own if own.in_flight or own.requests_per_minute or own.tokens_per_minute else None


def ask(
    teachers: Sequence[Teacher],
    windows: Windows,
    counts: Sequence[int],
    store: Store,
    *,
    budget: Budget | None = None,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: Callable[[int, int, int], None] | None = None,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Ask every teacher its prompts; the answers are then in the store. Return what was done, as plain values.

    Endpoints are asked side by side. Models in this process follow, one after the other: together they would only slow each other
    down.

    Args:
        teachers: who is asked.
        windows: of each teacher; read lazily.
        counts: number of prompts per teacher.
        store: where answers go.
        budget: what may be spent per language; None: nothing is counted.
        limits: of the teachers that have none of their own.
        retries: how to try again.
        progress: called with answers done, wanted and failed.
        cluster: who asks in place of this process.
    """
    wanted = sum(count * teacher.sampling.samples for count, teacher in zip(counts, teachers, strict=True))
    done = _Done(wanted, progress)
    run = _here if cluster is None else cluster.run
    for group in _groups(teachers, counts, spread=cluster is not None):
        orders = [_order(teachers[index], windows, index, counts[index], store, budget) for index in group]
        done.add(run(orders, store, limits=limits, retries=retries, progress=done.tell), orders)
    return done.as_dict()


def count_stored(teachers: Sequence[Teacher], windows: Windows, store: Store, budget: Budget) -> None:
    """Count as paid what the store holds of all that `ask` would want: before it asks, since limits are of all runs together."""
    for index, teacher in enumerate(teachers):
        asker = Asker(teacher, budget)
        for prompts in windows(index):
            asker.paid_before(prompts, store)


class _Done:
    """What was done by the groups so far.

    Args:
        wanted: answers in all.
        progress: see `ask`.
    """

    def __init__(self, wanted: int, progress: Callable[[int, int, int], None] | None) -> None:
        self._wanted, self._progress = wanted, progress
        self._total: Counter[str] = Counter(dict.fromkeys(_COUNTED, 0))
        self._reasons: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def tell(self, found: Counts) -> None:
        """Say how far it is, `found` being what the group at work has done."""
        if self._progress is not None:
            total = self._total
            before = total["stored"] + total["reused"] + total["failed"]
            self._progress(before + found.done, self._wanted, total["failed"] + found.failed)

    def add(self, found: Counts, orders: Sequence[Order]) -> None:
        """Add what a group has done, and end its askers."""
        self._total.update({name: getattr(found, name) for name in _COUNTED})
        self._reasons += found.reasons
        for order in orders:
            if order.asker is not None:
                order.asker.end()
                self._refused += order.asker.refused

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {**self._total, "reasons": dict(self._reasons), "refused": dict(self._refused)}


def _groups(teachers: Sequence[Teacher], counts: Sequence[int], *, spread: bool) -> list[list[int]]:
    """Return the teachers that are asked together, by index: all where they are spread over machines."""
    asked = [index for index, count in enumerate(counts) if count]
    if spread:
        return [asked] if asked else []
    alone = [[index] for index in asked if teachers[index].model.in_flight == 1]
    together = [index for index in asked if teachers[index].model.in_flight != 1]
    return [together, *alone] if together else alone


def _here(
    orders: Sequence[Order],
    store: Store,
    *,
    limits: Limits | None,
    retries: Retries | None,
    progress: Callable[[Counts], None] | None,
) -> Counts:
    """Ask with this process's own engine; what `Cluster.run` does on other machines."""
    from polylect.models.engine import Job, run

    jobs = [Job(one.asker or one.teacher.model, one.requests, one.teacher.sampling, limits=one.limits) for one in orders]
    return run(jobs, store, limits=limits, retries=retries, progress=progress)


def _order(teacher: Teacher, windows: Windows, index: int, count: int, store: Store, budget: Budget | None) -> Order:
    """Return what a teacher is asked, made as it is read."""
    asker = None if budget is None else Asker(teacher, budget)

    def make() -> Iterator[Request]:
        if asker is not None:
            return asker.requests(windows(index), store)
        return (teacher.member.request(prompt) for prompts in windows(index) for prompt in prompts)

    return Order(teacher, Requests(make, count), asker)
