"""Rows of a file as mappings, whatever its format; nothing is checked here but that it can be read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from polylect.errors import DataError

__all__ = ["rows_of"]

_LONGEST_FIELD = 10_000_000


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, row) of a Parquet, JSON lines, JSON, CSV or TSV file; any other file is plain text, a "text" per line.

    The number is what a person would look for: from 1, the line in a JSON lines or text file, the data row elsewhere.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    try:
        yield from _reader(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}). Fetch it again.") from error


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _object(path, number, _parsed(path, line, f", row {number}"))


def _json(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read a list of objects; a file of one object per line, which some repositories end in .json, too."""
    text = path.read_text(encoding="utf-8-sig")
    if not text.lstrip().startswith("["):
        yield from _json_lines(path)
        return
    for number, row in enumerate(_parsed(path, text, ""), start=1):
        yield number, _object(path, number, row)


def _parsed(path: Path, text: str, at: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}{at}: not valid JSON ({error}). Correct the file.") from error


def _object(path: Path, number: int, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{path}, row {number}: {type(row).__name__} found where a JSON object is expected.")
    return row


def _table(path: Path, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter, strict=True)
        try:
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    raise DataError(f"{path}, row {number}: not as many values as the header has columns. Correct the row.")
                yield number, dict(row)
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: not readable as CSV ({error}). Correct the file.") from error


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            yield number, {"text": line.rstrip("\r\n")}


def _reader(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        return _table(path, "," if suffix == ".csv" else "\t")
    return {".parquet": _parquet, ".jsonl": _json_lines, ".json": _json}.get(suffix, _lines)(path)
