"""Tables: what is written is read back, and what is wrong in a file is named with file, row, column and value."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import polars as pl
import pytest

from polylect import records, tables
from polylect.errors import DataError
from polylect.records import MULTIPLE, Completion, Prompt, Record, Score, Summary

KINDS = [kind for name in records.__all__ if isinstance(kind := getattr(records, name), type) and kind is not Record]


def prompt(number: int = 1, **change: Any) -> Prompt:
    """Return a prompt; its text holds what a table might trip over."""
    values = {
        "item": f"item:{number}",
        "language": "tr",
        "kind": "test",
        "split": "prompt",
        "text": f"{number}: \u2028 line\nbreak \x85 'quote' \"double\" 🙂 \u202bعربي\u202c, comma",
        "references": ("Ankara", "ankara şehri"),
        "source": "here",
        "licence": "CC0-1.0",
    }
    return Prompt(**{**values, **change})


def plain(**change: Any) -> dict[str, Any]:
    """Return a prompt's row without id; a value of `...` leaves the column out."""
    row = {**prompt().as_dict(), "references": ["Ankara"], **change}
    return {name: value for name, value in row.items() if value is not ... and name != "id"} | (
        {"id": change["id"]} if "id" in change else {}
    )


def filled(kind: type[Record], *, empty: bool) -> Record:
    """Return a record of any kind; `empty` leaves optional fields None."""
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        if name in ("id", "identity"):
            continue
        optional = isinstance(hint, UnionType)
        base = get_args(hint)[0] if optional else hint
        value = {str: f"{'ö' if empty else 'ä'} {name}", int: 3, float: 0.5, bool: True}.get(base, ("one", ""))
        values[name] = None if optional and empty else value
    tag = {"language": MULTIPLE if empty else "zh-Hans"} if "language" in values else {}
    return kind(**{**values, **tag})


