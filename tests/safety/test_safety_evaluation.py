"""`evaluate` from end to end: what models with one habit come out as, what is counted, and what resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from lantern_world import ANSWERS, ASKED_OF, REFUSALS, PhraseDetector, prompt_rows, write_lines

from polylect import tables
from polylect.errors import EvaluationError, ModelError, RunError
from polylect.safety import SafetyEvaluation, SafetyResult, Thresholds, evaluate, read_document
from polylect.safety.folder import SafetyFolder

pytestmark = pytest.mark.usefixtures("scripted")


def run(model: str | None, prompts: Path, out: Path, **options: Any) -> SafetyEvaluation:
    """Evaluate with the detector of the invented world."""
    return evaluate(model, prompts, out=out, detector=PhraseDetector(), **options)


def rate(found: SafetyEvaluation, outcome: str, language: str, prompts: str = "harmful") -> dict[str, Any]:
    """Return the row of a rate over all prompts of a kind."""
    wanted = {"prompts": prompts, "by": "all", "outcome": outcome, "language": language}
    return next(row for row in found.document["rows"] if wanted.items() <= row.items())


def test_a_proper_model_has_no_violation_and_no_over_refusal(lanterns: Path, tmp_path: Path) -> None:
    """A model that refuses what it should and answers the twins tells every pair apart; Swahili is not guessed at."""
    found = run("scripted:proper", lanterns, tmp_path / "out")
    for tag in ("en", "fr", "de"):
        assert rate(found, "complied", tag)["value"] == 0.0
        assert rate(found, "refused", tag)["value"] == 1.0
        assert rate(found, "refused", tag, "harmless")["value"] == 0.0
    swahili = rate(found, "complied", "sw")
    assert (swahili["value"], swahili["n"], swahili["unscored"], swahili["status"]) == (None, 0, 4, "no verdicts")
    assert swahili["why"] == "detector: phrases does not declare sw"
    assert rate(found, "complied", "mul")["left_out"] == ["sw"]
    assert found.document["summary"]["pairs"][0] == {
        "language": "de", "n": 4, "told_apart": 4, "both_refused": 0, "both_complied": 0, "other": 0,
    }  # fmt: skip


def test_noise_is_irrelevant_and_not_safe(lanterns: Path, tmp_path: Path) -> None:
    """A model that outputs noise neither refuses nor complies."""
    found = run("scripted:noise", lanterns, tmp_path / "out", languages=["en", "fr", "de"])
    assert rate(found, "irrelevant", "mul")["value"] == 1.0
    assert rate(found, "refused", "mul")["value"] == 0.0


def test_a_model_that_refuses_everything_shows_its_over_refusal(lanterns: Path, tmp_path: Path) -> None:
    """No violation, and every harmless twin refused: no pair is told apart."""
    found = run("scripted:refuses", lanterns, tmp_path / "out", languages=["en", "de"])
    assert rate(found, "complied", "mul")["value"] == 0.0
    over = rate(found, "refused", "mul", "harmless")
    assert (over["value"], over["n"]) == (1.0, 8)
    assert [row["both_refused"] for row in found.document["summary"]["pairs"]] == [4, 4]


def test_a_model_that_always_answers_in_english_shows_as_wrong_language(lanterns: Path, tmp_path: Path) -> None:
    """English answers to French and German are in the wrong language, and the gap to English says so."""
    found = run("scripted:english", lanterns, tmp_path / "out", languages=["en", "fr", "de"])
    assert rate(found, "wrong language", "fr")["value"] == 1.0
    assert rate(found, "complied", "en")["value"] == 1.0
    over = rate(found, "wrong language", "fr")["over_english"]
    assert over["value"] == 1.0
    assert over["low"] > 0
    assert over["low"] < 1.0


@pytest.mark.parametrize(("habit", "outcome"), [("noise", "irrelevant"), ("refuses", "refused"), ("english", "wrong language")])
def test_the_detector_that_we_bring_sees_these_habits(habit: str, outcome: str, lanterns: Path, tmp_path: Path) -> None:
    """Without a judge and without labels, noise is no safety, and neither is an answer in English."""
    found = evaluate(f"scripted:{habit}", lanterns, out=tmp_path / "out", languages=["fr", "de"])
    assert rate(found, outcome, "fr")["value"] == 1.0
    assert rate(found, outcome, "de", "harmless")["value"] == 1.0


def test_a_judge_sees_what_a_wrong_language_answer_does(lanterns: Path, tmp_path: Path) -> None:
    """English compliance with a Swahili prompt counts as wrong language, and what it gave away is counted, too."""
    found = run("scripted:english", lanterns, tmp_path / "out", judge="scripted:judge")
    assert rate(found, "wrong language", "sw")["value"] == 1.0
    assert found.document["summary"]["content_of_wrong_language"]["sw"] == {"complied": 4}


def test_empty_answers_are_irrelevant_and_counted(lanterns: Path, tmp_path: Path) -> None:
    """An empty answer stays in the denominator, and no judge is asked about it."""
    found = run("scripted:empty", lanterns, tmp_path / "out", judge="scripted:judge")
    assert rate(found, "irrelevant", "sw")["value"] == 1.0
    assert found.document["summary"]["empty_answers"] == {"de": 8, "en": 8, "fr": 8, "sw": 8}
    assert found.document["summary"]["sources"]["sw"] == {"rule": 8}
    assert "judge" not in ASKED_OF


def test_failed_requests_are_counted_by_reason(lanterns: Path, tmp_path: Path) -> None:
    """A language whose requests fail has no number, with the reason; the others do not suffer."""
    found = run("scripted:complies!fr", lanterns, tmp_path / "out", languages=["en", "fr"])
    assert found.document["summary"]["unscored"] == {"fr": {"failed: 400: bad request": 8}}
    french = rate(found, "complied", "fr")
    assert (french["value"], french["status"], french["why"]) == (None, "no verdicts", "400: bad request")
    assert rate(found, "complied", "en")["value"] == 1.0


def test_lost_harm_leaves_the_denominator_and_is_counted(tmp_path: Path) -> None:
    """A prompt whose translation lost the harm is not scored; the other languages of its item are."""
    rows = prompt_rows()
    for row in rows:
        row["harm_kept"] = False if (row["item"], row["language"]) == ("harm-1", "fr") else None
    found = run("scripted:complies", write_lines(tmp_path / "p.jsonl", rows), tmp_path / "out", languages=["en", "fr"])
    french = rate(found, "complied", "fr")
    assert (french["n"], french["harm_lost"], french["value"]) == (3, 1, 1.0)
    assert rate(found, "complied", "en")["n"] == 4
    assert ASKED_OF["complies"] == 15
    (skipped,) = [one for one in tables.read(tmp_path / "out/results.parquet", SafetyResult) if one.status == "skipped"]
    assert (skipped.item, skipped.score, skipped.reason) == ("harm-1", None, "the translation lost the harm")


def labels(tmp_path: Path, outcome: str, tags: tuple[str, ...], pairs: int) -> Path:
    """Write labels that give every harmful prompt of some languages one outcome and every harmless one "complied"."""
    rows = [
        {"item": row["item"], "language": row["language"], "outcome": outcome if row["harmful"] else "complied"}
        for row in prompt_rows(pairs, tags)
    ]
    return write_lines(tmp_path / "labels.jsonl", rows)


def test_a_judge_that_fails_for_one_language_is_unfit_there(lanterns: Path, tmp_path: Path) -> None:
    """Where the judge's replies cannot be read there is "judge unfit" instead of a number, and German leaves the mean."""
    found = run("scripted:complies", lanterns, tmp_path / "out", judge="scripted:judge-without-german")
    german = rate(found, "complied", "de")
    assert (german["value"], german["status"]) == (None, "judge unfit")
    assert german["why"] == "100% of its verdicts cannot be had (most 10%): no verdict in the reply"
    assert rate(found, "complied", "mul")["left_out"] == ["de"]
    assert rate(found, "complied", "sw")["value"] == 1.0
    assert found.document["summary"]["unscored"]["de"] == {"unparsed: judge: no verdict in the reply": 8}


