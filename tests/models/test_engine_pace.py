"""The pace: calls at a time follow what the endpoint bears, and rates per minute are kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from polylect.errors import RecipeError
from polylect.models import Generated, Request, Sampling
from polylect.models.engine import Job, Limits, Retries, run
from polylect.models.engine.in_flight import InFlight
from polylect.models.engine.pace import PerMinute
from polylect.models.fakes import FakeModel
from polylect.models.interface import RequestError
from polylect.models.store import Store


def trips(limit: InFlight, number: int, refused: Callable[[float], float], start: float = 0.0) -> float:
    """Let round trips of one second pass, each refusing a share of its calls that depends on the limit; return the end."""
    for trip in range(number):
        sent, calls = start + trip, int(limit.limit)
        turned_down = round(calls * refused(limit.limit))
        for call in range(calls):
            (limit.overloaded if call < turned_down else limit.answered)(sent, sent + 0.99)
    return start + number


def test_limit_doubles_until_the_first_cut_and_then_climbs_by_one() -> None:
    """One round trip of answers doubles the limit, or after a cut adds one; it never passes its upper end."""
    limit = InFlight(None)
    assert limit.limit == 16
    trips(limit, 1, lambda _: 0.0)
    assert limit.limit == 32
    now = trips(limit, 1, lambda _: 1.0, 1.0)
    assert limit.limit == 16
    now = trips(limit, 4, lambda _: 0.0, now)
    climbed = limit.limit
    assert 17 < climbed < 26
    now = trips(limit, 20, lambda _: 0.0, now)
    one = limit.limit
    trips(limit, 1, lambda _: 0.0, now)
    assert limit.limit - one == pytest.approx(1, abs=0.1)
    trips(limit, 400, lambda _: 0.0, now + 1)
    assert limit.limit == limit.most == 256


def test_one_cut_per_round_trip() -> None:
    """Calls that were sent before the last cut do not cut again; round trips that are all refused do, down to one call."""
    limit = InFlight(64)
    for _ in range(64):
        limit.overloaded(1.0, now=1.5)
    assert (limit.limit, limit.cuts) == (32, 1)
    trips(limit, 200, lambda _: 1.0, 2.0)
    assert limit.limit == 1


@pytest.mark.parametrize("share", [0.05, 0.12])
def test_refusals_at_random_do_not_cut_the_limit_for_good(share: float) -> None:
    """Where cuts do not help they are undone: the limit stays near its upper end, at any share up to some tenths."""
    limit, drawn = InFlight(64), random.Random(1)  # noqa: S311
    held, now = 0.0, 0.0
    for trip in range(300):
        calls = int(limit.limit)
        for _ in range(calls):
            (limit.overloaded if drawn.random() < share else limit.answered)(now, now + 0.99)
        now += 1
        held += limit.limit if trip >= 100 else 0
    assert held / 200 > 40


def test_refusals_above_a_load_keep_the_limit_below_it() -> None:
    """An endpoint that bears 10 calls at a time and refuses the rest is asked for some 10, and few calls are refused."""
    limit = InFlight(64)
    now = trips(limit, 60, lambda asked: max(0.0, 1 - 10 / asked))
    sent = refused = 0.0
    for _ in range(200):
        calls = int(limit.limit)
        sent, refused = sent + calls, refused + max(0, calls - 10)
        now = trips(limit, 1, lambda asked: max(0.0, 1 - 10 / int(asked)), now)
    assert 5 * 200 < sent < 11 * 200
    assert refused / sent < 0.08


def test_limit_of_a_model_in_this_process_is_fixed() -> None:
    """One call at a time stays one."""
    limit = InFlight(1, fixed=True)
    limit.answered(0.5, 1.0)
    for _ in range(100):
        limit.overloaded(1.0, 2.0)
    assert limit.limit == 1


def test_rate_spaces_calls_evenly() -> None:
    """120 per minute gives every call a moment half a second after the one before; what was not used is given back."""
    rate = PerMinute(120)
    assert [rate.reserve(1, 10.0) for _ in range(4)] == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert rate.reserve(1, 100.0) == 0.0
    rate = PerMinute(6000)
    assert rate.reserve(300, 0.0) == 0.0
    assert rate.reserve(1, 0.0) == pytest.approx(3.0)
    rate.give_back(200)
    assert rate.reserve(1, 0.0) == pytest.approx(1.01)


class Timed(FakeModel):
    """A fake that notes when it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    async def answer(self, batch: list[Request], sampling: Sampling) -> list[Generated]:  # type: ignore[override]
        """Answer as the fake does."""
        self.times.append(asyncio.get_running_loop().time())
        return await super().answer(batch, sampling)