def jsonl(path: Path, *rows: Any) -> Path:
    """Write rows (objects, or lines as they are) to a JSON-lines file."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_round_trip(tmp_path: Path, kind: type[Record], suffix: str) -> None:
    """Every record type comes back equal, ids and missing values included, from Parquet and from JSON lines."""
    rows = [filled(kind, empty=False), filled(kind, empty=True)]
    path = tmp_path / "deep" / f"table.{suffix}"
    if suffix == "parquet":
        assert tables.write(path, iter(rows), kind) == 2
    else:
        path.parent.mkdir()
        jsonl(path, *(row.as_dict() for row in rows))
    assert tables.read(path, kind) == rows


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_any_text_survives(tmp_path: Path, suffix: str) -> None:
    """Line separators of Unicode, quotes, emoji and right-to-left marks inside a text do not break a row in two."""
    path = tmp_path / f"prompts.{suffix}"
    if suffix == "parquet":
        tables.write(path, [prompt(1), prompt(2)], Prompt)
    else:
        jsonl(path, prompt(1).as_dict(), prompt(2).as_dict())
    assert tables.read(path, Prompt) == [prompt(1), prompt(2)]


def test_schema_is_the_declared_one(tmp_path: Path) -> None:
    """The columns on disk have the types of the fields, also when every value of a column is missing."""
    path = tmp_path / "scores.parquet"
    tables.write(path, [filled(Score, empty=True)], Score)
    expected = {
        **dict.fromkeys(("id", "completion_id", "prompt_id", "item", "language", "model", "arbiter", "reason"), pl.String),
        **dict.fromkeys(("value", "exact", "chrf"), pl.Float64),
        "language_ok": pl.Boolean,
    }
    assert dict(pl.read_parquet_schema(path)) == expected == dict(tables.schema(Score))
    assert tables.schema(Prompt)["references"] == pl.List(pl.String)
    assert tables.schema(Completion)["sample"] == pl.Int64
    assert tables.schema(Summary).names()[:3] == ["id", "stage", "metric"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": ...}, r"row 2: column 'text' is missing; found item, language, "),
        ({"text": ..., "texts": "x"}, r"row 2: column 'text' is missing; .* Did you mean 'texts'\?"),
        ({"text": None}, r"row 2, column 'text': empty, but a text is required\."),
        ({"text": 5}, r"row 2, column 'text': 5 is not a text\."),
        ({"references": "Ankara"}, r"row 2, column 'references': 'Ankara' is not a list of texts\."),
        ({"references": ["a", 1]}, r"row 2, column 'references': \['a', 1\] is not a list of texts\."),
        ({"language": "xx"}, r"row 2, column 'language': 'xx' is not the tag of a known language"),
        ({"language": "turkish"}, r"row 2, column 'language': 'turkish' .* write 'tr'"),
        ({"id": prompt(1).id}, r"row 2, column 'id': '[0-9a-f]{24}' is already the id of row 1"),
    ],
)
@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_bad_value_is_named(tmp_path: Path, suffix: str, change: dict[str, Any], says: str) -> None:
    """A missing column, a wrong type, an unknown language or a repeated id: file, row, column and value are in the message."""
    path = tmp_path / f"bad.{suffix}"
    rows = [prompt(1).as_dict(), plain(**change)]
    if suffix == "jsonl":
        jsonl(path, *rows)
    else:
        try:
            pl.DataFrame([{**rows[1], "id": rows[1].get("id", "b")}], strict=True).write_parquet(path)
        except (TypeError, pl.exceptions.PolarsError):
            pytest.skip("a Parquet column cannot hold this")
        says = says.replace("row 2: column", "column").replace("row 2", "row 1").replace("found item", "found .*item")
        if "already" in says:
            pl.DataFrame([{**rows[1]}, {**rows[1]}]).write_parquet(path)
            says = says.replace("row 1", "row 2", 1)
    with pytest.raises(DataError, match=says) as caught:
        tables.read(path, Prompt)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": "0.5"}, "column 'value': '0.5' is not a number"),
        ({"value": True}, "column 'value': True is not a number"),
        ({"value": float("nan")}, "column 'value': nan is not a finite number"),
        ({"value": float("inf")}, "column 'value': inf is not a finite number"),
        ({"language_ok": 1}, "column 'language_ok': 1 is not a true or false"),
    ],
)
def test_bad_number_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    """A text, a truth value, NaN or infinity where a number belongs is refused."""
    row = {**filled(Score, empty=False).as_dict(), **change}
    with pytest.raises(DataError, match=says):
        tables.read(jsonl(tmp_path / "scores.jsonl", row), Score)


def test_whole_number_serves_as_number_but_not_the_reverse(tmp_path: Path) -> None:
    """1 is read as 1.0 in a column of numbers; 1.5 and true are no whole numbers."""
    row = {**filled(Score, empty=False).as_dict(), "value": 1}
    (score,) = tables.read(jsonl(tmp_path / "scores.jsonl", row), Score)
    assert score.value == 1.0
    assert isinstance(score.value, float)
    for wrong in (1.5, True):
        row = {**filled(Completion, empty=False).as_dict(), "sample": wrong}
        with pytest.raises(DataError, match=f"column 'sample': {wrong} is not a whole number"):
            tables.read(jsonl(tmp_path / "completions.jsonl", row), Completion)


@pytest.mark.parametrize(
    ("given", "tag"), [("tur", "tr"), ("TR", "tr"), ("zh_TW", "zh-Hant"), ("iw", "he"), (MULTIPLE, MULTIPLE)]
)
def test_language_is_made_canonical(tmp_path: Path, given: str, tag: str) -> None:
    """Aliases, codes and other spellings become the canonical tag; "mul" stands for all languages."""
    (row,) = tables.read(jsonl(tmp_path / "prompts.jsonl", plain(language=given)), Prompt)
    assert row.language == tag
    assert row.id == prompt(language=tag).id


def test_optional_columns_and_ids_may_be_absent(tmp_path: Path) -> None:
    """A file written by hand needs no id and no column that may be empty; further columns are passed over."""
    full = filled(Completion, empty=True).as_dict()
    row = {name: value for name, value in full.items() if name not in ("id", "error")}
    assert tables.read(jsonl(tmp_path / "a.jsonl", {**row, "note": "mine"}), Completion) == [filled(Completion, empty=True)]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["", plain(), "", "{"], r"row 4: not valid JSON"),
        (["[1]"], r"row 1: list found where a JSON object is expected"),
        (["", "", plain(text=7)], r"row 3, column 'text': 7 is not a text"),
        ([plain(), "", plain()], r"row 3, column 'id': .* is already the id of row 1"),
    ],
)
def test_row_is_the_line_of_the_file(tmp_path: Path, lines: list[Any], says: str) -> None:
    """In JSON lines the row of a message is the line an editor shows, blank lines counted."""
    with pytest.raises(DataError, match=says):
        tables.read(jsonl(tmp_path / "bad.jsonl", *lines), Prompt)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.parquet", None, r"none\.parquet: no such table\. Expected a \.parquet or \.jsonl file of Prompt rows"),
        ("empty.jsonl", b"\n\n", r"empty\.jsonl: the table has no rows"),
        ("latin.jsonl", "{'ä'}".encode("latin-1"), r"latin\.jsonl: not UTF-8 text"),
        ("hollow.parquet", b"", r"hollow\.parquet: not a readable Parquet file"),
        ("text.parquet", b"PAR1 is how a Parquet file begins and ends PAR1", r"text\.parquet: not a readable Parquet file"),
    ],
)
def test_bad_file_is_named(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    """A file that is missing, empty, not text or not Parquet is named, with what is expected."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        tables.read(tmp_path / name, Prompt)


