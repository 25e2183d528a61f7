"""Answers of models and what they are worth, kind of benchmark by kind of benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from polylect.evaluate.benchmarks import get
from polylect.evaluate.generation import Answer, Asker
from polylect.evaluate.scoring import measure_answer
from polylect.evaluate.task_types import GenerateTask, Item, Turn
from polylect.models.interface import Price
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.store import Store
from polylect.records import Measurement


class Parrot:
    """A model in this process that answers with what it was told; a text with "fail" fails."""

    name, fingerprint, in_flight, price, licence, may_train = "parrot", "p", 1, Price(), None, None

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """One batch."""
        return [list(requests)]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer "you said ..."."""
        self.asked += batch
        lost = ["HTTP 400" if "fail" in request.text else None for request in batch]
        return [
            Generated(request.key, 0, "" if reason else f"you said {request.text}", "" if reason else "stop", 1, 1, reason)
            for request, reason in zip(batch, lost, strict=True)
        ]

    def count(self, text: str) -> int:
        """One token a text."""
        return 1

    async def close(self) -> None:
        """Hold nothing."""


def task(number: int, *turns: str, stop: tuple[str, ...] = ()) -> GenerateTask:
    """Return a task of one question, or of several turns."""
    texts = turns or (f"question {number}",)
    item = Item(
        benchmark="multi-if", item=str(number), language="en", text=texts[0], turns=tuple(map(Turn, turns)) if turns else ()
    )
    return GenerateTask(item=item, request=Request(item.key, texts[0]), stop=stop, max_tokens=8)


def test_conversations_are_held_turn_by_turn(tmp_path: Path) -> None:
    """A later turn has the model's own earlier answers before it; one that failed ends its conversation."""
    model = Parrot()
    with Store(tmp_path / "s") as store:
        answers = Asker(model, store).answers([task(1, "one", "two", "three"), task(2, "one more", "fail", "never"), task(3)])
    assert answers[0].texts == ("you said one", "you said two", "you said three")
    assert (answers[1].texts, answers[1].reason) == (("you said one more",), "HTTP 400")
    assert answers[2].texts == ("you said question 3",)
    third = next(request for request in model.asked if request.text == "three")
    assert third.history == (("user", "one"), ("assistant", "you said one"), ("user", "two"), ("assistant", "you said two"))
    assert "never" not in {request.text for request in model.asked}


def test_stored_answers_are_not_asked_again(tmp_path: Path) -> None:
    """The second run takes all from the store, tasks with other stop texts apart."""
    tasks = [task(1), task(2, stop=("\n",))]
    with Store(tmp_path / "s") as store:
        first = Asker(Parrot(), store).answers(tasks)
    model = Parrot()
    with Store(tmp_path / "s") as store:
        asker = Asker(model, store)
        assert asker.answers(tasks) == first
    assert (model.asked, asker.reused) == ([], 2)


def scored(name: str, text: str | None, **item: object) -> dict[str, Measurement]:
    """Return the measurements of one answer by metric."""
    values = {"benchmark": name, "item": "1", "language": "en", "text": "?", **item}
    made = Item(**values)  # type: ignore[arg-type]
    asked = GenerateTask(item=made, request=Request("k", "?"), prompt_tag=made.language, answer_pattern="The answer is #")
    answer = Answer(reason="HTTP 400") if text is None else Answer((text,))
    return {row.metric: row for row in measure_answer(get(name), asked, answer, "m")}


def test_unparsed_number_is_wrong_and_counted() -> None:
    """No number: 0 points, status unparsed with the reason; a failed request: no points."""
    rows = scored("mgsm", "I cannot tell", references=("5",))
    assert {row.score for row in rows.values()} == {0.0}
    assert {row.status for row in rows.values()} == {"unparsed"}
    lost = scored("mgsm", None, references=("5",))
    assert {(row.score, row.status, row.reason) for row in lost.values()} == {(None, "failed", "HTTP 400")}


