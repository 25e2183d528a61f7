"""Checks on answers: a labelled set of answers in many languages, and the rules one by one."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from arbitrage_examples import completion

from polylect.arbitrage.checks import Checks, check, check_many, explain, refusal_languages
from polylect.models.fakes import FakeModel
from polylect.models.requests import Request, Sampling
from polylect.records import Prompt

LABELLED = Path(__file__).parent / "checks_labelled.jsonl"
KINDS = ("empty", "repetition", "truncated", "echo", "refusal", "language")
REASONS = {"empty answer": "empty", "prompt echo": "echo", "boilerplate": "refusal"}
LEAST_RECALL = {"refusal": 0.9, "truncated": 0.9, "language": 0.95}
"""The others find everything; docs/checks.md has the measured values."""


def asked(language: str, text: str, *references: str, kind: str = "chat") -> Prompt:
    """Return a prompt."""
    values = {"item": text, "split": "prompt", "source": "here", "licence": "CC0-1.0"}
    return Prompt(language=language, kind=kind, text=text, references=references, **values)


def kind_of(reason: str | None) -> str:
    """Return the label that a reason stands for."""
    return "good" if reason is None else REASONS.get(reason) or {"wrong": "language"}.get(reason.split()[0], reason.split(":")[0])


def labelled() -> Iterator[tuple[str, str, str, str]]:
    """Yield label, found label, language and answer of the labelled set."""
    for line in LABELLED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        prompt = asked(row["language"], row["prompt"])
        reason = check(completion(prompt, "m", row["answer"], finish_reason=row["finish"]), prompt)
        yield row["label"], kind_of(reason), row["language"], row["answer"]


def test_labelled_answers_are_told_apart() -> None:
    """Over 250 answers in 29 languages every check is right in 97 % of the answers that it refuses, and finds 90 % or more."""
    rows = list(labelled())
    assert len(rows) >= 250
    assert len({language for _, _, language, _ in rows}) >= 28
    table = Counter((label, found) for label, found, _, _ in rows)
    assert table["good", "good"] / sum(n for (label, _), n in table.items() if label == "good") >= 0.99
    for kind in KINDS:
        right = table[kind, kind]
        refused = sum(n for (_, found), n in table.items() if found == kind)
        there = sum(n for (label, _), n in table.items() if label == kind)
        print(f"{kind}: n {there}, precision {right / refused:.3f}, recall {right / there:.3f}")
        assert right / refused >= 0.97, kind
        assert right / there >= LEAST_RECALL.get(kind, 1.0), kind


def test_reasons_are_few_and_details_say_more() -> None:
    """The reason names the language and can be counted; how much of the answer it is stands in the detail."""
    prompt = asked("de", "Warum ist der Himmel blau?")
    text = "Das Sonnenlicht wird in der Luft gestreut.\n"
    text += "Blue light is scattered more than red light is.\nDeshalb erscheint der Himmel am Tag blau."
    finding = explain(completion(prompt, "m", text), prompt)
    assert finding is not None
    assert finding.reason == "wrong language: line in en"
    assert finding.detail.startswith("1 of 3 lines (")
    assert check(completion(prompt, "m", text), prompt, Checks(foreign_lines=0.5)) is None
    assert check(completion(prompt, "m", text), prompt, Checks(language=False)) is None


@pytest.mark.parametrize(
    ("field", "language", "text", "finish"),
    [
        ("empty", "hi", "।।", "stop"),
        ("repetition", "ja", "葉の色が変わります。" * 12, "stop"),
        ("truncation", "de", "Der Himmel ist blau, weil", "length"),
        ("open_end", "de", "Der Himmel ist blau,", ""),
        ("echo", "de", "Warum ist der Himmel blau und nicht rot?", "stop"),
        ("refusal", "fr", "Je suis désolé, mais je ne peux pas répondre.", "stop"),
        ("language", "ar", "The sky is blue because of scattering.", "stop"),
    ],
)
def test_each_check_can_be_turned_off(field: str, language: str, text: str, finish: str) -> None:
    """An answer that one check refuses passes without that check."""
    prompt = asked(language, "Warum ist der Himmel blau und nicht rot?" if language == "de" else "?")
    answer = completion(prompt, "m", text, finish_reason=finish)
    assert check(answer, prompt) is not None
    assert check(answer, prompt, Checks(**{field: False})) is None


def test_references_are_never_foreign_nor_echoes() -> None:
    """An accepted answer passes, whatever it looks like; the same words without a reference do not."""
    title = "The Old Man and the Sea is the name of this book"
    prompt, unknown = asked("hi", "?", title), asked("hi", "?")
    assert check(completion(prompt, "m", title), prompt) is None
    assert check(completion(unknown, "m", title), unknown) == "wrong language: line in en"


def test_words_of_the_prompt_do_not_count() -> None:
    """A line that repeats the foreign words of its prompt is in the language of the prompt."""
    question = "Was bedeutet der Satz Actions speak louder than words and nobody listens to promises?"
    text = "Actions speak louder than words and nobody listens to promises: Taten zählen."
    assert check(completion(asked("de", question), "m", text), asked("de", question)) is None
    assert check(completion(asked("de", "Nenne ein Sprichwort."), "m", text), asked("de", "Nenne ein Sprichwort.")) is not None


def test_kinds_of_prompts_can_be_exempt_from_the_language_check() -> None:
    """The answers to translation tasks may be in any language."""
    prompt = asked("de", "Übersetze ins Englische: Der Zug kommt heute spät.", kind="translate/en")
    answer = completion(prompt, "m", "The train is going to be late today.")
    assert check(answer, prompt) == "wrong language: line in en"
    assert check(answer, prompt, Checks(exempt=("translate*",))) is None


def test_a_failed_request_is_not_checked() -> None:
    """A completion that failed keeps its own reason."""
    prompt = asked("de", "?")
    assert check(completion(prompt, "m", "", status="failed", reason="HTTP 500"), prompt) is None


def test_a_finish_reason_is_believed_before_the_end_is_looked_at() -> None:
    """An answer that stopped by itself may end in a comma; one of which nothing is known may not."""
    prompt = asked("de", "?")
    text = "Es gibt drei Gründe: das Licht, die Wärme,"
    assert check(completion(prompt, "m", text), prompt) is None
    assert check(completion(prompt, "m", text, finish_reason=""), prompt) == "truncated: open end"


@pytest.mark.parametrize(
    "text", ["10" * 40, "=" * 80, "| a | b |\n|---|---|\n| 1 | 2 |", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"]
)
def test_numbers_rules_and_tables_are_no_loops(text: str) -> None:
    """Long numbers, ruled lines and tables are not repetitions of words."""
    prompt = asked("en", "?")
    assert check(completion(prompt, "m", text), prompt, Checks(empty=False)) is None


def test_refusals_are_known_in_the_paper_languages() -> None:
    """All 23 languages of Aya Expanse and more have phrases of their own."""
    paper = {"ar", "cs", "de", "el", "en", "es", "fa", "fr", "he", "hi", "id", "it"}
    paper |= {"ja", "ko", "nl", "pl", "pt", "ro", "ru", "tr", "uk", "vi", "zh"}
    assert paper <= set(refusal_languages())


def test_faults_of_the_fake_models_are_caught() -> None:
    """Every faulty answer that the public fakes give is refused, and none of their good ones."""
    prompts = [asked(*row) for row in (("de", "Welche Währung hat Japan?", "Yen"), ("hi", "जापान की मुद्रा क्या है?", "येन"))]
    known = {one.text: (one.language, one.references[0]) for one in prompts}
    for fault in ("empty", "wrong_language", "truncated", "repeated", "echo", "refusal", None):
        model = FakeModel(faults={fault: 1.0} if fault else {}, quality=0.0 if fault else 1.0, known=known)
        for prompt in prompts:
            given = model.respond(Request(prompt.id, prompt.text), Sampling())
            reason = check(completion(prompt, "m", given.text, finish_reason=given.finish_reason), prompt)
            assert (reason is None) == (fault is None), (fault, prompt.language, given)


@pytest.mark.serial
def test_short_answers_are_checked_fast() -> None:
    """Thousands of short answers a second on one core; the bound leaves room for a busy machine."""
    rows = [(language, answer) for label, _, language, answer in labelled() if label == "good"]
    prompts = {one.id: one for one in (asked(language, f"{number}?") for number, (language, _) in enumerate(rows * 10))}
    answers = [completion(one, "m", text) for one, (_, text) in zip(prompts.values(), rows * 10, strict=True)]
    check_many(answers[: len(rows)], prompts)
    began = time.process_time()
    reasons = check_many(answers, prompts)
    rate = len(answers) / (time.process_time() - began)
    print(f"{rate:.0f} checks/s, mean {sum(len(a.text) for a in answers) / len(answers):.0f} characters")
    assert sum(reason is not None for reason in reasons) <= 0.02 * len(reasons)
    assert rate > 1500
