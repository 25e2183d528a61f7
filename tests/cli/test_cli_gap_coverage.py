"""`polylect gap coverage` and `polylect card` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polylect.cli import main

LLAMA = Path(__file__).parents[1] / "gap" / "cards" / "llama-3.1-8b-instruct.md"


def test_matrix_is_readable_in_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix shows every level's name and mark within 80 columns, and the limits below it."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["gap", "coverage", str(LLAMA)]) == 0
    printed = capsys.readouterr().out
    assert "mitigated" in printed
    assert "…" not in printed.split("● rows show it")[0]
    assert "upper bound of the people reached" in printed


def test_linter_exits_2_and_names_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    """--require exits 2 and names level and language; 0 when all is there."""
    assert main(["gap", "coverage", str(LLAMA), "--require", "evaluated,safety-tested", "--languages", "de,en"]) == 2
    error = capsys.readouterr().err
    assert "de: no evidence of safety-tested" in error
    assert "en: no evidence of evaluated, safety-tested" in error
    assert main(["gap", "coverage", str(LLAMA), "--require", "evaluated", "--languages", "de"]) == 0


def test_json_on_standard_output_is_json_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--json - prints the document and nothing else, also where something is missing; --out writes the files before that."""
    arguments = ["gap", "coverage", str(LLAMA), "--json", "-", "--out", str(tmp_path / "out"), "--require", "mitigated"]
    assert main(arguments) == 2
    printed = json.loads(capsys.readouterr().out)
    assert (printed["schema"], printed["kind"]) == ("polylect.gap/1", "coverage")
    assert json.loads((tmp_path / "out" / "gap.json").read_text(encoding="utf-8")) == printed
    assert (tmp_path / "out" / "rows.csv").is_file()


def test_card_needs_results(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`polylect card` of a folder without results is the user's mistake."""
    assert main(["card", str(tmp_path), "--out", str(tmp_path / "README.md")]) == 2
    assert "neither a result folder" in capsys.readouterr().err
