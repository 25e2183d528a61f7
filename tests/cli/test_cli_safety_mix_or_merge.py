"""`polylect safety mix-or-merge` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from polylect.cli.main import main
from polylect.cli.safety_mix_or_merge import command
from polylect.errors import DataError, RecipeError
from polylect.run import mix_or_merge as experiment
from polylect.run.mix_or_merge import MixOrMergeReport

ROW = {
    "half": "report", "language": "mul", "candidate": "linear-0.5", "family": "merge", "front": True, "recommended": True,
    "violation": {"value": 0.125, "low": 0.05, "high": 0.25}, "over_refusal": {"value": None, "low": None, "high": None},
    "quality": {"value": 61.5, "low": 58.0, "high": 65.0},
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "rows": [ROW, {**ROW, "half": "validation"}],
    "summary": {"recommended": "linear-0.5", "eligible": [], "rule": "the lowest", "verdicts": ["merge or mix: merge [1, 2]"]},
    "notes": ["[fr] left out"],
}
NEEDED = ["my.yaml", "--safety-data", "sft.parquet", "--safety-prompts", "prompts.jsonl"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Stand in for the experiment: keep what it was asked."""
    calls: list[tuple[Any, ...]] = []

    def stand_in(recipe: Path, wanted: object, **more: object) -> MixOrMergeReport:
        calls.append((recipe, wanted, more))
        return MixOrMergeReport(Path("out"), DOCUMENT, Path("runs/my/steps/merge"))

    monkeypatch.setattr(experiment, "mix_or_merge", stand_in)
    return calls


def test_options_reach_the_experiment_and_the_result_is_printed(asked: list[tuple[Any, ...]]) -> None:
    """Lists are split at commas; the table shows the report half, what is not known as a dash, and brackets as they are."""
    more = [
        "--share",
        "0.03,0.15",
        "--by",
        "objective, language",
        "--weights",
        "0.5",
        "--tolerance",
        "3",
        "--first-line",
        "--detector",
        "learned",
    ]
    done = CliRunner().invoke(command, [*NEEDED, *more], catch_exceptions=False)
    assert done.exit_code == 0
    recipe, wanted, given = asked[0]
    assert (recipe, wanted.shares, wanted.by, wanted.weights) == (
        Path("my.yaml"), (0.03, 0.15), ("objective", "language"), (0.5,)
    )  # fmt: skip
    assert (wanted.stop, wanted.detector) == (("\n",), "learned")
    assert (given["rule"].tolerance, given["rule"].over_refusal) == (3.0, 5.0)
    assert done.output.count("linear-0.5 ") == 2
    assert "12 [5, 25]" in done.output
    assert "61.5 [58, 65]" in done.output
    assert "Recommended: linear-0.5 (runs/my/steps/merge)" in done.output
    assert "merge or mix: merge [1, 2]" in done.output
    assert "note: [fr] left out" in done.output


def test_json_is_the_document(asked: list[tuple[Any, ...]]) -> None:
    """`--json` prints what safety.json has, and the folder."""
    done = CliRunner().invoke(command, [*NEEDED, "--json"], catch_exceptions=False)
    assert json.loads(done.output) == {**DOCUMENT, "out": "out"}


def test_mistakes_are_told_before_anything_runs(tmp_path: Path) -> None:
    """Numbers that are none, a share in percent, and a table that is missing name the option or the file."""
    done = CliRunner().invoke(command, [*NEEDED, "--share", "3 %"])
    assert done.exit_code == 2
    assert "'3 %': numbers with commas between them" in done.output
    with pytest.raises(RecipeError, match="--share 3: a number from 0 to 1"):
        CliRunner().invoke(command, [*NEEDED, "--share", "3"], catch_exceptions=False)
    recipe = Path(__file__).parents[2] / "recipes" / "quickstart.yaml"
    options = ["--safety-data", str(tmp_path / "none.parquet"), "--safety-prompts", str(tmp_path / "none.jsonl")]
    with pytest.raises(DataError, match=r"none\.parquet: no such table"):
        CliRunner().invoke(command, [str(recipe), *options], catch_exceptions=False)


def test_it_is_among_the_safety_commands() -> None:
    """`polylect safety --help` lists it."""
    assert callable(main)
    from polylect.cli.main import safety_group

    assert "mix-or-merge" in CliRunner().invoke(safety_group(), ["--help"]).output
