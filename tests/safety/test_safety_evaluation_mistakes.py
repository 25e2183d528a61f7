"""What goes wrong in a safety evaluation: said in words, counted, and never sealed where asking again would help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lantern_world import ANSWERS, ASKED_OF, PhraseDetector, prompt_rows, write_lines

from polylect.cli import main
from polylect.errors import DataError, EndpointError, ModelError
from polylect.safety import SafetyEvaluation, evaluate, read_prompts


def run(model: str | None, prompts: Path, out: Path, **options: Any) -> SafetyEvaluation:
    """Evaluate with the detector of the invented world."""
    return evaluate(model, prompts, out=out, detector=PhraseDetector(), **options)


def test_a_model_that_never_answers_finishes_nothing(lanterns: Path, tmp_path: Path, scripted: None) -> None:
    """A document of failures would be shown as finished for good: it is an error, and the same command asks again."""
    with pytest.raises(EndpointError, match=r"complies!fr: none of 8 requests was answered \(8 times: 400: bad request\)"):
        run("scripted:complies!fr", lanterns, tmp_path / "out", languages=["fr"])
    assert not (tmp_path / "out/manifest.json").exists()
    assert ASKED_OF["complies"] == 8


def test_a_judge_that_never_answers_finishes_nothing_and_keeps_the_answers(
    lanterns: Path, tmp_path: Path, scripted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are not asked again when the judge is back."""
    told: dict[str, Any] = {"languages": ["en"], "judge": "scripted:judge"}
    monkeypatch.setattr("lantern_world.ScriptedModel.fails", lambda self, request: self._habit == "judge")
    with pytest.raises(EndpointError, match="judge scripted:judge: none of 8 requests was answered"):
        run("scripted:complies", lanterns, tmp_path / "out", **told)
    monkeypatch.undo()
    found = run("scripted:complies", lanterns, tmp_path / "out", **told)
    assert found.found == "unfinished"
    assert ASKED_OF["complies"] == 8


def test_some_failed_requests_say_how_to_ask_again(lanterns: Path, tmp_path: Path, scripted: None) -> None:
    """A note counts them; without the manifest the same command asks them once more."""
    found = run("scripted:complies!fr", lanterns, tmp_path / "out", languages=["en", "fr"])
    (note,) = (note for note in found.document["notes"] if "failed" in note)
    assert note == "8 requests failed. To ask them once more, delete manifest.json in the folder and give the same command again."
    (tmp_path / "out/manifest.json").unlink()
    assert run("scripted:complies!fr", lanterns, tmp_path / "out", languages=["en", "fr"]).found == "unfinished"


def test_recorded_answers_that_fit_nothing_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers to unknown prompts and second answers are in no rate: the reader is told."""
    prompts = write_lines(tmp_path / "prompts.jsonl", prompt_rows(2, ("en",)))
    rows = [{"item": row["item"], "language": "en", "answer": ANSWERS["en"]} for row in prompt_rows(2, ("en",))]
    answers = write_lines(tmp_path / "answers.jsonl", [*rows[1:], rows[1], {"item": "ghost", "language": "en", "answer": "x"}])
    assert main(["safety", "eval", "--prompts", str(prompts), "--answers", str(answers), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "1 recorded answers are to prompts that are not in the set: ghost (en). They are not used." in said
    assert "1 recorded answers are to a prompt that has one already: fine-0 (en). They are not used." in said
    assert "en: 1 answers without an outcome: no answer: missing from the recorded answers" in said
    assert "delete manifest.json" not in said


def test_a_category_that_is_nearly_another_is_noted(tmp_path: Path) -> None:
    """A slip of the pen in a set of one's own makes a category of one prompt: it is kept, and the likely one is named."""
    rows = prompt_rows(6, ("en",))
    rows[0]["categories"] = ["secretz"]
    found = read_prompts(write_lines(tmp_path / "p.jsonl", rows))
    assert found.notes == ("1 prompts have the category 'secretz'. Did you mean 'secrets'? It is kept as a category of its own.",)


def test_the_answers_of_an_evaluation_can_be_judged_again(lanterns: Path, tmp_path: Path, scripted: None) -> None:
    """Its results are a table of recorded answers: empty ones stay empty, failed ones failed, and the model is not asked."""
    first = run("scripted:empty!fr", lanterns, tmp_path / "first", languages=["en", "fr"])
    again = run(None, lanterns, tmp_path / "again", answers=tmp_path / "first/results.parquet", languages=["en", "fr"])
    for name in ("empty_answers", "unscored"):
        assert again.document["summary"][name] == first.document["summary"][name]
    assert again.document["summary"]["empty_answers"] == {"en": 8}
    assert ASKED_OF["empty"] == 16


def test_the_corrected_command_may_name_the_folder_of_the_mistaken_one(lanterns: Path, tmp_path: Path, scripted: None) -> None:
    """A model that there is not, or answers to other prompts, leave a folder that belongs to nothing yet."""
    odd = write_lines(tmp_path / "odd.jsonl", [{"item": "ghost", "language": "en", "answer": "x"}])
    with pytest.raises(ModelError, match="'nobody': no folder of that name"):
        run("nobody", lanterns, tmp_path / "out", languages=["en"])
    with pytest.raises(DataError, match="no answer belongs to a prompt of the set"):
        run(None, lanterns, tmp_path / "out", answers=odd, languages=["en"])
    assert run("scripted:complies", lanterns, tmp_path / "out", languages=["en"]).found == ""


def test_a_language_without_prompts_is_noted(lanterns: Path, tmp_path: Path, scripted: None) -> None:
    """Of several languages the set lacks one: the others are evaluated, and the reader is told."""
    found = run("scripted:complies", lanterns, tmp_path / "out", languages=["en", "it"])
    assert "asked for with --languages, but without a prompt: it" in found.document["notes"]


def test_a_table_that_is_almost_ones_own_says_what_it_lacks(tmp_path: Path) -> None:
    """The column that may stand for the missing one is named; a kind that the columns are not of is, too."""
    almost = write_lines(tmp_path / "almost.jsonl", [{"id": "a", "lang": "en", "prompt": "x"}])
    with pytest.raises(DataError, match=r"Of ours item \(rename 'id'\) and language \(rename 'lang'\) are missing\."):
        read_prompts(almost)
    own = write_lines(tmp_path / "own.jsonl", [{"item": "a", "language": "en", "prompt": "x"}])
    with pytest.raises(
        DataError, match=r"column 'type' is missing.* The columns are those of kind 'own', not 'xstest': leave --kind"
    ):
        read_prompts(own, "xstest")
