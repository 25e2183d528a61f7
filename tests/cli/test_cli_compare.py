"""`polylect compare` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from polylect.cli.compare import command
from polylect.errors import PolylectError

TEXT = "Der Fluss entspringt in den Bergen und fließt langsam durch die alte Stadt ins Meer"


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Recorded outputs of two models, with scores: ours is right in all of 40 items, theirs in half."""
    sides = [
        [
            {
                "model": name, "item": str(i), "language": "de", "benchmark": "rivers", "metric": "accuracy",
                "score": float(i % step == 0), "prompt": f"Frage {i}", "output": f"{TEXT} ({name} {i}).",
            }
            for i in range(40)
        ]
        for name, step in (("ours", 1), ("theirs", 2))
    ]  # fmt: skip
    return write(tmp_path / "a.jsonl", sides[0]), write(tmp_path / "b.jsonl", sides[1])


def call(*arguments: str) -> Result:
    """Run the command; its errors are raised."""
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False, env={"COLUMNS": "160"})


def test_scores_are_printed_with_the_verdict_in_words(files: tuple[str, str]) -> None:
    """The first lines say who is compared and what came of it; the table has difference, interval, wins and n."""
    lines = call(*files).stdout.splitlines()
    assert lines[0] == "ours against theirs"
    assert lines[1] == "rivers accuracy: better in 1, worse in 0, undecided in 0"
    row = next(line for line in lines if line.startswith("de "))
    assert "+50.0 [" in row
    assert row.split()[-1] == "better"


def test_json_has_everything(files: tuple[str, str]) -> None:
    """--json prints one object and nothing else."""
    found = json.loads(call(*files, "--json").stdout)
    assert found["scores"][0]["languages"][0]["difference"]["value"] == 50
    assert found["judging"] is None


def test_a_judge_that_cannot_be_read_is_shown_as_unfit(files: tuple[str, str], tmp_path: Path) -> None:
    """A model that talks of something else: no number, the reason, the raw counts, what it took, and the files."""
    out = tmp_path / "out"
    printed = call(*files, "--judge", "fake:good", "--instructions", "native", "--out", str(out)).stdout
    assert "judged: judge unfit in 1 (de)" in printed
    assert "de: judge unfit for this language: 100% of its verdicts cannot be read (most 10%)" in printed
    assert "80 verdicts that cannot be read:" in printed
    assert "native instructions in de" in printed
    assert "80 asked now" in printed
    assert {path.name for path in out.iterdir()} == {".store", "comparison.json", "games.parquet", "outcomes.parquet"}
    assert (
        "80 verdicts, 0 asked now" in call(*files, "--judge", "fake:good", "--instructions", "native", "--out", str(out)).stdout
    )


def test_wrong_options_name_the_right_ones(files: tuple[str, str], tmp_path: Path) -> None:
    """A threshold that does not exist names the nearest; a template without answers is refused."""
    with pytest.raises(PolylectError, match="Did you mean 'consistency'"):
        call(*files, "--threshold", "consistensy=0.5")
    with pytest.raises(PolylectError, match="'x' is not a number"):
        call(*files, "--threshold", "least=x")
    (tmp_path / "template.txt").write_text("Which one?")
    with pytest.raises(PolylectError, match="lacks"):
        call(*files, "--template", str(tmp_path / "template.txt"))
    assert isinstance(command, click.Command)