@pytest.mark.parametrize("limits", [{"in_flight": 0}, {"requests_per_minute": -1.0}, {"tokens_per_minute": float("nan")}])
def test_limits_are_above_zero(limits: dict[str, float]) -> None:
    """A limit that would let nothing through is refused by name."""
    with pytest.raises(RecipeError, match=f"{next(iter(limits))} is "):
        Limits(**limits)  # type: ignore[arg-type]


@pytest.mark.serial
@pytest.mark.parametrize("by", ["requests", "tokens"])
def test_run_keeps_its_rate(tmp_path: Path, by: str) -> None:
    """Calls at 40 a second, or at as many tokens as that makes, come evenly: 40 of them take about a second."""
    sampling = Sampling(max_tokens=9)
    model, asked = Timed(), [Request(f"key{number}", f"text{number:04d}") for number in range(40)]
    answers = [model.respond(request, sampling) for request in asked]
    used = sum(answer.prompt_tokens + answer.completion_tokens for answer in answers)
    limits = Limits(requests_per_minute=2400) if by == "requests" else Limits(tokens_per_minute=60 * used)
    with Store(tmp_path / "answers.sqlite") as store:
        run([Job(model, asked, sampling)], store, limits=limits)
    assert len(model.times) == 40
    assert 0.85 <= model.times[-1] - model.times[0] < 3


def test_engine_finds_what_an_endpoint_bears(tmp_path: Path) -> None:
    """Against an endpoint that turns down more than 12 calls at a time, everything is answered with few refusals."""

    class Narrow(Timed):
        refused = 0

        async def answer(self, batch: list[Request], sampling: Sampling) -> list[Generated]:  # type: ignore[override]
            if self._open >= 12:
                self.refused += 1
                raise RequestError("HTTP 429", retry=True, overload=True)
            return await super().answer(batch, sampling)

    model = Narrow()
    model._latency = 0.005
    asked = [Request(f"key{number}", f"text {number}") for number in range(1500)]
    with Store(tmp_path / "answers.sqlite") as store:
        counts = run([Job(model, asked, Sampling())], store, retries=Retries(base=0.01))
    assert (counts.stored, counts.failed) == (1500, 0)
    assert model.peak == 12
    assert counts.retried == model.refused < 300


def test_retry_after_holds_for_all_where_all_calls_are_turned_down(tmp_path: Path) -> None:
    """An endpoint that refuses everything for a while is left alone as long as it asks, after one round of refusals and some."""

    class Closed(Timed):
        until = 0.0

        async def answer(self, batch: list[Request], sampling: Sampling) -> list[Generated]:  # type: ignore[override]
            now = asyncio.get_running_loop().time()
            self.until = self.until or now + 0.5
            if now < self.until:
                self.times.append(now)
                await asyncio.sleep(0.01)
                raise RequestError("HTTP 429", retry=True, overload=True, after=0.5)
            return await FakeModel.answer(self, batch, sampling)

    model = Closed()
    asked = [Request(f"key{number}", f"text {number}") for number in range(400)]
    with Store(tmp_path / "answers.sqlite") as store:
        counts = run([Job(model, asked, Sampling())], store, limits=Limits(in_flight=16))
    assert counts.stored == 400
    assert len(model.times) <= 64
