"""Tables that grow window by window: whole or absent, and read back as what they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from arbitrage_examples import completion, prompt, score

from polylect import tables
from polylect.arbitrage.outputs import TableWriter, read_part, sweep, write_json, write_part
from polylect.records import Completion, Prompt, Score

PROMPTS = [prompt(name, language) for name in ("one", "two", "three") for language in ("en", "tr")]


def test_windows_make_one_table(tmp_path: Path) -> None:
    """Rows written in several windows are one table with the declared schema, in their order; an empty window adds nothing."""
    path = tmp_path / "prompts.parquet"
    with TableWriter(path, Prompt) as writer:
        for window in (PROMPTS[:2], [], PROMPTS[2:]):
            writer.write(window)
        assert not path.exists()
    assert writer.rows == 6
    assert tables.read(path, Prompt) == PROMPTS


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    """A table that is not finished is not there, under no name."""
    with pytest.raises(ZeroDivisionError), TableWriter(tmp_path / "p.parquet", Prompt) as writer:  # noqa: PT012
        writer.write(PROMPTS)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_parts_come_back_as_they_were(tmp_path: Path) -> None:
    """Empty fields, texts of every script and lists survive."""
    answers = [completion(one, "m", "Türkiye\n中文\u2028x", reason=None) for one in PROMPTS]
    scores = [score(answer, None if at % 2 else 0.5) for at, answer in enumerate(answers)]
    for name, rows, kind in (("a", answers, Completion), ("s", scores, Score), ("p", PROMPTS, Prompt)):
        write_part(tmp_path / name, rows, kind)
        assert read_part(tmp_path / name, kind) == rows


def test_temporary_files_are_swept(tmp_path: Path) -> None:
    """What a killed process left is deleted, and nothing else."""
    write_json(tmp_path / "kept.json", {"a": 1})
    (tmp_path / ".sft.parquet.123.tmp").write_bytes(b"half")
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]
