"""Tables from anywhere, row by row: JSON lines or Parquet, with the columns that are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from polylect.errors import DataError, nearest
from polylect.rows import json_lines_rows, parquet_rows

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
    for number, row in parquet_rows(path) if path.suffix == ".parquet" else json_lines_rows(path):
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