def test_cut_parquet_is_refused(tmp_path: Path) -> None:
    """A Parquet file whose end or middle is lost is an error, whatever byte it was cut at."""
    path = tmp_path / "prompts.parquet"
    tables.write(path, [prompt(number) for number in range(50)], Prompt)
    data = path.read_bytes()
    for keep in (len(data) - 1, len(data) // 2, 5):
        path.write_bytes(data[:keep])
        with pytest.raises(DataError, match="not a readable Parquet file"):
            tables.read(path, Prompt)


def test_empty_table_is_refused_unless_allowed(tmp_path: Path) -> None:
    """A table without rows keeps its schema; reading it fails unless the reader expects that."""
    path = tmp_path / "prompts.parquet"
    assert tables.write(path, [], Prompt) == 0
    assert pl.read_parquet(path).schema == tables.schema(Prompt)
    assert tables.read(path, Prompt, allow_empty=True) == []
    with pytest.raises(DataError, match="a table of Prompt needs at least one"):
        tables.read(path, Prompt)


def test_repeated_id_is_not_written(tmp_path: Path) -> None:
    """Two rows of one id are refused before anything is written."""
    with pytest.raises(DataError, match=r"row 3, column 'id': '.*' is already the id of row 1"):
        tables.write(tmp_path / "prompts.parquet", [prompt(1), prompt(2), prompt(1, split="heldout")], Prompt)
    assert list(tmp_path.iterdir()) == []


def test_failing_write_leaves_the_old_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half way changes nothing and leaves no file behind."""
    path = tmp_path / "prompts.parquet"
    tables.write(path, [prompt(1)], Prompt)

    def fail(_: pl.DataFrame, target: Path, **__: Any) -> None:
        Path(target).write_bytes(b"PAR1 half a table")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail)
    with pytest.raises(OSError, match="No space left"):
        tables.write(path, [prompt(2)], Prompt)
    assert [entry.name for entry in tmp_path.iterdir()] == ["prompts.parquet"]
    assert tables.read(path, Prompt) == [prompt(1)]


def _rewrite(path: Path, count: int) -> None:
    for number in range(count):
        tables.write(path, [prompt(row) for row in range(10 + number)], Prompt)


def test_reader_never_sees_half_a_table(tmp_path: Path) -> None:
    """While another process writes a table again and again, every read finds a whole one."""
    path = tmp_path / "prompts.parquet"
    _rewrite(path, 1)
    writer = multiprocessing.get_context("spawn").Process(target=_rewrite, args=(path, 40))
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(len(tables.read(path, Prompt)))
    writer.join()
    assert writer.exitcode == 0
    assert min(seen) >= 10
    assert len(tables.read(path, Prompt)) == 49
