"""Rows of tables that others wrote, as mappings with the number that a person would look for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from polylect.errors import DataError

__all__ = ["json_lines_rows", "parquet_rows"]


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row from 1, values by column) of a Parquet file.

    Raises:
        DataError: it cannot be read.
    """
    import polars as pl

    try:
        with path.open("rb") as file:
            frame = pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}). Write it again, or give a .jsonl file.") from error
    yield from enumerate(frame.iter_rows(named=True), start=1)


def json_lines_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line from 1, values by key) of a file of one JSON object per line; empty lines are passed over.

    Raises:
        DataError: it is not UTF-8, or a line is no JSON object; the message names file and line.
    """
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
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}, row {number}: not valid JSON ({error}). One JSON object per line is expected.") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}, row {number}: {type(row).__name__} found where a JSON object is expected.")
    return row