def test_labels_prove_a_judge_unfit(tmp_path: Path) -> None:
    """A judge that calls French compliance a refusal is unfit in French by people's labels on other answers, fit in German."""
    prompts = write_lines(tmp_path / "p.jsonl", prompt_rows(10, ("fr", "de")))
    rows = [
        {"language": tag, "prompt": f"Frage {number}", "answer": texts[tag], "outcome": outcome}
        for tag in ("fr", "de")
        for number in range(10)
        for texts, outcome in ((ANSWERS, "complied"), (REFUSALS, "refused"))
    ]
    options = {"judge": "scripted:judge-lenient-in-french", "calibration": write_lines(tmp_path / "c.jsonl", rows)}
    found = run("scripted:complies", prompts, tmp_path / "out", **options)
    french, german = rate(found, "complied", "fr"), rate(found, "complied", "de")
    assert (french["value"], french["status"]) == (None, "judge unfit")
    assert (german["value"], german["status"]) == (1.0, "ok")
    withheld = [row for row in tables.read(tmp_path / "out/results.parquet", SafetyResult) if row.language == "fr"]
    assert {(row.outcome, row.score, row.status) for row in withheld} == {("refused", None, "unparsed")}
    assert {row.reason.partition(":")[0] for row in withheld if row.reason} == {"judge unfit"}
    certificates = {(one["source"], one["language"]): one for one in found.document["summary"]["certificates"]}
    assert certificates["judge", "fr"]["found"] == 0.0
    assert certificates["judge", "de"]["status"] == "fit"
    assert certificates["judge", "de"]["labelled"] == 20


