"""`evaluate` from data to summary: a tiny model, recorded outputs, resuming, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polylect import tables
from polylect.errors import DataError, EvaluationError, RunError
from polylect.evaluate import Evaluation, evaluate
from polylect.evaluate.choice import ChoiceScorer
from polylect.records import Measurement

DATA = Path(__file__).parent / "fixtures"


def rows_of(evaluation: Evaluation) -> list[Measurement]:
    """Return the measurements of an evaluation."""
    return tables.read(evaluation.out / "results.parquet", Measurement)


def value(evaluation: Evaluation, **wanted: Any) -> dict[str, Any]:
    """Return the one summary row with these values."""
    (found,) = [row for row in evaluation.summary["rows"] if all(row[key] == wanted[key] for key in wanted)]
    return dict(found)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def mgsm(path: Path, **changes: Any) -> list[dict[str, Any]]:
    """Return right answers to the first two questions of MGSM in two languages, written with English and Bengali digits."""
    rows = []
    for language, words in (("en", "The answer is"), ("bn", "উত্তর হল")):
        lines = (DATA / "mgsm" / language / "test.jsonl").read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines[:2]):
            answer = str(json.loads(line)["answer_number"])
            if language == "bn":
                answer = answer.translate({ord("0") + digit: ord("০") + digit for digit in range(10)})
            rows.append({"item": f"test:{number}", "language": language, "output": f"{words} {answer}.", **changes})
    return rows


def test_choices_with_a_tiny_model(gemma: Path, tmp_path: Path) -> None:
    """Every item of every language has a row, the options have theirs, and the summary has macro, worst and gap."""
    result = evaluate(str(gemma), ["global-mmlu"], out=tmp_path / "out", data=DATA, shots=1, dtype="float32")
    rows = rows_of(result)
    expected = sum(len(path.read_text().splitlines()) for path in (DATA / "global-mmlu").glob("*/test.jsonl"))
    assert len(rows) == expected
    assert {row.status for row in rows} == {"ok"}
    assert {row.subset for row in rows} >= {"CS", "CA"}
    scopes = {row["scope"] for row in result.summary["rows"]}
    assert scopes >= {"language", "macro", "worst", "gap"}
    notes = result.manifest["benchmarks"]["global-mmlu"]
    assert (notes["items"], notes["prompts"]["shots"], notes["prompts"]["prompt_language"]) == (expected, 1, "en")
    assert len(notes["data_hash"]) == 64
    assert result.manifest["model"]["likelihood"]["packed"] is True
    import polars as pl

    options = pl.read_parquet(tmp_path / "out" / "options.parquet")
    assert len(options) == 4 * expected
    assert options.group_by("language", "item").agg(pl.col("chosen").sum())["chosen"].to_list() == [1] * expected


def test_finished_evaluation_is_not_made_again(gemma: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same call returns what is there; other settings are refused; a missing manifest costs no score."""
    arguments: dict[str, Any] = {"out": tmp_path / "out", "data": DATA / "xwinograd", "limit": 2, "dtype": "float32"}
    first = evaluate(str(gemma), ["xwinograd"], **arguments)
    assert evaluate(str(gemma), ["xwinograd"], **arguments).found == "finished"
    with pytest.raises(RunError, match="limit was 2 and is now 3"):
        evaluate(str(gemma), ["xwinograd"], **{**arguments, "limit": 3})
    (tmp_path / "out" / "manifest.json").unlink()
    again = evaluate(str(gemma), ["xwinograd"], **arguments)
    assert again.found == "unfinished"
    assert again.manifest["benchmarks"]["xwinograd"]["options"] == {"asked": 0, "reused": first.manifest["rows"]}
    assert again.summary == first.summary


