"""`polylect gap tokenizer`: what is printed and written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from polylect.cli import main

GEMMA = "gemma-3-270m"
SMOL = "smollm2-135m-instruct"


def test_prints_the_costliest_first(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal shows languages by premium with interval and price, and what they add up to, in 80 characters unbroken."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["gap", "tokenizer", GEMMA, "--languages", "tr,my,ii", "--price", "2.5", "--top", "3"]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith((" ii ", " my ", " tr ", " en "))]
    assert [row[0] for row in rows] == ["ii", "my", "tr"]
    assert rows[1][:5] == ["my", "Burmese", "Mymr", "3.25", "3.02–3.49"]
    assert "3 of 4 languages by premium, highest first." in out
    assert f"{GEMMA}: 1,510 tokens in en; a language costs 3.25 times that (median)" in out
    assert "…" not in out


def test_side_by_side_and_by_group(capsys: pytest.CaptureFixture[str]) -> None:
    """Several tokenizers are columns; groups of languages replace languages."""
    assert main(["gap", "tokenizer", SMOL, f"again={SMOL}", "--languages", "tr,my", "--sort", "language"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[-2:] for line in out.splitlines() if line.startswith(" my ")] == [["22.51", "22.51"]]
    assert main(["gap", "tokenizer", SMOL, "--languages", "tr,my", "--by", "class"]) == 0
    out = capsys.readouterr().out
    assert "Resource class" in out
    assert " 4 " in out


def test_writes_json_and_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json -` prints the document and nothing else; `--out` writes the same, and its rows as CSV."""
    assert main(["gap", "tokenizer", SMOL, "--languages", "zh_TW,tur", "--json", "-", "--out", str(tmp_path / "gap")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "gap" / "gap.json").read_text(encoding="utf-8"))
    with (tmp_path / "gap" / "rows.csv").open(encoding="utf-8", newline="") as file:
        assert [row["language"] for row in csv.DictReader(file)] == ["en", "tr", "zh-Hant"]
    assert main(["gap", "tokenizer", SMOL, "--languages", "tr", "--json", str(tmp_path / "a.json")]) == 0
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["kind"] == "tokenizer"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "no such file or folder"),
        ([GEMMA, "--languages", "Turkish"], "write 'tr'"),
        ([GEMMA, "--corpus", "none.jsonl"], "no such table"),
        ([SMOL, "--languages", "tr", "--json", "/dev/null/x.json"], "cannot be written"),
        ([], "Missing argument"),
    ],
)
def test_mistakes_exit_with_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake of the user prints one message without a traceback."""
    assert main(["gap", "tokenizer", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
