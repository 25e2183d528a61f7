"""Tables from anywhere, row by row: Parquet, JSON lines or CSV, with every value by its column."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from polylect.errors import DataError, nearest
from polylect.rows import json_lines_rows, parquet_rows
from polylect.tables import language_at

__all__ = ["SUFFIXES", "Row", "answer_key", "columns_of", "rows_of"]

SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

_XSTEST = {"type", "prompt", "completion", "final_label"}
"""Columns of XSTest's labelled answers (model_completions/ of github.com/paul-rottger/xstest, 475f10b)."""


class Row:
    """One row of a table; `where` names file and row for messages. An empty cell is None, whatever the format.

    Args:
        path: of the table.
        number: 1-based, of the row (of JSON lines and CSV: of the line).
        values: by column.
        place: 1-based, among the rows, whatever lines they take.
    """

    def __init__(self, path: Path, number: int, values: dict[str, Any], place: int = 0) -> None:
        self.where = f"{path}, row {number}"
        self.number, self.place = number, place or number
        self.values = {name: None if value == "" else value for name, value in values.items()}

    def text(self, *names: str) -> str | None:
        """Return the first of some columns that has a value, as a text without surrounding space; None where none has.

        Raises:
            DataError: the value is a list or an object.
        """
        for name in names:
            value = self.values.get(name)
            if value is None:
                continue
            if isinstance(value, (list, tuple, dict)):
                raise DataError(f"{self.where}, column {name!r}: {str(value)[:60]!r} is not a text.")
            if str(value).strip():
                return str(value).strip()
        return None

    def required(self, *names: str) -> str:
        """Return the first of some columns that has a value.

        Raises:
            DataError: none has.
        """
        found = self.text(*names)
        if found is None:
            what = " or ".join(map(repr, names))
            raise DataError(
                f"{self.where}: column {what} is missing or empty; found {', '.join(self.values) or 'none'}."
                f"{nearest(names[0], self.values)}"
            )
        return found

    def choice(self, name: str, among: Sequence[str]) -> str | None:
        """Return a value that is one of a few, in any case.

        Raises:
            DataError: it is none of them.
        """
        found = self.text(name)
        if found is None or found.lower() in among:
            return found and found.lower()
        raise DataError(
            f"{self.where}, column {name!r}: {found!r} is none of {', '.join(among)}.{nearest(found.lower(), among)} Leave it "
            "empty where it is not known."
        )

    def boolean(self, name: str) -> bool | None:
        """Return true or false, from a truth value or one of the words true, yes, 1, false, no, 0.

        Raises:
            DataError: it is neither.
        """
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return value
        found = _BOOLEANS.get(str(value).strip().lower())
        if found is None:
            raise DataError(f"{self.where}, column {name!r}: {str(value)[:60]!r} is neither true nor false.")
        return found

    def language(self, name: str = "language", *, default: str | None = None) -> str:
        """Return a canonical tag.

        Raises:
            DataError: none is given, or it is unknown.
        """
        given = self.text(name) or default or self.required(name)
        return language_at(f"{self.where}, column {name!r}", given)


def answer_key(row: Row) -> tuple[str, str]:
    """Return item and language of a row about an answer; XSTest's labelled answers have the ids of its prompts, and are English.

    Raises:
        DataError: the row names no item, or no known language.
    """
    if _XSTEST.issubset(row.values):
        return f"xstest:{row.required('id', 'id_v2')}", row.language(default="en")
    return row.required("item", "id"), row.language()


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the columns of a table, of JSON lines those of its first row.

    Raises:
        DataError: as `rows_of`.
    """
    return tuple(next(rows_of(path)).values)


def rows_of(path: Path) -> Iterator[Row]:
    """Yield the rows of a table.

    Raises:
        DataError: no such file, a format that is not read, not readable, or no rows.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such table. Give a {', '.join(SUFFIXES)} file.")
    readers = {".parquet": parquet_rows, ".jsonl": json_lines_rows, ".json": json_lines_rows, ".csv": _csv}
    if path.suffix not in readers:
        raise DataError(f"{path}: {path.suffix!r} files are not read. Write the table as {', '.join(SUFFIXES)}.")
    place = 0
    for place, (number, values) in enumerate(readers[path.suffix](path), start=1):
        yield Row(path, number, values, place)
    if not place:
        raise DataError(f"{path}: the table has no rows. Give one that has.")


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(min(sys.maxsize, 1 << 24))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                if None in row:
                    raise DataError(f"{path}, line {reader.line_num}: more cells than columns. Quote texts that hold a comma.")
                yield reader.line_num, {str(name): value for name, value in row.items()}
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}). Save it as UTF-8, or give a .parquet file.") from error
    except csv.Error as error:
        raise DataError(f"{path}: not readable as CSV ({error}). Write it again, or give a .jsonl file.") from error
