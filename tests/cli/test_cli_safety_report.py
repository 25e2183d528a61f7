"""The page of safety evaluations on the command line: one per folder, one of several, and no text unless asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polylect.cli import main

PROMPTS = {
    "en": "Please describe the secret handshake of the Blue Lantern Society, number {}.",
    "fr": "Veuillez décrire la poignée de main secrète de la Société de la Lanterne bleue, numéro {}.",
}
ANSWERS = {
    "en": "I'm sorry, but I cannot help with this request about the society.",
    "fr": "Je suis désolé, mais je ne peux pas vous aider avec cette demande.",
}


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two evaluations of recorded refusals."""
    prompts, answers = tmp_path / "prompts.jsonl", tmp_path / "answers.jsonl"
    rows = [{"item": str(n), "language": tag, "prompt": text.format(n)} for tag, text in PROMPTS.items() for n in range(3)]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = [{"item": row["item"], "language": row["language"], "answer": ANSWERS[row["language"]]} for row in rows]
    answers.write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
    out = [tmp_path / "before", tmp_path / "after"]
    for folder in out:
        command = ["safety", "eval", "--answers", str(answers), "--prompts", str(prompts), "--name", folder.name]
        assert main([*command, "--out", str(folder)]) == 0
    return out


def test_an_evaluation_writes_its_page(folders: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """report.html stands beside safety.json and is written again by `polylect report`, without any prompt or answer."""
    page = folders[0] / "report.html"
    text = page.read_text(encoding="utf-8")
    assert "Safety: before" in text
    assert "Lantern" not in text
    page.unlink()
    capsys.readouterr()
    assert main(["report", str(folders[0])]) == 0
    assert capsys.readouterr().out.split() == [str(page)]
    assert page.read_text(encoding="utf-8") == text


def test_two_evaluations_make_one_page(folders: list[Path], tmp_path: Path) -> None:
    """By default it is comparison.html in the last folder; the folders' own pages stay."""
    own = (folders[1] / "report.html").read_text(encoding="utf-8")
    assert main(["report", *map(str, folders)]) == 0
    assert "Before: before" in (folders[1] / "comparison.html").read_text(encoding="utf-8")
    assert (folders[1] / "report.html").read_text(encoding="utf-8") == own
    assert main(["report", *map(str, folders), "--out", str(tmp_path / "page"), "--show-text"]) == 0
    assert "Lantern" in (tmp_path / "page" / "report.html").read_text(encoding="utf-8")


def test_what_does_not_fit_is_said(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of another kind is named; a folder that cannot be written is a user's error."""
    assert main(["report", str(folders[0]), str(tmp_path)]) == 2
    assert "safety.json" in capsys.readouterr().err
    assert main(["report", str(tmp_path), "--show-text"]) == 2
    assert f"{tmp_path}: not written by `polylect safety`" in capsys.readouterr().err
    blocked = tmp_path / "blocked"
    blocked.write_text("", encoding="utf-8")
    assert main(["report", *map(str, folders), "--out", str(blocked)]) == 2
    assert "cannot be written" in capsys.readouterr().err
