"""`compare`: result folders, recorded outputs and models on both sides, with and without a judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from judging_examples import SENTENCES, ScriptedJudge, answer, chance, good

from polylect import tables
from polylect.errors import DataError, EvaluationError, LanguageError
from polylect.evaluate.comparing import compare
from polylect.models.fakes import FakeModel
from polylect.records import Completion, Measurement, Result

BETTER = {"de": 0.15, "fr": 0.15, "sw": -0.2, "tr": 0.0}


def measurements(model: str, lead: float, subset: str = "") -> list[Measurement]:
    """Return right-or-wrong scores of a model; `lead` scales how much more often it is right than 50 %."""
    return [
        Measurement(
            model=model,
            benchmark="mgsm",
            language=language,
            item=str(item),
            subset=subset,
            metric="accuracy",
            score=float(chance("score", item, language) < 0.5 + lead * by),
            prompt=f"question {item}: {SENTENCES[language]}",
            output=answer(language, 1 + chance(model, item) + lead * by),
        )
        for language, by in BETTER.items()
        for item in range(200)
    ]


def folder(path: Path, rows: list[Measurement]) -> Path:
    """Write a result folder as `polylect eval` does."""
    tables.write(path / "results.parquet", rows, Measurement)
    return path


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write recorded outputs."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def outputs(model: str, languages: tuple[str, ...] = ("de", "sw"), items: int = 40) -> list[dict[str, Any]]:
    """Return recorded outputs with their prompts."""
    return [
        {
            "model": model,
            "item": str(item),
            "language": language,
            "prompt": f"question {item}: {SENTENCES[language]}",
            "output": answer(language, 1 + chance(model, item)),
        }
        for language in languages
        for item in range(items)
    ]


def test_folders_are_compared_per_language_regressions_first(tmp_path: Path) -> None:
    """The verdict in words names what got worse with its interval; rows begin with the largest loss."""
    new, old = folder(tmp_path / "new", measurements("new", 1.0)), folder(tmp_path / "old", measurements("old", 0.0))
    (one,) = compare(str(new), str(old)).scores
    assert one.words.startswith("better in 2, worse in 1 (sw, -")
    assert one.words.endswith("undecided in 1")
    assert one.languages[0].language == "sw"
    worst = one.languages[0]
    assert worst.difference.value == pytest.approx(-20, abs=6)
    assert worst.difference.high is not None
    assert worst.difference.high < 0
    assert (worst.win + worst.loss + worst.tie, worst.n) == (200, 200)
    assert worst.win_rate.value == pytest.approx((worst.win + worst.tie / 2) / 200)
    assert one.macro.n == 800


def test_parts_are_compared_apart_and_a_single_part_once(tmp_path: Path) -> None:
    """Two subsets give two comparisons beside the whole; one subset is the whole."""
    both = [measurements("m", 0.0, "CS"), measurements("m", 0.0, "CA")]
    a, b = folder(tmp_path / "a", both[0] + both[1]), folder(tmp_path / "b", both[0] + both[1])
    assert [one.subset for one in compare(str(a), str(b)).scores] == ["", "CA", "CS"]
    a, b = folder(tmp_path / "c", both[0]), folder(tmp_path / "d", both[0])
    assert [one.subset for one in compare(str(a), str(b)).scores] == [""]


def test_an_item_counts_once_for_the_error_in_whatever_subsets_it_stands(tmp_path: Path) -> None:
    """Rows of one item in two subsets are one cluster: saying everything twice makes no interval narrower."""
    a, b = ([*measurements(name, lead, "CS"), *measurements(name, lead, "CA")] for name, lead in (("a", 1.0), ("b", 0.0)))
    twice = compare(str(folder(tmp_path / "a", a)), str(folder(tmp_path / "b", b))).scores
    whole, _, once = twice
    assert (whole.subset, once.subset) == ("", "CS")
    assert whole.macro.n == 2 * once.macro.n
    for left, right in zip((whole.macro, *whole.languages), (once.macro, *once.languages), strict=True):
        # The interval of a single language in one part is the one for three outcomes, which is a little wider.
        assert left.win_rate.low == pytest.approx(right.win_rate.low, abs=0.005)
        assert left.win_rate.high == pytest.approx(right.win_rate.high, abs=0.005)


def test_a_missing_language_and_unscored_rows_are_counted(tmp_path: Path) -> None:
    """A language that only one side has is "no data" with its count; rows without a score stand there by reason."""
    rows = measurements("new", 0.0)
    lost = [
        Measurement(**{**row.as_dict(), "id": "", "score": None, "status": "unparsed", "reason": "no number"})
        for row in rows[:50]
    ]
    a = folder(tmp_path / "a", lost + rows[50:])
    b = folder(tmp_path / "b", [row for row in measurements("old", 0.0) if row.language != "tr"])
    (one,) = compare(str(a), str(b)).scores
    assert "no data in 1 (tr)" in one.words
    by = {row.language: row for row in one.languages}
    assert (by["tr"].n, by["tr"].only_a) == (0, 200)
    assert by["de"].unscored_a == {"unparsed: no number": 50}
    assert (by["de"].n, by["de"].only_b) == (150, 50)
    (wrong,) = compare(str(a), str(b), unparsed_wrong=True).scores
    assert {row.language: row.n for row in wrong.languages}["de"] == 200


def test_a_step_of_a_run_is_a_result_folder(tmp_path: Path) -> None:
    """Results of a stage are compared by metric, its answers judged with the prompts of a table."""
    for stage, quality in (("sft", 1.5), ("base", 1.0)):
        rows = [
            Result(
                stage=stage,
                prompt_id=str(i),
                item=str(i),
                language="de",
                kind="k",
                subset="heldout",
                metric="chrf",
                value=50 * quality,
            )
            for i in range(40)
        ]
        answers = [
            Completion(
                prompt_id=str(i), item=str(i), language="de", model="m", sample=0, text=answer("de", quality),
                finish_reason="stop", prompt_tokens=1, completion_tokens=1,
            )
            for i in range(40)
        ]  # fmt: skip
        tables.write(tmp_path / stage / "results.parquet", rows, Result)
        tables.write(tmp_path / stage / "completions.parquet", answers, Completion)
    prompts = jsonl(tmp_path / "prompts.jsonl", [{"item": str(i), "language": "de", "text": f"question {i}"} for i in range(41)])
    found = compare(
        str(tmp_path / "sft"), str(tmp_path / "base"), judge=[ScriptedJudge(good)], prompts=prompts, store=tmp_path / "s.sqlite"
    )
    assert (found.a, found.b) == ("sft", "base")
    assert found.scores[0].macro.difference.value == pytest.approx(25)
    assert found.judging is not None
    assert found.judging.rates.words == "better in 1, worse in 0, undecided in 0"
    assert found.judging.rates.languages[0].unscored == 1
    assert found.judging.notes == ("1 contests without a result: a and b: no answer to this item",)


def test_recorded_outputs_are_judged_with_their_own_prompts(tmp_path: Path) -> None:
    """No prompt table is needed where the prompts are recorded; every verdict is written."""
    a, b = jsonl(tmp_path / "a.jsonl", outputs("new")), jsonl(tmp_path / "b.jsonl", outputs("old"))
    found = compare(a, b, judge=[ScriptedJudge(good)], out=tmp_path / "out")
    assert found.judging is not None
    assert (found.a, found.b) == ("new", "old")
    assert {row.language: row.contests for row in found.judging.rates.languages} == {"de": 40, "sw": 40}
    written = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert written["words"] == list(found.words)
    assert len(tables.read(tmp_path / "out" / "games.parquet", type(found.judging.games[0]))) == 160
    assert len(tables.read(tmp_path / "out" / "outcomes.parquet", type(found.judging.outcomes[0]))) == 80


def test_outputs_that_are_missing_empty_or_repeated_are_counted(tmp_path: Path) -> None:
    """Items of one side only, an empty output, a failed one and a repeated row: none is lost without a trace."""
    rows = outputs("new", ("de",), 5)
    a = jsonl(tmp_path / "a.jsonl", [*rows[:3], rows[0], {**rows[3], "output": ""}, {**rows[4], "output": None, "reason": "429"}])
    b = jsonl(tmp_path / "b.jsonl", outputs("old", ("de",), 6))
    found = compare(a, b, judge=[ScriptedJudge(good)], store=tmp_path / "s.sqlite")
    assert found.judging is not None
    (row,) = found.judging.rates.languages
    assert row.decided == {"judge": 3, "empty": 1, "missing": 2}
    assert row.reasons == {"a: no answer (429)": 1, "a: no answer to this item": 1}
    assert found.notes == {"new: repeated rows left out": 1}


def test_contradicting_rows_are_an_error(tmp_path: Path) -> None:
    """Two different outputs for one item: the message names file and both rows."""
    rows = outputs("new", ("de",), 2)
    a = jsonl(tmp_path / "a.jsonl", [*rows, {**rows[1], "output": "another"}])
    with pytest.raises(DataError, match=r"a.jsonl, row 3: item '1' in de has another answer in row 2"):
        compare(a, a, judge=[ScriptedJudge(good)], store=tmp_path / "s.sqlite")


def test_models_answer_the_prompts_and_are_judged(tmp_path: Path) -> None:
    """Two models, a prompt table, a judge; a second call asks nobody."""
    questions = {f"Question number {i} about the river?": ("en", "The river flows to the sea.") for i in range(40)}
    prompts = jsonl(
        tmp_path / "prompts.jsonl", [{"item": str(i), "language": "en", "text": text} for i, text in enumerate(questions)]
    )

    def say(seen: Any) -> str:
        right = [text == "The river flows to the sea." for text in (seen.first, seen.second)]
        return "TIE" if right[0] == right[1] else "A" if right[0] else "B"

    def models() -> tuple[FakeModel, FakeModel]:
        return FakeModel("strong", known=questions), FakeModel("weak", quality=0.2, known=questions)

    found = compare(*models(), judge=[ScriptedJudge(say)], prompts=prompts, store=tmp_path / "s.sqlite")
    assert found.judging is not None
    assert found.judging.rates.words == "better in 1, worse in 0, undecided in 0"
    again = models()
    second = compare(*again, judge=[ScriptedJudge(say)], prompts=prompts, store=tmp_path / "s.sqlite")
    assert again[0].calls == again[1].calls == 0
    assert second.judging is not None
    assert second.judging.rates == found.judging.rates


def test_languages_and_metrics_can_be_chosen(tmp_path: Path) -> None:
    """Other languages are left alone; an unknown metric names the nearest, an unknown tag is refused."""
    a = str(folder(tmp_path / "a", measurements("a", 0.0)))
    (one,) = compare(a, a, languages=["deu", "tr"]).scores
    assert {row.language for row in one.languages} == {"de", "tr"}
    assert (compare(a, a).a, compare(a, a).b) == ("a (a)", "a (b)")
    with pytest.raises(EvaluationError, match="Did you mean 'accuracy'"):
        compare(a, a, metric=["acuracy"])
    with pytest.raises(LanguageError):
        compare(a, a, languages=["zz"])
    with pytest.raises(DataError, match="nothing to compare for xcopa"):
        compare(a, a, benchmark=["xcopa"])


def test_what_cannot_be_compared_says_what_to_do(tmp_path: Path) -> None:
    """A model without a judge, outputs without scores, no prompts anywhere, a file of another kind."""
    a = jsonl(tmp_path / "a.jsonl", outputs("new", ("de",), 2))
    bare = jsonl(tmp_path / "bare.jsonl", [{"item": "1", "language": "de", "output": "x"}])
    judge = [ScriptedJudge(good)]
    with pytest.raises(EvaluationError, match="a model has to be asked first"):
        compare(FakeModel("m"), a)
    with pytest.raises(EvaluationError, match="outputs without scores"):
        compare(a, a)
    with pytest.raises(EvaluationError, match="Give the prompts with --prompts TABLE"):
        compare(bare, bare, judge=judge, store=tmp_path / "s.sqlite")
    with pytest.raises(EvaluationError, match="there are no prompts"):
        compare(FakeModel("m"), a, judge=judge, store=tmp_path / "s.sqlite")
    (tmp_path / "x.csv").write_text("item\n")
    with pytest.raises(DataError, match=r"\.csv files are not compared"):
        compare(tmp_path / "x.csv", a)
    with pytest.raises(DataError, match="no such file"):
        compare(tmp_path / "gone.jsonl", a)
    with pytest.raises(DataError, match="several models"):
        compare(jsonl(tmp_path / "two.jsonl", outputs("one", ("de",), 1) + outputs("two", ("sw",), 1)), a)
