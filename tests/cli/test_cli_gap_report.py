"""The pages of `polylect gap` on the command line: one per folder, and one of several folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polylect.cli import main

CARDS = Path(__file__).parents[1] / "gap" / "cards"
FILES = {"gap.json", "rows.csv", "report.html", "metrics.csv"}


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """The folders of a ledger, and of a tokenizer over a small parallel table."""
    table = tmp_path / "table.jsonl"
    texts = {"en": "All are equal.", "tr": "Herkes eşittir.", "ar": "الجميع متساوون."}
    rows = [{"item": str(n), "language": tag, "text": f"{text} {n}"} for tag, text in texts.items() for n in range(3)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    byte_file = tmp_path / "bytes.tiktoken"
    byte_file.write_text(_byte_tokens(), encoding="ascii")
    out = [tmp_path / "coverage", tmp_path / "cost"]
    assert main(["gap", "coverage", str(CARDS / "bloom.md"), "--out", str(out[0])]) == 0
    assert main(["gap", "tokenizer", str(byte_file), "--corpus", str(table), "--out", str(out[1])]) == 0
    return out


def _byte_tokens() -> str:
    """A .tiktoken file whose tokens are the 256 bytes."""
    from base64 import b64encode

    return "".join(f"{b64encode(bytes([n])).decode()} {n}\n" for n in range(256))


def test_every_gap_command_writes_a_page(folders: list[Path]) -> None:
    """Beside gap.json and rows.csv there are report.html and metrics.csv."""
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == FILES
    page = (folders[1] / "report.html").read_text(encoding="utf-8")
    assert '<bdi lang="ar" dir="rtl">العربية</bdi>' in page


def test_report_joins_folders_into_one_page(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`polylect report` of several gap folders writes one page, all metrics, and the documents whole."""
    out = tmp_path / "both"
    capsys.readouterr()
    assert main(["report", *map(str, folders), "--out", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out / name) for name in ("report.html", "metrics.csv", "report.json")]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert '<section id="coverage"' in page
    assert '<section id="cost"' in page
    whole = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [document["kind"] for document in whole["documents"]] == ["coverage", "tokenizer"]
    assert {document["schema"] for document in whole["documents"]} == {"polylect.gap/1"}


def test_report_of_one_folder_is_written_in_its_place(folders: list[Path]) -> None:
    """Of one gap folder the page is written again where it was."""
    page = folders[0] / "report.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()
    assert main(["report", str(folders[0])]) == 0
    assert page.read_text(encoding="utf-8") == before


def test_report_says_what_does_not_fit(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several folders need --out, and a folder without gap.json among them is named."""
    assert main(["report", *map(str, folders)]) == 2
    assert "--out" in capsys.readouterr().err
    assert main(["report", str(folders[0]), str(tmp_path)]) == 2
    assert f"{tmp_path}: not written by `polylect gap`" in capsys.readouterr().err
    blocked = tmp_path / "blocked"
    blocked.write_text("", encoding="utf-8")
    assert main(["report", *map(str, folders), "--out", str(blocked)]) == 2
    assert "cannot be written" in capsys.readouterr().err
