"""Fake models: shares, faults, determinism, speed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from polylect.errors import ModelError
from polylect.languages import identify
from polylect.models.engine import Job, Retries, run
from polylect.models.fakes import ANSWER_FAULTS, FakeModel, known_prompts, made_up_answer
from polylect.models.interface import Model, RequestError
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.store import Keys, Store
from polylect.records import Prompt

SAMPLING = Sampling(max_tokens=512)
ANSWERS = {
    "de": ["Die Hauptstadt von Frankreich ist Paris.", "Der Rhein fliesst in die Nordsee.", "Wasser kocht bei hundert Grad."],
    "fr": ["La capitale de la France est Paris.", "Le Rhin se jette dans la mer du Nord.", "L'eau bout à cent degrés."],
}
KNOWN = {f"{language} {i}": (language, answers[i % 3]) for language, answers in ANSWERS.items() for i in range(3000)}


def ask(model: Model, texts: list[str], sampling: Sampling = SAMPLING) -> list[Generated]:
    """Return the answers to texts, one call each batch."""

    async def all_batches() -> list[Generated]:
        requests = [Request(str(number), text) for number, text in enumerate(texts)]
        return [answer for batch in model.batches(requests, sampling) for answer in await model.answer(batch, sampling)]

    return asyncio.run(all_batches())


def test_answers_come_in_the_given_shares() -> None:
    """Good answers, each fault and the rest, which is wrong, have their shares within four standard errors."""
    shares = {"empty": 0.1, "wrong_language": 0.1, "truncated": 0.1, "repeated": 0.1, "echo": 0.05, "refusal": 0.05}
    model = FakeModel(quality=0.4, faults=shares, batch_size=100)
    ask(model, [f"question {i}" for i in range(10_000)])
    expected = {"good": 0.4, "wrong": 0.1, **shares}
    for kind, share in expected.items():
        assert model.given[kind] / 10_000 == pytest.approx(share, abs=4 * (share * (1 - share) / 10_000) ** 0.5), kind
    assert (model.calls, model.asked, model.peak) == (100, 10_000, 1)


def test_quality_is_per_language() -> None:
    """A fake is good in one language, poor in another, and takes "mul" for those not named."""
    texts = list(KNOWN)
    answers = ask(FakeModel(quality={"de": 0.9, "mul": 0.2}, known=KNOWN, batch_size=500), texts)
    right = Counter(KNOWN[text][0] for text, answer in zip(texts, answers, strict=True) if answer.text == KNOWN[text][1])
    assert right["de"] / 3000 == pytest.approx(0.9, abs=0.03)
    assert right["fr"] / 3000 == pytest.approx(0.2, abs=0.03)


def test_language_is_identified_where_no_table_tells_it() -> None:
    """Without known prompts, the language of a text decides its quality."""
    model = FakeModel(quality={"de": 1.0}, batch_size=10)
    german, french = "Wie heisst die Hauptstadt von Frankreich?", "Quelle est la capitale de la France ?"
    answers = ask(model, [german, french])
    assert answers[0].text == made_up_answer(german)
    assert answers[1].text != made_up_answer(french)


@pytest.mark.parametrize("kind", ANSWER_FAULTS)
def test_each_fault_is_what_it_says(kind: str) -> None:
    """An answer of each kind can be told by the check that it is made for."""
    texts = list(KNOWN)[2990:3010]
    for text, answer in zip(texts, ask(FakeModel(quality=0, faults={kind: 1.0}, known=KNOWN), texts), strict=True):
        language, right = KNOWN[text]
        assert answer.reason is None
        if kind == "empty":
            assert answer.text == ""
        elif kind == "wrong_language":
            assert identify(answer.text, ["de", "fr", "ru", "es"]).language not in {language, None}
        elif kind == "truncated":
            assert (right.startswith(answer.text), answer.finish_reason) == (True, "length")
            assert 0 < len(answer.text) < len(right)
        elif kind == "repeated":
            assert answer.text.count(right) == 24
        elif kind == "echo":
            assert answer.text == text
        else:
            assert "AI language model" in answer.text


def test_wrong_answers_are_well_formed() -> None:
    """A wrong answer is the right one of another prompt in the same language, and never the right one."""
    texts = list(KNOWN)
    for text, answer in zip(texts, ask(FakeModel(quality=0, known=KNOWN, batch_size=500), texts), strict=True):
        language, right = KNOWN[text]
        assert answer.text in set(ANSWERS[language]) - {right}


@pytest.mark.parametrize("right", ["Paris", "7", "77", "two words", "same same", "", "巴黎"])
def test_wrong_answers_without_a_table_differ_from_the_right_one(right: str) -> None:
    """Where a function tells the right answer there are no others to take: its parts are moved."""
    (answer,) = ask(FakeModel(quality=0, known=lambda _: ("en", right)), ["question"])
    assert answer.text != right


def test_same_request_same_answer() -> None:
    """Answers depend on request, name, seed and settings: not on order, batch, time or the key of the request."""
    texts = [f"question {i}" for i in range(300)]
    faults = dict.fromkeys(ANSWER_FAULTS, 0.1)
    first = ask(FakeModel("a", quality=0.3, faults=faults), texts)
    again = ask(FakeModel("a", quality=0.3, faults=faults, batch_size=7), texts[::-1])[::-1]
    assert [a.text for a in first] == [a.text for a in again]
    other = FakeModel("b", quality=0.3, faults=faults)
    assert [a.text for a in ask(other, texts)] != [a.text for a in first]
    assert other.fingerprint != FakeModel("a", quality=0.3, faults=faults).fingerprint


def test_fingerprint_tells_settings_apart() -> None:
    """What changes answers changes the fingerprint; latency does not."""
    base = FakeModel("a").fingerprint
    assert FakeModel("a", latency=1.0, batch_size=9, in_flight=3).fingerprint == base
    changed = [
        FakeModel("a", seed=1),
        FakeModel("a", quality=0.9),
        FakeModel("a", known=KNOWN),
        FakeModel("a", faults={"400": 0.1}),
    ]
    assert len({base, *(model.fingerprint for model in changed)}) == 5


def test_samples_differ_above_temperature_0_only() -> None:
    """Greedy samples are the same, others are drawn anew; history and system message count as well."""
    model = FakeModel(quality=0.5)
    greedy = [model.respond(Request("k", "q"), SAMPLING, sample).text for sample in range(20)]
    warm = [model.respond(Request("k", "q"), Sampling(temperature=1.0), sample).text for sample in range(20)]
    assert (len(set(greedy)), len(set(warm))) == (1, 2)
    systems = {model.respond(Request("k", "q", system=str(i)), SAMPLING).text for i in range(20)}
    assert len(systems) == 2


def test_limit_of_tokens_is_kept() -> None:
    """An answer that is too long is cut at a character, has exactly the limit's tokens, and says so."""
    model = FakeModel(known=lambda _: ("ru", "Ответ на этот вопрос довольно длинный."))
    (answer,) = ask(model, ["q"], Sampling(max_tokens=3))
    assert (answer.text, answer.finish_reason, answer.completion_tokens) == ("Ответ ", "length", 3)
    assert model.count(answer.text) == 3
    (whole,) = ask(model, ["q"], Sampling(max_tokens=300))
    assert (whole.finish_reason, whole.completion_tokens) == ("stop", model.count(whole.text))


