"""Asks teachers through the engine, within a budget per language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.teachers import Teacher
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import Prompt

if TYPE_CHECKING:
    from polylect.arbitrage.budget import Budget, Ticket
    from polylect.arbitrage.cluster import Cluster
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.store import Store

__all__ = ["Asker", "Order", "Requests", "ask"]

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


class Asker:
    """A teacher's model within a budget: what the engine asks in its place.

    Args:
        teacher: who is asked.
        budget: what may be spent; requests over it are not made.
        costs: US dollars by language, added to.

    Attributes:
        refused: requests that were not made, by reason.
    """

    def __init__(self, teacher: Teacher, budget: Budget, costs: dict[str, float]) -> None:
        self.teacher, self._model, self._budget, self._costs = teacher, teacher.model, budget, costs
        model = teacher.model
        self.name, self.fingerprint, self.in_flight = model.name, model.fingerprint, model.in_flight
        self.price, self.licence, self.may_train = model.price, model.licence, model.may_train
        self.refused: Counter[str] = Counter()
        self._tickets: dict[str, tuple[Ticket, list[Generated]]] = {}

    def requests(self, windows: Iterable[Sequence[Prompt]], store: Store) -> Iterator[Request]:
        """Yield the requests for windows of prompts; what the store holds is counted as paid."""
        teacher, limit = self.teacher, self.teacher.sampling.max_tokens
        for prompts in windows:
            requests = [teacher.member.request(prompt) for prompt in prompts]
            keys = [teacher.keys.of(request) for request in requests]
            stored = store.get([key for own in keys for key in own], limit)
            for prompt, request, own in zip(prompts, requests, keys, strict=True):
                answers = [answer for key in own if (answer := stored.get(key)) is not None and answer.reason is None]
                if len(answers) == len(own):
                    self._budget.paid(prompt.language, self._model, answers)
                    self._cost(prompt.language, answers)
                    yield request
                elif self._admitted(prompt.language, request, answers):
                    yield request

    def _admitted(self, language: str, request: Request, stored: list[Generated]) -> bool:
        """Set the request's cost aside, if there is room for it; `stored` are those of its samples that were paid before."""
        ticket = self._budget.admit(language, self._model, request, self.teacher.sampling)
        if isinstance(ticket, str):
            self.refused[ticket] += 1
            return False
        self._tickets[request.key] = ticket, [replace(answer, sample=number) for number, answer in enumerate(stored)]
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
            ticket, gathered = self._tickets.get(answer.key, (None, []))
            if ticket is not None:
                gathered.append(replace(answer, sample=len(gathered)))
                if len(gathered) == self.teacher.sampling.samples:
                    self._budget.settle(ticket, self._model, gathered)
                    self._cost(ticket.language, gathered)
                    del self._tickets[answer.key]

    def _cost(self, language: str, answers: Sequence[Generated]) -> None:
        # The prompt is paid once, however many samples are drawn from it.
        cost = sum(self.price.of(0 if one.sample else one.prompt_tokens, one.completion_tokens) for one in answers)
        self._costs[language] = self._costs.get(language, 0.0) + cost

    def end(self) -> None:
        """Give back what was set aside for requests that failed."""
        for ticket, gathered in self._tickets.values():
            self._budget.settle(ticket, self._model, gathered)
        self._tickets.clear()

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
    windows: Callable[[int], Iterable[Sequence[Prompt]]],
    counts: Sequence[int],
    store: Store,
    *,
    budget: Budget | None = None,
    costs: dict[str, float] | None = None,
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
        windows: returns the windows of prompts for a teacher, by its index; read lazily.
        counts: number of prompts per teacher.
        store: where answers go.
        budget: what may be spent per language; None: nothing is counted.
        costs: US dollars by language, added to where there is a budget.
        limits: of the teachers that have none of their own.
        retries: how to try again.
        progress: called with answers done, wanted and failed.
        cluster: who asks in place of this process.
    """
    total: Counter[str] = Counter(dict.fromkeys(_COUNTED, 0))
    wanted = sum(count * teacher.sampling.samples for count, teacher in zip(counts, teachers, strict=True))

    def tell(found: Counts) -> None:
        if progress is not None:
            before = total["stored"] + total["reused"] + total["failed"]
            progress(before + found.done, wanted, total["failed"] + found.failed)

    reasons: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for group in _groups(teachers, counts, spread=cluster is not None):
        askers = {index: Asker(teachers[index], budget, {} if costs is None else costs) for index in group} if budget else {}
        orders = []
        for index in group:
            make = _maker(teachers[index], windows, index, askers.get(index), store)
            orders.append(Order(teachers[index], Requests(make, counts[index]), askers.get(index)))
        found = (_here if cluster is None else cluster.run)(orders, store, limits=limits, retries=retries, progress=tell)
        total.update({name: getattr(found, name) for name in _COUNTED})
        reasons += found.reasons
        for asker in askers.values():
            asker.end()
            refused += asker.refused
    return {**total, "reasons": dict(reasons), "refused": dict(refused)}


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


def _maker(
    teacher: Teacher, windows: Callable[[int], Iterable[Sequence[Prompt]]], index: int, asker: Asker | None, store: Store
) -> Callable[[], Iterator[Request]]:
    """Return the function that makes a teacher's requests from the start."""

    def make() -> Iterator[Request]:
        if asker is not None:
            yield from asker.requests(windows(index), store)
            return
        for prompts in windows(index):
            yield from map(teacher.member.request, prompts)

    return make