def test_people_count_before_the_judge_and_disagreement_is_reported(lanterns: Path, tmp_path: Path) -> None:
    """Where people labelled an answer their word counts; how often the judge says something else is in the document."""
    options = {"judge": "scripted:judge", "labels": labels(tmp_path, "refused", ("en",), 4)}
    found = run("scripted:complies", lanterns, tmp_path / "out", languages=["en", "de"], **options)
    assert rate(found, "refused", "en")["value"] == 1.0
    assert rate(found, "complied", "de")["value"] == 1.0
    rows = {(row["language"], *row["sources"]): row for row in found.document["summary"]["disagreement"]}
    assert rows["en", "label", "judge"]["agreement"] == 0.5
    assert rows["en", "label", "judge"]["differ"] == {"refused / complied": 4}
    assert rows["de", "judge", "detector"]["agreement"] == 1.0
    assert found.document["summary"]["sources"] == {"de": {"judge": 8}, "en": {"label": 8}}


def test_recorded_answers_are_evaluated_without_a_model(lanterns: Path, tmp_path: Path) -> None:
    """Answers from a table give the same rates; what does not fit is counted and named."""
    rows = [
        {"item": f"harm-{number}", "language": tag, "answer": texts[tag], "model": "elsewhere"}
        for number in range(3)
        for tag, texts in (("en", REFUSALS), ("fr", ANSWERS))
    ]
    rows.append({"item": "harm-99", "language": "en", "answer": "x", "model": "elsewhere"})
    recorded = write_lines(tmp_path / "answers.jsonl", rows)
    found = run(None, lanterns, tmp_path / "out", answers=recorded, languages=["en", "fr"])
    assert found.document["summary"]["model"] == "elsewhere"
    assert rate(found, "refused", "en")["value"] == 1.0
    assert rate(found, "complied", "fr")["n"] == 3
    assert found.manifest["answers"]["used"] == 6
    assert found.manifest["answers"]["unknown"] == {"count": 1, "first": ["harm-99 (en)"]}
    assert found.manifest["answers"]["missing"]["count"] == 10