@pytest.mark.parametrize(("fault", "retry"), [("429", True), ("500", True), ("malformed", True), ("400", False)])
def test_failing_requests_fail_as_often_as_asked(fault: str, retry: bool) -> None:
    """A passing fault is gone after `failures` calls, a 400 stays; a 429 asks to wait and says that it is overload."""
    model = FakeModel(faults={fault: 1.0}, failures=2, retry_after=0.25)
    errors = []
    for _ in range(3):
        try:
            ask(model, ["q"])
        except RequestError as error:
            errors.append(error)
    assert len(errors) == (2 if retry else 3)
    assert {(error.retry, error.overload, error.after) for error in errors} == {
        (retry, fault == "429", 0.25 if fault == "429" else None)
    }
    assert model.given[fault] == len(errors)


def test_engine_gets_every_answer_of_a_flaky_fake(tmp_path: Path) -> None:
    """Through the engine each request has one row: those that pass are answered, a 400 is a failure with its reason."""
    model = FakeModel("flaky", faults={"429": 0.1, "500": 0.1, "400": 0.05, "malformed": 0.05, "hang": 0.02})
    requests = [Request(str(i), f"question {i}") for i in range(300)]
    with Store(tmp_path / "answers.sqlite") as store:
        counts = run([Job(model, requests, SAMPLING)], store, retries=Retries(base=0.01, timeout=0.3))
        keys = Keys(model.fingerprint, SAMPLING)
        found = store.get([keys.of(request)[0] for request in requests], SAMPLING.max_tokens)
    assert len(found) == 300
    assert counts.failed == model.given["400"] == sum(row.reason == "400: bad request" for row in found.values()) > 0
    assert all(row.text == made_up_answer(f"question {row.key}") for row in found.values() if row.reason is None)


@pytest.mark.serial
def test_latency_overlaps_and_peak_is_counted() -> None:
    """Calls that wait do so side by side; the fake knows how many there were."""
    model = FakeModel(latency=0.05)

    async def many() -> None:
        await asyncio.gather(*(model.answer([Request(str(i), "q")], SAMPLING) for i in range(50)))

    began = time.perf_counter()
    asyncio.run(many())
    assert time.perf_counter() - began < 1.0
    assert model.peak == 50


def test_known_prompts_take_the_first_reference() -> None:
    """A prompt table becomes what a fake needs; a prompt without reference has an empty right answer."""
    shared = {"item": "i", "language": "de", "kind": "k", "split": "prompt", "source": "s", "licence": "CC0-1.0"}
    prompts = [Prompt(text="a", references=("x", "y"), **shared), Prompt(text="b", references=(), **shared)]
    assert known_prompts(prompts) == {"a": ("de", "x"), "b": ("de", "")}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"faults": {"emtpy": 0.1}}, "Did you mean 'empty'"),
        ({"quality": 1.5}, "1.5 is no share"),
        ({"quality": {"de": 0.9}, "faults": {"empty": 0.2}}, "sum to more than 1"),
    ],
)
def test_impossible_shares_are_refused(settings: dict, message: str) -> None:
    """A share that cannot be is an error that names it."""
    with pytest.raises(ModelError, match=message):
        FakeModel("a", **settings)


@pytest.mark.serial
def test_an_answer_costs_a_few_microseconds() -> None:
    """The best of three runs over 20,000 requests stays below 20 microseconds each (3 where nothing else runs)."""
    requests = [Request(str(i), f"What is {i} times {i + 1}, in words please?") for i in range(20_000)]
    model, best = FakeModel(quality=0.5, batch_size=1000), float("inf")
    for _ in range(3):
        began = time.perf_counter()
        for request in requests:
            model.respond(request, SAMPLING)
        best = min(best, time.perf_counter() - began)
    print(f"{best / 20_000 * 1e6:.1f} us per answer")
    assert best / 20_000 < 20e-6
