"""One model's part of a run: workers that pull calls, make them, try again, and hand the answers to the writer."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from polylect.errors import EndpointError, ModelError
from polylect.models.engine.commits import Commits
from polylect.models.engine.counts import Counts
from polylect.models.engine.pace import Pace
from polylect.models.engine.settings import Retries
from polylect.models.engine.units import Unit
from polylect.models.interface import RequestError
from polylect.models.requests import Generated
from polylect.models.store import Row

__all__ = ["Lane", "Shared"]

_IN_A_ROW = 20
"""Requests that may fail for good one after the other, after all their retries, before the engine gives the endpoint up."""

_CLOSED = 8
"""Calls that are turned down one after the other, and no fewer than are out at a time, before `Retry-After` holds for all."""


@dataclass
class Shared:
    """What the lanes of a run share."""

    commits: Commits
    counts: Counts
    retries: Retries
    pending: set[bytes] = field(default_factory=set)


class Lane:
    """Asks one model.

    A worker takes a call, makes it, and waits until its answer is stored: what a kill can make the engine ask twice is what
    was in flight. A call that must wait before it is tried again leaves its worker free for others.

    Args:
        calls: where calls come from; None means that there is nothing just now.
        pace: of the model.
        in_process: whether the model works in this process: then its calls have no time limit.
        shared: with the other lanes.
    """

    def __init__(self, calls: Iterator[Unit | None], pace: Pace, *, in_process: bool, shared: Shared) -> None:
        self._calls, self._pace, self._limit, self._shared = calls, pace, pace.in_flight, shared
        self._timeout = None if in_process else shared.retries.timeout
        self._delayed: list[tuple[float, int, Unit]] = []
        self._order = count()
        self._exhausted = False
        self._workers = 0
        self._failed_in_a_row = 0
        self._refused_in_a_row = 0
        self._closed_until = 0.0

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start the workers in `group`; it ends when everything is answered."""
        self._group = group
        self._loop = asyncio.get_running_loop()
        self._hire()

    def _hire(self) -> None:
        while self._workers < int(self._limit.limit) and not self._exhausted:
            self._workers += 1
            self._group.create_task(self._work())

    async def _work(self) -> None:
        while self._workers <= self._limit.limit:
            unit = self._take()
            if unit is None:
                break
            if isinstance(unit, Unit):
                await self._ask(unit)
            else:
                await asyncio.sleep(unit)
        self._workers -= 1

    def _take(self) -> Unit | float | None:
        """Return a call that is due, the seconds to wait for one, or None when none will come for this worker."""
        now = self._loop.time()
        if now < self._closed_until:
            return self._closed_until - now
        if self._delayed and self._delayed[0][0] <= now:
            return heapq.heappop(self._delayed)[2]
        # What waits to be tried again is in memory: no more of it than a few times what is in flight.
        if not self._exhausted and len(self._delayed) < 4 * self._limit.most:
            try:
                return next(self._calls) or 0.0
            except StopIteration:
                self._exhausted = True
        return self._delayed[0][0] - now if self._delayed else None

    async def _ask(self, unit: Unit) -> None:
        counts = self._shared.counts
        if self._pace.requests or self._pace.tokens:
            unit.reserved = _tokens(unit) if self._pace.tokens else 0
            await self._pace.wait(unit.reserved)
        if not unit.failures and not unit.refusals:
            counts.asked += len(unit.wanted)
        counts.in_flight += 1
        unit.sent = self._loop.time()
        try:
            if self._timeout is None:
                answers = await unit.job.model.answer(unit.requests, unit.sampling)
            else:
                async with asyncio.timeout(self._timeout):
                    answers = await unit.job.model.answer(unit.requests, unit.sampling)
        except RequestError as error:
            # An endpoint that turns a call down says nothing against the call, which has more tries then.
            await self._failed(unit, error, turned_down=error.overload)
        except TimeoutError:
            late = RequestError(f"no reply within {self._timeout:g} s", retry=True, overload=True)
            await self._failed(unit, late, turned_down=False)
        else:
            await self._answered(unit, answers)
        finally:
            counts.in_flight -= 1

    async def _answered(self, unit: Unit, answers: list[Generated]) -> None:
        expected = len(unit.requests) * unit.sampling.samples
        if len(answers) != expected:
            raise ModelError(
                f"{unit.job.model.name}: gave {len(answers)} answers where {expected} were asked for. A model must answer each."
            )
        self._failed_in_a_row = self._refused_in_a_row = 0
        self._limit.answered(unit.sent, self._loop.time())
        if self._workers < self._limit.limit:
            self._hire()
        if self._pace.tokens:
            self._pace.tokens.give_back(unit.reserved - sum(a.prompt_tokens + a.completion_tokens for a in answers))
        limit, name = unit.sampling.max_tokens, unit.job.model.name
        rows = []
        for place, key, request, number in unit.wanted:
            a = answers[place]
            if a.sample != number or a.key != request.key:
                a = Generated(request.key, number, a.text, a.finish_reason, a.prompt_tokens, a.completion_tokens, a.reason)
            rows.append(Row(key, a, limit, name))
        await self._store(unit, rows)

    async def _failed(self, unit: Unit, error: RequestError, *, turned_down: bool) -> None:
        """Put the call among those that wait, or store why it failed."""
        retries, now = self._shared.retries, self._loop.time()
        if self._pace.tokens:
            self._pace.tokens.give_back(unit.reserved)
        if error.overload:
            self._limit.overloaded(unit.sent, now)
            self._refused(error, now)
        unit.refusals += turned_down
        unit.failures += not turned_down
        patient = error.after is None or error.after <= retries.patience
        if error.retry and patient and unit.failures < retries.attempts and unit.refusals < retries.refusals:
            self._shared.counts.retried += 1
            self._shared.counts.retries[error.reason] += 1
            wait = random.uniform(0, min(retries.cap, retries.base * 2 ** min(unit.failures + unit.refusals - 1, 20)))  # noqa: S311
            if error.after is not None:
                wait = error.after + min(wait, 0.1 * error.after)
            heapq.heappush(self._delayed, (now + wait, next(self._order), unit))
            return
        reason = error.reason if patient else f"{error.reason}; asked to wait {error.after:.0f} s"
        await self._give_up(unit, reason, permanent=not error.retry)

    def _refused(self, error: RequestError, now: float) -> None:
        """Stop asking for as long as the endpoint wants when all calls are turned down, not this one alone."""
        self._refused_in_a_row += 1
        if error.after is not None and self._refused_in_a_row >= max(_CLOSED, self._limit.limit):
            self._closed_until = now + min(error.after, self._shared.retries.patience)

    async def _give_up(self, unit: Unit, reason: str, *, permanent: bool) -> None:
        limit, name = unit.sampling.max_tokens, unit.job.model.name
        rows = [
            Row(key, Generated(request.key, number, "", "", 0, 0, reason), limit, name, permanent)
            for _, key, request, number in unit.wanted
        ]
        await self._store(unit, rows)
        self._failed_in_a_row = 0 if permanent else self._failed_in_a_row + 1
        if self._failed_in_a_row >= max(_IN_A_ROW, self._limit.limit):
            raise EndpointError(
                f"{name}: {self._failed_in_a_row} requests in a row failed after all their retries, the last one with: {reason}. "
                "Look whether the endpoint works, then run again: what was answered is kept, and only the rest is asked."
            )

    async def _store(self, unit: Unit, rows: list[Row]) -> None:
        await self._shared.commits.add(rows)
        price = unit.job.model.price
        for row in rows:
            self._shared.pending.discard(row.key)
            self._shared.counts.add(row.answer, price)


def _tokens(unit: Unit) -> int:
    """Return the most tokens that a call can use."""
    count_tokens, new = unit.job.model.count, unit.sampling.max_tokens * unit.sampling.samples
    return sum(new + sum(count_tokens(content) for _, content in request.messages) for request in unit.requests)
