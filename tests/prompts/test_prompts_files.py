"""The user's own prompts from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polylect import tables
from polylect.errors import DataError, LanguageError
from polylect.prompts import from_file, world_facts
from polylect.records import Prompt


def write(path: Path, *rows: object) -> Path:
    """Write rows as JSON lines and return the path."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_plain_questions_get_defaults(tmp_path: Path) -> None:
    """A row needs a prompt and a language; item, kind, split, source and licence have defaults, references may be missing."""
    path = write(
        tmp_path / "mine.jsonl",
        {"prompt": "Başkentiniz neresi?", "language": "TR", "reference": "Ankara", "item": "capital"},
        {"prompt": "What is your capital?", "references": ["Ankara", "Angora"], "item": "capital", "split": "heldout"},
        {"prompt": "Why?"},
    )
    turkish, english, bare = from_file(path, language="en")
    assert (turkish.language, turkish.references, turkish.item) == ("tr", ("Ankara",), english.item)
    assert (english.language, english.references, english.split) == ("en", ("Ankara", "Angora"), "heldout")
    assert (bare.kind, bare.split, bare.source, bare.licence, bare.references) == ("user", "prompt", "mine.jsonl", "unknown", ())
    assert bare.item.startswith("user:")


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_tables_of_prompts_are_read_as_they_are(tmp_path: Path, suffix: str) -> None:
    """A Parquet or JSON-lines table of `Prompt` records comes back unchanged."""
    prompts = world_facts(["tr"]).prompts[:20]
    path = tmp_path / f"prompts{suffix}"
    if suffix == ".parquet":
        tables.write(path, prompts, Prompt)
    else:
        write(path, *(prompt.as_dict() for prompt in prompts))
    assert from_file(path) == prompts


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"promt": "Why?", "language": "en"}, "row 2: unknown key 'promt'.*Did you mean 'prompt'"),
        ({"language": "en"}, "row 2: key 'prompt' is missing; found language"),
        ({"prompt": "Why?"}, "row 2: key 'language' is missing.*name the language of the whole file"),
        ({"prompt": "Why?", "language": "qq"}, "row 2, key 'language': 'qq'"),
        ({"prompt": " ", "language": "en"}, "row 2, key 'prompt': ' ' is not a text"),
        ({"prompt": 5, "language": "en"}, "row 2, key 'prompt': 5 is not a text"),
        ({"prompt": "Why?", "language": "en", "split": "held-out"}, "row 2, key 'split': 'held-out'.*Did you mean 'heldout'"),
        ({"prompt": "Why?", "language": "en", "references": "So"}, "row 2, key 'references': 'So' is not a list"),
        ({"prompt": "Why?", "language": "en", "reference": "a", "references": ["b"]}, "row 2: both 'reference' and 'references'"),
        ({"prompt": "Who?", "language": "en"}, "row 2, key 'prompt': the question of row 1 again"),
        (["Why?"], "row 2: list found where a JSON object is expected"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: object, message: str) -> None:
    """A bad row stops the reading with file, row, key and the rule it broke."""
    path = write(tmp_path / "mine.jsonl", {"prompt": "Who?", "language": "en"}, row)
    with pytest.raises(DataError, match=rf"mine\.jsonl, {message}"):
        from_file(path)


def test_files_that_hold_no_prompts(tmp_path: Path) -> None:
    """A missing, empty, binary or broken file, and an unknown language, are refused in one line."""
    with pytest.raises(DataError, match="no such file"):
        from_file(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="no rows"):
        from_file(write(tmp_path / "empty.jsonl"))
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8 text"):
        from_file(tmp_path / "binary.jsonl")
    (tmp_path / "nested.jsonl").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(DataError, match=r"nested\.jsonl, row 1: not valid JSON"):
        from_file(tmp_path / "nested.jsonl")
    (tmp_path / "broken.jsonl").write_text('{"prompt": \n')
    with pytest.raises(DataError, match="row 1: not valid JSON"):
        from_file(tmp_path / "broken.jsonl")
    (tmp_path / "prompts.csv").write_text("prompt,language\n")
    with pytest.raises(DataError, match=r"prompts\.csv: '\.csv' files are not read"):
        from_file(tmp_path / "prompts.csv")
    with pytest.raises(LanguageError, match="qq"):
        from_file(write(tmp_path / "mine.jsonl", {"prompt": "Who?"}), language="qq")
