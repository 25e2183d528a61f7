"""`polylect eval` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from polylect.cli.eval import command
from polylect.errors import EvaluationError

DATA = Path(__file__).parents[1] / "evaluate" / "fixtures"


def call(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_table_shows_languages_worst_gap_and_reasons(tmp_path: Path) -> None:
    """A person sees each language with its interval, the macro mean, the worst language, the gap and what was not read."""
    done = call(
        "--model", "fake:good", "--benchmark", "mgsm", "--data", str(DATA / "mgsm"), "--limit", "2", "--out", str(tmp_path / "o")
    )
    assert done.exit_code == 0
    for expected in ("mgsm: fake:good", "macro mean", "worst language:", "gap, English minus", "8 shots", "not ok", "Written to"):
        assert expected in done.output
    assert {"results.parquet", "summary.json", "manifest.json"} <= {path.name for path in (tmp_path / "o").iterdir()}


def test_json_is_the_summary(tmp_path: Path) -> None:
    """--json prints what summary.json holds, and nothing else."""
    out = tmp_path / "o"
    done = call(
        "--model", "fake:good", "--benchmark", "mgsm", "--data", str(DATA), "--languages", "en,bn", "--out", str(out), "--json"
    )
    printed = json.loads(done.stdout)
    written = json.loads((out / "summary.json").read_text())
    assert printed["rows"] == written["rows"]
    assert {row["language"] for row in written["rows"]} == {"bn", "en", "mul"}
    assert {"language", "metric", "value", "low", "high", "n", "unscored"} <= set(written["rows"][0])


def test_recorded_outputs_are_named_where_they_do_not_fit(tmp_path: Path) -> None:
    """Missing and unknown items are counted and the first ones named."""
    path = tmp_path / "outputs.jsonl"
    rows = [{"item": item, "language": "en", "output": "The answer is 1."} for item in ("test:0", "test:99")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = call(
        "--recorded",
        str(path),
        "--benchmark",
        "mgsm",
        "--data",
        str(DATA / "mgsm"),
        "--languages",
        "en",
        "--out",
        str(tmp_path / "o"),
    )
    assert "recorded outputs unknown item: test:99 (en), row 2" in done.output
    assert "missing: test:1 (en)" in done.output


def test_second_call_says_that_nothing_was_asked(tmp_path: Path) -> None:
    """A finished folder is shown again."""
    arguments = ("--model", "fake:good", "--benchmark", "mgsm", "--data", str(DATA), "--limit", "1", "--out", str(tmp_path / "o"))
    call(*arguments)
    assert "Finished before; nothing was asked." in call(*arguments).output


def test_model_and_recorded_exclude_each_other(tmp_path: Path) -> None:
    """Neither is an error, too."""
    with pytest.raises(EvaluationError, match="either a model or a file"):
        call("--benchmark", "mgsm", "--out", str(tmp_path / "o"))