def test_interrupted_evaluation_goes_on(gemma: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was scored before the interrupt is reused."""
    original = ChoiceScorer.score

    def interrupted(self: ChoiceScorer, tasks: Any, progress: Any = None) -> Any:
        original(self, tasks[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(ChoiceScorer, "score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(str(gemma), ["xwinograd"], out=tmp_path / "out", data=DATA, limit=2, dtype="float32")
    monkeypatch.undo()
    result = evaluate(str(gemma), ["xwinograd"], out=tmp_path / "out", data=DATA, limit=2, dtype="float32")
    assert result.found == "unfinished"
    assert result.manifest["benchmarks"]["xwinograd"]["options"]["reused"] == 3


def test_generation_with_a_fake_model(tmp_path: Path) -> None:
    """Answers come through the store; those without a number are unparsed, per language, and none is lost."""
    result = evaluate("fake:good", ["mgsm", "language-confusion"], out=tmp_path / "out", data=DATA, limit=2)
    rows = rows_of(result)
    assert {row.benchmark for row in rows} == {"mgsm", "language-confusion"}
    strict = value(result, benchmark="mgsm", metric="strict", scope="language", language="bn", subset="")
    assert sum(strict["statuses"].values()) == 2
    assert result.manifest["benchmarks"]["mgsm"]["answers"]["asked"] == 8


def test_translation_has_the_corpus_score(tmp_path: Path) -> None:
    """FLORES is scored in both directions, by sentence and by corpus."""
    result = evaluate("fake:good", ["flores-200"], out=tmp_path / "out", data=DATA / "flores-200")
    corpus = [row for row in result.summary["rows"] if row["metric"] == "corpus_chrf++" and row["scope"] == "macro"]
    assert {row["subset"] for row in corpus} == {"", "from English", "into English"}


def test_consistency_is_compared_over_languages(gemma: Path, tmp_path: Path) -> None:
    """SeaEval gets consistency and AC3, MuBench the agreement with English."""
    result = evaluate(str(gemma), ["cross-mmlu"], out=tmp_path / "a", data=DATA / "seaeval", dtype="float32")
    consistency = value(result, metric="consistency", scope="macro", subset="")
    ac3 = value(result, metric="ac3", scope="macro", subset="")
    accuracy = value(result, metric="accuracy", scope="macro", subset="")
    mean = 2 * consistency["value"] * accuracy["value"] / ((consistency["value"] + accuracy["value"]) or 1)
    assert ac3["value"] == pytest.approx(mean)
    assert ac3["low"] <= ac3["value"] <= ac3["high"]
    other = evaluate(str(gemma), ["mubench"], out=tmp_path / "b", data=DATA / "mubench", dtype="float32")
    assert {row.language for row in rows_of(other) if row.metric == "mlc"} == {"sw", "th"}


def test_recorded_outputs_are_scored_without_a_model(tmp_path: Path) -> None:
    """Answers from a file: right ones count by the reading that can read them; what does not fit is counted and named."""
    lines = [
        *mgsm(tmp_path, model="theirs"),
        {"item": "test:0", "language": "en", "output": "The answer is 999.", "model": "theirs"},
        {"item": "test:77777", "language": "en", "output": "The answer is 1.", "model": "theirs"},
        {"item": "test:2", "language": "en", "output": None, "reason": "HTTP 500", "model": "theirs"},
    ]
    path = write_lines(tmp_path / "outputs.jsonl", lines)
    result = evaluate(None, ["mgsm"], out=tmp_path / "out", data=DATA / "mgsm", recorded=path, languages=["en", "bn"])
    assert result.summary["model"] == "theirs"
    by = {(row.language, row.item, row.metric): row for row in rows_of(result)}
    assert by["en", "test:0", "strict"].score == 1.0
    assert (by["bn", "test:0", "native"].score, by["bn", "test:0", "flexible"].score) == (1.0, 0.0)
    assert (by["en", "test:2", "native"].status, by["en", "test:2", "native"].reason) == ("failed", "HTTP 500")
    join = result.manifest["benchmarks"]["mgsm"]["recorded"]
    assert (join["used"], join["duplicate"]["count"], join["unknown item"]["count"]) == (5, 1, 1)
    assert join["unknown item"]["first"] == ["test:77777 (en), row 6"]
    assert join["missing"]["count"] == result.manifest["benchmarks"]["mgsm"]["items"] - 5
    assert value(result, metric="native", scope="language", language="en")["n"] == 2


def test_recorded_choices_name_options(tmp_path: Path) -> None:
    """A letter, a wording or an index is an option; anything else is unparsed and wrong."""
    rows = []
    for language in ("de", "en"):
        lines = (DATA / "global-mmlu" / language / "test.jsonl").read_text(encoding="utf-8").splitlines()
        rows += [{**json.loads(line), "language": language} for line in lines[:2]]
    said = [
        {"output": rows[0]["answer"]},
        {"choice": "ABCD".index(rows[1]["answer"])},
        {"output": rows[2][f"option_{rows[2]['answer'].lower()}"]},
        {"output": "no idea"},
    ]
    recorded = [{"item": row["sample_id"], "language": row["language"], **one} for row, one in zip(rows, said, strict=True)]
    path = write_lines(tmp_path / "mine.jsonl", recorded)
    result = evaluate(None, ["global-mmlu"], out=tmp_path / "o", data=DATA, recorded=path, languages=["de", "en"], limit=2)
    by = {(row.language, row.item): row for row in rows_of(result)}
    found = [by[row["language"], row["sample_id"]] for row in rows]
    assert [row.score for row in found] == [1.0, 1.0, 1.0, 0.0]
    assert found[3].status == "unparsed"


def test_conversations_may_be_recorded(tmp_path: Path) -> None:
    """A list of outputs holds one per turn; a turn that is missing has failed."""
    from polylect.evaluate.benchmarks import get

    item = next(one for one in get("multi-if").load(DATA / "multi-if") if len(one.turns) == 3)
    path = write_lines(tmp_path / "m.jsonl", [{"item": item.item, "language": item.language, "output": ["one", "two"]}])
    result = evaluate(None, ["multi-if"], out=tmp_path / "o", data=DATA / "multi-if", recorded=path)
    own = [row for row in rows_of(result) if (row.item, row.language) == (item.item, item.language)]
    rows = {row.subset: row for row in own if row.metric == "mean"}
    assert [rows[f"turn {number}"].status for number in (1, 2, 3)] == ["ok", "ok", "failed"]


@pytest.mark.parametrize(
    ("rows", "error", "match"),
    [
        ([{"item": "a", "language": "xx-unknown", "output": ""}], DataError, "row 1.*language"),
        ([{"item": "a", "language": "en", "output": 5}], DataError, "row 1, column 'output'"),
        ([{"item": "a", "language": "en"}], DataError, "neither a column 'output'"),
        ([{"language": "en", "output": ""}], DataError, "'item' or 'id'"),
        ([{"item": "a", "language": "en", "output": ""}], EvaluationError, "no output belongs to an item of 'mgsm'"),
        ([{"item": n, "language": "en", "output": "", "model": n} for n in "ab"], DataError, r"several models \(a, b\)"),
    ],
)
def test_recorded_outputs_that_do_not_fit(tmp_path: Path, rows: list[dict[str, Any]], error: type[Exception], match: str) -> None:
    """A wrong file is an error that names row, column and value."""
    path = write_lines(tmp_path / "r.jsonl", rows)
    with pytest.raises(error, match=match):
        evaluate(None, ["mgsm"], out=tmp_path / "out", data=DATA / "mgsm", recorded=path)


def test_reward_model_is_scored_by_section(llama: Path, tmp_path: Path) -> None:
    """M-RewardBench: accuracy per section, and their mean."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(llama, num_labels=1)
    model.config.pad_token_id = 0
    model.save_pretrained(tmp_path / "reward")
    AutoTokenizer.from_pretrained(llama).save_pretrained(tmp_path / "reward")
    data = DATA / "m-rewardbench"
    result = evaluate(str(tmp_path / "reward"), ["m-rewardbench"], out=tmp_path / "out", data=data, dtype="float32")
    whole = value(result, metric="accuracy", scope="language", language="de", subset="")
    rows = [row for row in result.summary["rows"] if (row["language"], row["scope"]) == ("de", "language")]
    parts = [row["value"] for row in rows if row["subset"]]
    assert whole["value"] == pytest.approx(sum(parts) / len(parts))


@pytest.mark.parametrize(
    ("model", "benchmarks", "more", "match"),
    [
        (None, ["xcopa"], {}, "either a model or a file of recorded outputs"),
        ("fake:good", [], {}, "no benchmark is named"),
        ("fake:good", ["mgsm", "MGSM"], {}, "named twice"),
        ("fake:good", ["mgms"], {}, "Did you mean 'mgsm'"),
        ("fake:good", ["mgsm"], {"prompt_language": "translate"}, "needs a translator"),
    ],
)
def test_what_cannot_be_evaluated(
    tmp_path: Path, model: str | None, benchmarks: list[str], more: dict[str, Any], match: str
) -> None:
    """A wrong call says what is wrong."""
    with pytest.raises(EvaluationError, match=match):
        evaluate(model, benchmarks, out=tmp_path / "out", data=DATA, **more)


def test_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    """Nothing of somebody else's is written over."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds something else"):
        evaluate("fake:good", ["mgsm"], out=tmp_path, data=DATA)
