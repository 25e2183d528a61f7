"""Prompt tables: what is read, what is refused and how it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pipeline_runs import rows, write_rows

from polylect import tables
from polylect.arbitrage.prompt_table import PromptTable, windows
from polylect.errors import DataError
from polylect.records import Prompt

GOOD: dict[str, Any] = {"item": "one", "language": "tr", "text": "Ankara nerede?"}


def read(path: Path, **options: Any) -> list[Prompt]:
    """Return all prompts of a table."""
    return [prompt for window in PromptTable(path, **options).windows() for prompt in window]


def test_a_row_becomes_a_prompt(tmp_path: Path) -> None:
    """Tags become canonical, defaults are filled in, and other columns are passed over and named."""
    row = {**GOOD, "language": "zh-CN", "reference": "土耳其", "licence": "CC0-1.0", "difficulty": 3}
    found = PromptTable(write_rows(tmp_path / "p.jsonl", [row]))
    ((prompt,),) = found.windows()
    assert (prompt.item, prompt.language, prompt.text, prompt.references) == ("one", "zh-Hans", "Ankara nerede?", ("土耳其",))
    assert (prompt.source, prompt.licence, prompt.kind, prompt.split) == ("p.jsonl", "CC0-1.0", "user", "prompt")
    assert found.passed_over == ("difficulty",)


def test_parquet_and_jsonl_give_the_same(tmp_path: Path) -> None:
    """The format of the table changes nothing, and a table of `Prompt` records keeps its ids."""
    lines = read(write_rows(tmp_path / "p.jsonl", rows(5)))
    pl.DataFrame(rows(5)).write_parquet(tmp_path / "p.parquet")
    tables.write(tmp_path / "records.parquet", lines, Prompt)
    assert [p.id for p in read(tmp_path / "p.parquet")] == [p.id for p in lines]
    assert read(tmp_path / "records.parquet") == lines
    assert [p for window in windows(tmp_path / "records.parquet", 3) for p in window] == lines


def test_windows_have_the_size_asked_for(tmp_path: Path) -> None:
    """No window is larger than asked, none is empty, and the order is that of the rows."""
    path = write_rows(tmp_path / "p.jsonl", rows(5))
    found = list(PromptTable(path).windows(4))
    assert [len(window) for window in found] == [4, 4, 2]
    assert [p.item for window in found for p in window] == [row["item"] for row in rows(5)]


@pytest.mark.parametrize("turns", [[["user", "Hi"], ["assistant", "Yes?"], ["user", "Where?"]], "json", "objects"])
def test_a_conversation_ends_with_the_user(tmp_path: Path, turns: Any) -> None:
    """The last turn of `messages` is the text, the earlier ones are kept; pairs, objects and JSON text are the same."""
    pairs = [["user", "Hi"], ["assistant", "Yes?"], ["user", "Where?"]]
    given = {"json": json.dumps(pairs), "objects": [{"role": role, "content": content} for role, content in pairs]}
    value = given[turns] if isinstance(turns, str) else turns
    rows = [{"item": "a", "language": "en", "messages": value}, {"item": "b", "language": "en", "text": "Where?"}]
    with_turns, without = read(write_rows(tmp_path / "p.jsonl", rows))
    assert with_turns.text == "Where?"
    assert json.loads(with_turns.messages or "") == pairs[:2]
    assert with_turns.id != without.id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": "  "}, "column 'text': '  ' is not a text"),
        ({"text": None}, "column 'text': empty or missing"),
        ({"language": "klingonish"}, "column 'language'"),
        ({"item": 7}, "column 'item': 7 is not a text"),
        ({"references": "Ankara"}, "column 'references': 'Ankara' is not a list"),
        ({"reference": "a", "references": ["b"]}, "column 'reference': given beside 'references'"),
        ({"messages": [["user", ""]]}, "column 'messages'"),
        ({"messages": [["robot", "beep"]]}, "the role is one of system, user"),
        ({"text": None, "messages": [["assistant", "Hi"]]}, "does not end with a turn of the user"),
        ({"licence": 3}, "column 'licence': 3 is not a text"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """A row that breaks a rule is an error with file, row, column and value; or it is left out and counted."""
    path = write_rows(tmp_path / "p.jsonl", [GOOD, {**GOOD, **change}])
    with pytest.raises(DataError, match="row 2") as caught:
        read(path)
    assert message in str(caught.value)
    assert "--skip-bad-rows" in str(caught.value)
    found = PromptTable(path, skip_bad=True)
    assert sum(map(len, found.windows())) == 1
    assert sum(found.dropped.values()) == 1


def test_broken_lines_are_rows_too(tmp_path: Path) -> None:
    """A line that is no JSON object is named, or counted; blank lines are nothing."""
    path = tmp_path / "p.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n[1]\n{{broken\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"row 3.*not a JSON object"):
        read(path)
    found = PromptTable(path, skip_bad=True)
    assert sum(map(len, found.windows())) == 1
    assert found.dropped == {"bad row": 2}


def test_a_slip_of_the_pen_in_a_column_is_an_error(tmp_path: Path) -> None:
    """A column whose name is close to a known one is refused, and a missing column is named."""
    with pytest.raises(DataError, match=r"'licnce' is not known. Did you mean 'licence'"):
        PromptTable(write_rows(tmp_path / "p.jsonl", [{**GOOD, "licnce": "MIT"}]))
    pl.DataFrame([{"item": "a", "lang": "en", "text": "?"}]).write_parquet(tmp_path / "p.parquet")
    with pytest.raises(DataError, match="column 'language' is missing"):
        PromptTable(tmp_path / "p.parquet")


def test_damage_is_said_plainly(tmp_path: Path) -> None:
    """A missing file, another format and a broken Parquet file are errors that name the file."""
    (tmp_path / "p.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "p.csv").write_text("a,b\n")
    for name, message in {
        "none.jsonl": "no such table",
        "p.csv": "'.csv' files are not read",
        "p.parquet": "not a readable",
    }.items():
        with pytest.raises(DataError, match=message):
            PromptTable(tmp_path / name)


def test_languages_and_splits_are_filters(tmp_path: Path) -> None:
    """Rows of other languages and splits are left out and counted."""
    given = [{**GOOD, "split": "prompt"}, {**GOOD, "split": "heldout"}, {**GOOD, "language": "en", "split": "prompt"}]
    found = PromptTable(write_rows(tmp_path / "p.jsonl", given), only=["tr"], splits=["prompt"])
    assert sum(map(len, found.windows())) == 1
    assert found.dropped == {"split not asked for": 1, "language not asked for": 1}
