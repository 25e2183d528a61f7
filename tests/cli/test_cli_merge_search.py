"""`polylect merge search` as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from transformers.utils import logging

from polylect.cli.merge_search import command
from polylect.errors import MergeError


@pytest.fixture(autouse=True)
def _loading_bars() -> Iterator[None]:
    """Turn transformers' progress bars on again for the tests that follow."""
    yield
    logging.enable_progress_bar()


@pytest.fixture(scope="module")
def arguments(make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two tiny models and a table of plain questions."""
    table = tmp_path_factory.mktemp("table") / "questions.jsonl"
    rows = [
        {"prompt": f"{question} {number}", "language": language, "reference": "Turkey", "item": f"item-{number}"}
        for number in range(6)
        for language, question in (("en", "Which country?"), ("tr", "Hangi ülke?"))
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    models = [str(make_model("llama", seed=seed)) for seed in (1, 2)]
    return [*models, "--validation", str(table), "--budget", "4", "--max-tokens", "4", "--metric", "chrf"]


def test_tables_and_verdict(arguments: list[str], tmp_path: Path) -> None:
    """The candidates, the regret of every language, the verdicts and the weights are printed; progress is not among them."""
    result = CliRunner().invoke(command, [*arguments, "--objective", "worst", "--out", str(tmp_path / "found")])
    assert result.exit_code == 0, result.output
    for part in (
        "worst of chrf, 4 evaluations",
        "recommended",
        "uniform",
        "Regret",
        "tr",
        "Weights: --weights",
        "held-out items",
    ):
        assert part in result.stdout
    assert "evaluation 4 of 4" in result.stderr
    assert "evaluation" not in result.stdout.replace("4 evaluations", "")
    assert "Loading weights" not in result.stderr


def test_json_is_the_report(arguments: list[str], tmp_path: Path) -> None:
    """With --json the report is all that is printed; a line break can be written as backslash and n."""
    out = tmp_path / "found"
    result = CliRunner().invoke(command, [*arguments, "--stop", "\\n", "--threads", "1", "--out", str(out), "--json"])
    assert json.loads(result.stdout) == json.loads((out / "report.json").read_text())
    assert json.loads((out / "manifest.json").read_text())["settings"]["sampling"]["stop"] == ["\n"]


def test_floor_is_in_points(arguments: list[str], tmp_path: Path) -> None:
    """A floor of 2 is 2 of 100 points, for a metric between 0 and 1 as well."""
    for metric, expected in (("exact_match", 0.02), ("chrf", 2)):
        more = ["--objective", "floor", "--floor", "2", "--metric", metric, "--out", str(tmp_path / metric), "--json"]
        report = json.loads(CliRunner().invoke(command, [*arguments, *more]).stdout)
        assert report["objective"] == f"mean with a floor of {expected}"


def test_mistakes_are_named(arguments: list[str], tmp_path: Path) -> None:
    """One model is too few, and an unknown objective is refused with the known ones."""
    one = CliRunner().invoke(command, [*arguments[1:], "--out", str(tmp_path / "found")])
    assert isinstance(one.exception, MergeError)
    unknown = CliRunner().invoke(command, [*arguments, "--objective", "best", "--out", str(tmp_path / "found")])
    assert unknown.exit_code == 2
    assert "'mean', 'worst', 'floor'" in unknown.output


def test_help_loads_nothing_heavy() -> None:
    """The help shows examples and every option, without loading torch, transformers, scikit-learn or polars."""
    text = CliRunner().invoke(command, ["--help"]).output
    assert "--objective worst --budget 60" in text
    code = (
        "import sys; from polylect.cli.merge_search import command; command(['--help'], standalone_mode=False);"
        "print([m for m in ('torch', 'transformers', 'sklearn', 'polars', 'scipy', 'numpy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
