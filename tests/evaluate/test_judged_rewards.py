"""M-RewardBench by a language model: accuracy per section, both orders, and what is wrong with the judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from judging_examples import ScriptedJudge, Seen

from polylect import tables
from polylect.cli.eval import command
from polylect.errors import EvaluationError
from polylect.evaluate import evaluate
from polylect.evaluate.benchmarks import get
from polylect.evaluate.judging import JudgeSettings
from polylect.models.spec import model_kind
from polylect.records import Measurement

DATA = Path(__file__).parent / "fixtures" / "m-rewardbench"
JUDGES: dict[str, ScriptedJudge] = {}
ITEMS = list(get("m-rewardbench").load(DATA, None))
CHOSEN = {item.options[0] for item in ITEMS}


@model_kind("reward-judge")
def _open(target: str, settings: dict[str, Any]) -> ScriptedJudge:
    return JUDGES[target]


def right(seen: Seen) -> str:
    """Prefer the right answer."""
    return "A" if seen.first in CHOSEN else "B"


def rows(out: Path) -> list[Measurement]:
    """Return the results of an evaluation."""
    return tables.read(out / "results.parquet", Measurement)


def noted(out: Path) -> dict[str, Any]:
    """Return what the manifest says of the judge."""
    return dict(json.loads((out / "manifest.json").read_text())["benchmarks"]["m-rewardbench"]["judge"])


def test_a_judge_is_asked_in_both_orders(tmp_path: Path) -> None:
    """A judge that knows is right everywhere, in every section; what is the same question is asked once."""
    JUDGES["knows"] = ScriptedJudge(right, name="knows")
    evaluation = evaluate("reward-judge:knows", ["m-rewardbench"], out=tmp_path / "out", data=DATA, judge=JudgeSettings())
    assert {row.score for row in rows(tmp_path / "out")} == {1.0}
    assert {row.subset for row in rows(tmp_path / "out")} == {item.subset for item in ITEMS}
    assert noted(tmp_path / "out")["spent"]["games"] == 2 * len(ITEMS)
    assert JUDGES["knows"].asked == 2 * len({(item.language, item.text, item.options) for item in ITEMS})
    values = {(row["language"], row["subset"]): row["value"] for row in evaluation.summary["rows"] if row["scope"] == "language"}
    assert set(values.values()) == {1.0}
    assert ("de", "Safety") in values


def test_a_judge_that_goes_by_the_place_is_at_chance(tmp_path: Path) -> None:
    """Contradictions are ties, worth a half, and counted per language."""
    JUDGES["first"] = ScriptedJudge(lambda seen: "A", name="first")
    evaluate("reward-judge:first", ["m-rewardbench"], out=tmp_path / "out", data=DATA)
    found = rows(tmp_path / "out")
    assert {(row.score, row.status, row.reason) for row in found} == {(0.5, "ok", "the two orders disagree")}
    assert sum(noted(tmp_path / "out")["inconsistent"].values()) == len(ITEMS)
    assert {one["first_place"] for one in noted(tmp_path / "out")["certificates"]} == {50.0}


def test_a_verdict_that_cannot_be_read_is_half_right_and_counted(tmp_path: Path) -> None:
    """As the set's authors count it; the reason stays with the item."""
    JUDGES["mute"] = ScriptedJudge(lambda seen: "Both are nice." if seen.first in CHOSEN else "B", name="mute")
    evaluation = evaluate("reward-judge:mute", ["m-rewardbench"], out=tmp_path / "out", data=DATA)
    assert {(row.score, row.status, row.reason) for row in rows(tmp_path / "out")} == {
        (0.5, "unparsed", "no line with a verdict")
    }
    assert evaluation.manifest["benchmarks"]["m-rewardbench"]["statuses"] == {"unparsed": len(ITEMS)}


def test_the_command_takes_a_judge(tmp_path: Path) -> None:
    """`polylect eval --judge` with labels of Arena-Hard; the options are the judge's alone."""
    JUDGES["labels"] = ScriptedJudge(lambda seen: "[[A>>B]]" if right(seen) == "A" else "[[B>A]]", name="labels")
    options = ["--benchmark", "m-rewardbench", "--data", str(DATA), "--limit", "1", "--languages", "de"]
    judged = [*options, "--judge", "reward-judge:labels", "--verdicts", "arena-hard", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(command, judged, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert {row.score for row in rows(tmp_path / "out")} == {1.0}
    assert "two orders" in result.output


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--model", "fake:good", "--verdicts", "line"], "--verdicts is about the judge"),
        (["--model", "fake:good", "--judge", "fake:good"], "--judge and --model both say who is evaluated"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, arguments: list[str], match: str) -> None:
    """The judge's options need a judge, and it is the one that is evaluated."""
    with pytest.raises(EvaluationError, match=match):
        CliRunner().invoke(command, ["--benchmark", "m-rewardbench", "--out", str(tmp_path), *arguments], catch_exceptions=False)


def test_only_pairs_of_answers_can_be_judged(tmp_path: Path) -> None:
    """A judge on questions is a mistake, which names the way to compare two models."""
    with pytest.raises(EvaluationError, match="polylect compare --judge"):
        evaluate("reward-judge:knows", ["xcopa"], out=tmp_path, data=DATA, judge=JudgeSettings())