def test_half_is_not_fifteen() -> None:
    """A known defect of public scores of MGSM: 1.5 is not 15."""
    assert scored("mgsm", "The answer is 1.5", references=("15",))["strict"].score == 0.0
    assert scored("mgsm", "The answer is 15.", references=("15",))["strict"].score == 1.0


def test_native_digits_count_for_native_alone() -> None:
    """Bengali digits are right by the native reading, and unparsed by the others."""
    rows = scored("mgsm", "The answer is ১৮", references=("18",), language="bn")
    assert (rows["native"].score, rows["strict"].status, rows["flexible"].status) == (1.0, "unparsed", "unparsed")


def test_translation_is_the_sentence_chrf_of_sacrebleu() -> None:
    """chrF++ with word bigrams; an empty translation is worth 0 and counted."""
    from sacrebleu.metrics import CHRF

    reference, said = "Mnara wa taa ulipakwa rangi mara mbili.", "Mnara ulipakwa rangi mbili."
    row = scored("flores-200", said, references=(reference,), language="sw")["chrf++"]
    assert row.score == pytest.approx(CHRF(word_order=2).sentence_score(said, [reference]).score)
    empty = scored("flores-200", " ", references=(reference,), language="sw")["chrf++"]
    assert (empty.score, empty.status, empty.reason) == (0.0, "unparsed", "empty answer")


def test_language_confusion_looks_at_words_of_passing_answers_only() -> None:
    """An English answer fails its lines and has no word rate; Turkish has none at all."""
    english = scored("language-confusion", "This answer is written in plain English.", language="ja")
    assert (english["line_pass_rate"].score, english["word_pass_rate"].score) == (0.0, None)
    mixed = scored("language-confusion", "この灯台はとても beautiful だと思います。", language="ja")
    assert (mixed["line_pass_rate"].score, mixed["word_pass_rate"].score) == (1.0, 0.0)
    assert mixed["word_pass_rate"].reason == "stray word: beautiful"
    assert set(scored("language-confusion", "Bu cevap Türkçe yazıldı.", language="tr")) == {"line_pass_rate"}
    assert scored("language-confusion", "", language="tr")["line_pass_rate"].score is None


def test_instructions_strict_and_loose() -> None:
    """A farewell breaks the strict reading only; the instruction level counts the share."""
    turn = Turn(
        text="Write.",
        instructions=("startend:end_checker", "keywords:existence"),
        arguments=({"end_phrase": "The end."}, {"keywords": ["gull"]}),
    )
    rows = scored("marco-mif", "A gull flew. The end.\nBye!", turns=(turn,))
    assert {name: row.score for name, row in rows.items()} == {
        "prompt_strict": 0.0, "instruction_strict": 0.5, "prompt_loose": 1.0, "instruction_loose": 1.0, "mean": 0.625,
    }  # fmt: skip
    assert rows["mean"].reason == "broken: startend:end_checker"


def test_instruction_that_cannot_be_measured_is_left_out_with_its_reason() -> None:
    """Words of Thai are not counted: the other instruction decides alone; with nothing left the row is skipped."""
    words = ("length_constraints:number_words", {"num_words": 3, "relation": "at least"})
    end = ("startend:end_checker", {"end_phrase": "จบ"})
    both = Turn(text="?", instructions=(words[0], end[0]), arguments=(words[1], end[1]))
    rows = scored("marco-mif", "ประภาคารสูงมาก จบ", turns=(both,), language="th")
    assert rows["prompt_strict"].score == 1.0
    assert "not measured" in str(rows["prompt_strict"].reason)
    alone = Turn(text="?", instructions=(words[0],), arguments=(words[1],))
    assert scored("marco-mif", "ประภาคาร", turns=(alone,), language="th")["mean"].status == "skipped"


def test_open_answers_wait_for_a_judge() -> None:
    """Win rates need a second model: the answer is kept, unscored."""
    row = scored("m-arenahard", "An answer.")["win_rate"]
    assert (row.score, row.status, row.output) == (None, "skipped", "An answer.")
    assert "polylect compare" in str(row.reason)
