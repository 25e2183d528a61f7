"""The engine: what is wanted is asked once, failures are rows with reasons, and whatever ends a run keeps its answers."""

from __future__ import annotations

import asyncio
import os
import signal
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from polylect.errors import EndpointError, ModelError
from polylect.models import Generated, Request, Sampling
from polylect.models.engine import Counts, Job, Limits, Retries, run, run_async
from polylect.models.interface import Price, RequestError
from polylect.models.store import Keys, Store

SAMPLING = Sampling(max_tokens=8, temperature=1.0)
QUICK = Retries(base=0.001, cap=0.01, timeout=0.2)


@dataclass
class Echo:
    """A model that repeats what it is asked; `act` may fail, wait or count before it does."""

    name: str = "echo"
    in_flight: int | None = None
    act: Callable[[Request, int], float] | None = None
    batch: int = 1
    licence: str | None = None
    may_train: bool | None = None
    price: Price = field(default_factory=lambda: Price(input=1.0, output=2.0))
    calls: list[list[str]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    open: int = 0
    peak: int = 0

    @property
    def fingerprint(self) -> str:
        """Identify the model by its name."""
        return self.name

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Cut the requests, the last one first, into batches."""
        ordered = list(reversed(requests))
        return [ordered[start : start + self.batch] for start in range(0, len(ordered), self.batch)]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer with text, seed and sample."""
        self.calls.append([request.text for request in batch])
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            for request in batch:
                self.seen[request.text] += 1
                await asyncio.sleep(self.act(request, self.seen[request.text]) if self.act else 0)
            return [
                Generated(r.key, s, f"{r.text}/{sampling.seed}/{s}", "stop", 5, 2) for r in batch for s in range(sampling.samples)
            ]
        finally:
            self.open -= 1

    def count(self, text: str) -> int:
        """Count words."""
        return len(text.split())

    async def close(self) -> None:
        """Hold nothing."""


def requests(count: int, start: int = 0) -> list[Request]:
    """Return requests of different texts."""
    return [Request(f"key{number}", f"text {number}") for number in range(start, start + count)]


def stored(store: Store, model: Echo, asked: Sequence[Request], sampling: Sampling = SAMPLING) -> list[Generated | None]:
    """Return what is stored for requests, in their order, sample by sample."""
    keys = [key for request in asked for key in Keys(model.fingerprint, sampling).of(request)]
    found = store.get(keys, sampling.max_tokens)
    return [found.get(key) for key in keys]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with Store(tmp_path / "answers.sqlite") as opened:
        yield opened


def test_every_request_is_answered_and_counted(store: Store) -> None:
    """Each request's answer is stored under its key; counts, tokens and cost are those of the answers."""
    model, asked = Echo(), requests(200)
    counts = run([Job(model, asked, SAMPLING)], store)
    assert [a and (a.key, a.sample, a.text) for a in stored(store, model, asked)] == [(r.key, 0, f"{r.text}/0/0") for r in asked]
    assert (counts.total, counts.asked, counts.stored, counts.reused, counts.failed) == (200, 200, 200, 0, 0)
    assert (counts.prompt_tokens, counts.completion_tokens, counts.done) == (1000, 400, 200)
    assert counts.cost == pytest.approx((1000 * 1.0 + 400 * 2.0) / 1e6)
    assert counts.in_flight == 0


def test_what_is_stored_is_not_asked_again(store: Store) -> None:
    """A second run asks only what is new; a longer limit and another name of a request ask nothing."""
    run([Job(Echo(), requests(20), SAMPLING)], store)
    model = Echo()
    renamed = [Request(f"other {r.key}", r.text) for r in requests(25)]
    counts = run([Job(model, renamed, Sampling(max_tokens=99, temperature=1.0))], store)
    assert sorted(model.seen) == sorted(r.text for r in renamed[20:])
    assert (counts.reused, counts.asked, counts.stored, counts.done) == (20, 5, 5, 25)


def test_requests_of_one_content_are_asked_once(store: Store) -> None:
    """The same text under many keys, in one window and in several, is one call."""
    model = Echo(act=lambda *_: 0.005)
    same = [Request(f"key{number}", f"text {number % 7}") for number in range(700)]
    counts = run([Job(model, same, SAMPLING)], store)
    assert set(model.seen.values()) == {1}
    assert len(model.seen) == len(store) == 7
    assert (counts.stored, counts.reused, counts.done) == (7, 693, 700)


def test_samples_of_an_endpoint_are_calls_of_their_own(store: Store) -> None:
    """Several samples are asked one per call, with seeds of their own, and a missing one is asked alone."""
    model, asked = Echo(), requests(3)
    two = Sampling(max_tokens=8, temperature=1.0, samples=2)
    run([Job(model, asked, two)], store)
    texts = [a.text for a in stored(store, model, asked, two) if a]
    assert len(set(texts)) == 6
    assert [a.sample for a in stored(store, model, asked, two) if a] == [0, 1] * 3
    counts = run([Job(model, asked, Sampling(max_tokens=8, temperature=1.0, samples=3))], store)
    assert (counts.reused, counts.asked) == (6, 3)
    assert len(model.calls) == 9


def test_model_in_this_process_is_asked_one_batch_at_a_time(store: Store) -> None:
    """Batches are those of the whole window, with all samples in one call, and never two at a time."""
    model = Echo(in_flight=1, batch=3, act=lambda *_: 0.001)
    two = Sampling(max_tokens=8, temperature=1.0, samples=2)
    run([Job(model, requests(7), two, window=100)], store, limits=Limits(in_flight=8))
    assert model.calls == [["text 6", "text 5", "text 4"], ["text 3", "text 2", "text 1"], ["text 0"]]
    assert model.peak == 1
    assert [a.text for a in stored(store, model, requests(1), two) if a] == ["text 0/0/0", "text 0/0/1"]


def test_two_jobs_of_one_model_in_this_process_take_turns(store: Store) -> None:
    """A model that answers one call at a time does so when two jobs want it."""
    model = Echo(in_flight=1, act=lambda *_: 0.001)
    run([Job(model, requests(5), SAMPLING), Job(model, requests(5, 5), SAMPLING)], store)
    assert model.peak == 1
    assert len(model.seen) == 10


def test_killed_run_goes_on_with_the_same_batches(store: Store) -> None:
    """After a run that broke in its second batch, the rest is asked as the very batches of an unbroken run."""

    def broken(request: Request, _: int) -> float:
        if request.text == "text 3":
            raise ValueError("out of memory")
        return 0.0

    with pytest.raises(ValueError, match="out of memory"):
        run([Job(Echo(in_flight=1, batch=3, act=broken), requests(7), SAMPLING)], store)
    assert len(store) == 3
    model = Echo(in_flight=1, batch=3)
    run([Job(model, requests(7), SAMPLING)], store)
    assert model.calls == [["text 3", "text 2", "text 1"], ["text 0"]]


def test_teachers_run_side_by_side(store: Store) -> None:
    """A slow teacher does not hold up a fast one, and each has its own rows."""
    order: list[str] = []

    def note(name: str, seconds: float) -> Callable[[Request, int], float]:
        return lambda *_: order.append(name) or seconds

    slow, fast = Echo("slow", act=note("slow", 0.05)), Echo("fast", act=note("fast", 0.0))
    counts = run([Job(slow, requests(20), SAMPLING), Job(fast, requests(100), SAMPLING)], store, limits=Limits(in_flight=4))
    assert counts.stored == len(store) == 120
    assert order[-1] == "slow"
    assert max(at for at, name in enumerate(order) if name == "fast") < 115


def test_failures_that_pass_are_tried_again(store: Store) -> None:
    """429, 5xx, time-outs and broken replies are asked again until they are answered; what was repeated is counted."""

    def flaky(request: Request, seen: int) -> float:
        number = int(request.text.split()[1])
        if seen <= number % 3:
            if number % 2:
                return 60.0
            raise RequestError("HTTP 429", retry=True, after=0.001, overload=True)
        return 0.0

    model = Echo(act=flaky)
    counts = run([Job(model, requests(30), SAMPLING)], store, retries=QUICK)
    assert (counts.stored, counts.failed, counts.asked, counts.retried) == (30, 0, 30, 30)
    assert counts.retries == {"HTTP 429": 15, "no reply within 0.2 s": 15}


def test_final_failures_are_rows_with_their_reason(store: Store) -> None:
    """A refused request fails its one row at once; one that goes on failing fails after its attempts. The rest is answered."""

    def bad(request: Request, _: int) -> float:
        if request.text == "text 3":
            raise RequestError("HTTP 400: too long", retry=False)
        if request.text == "text 5":
            raise RequestError("HTTP 500", retry=True)
        return 0.0

    model = Echo(act=bad)
    counts = run([Job(model, requests(10), SAMPLING)], store, retries=QUICK)
    rows = [a for a in stored(store, model, requests(10)) if a]
    assert [(a.key, a.reason, a.text) for a in rows if a.reason] == [
        ("key3", "HTTP 400: too long", ""), ("key5", "HTTP 500", ""),
    ]  # fmt: skip
    assert (counts.stored, counts.failed, len(rows)) == (8, 2, 10)
    assert counts.reasons == {"HTTP 400: too long": 1, "HTTP 500": 1}
    assert (model.seen["text 3"], model.seen["text 5"]) == (1, 5)


def test_failed_rows_are_asked_by_the_next_run_unless_that_cannot_help(store: Store) -> None:
    """A 500 is asked again by the next run; a 400 only when that is wanted."""

    def bad(request: Request, _: int) -> float:
        raise RequestError(request.text, retry=request.text == "text 1")

    run([Job(Echo(act=bad), requests(2), SAMPLING)], store, retries=QUICK)
    model = Echo()
    assert run([Job(model, requests(2), SAMPLING)], store).reused == 1
    assert set(model.seen) == {"text 1"}
    run([Job(model, requests(2), SAMPLING)], store, retries=Retries(failed=True))
    assert set(model.seen) == {"text 0", "text 1"}
    assert [a and a.reason for a in stored(store, model, requests(2))] == [None, None]


def test_retry_after_is_kept(store: Store) -> None:
    """A request that was told to wait is not asked before; one that was told to wait too long fails with that reason."""
    times: list[float] = []

    def busy(request: Request, seen: int) -> float:
        if request.text == "text 1":
            raise RequestError("HTTP 429", retry=True, after=3600.0, overload=True)
        times.append(asyncio.get_running_loop().time())
        if seen == 1:
            raise RequestError("HTTP 429", retry=True, after=0.15, overload=True)
        return 0.0

    model = Echo(act=busy)
    counts = run([Job(model, requests(2), SAMPLING)], store, retries=QUICK)
    assert 0.15 <= times[1] - times[0] < 1.0
    assert counts.reasons == {"HTTP 429; asked to wait 3600 s": 1}


def test_refusal_of_everything_stops_at_once_and_keeps_the_rest(store: Store) -> None:
    """An endpoint that refuses the key ends the run with its own message; what was answered, also by others, is stored."""

    def act(request: Request, _: int) -> float:
        if request.text == "text 30":
            raise EndpointError("http://x: the endpoint refused the key. Set KEY.")
        return 0.0

    model = Echo(act=act)
    with pytest.raises(EndpointError, match="Set KEY"):
        run([Job(model, requests(1000), SAMPLING)], store, limits=Limits(in_flight=4))
    assert 20 < len(store) < 100
    assert all(a is None or a.reason is None for a in stored(store, model, requests(1000)))


def test_endpoint_that_answers_nothing_is_given_up(store: Store) -> None:
    """When request after request fails after its retries, the run ends instead of failing a million rows."""

    def dead(*_: object) -> float:
        raise RequestError("no whole reply: connection refused", retry=True)

    with pytest.raises(EndpointError, match=r"requests in a row failed.*connection refused.*what was answered is kept"):
        run([Job(Echo(act=dead), requests(5000), SAMPLING)], store, retries=Retries(attempts=2, base=0.001))
    assert len(store) < 100


def test_refused_prompts_do_not_stop_a_run(store: Store) -> None:
    """A table of prompts that a filter refuses is a table of failed rows, not a broken endpoint."""

    def filtered(*_: object) -> float:
        raise RequestError("content filter of the endpoint", retry=False)

    assert run([Job(Echo(act=filtered), requests(500), SAMPLING)], store).failed == 500


def test_wrong_number_of_answers_is_an_error(store: Store) -> None:
    """A model that skips requests is stopped before answers land at the wrong ones."""

    class Short(Echo):
        async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
            return (await super().answer(batch, sampling))[1:]

    with pytest.raises(ModelError, match="echo: gave 2 answers where 3"):
        run([Job(Short(in_flight=1, batch=3), requests(3), SAMPLING)], store)


def test_interrupt_keeps_what_was_answered(store: Store) -> None:
    """Ctrl-C ends a run with KeyboardInterrupt, and every answer that came is stored."""
    model = Echo(act=lambda *_: 0.001)

    def endless() -> Iterator[Request]:
        for number in range(1_000_000):
            if number == 300:
                os.kill(os.getpid(), signal.SIGINT)
            yield Request(f"key{number}", f"text {number}")

    with pytest.raises(KeyboardInterrupt):
        run([Job(model, endless(), SAMPLING)], store, limits=Limits(in_flight=8))
    assert 0 <= sum(model.seen.values()) - len(store) <= 8


def test_cancelling_keeps_what_was_answered(store: Store) -> None:
    """A cancelled run in the caller's own loop leaves its answers in the store."""
    model = Echo(act=lambda *_: 0.002)

    async def cancelled() -> None:
        task = asyncio.create_task(run_async([Job(model, requests(10_000), SAMPLING)], store, limits=Limits(in_flight=8)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert len(store) > 8
    assert 0 <= sum(model.seen.values()) - len(store) <= 8


def test_run_works_inside_a_running_loop(store: Store) -> None:
    """A notebook, where an event loop runs already, may call `run` as it is."""

    async def notebook() -> Counts:
        return run([Job(Echo(), requests(5), SAMPLING)], store)

    assert asyncio.run(notebook()).stored == 5


def test_progress_has_rate_time_left_and_cost(store: Store) -> None:
    """Progress is called while the run goes on and at its end, with a line that a terminal can show."""
    lines: list[str] = []
    model = Echo(act=lambda *_: 0.1, price=Price(input=1000.0))
    run(
        [Job(model, requests(64), SAMPLING)], store, limits=Limits(in_flight=8), progress=lambda counts: lines.append(str(counts))
    )
    assert len(lines) >= 2
    assert " of 64 | " in lines[0]
    assert "s left" in lines[0]
    assert lines[-1].startswith("64 of 64 | ")
    assert lines[-1].endswith("448 tokens | $0.32")


def test_memory_does_not_grow_with_the_requests(store: Store) -> None:
    """Requests are read as they are asked: at most a few windows are alive at any time."""
    alive = 0
    most = 0

    class Counted(Request):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def many(count: int) -> Iterator[Request]:
        nonlocal alive, most
        for number in range(count):
            alive += 1
            most = max(most, alive)
            yield Counted(f"key{number}", f"text {number}")

    model = Echo()
    model.calls = _Nothing()
    tracemalloc.start()
    counts = run([Job(model, many(2000), SAMPLING)], store, limits=Limits(in_flight=16))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts.stored == 2000
    assert most < 300
    assert peak < 8 << 20


class _Nothing(list):
    def append(self, _: object) -> None:
        """Keep nothing."""