def test_a_second_run_asks_nothing_and_changed_prompts_are_refused(lanterns: Path, tmp_path: Path) -> None:
    """A finished folder is read, an unfinished one goes on from its store, and another prompt table is another evaluation."""
    out = tmp_path / "out"
    first = run("scripted:proper", lanterns, out, judge="scripted:judge")
    asked = dict(ASKED_OF)
    assert run("scripted:proper", lanterns, out, judge="scripted:judge").found == "finished"
    (out / "manifest.json").unlink()
    again = run("scripted:proper", lanterns, out, judge="scripted:judge")
    assert (again.found, again.document) == ("unfinished", first.document)
    assert asked == ASKED_OF
    write_lines(lanterns, prompt_rows(3))
    with pytest.raises(RunError, match="prompts was"):
        run("scripted:proper", lanterns, out, judge="scripted:judge")


def test_a_folder_is_worked_in_by_one_process_and_holds_nothing_else(lanterns: Path, tmp_path: Path) -> None:
    """A folder in use and a folder with other files are left alone, and a judge that is not there fails before any answer."""
    with SafetyFolder(tmp_path / "busy", {}), pytest.raises(RunError, match="another process works in this folder"):
        run("scripted:proper", lanterns, tmp_path / "busy")
    with pytest.raises(RunError, match="holds something else"):
        run("scripted:proper", lanterns, tmp_path)
    with pytest.raises(ModelError, match="no folder of that name"):
        run("scripted:proper", lanterns, tmp_path / "out", judge="nobody")
    assert "proper" not in ASKED_OF


def test_the_files_hold_what_was_found(lanterns: Path, tmp_path: Path) -> None:
    """safety.json is the document, results.parquet has the promised columns, summary.json the layout of evaluation."""
    found = run("scripted:complies", lanterns, tmp_path / "out", languages=["en", "fr"])
    assert read_document(tmp_path / "out", "eval") == found.document
    frame = pl.read_parquet(tmp_path / "out/results.parquet")
    assert {"outcome", "category", "scope", "origin", "twin"} <= set(frame.columns)
    assert frame.height == 16
    first = frame.row(by_predicate=(pl.col("item") == "harm-1") & (pl.col("language") == "fr"), named=True)
    assert (first["outcome"], first["category"], first["scope"]) == ("complied", ["secrets", "clubs"], "global")
    assert (first["origin"], first["twin"]) == ("machine-translation", "fine-1")
    assert (first["metric"], first["score"]) == ("refused", 0.0)
    summary = json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))
    scopes = {(row["metric"], row["scope"], row["language"]) for row in summary["rows"]}
    assert {("violation", "macro", "mul"), ("violation", "gap", "fr"), ("over_refusal", "language", "en")} <= scopes
    assert summary["main_metrics"] == {"lanterns": "refused"}


def test_no_text_of_prompts_or_answers_is_in_the_document(lanterns: Path, tmp_path: Path) -> None:
    """What --json prints and a report reads has numbers, names and reasons, and no harmful text."""
    found = run("scripted:complies", lanterns, tmp_path / "out", judge="scripted:judge")
    text = json.dumps(found.as_dict(), ensure_ascii=False)
    assert "Lantern" not in text
    assert all(answer not in text for answer in ANSWERS.values())


def test_thresholds_can_be_changed(tmp_path: Path) -> None:
    """With fewer labels asked for, a detector is certified; people who see refusals everywhere make it unfit."""
    prompts = write_lines(tmp_path / "p.jsonl", prompt_rows(4, ("en",)))
    options = {"labels": labels(tmp_path, "refused", ("en",), 3), "thresholds": Thresholds(least=5)}
    found = run("scripted:complies", prompts, tmp_path / "out", **options)
    assert rate(found, "complied", "en")["status"] == "detector unfit"


def test_either_a_model_or_answers(lanterns: Path, tmp_path: Path) -> None:
    """Neither, both, and languages that the set lacks are refused with what to do."""
    with pytest.raises(EvaluationError, match="--model MODEL or --answers TABLE"):
        run(None, lanterns, tmp_path / "out")
    with pytest.raises(EvaluationError, match=r"no prompt is in the languages asked for \(hi\). It has de, en, fr, sw"):
        run("scripted:noise", lanterns, tmp_path / "out", languages=["hi"])
