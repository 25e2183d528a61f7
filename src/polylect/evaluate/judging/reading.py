"""Tables from anywhere, row by row: JSON lines or Parquet, with the columns that are needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from polylect.errors import DataError, nearest

__all__ = ["rows_of"]


def rows_of(path: Path, required: Sequence[str | tuple[str, ...]] = ()) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (1-based row or line, values by column) of a table.

    Args:
        path: a .parquet, .jsonl or .json file (the latter two hold one object per line).
        required: columns that every row must have, or tuples of names of which one must be there.

    Raises:
        DataError: no such file, not readable, empty, or a column is missing or without a value; names file, row and column.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such table. Give a .parquet or .jsonl file.")
    number = 0
    for number, row in _parquet(path) if path.suffix == ".parquet" else _json_lines(path):
        for names in required:
            either = (names,) if isinstance(names, str) else names
            if not any(row.get(name) is not None for name in either):
                what = " or ".join(map(repr, either))
                raise DataError(
                    f"{path}, row {number}: column {what} is missing or empty; found {', '.join(row) or 'none'}."
                    f"{nearest(either[0], row)}"
                )
        yield number, row
    if not number:
        raise DataError(f"{path}: the table has no rows. Give one that has.")


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import polars as pl

    try:
        with path.open("rb") as file:
            frame = pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}). Write it again, or give a .jsonl file.") from error
    yield from enumerate(frame.iter_rows(named=True), start=1)


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        # Only a line feed ends a line: a JSON text may hold the other separators.
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _object(path, number, line)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}). Save it as UTF-8, or give a .parquet file.") from error


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, row {number}: not valid JSON ({error}). One JSON object per line is expected.") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}, row {number}: {type(row).__name__} found where a JSON object is expected.")
    return row
