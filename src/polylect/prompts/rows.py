"""Rows of the tables that prompts are made from, streamed: Parquet or JSON lines, every value checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from polylect import languages
from polylect.errors import DataError, LanguageError, nearest
from polylect.records import Prompt, content_hash

__all__ = ["source_rows"]

_WINDOW = 1024
_NAMES = ("id", "item", "language", "text", "messages", "references", "reference", "source", "licence", "kind", "split")


def source_rows(path: Path) -> Iterator[Prompt]:
    """Yield the rows of a table as prompts: questions to translate, passages, or seeds; one window is in memory at a time.

    A row has `language` and `text`; `item` is by default a hash of both. Optional are `id`, `messages` (the turns before
    `text`, as JSON), `references` (a list) or `reference` (a text), `source` (by default the file's name), `licence`
    ("unknown"), `kind` ("user") and `split` ("prompt"). Other columns are passed over.

    Raises:
        DataError: no such file, not readable, no rows, a missing column, a value of a wrong type, or a tag of no language.
            The message names file, row (1-based) and column.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such table. Rows are read from a .parquet or .jsonl file.")
    if path.suffix not in {".parquet", ".jsonl", ".json"}:
        raise DataError(f"{path}: {path.suffix!r} files are not read. Write the rows as .parquet or .jsonl.")
    number = 0
    for number, row in _parquet(path) if path.suffix == ".parquet" else _json_lines(path):
        yield _prompt(f"{path}, row {number}", path.name, row)
    if not number:
        raise DataError(f"{path}: the table has no rows; at least one is needed.")


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            wanted = [name for name in file.schema_arrow.names if name in _NAMES]
            for batch in file.iter_batches(batch_size=_WINDOW, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}). Write it again, or give a .jsonl file.") from error


def _json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        # Only a line feed ends a line: a JSON text may hold the other line separators of Unicode.
        with path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(f"{path}, row {number}", line)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}). Save it as UTF-8, or give a .parquet file.") from error


def _object(where: str, line: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not valid JSON ({error}). One JSON object per line is expected.") from error
    if not isinstance(row, dict):
        raise DataError(f"{where}: {type(row).__name__} found where a JSON object is expected.")
    return row


def _prompt(where: str, name: str, row: Mapping[str, Any]) -> Prompt:
    tag, text = _text(where, row, "language"), _text(where, row, "text")
    try:
        language = languages.canonical(tag)
    except LanguageError as error:
        raise DataError(f"{where}, column 'language': {error}") from error
    return Prompt(
        id=_text(where, row, "id", ""),
        item=_text(where, row, "item", content_hash(language, text)),
        language=language,
        kind=_text(where, row, "kind", "user"),
        split=_text(where, row, "split", "prompt"),
        text=text,
        references=_references(where, row),
        source=_text(where, row, "source", name),
        licence=_text(where, row, "licence", "unknown"),
        messages=_text(where, row, "messages", "") or None,
    )


def _text(where: str, row: Mapping[str, Any], column: str, default: str | None = None) -> str:
    value = row.get(column)
    if value is None and default is not None:
        return default
    if column not in row:
        found = list(row)
        raise DataError(f"{where}: column {column!r} is missing; found {', '.join(found) or 'none'}.{nearest(column, found)}")
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}, column {column!r}: {value!r} is not a text with at least one character.")
    return value


def _references(where: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    value = row.get("references")
    value = [row["reference"]] if value is None and row.get("reference") is not None else value or []
    if not isinstance(value, (list, tuple)) or not all(isinstance(answer, str) for answer in value):
        raise DataError(f"{where}, column 'references': {value!r} is not a list of texts.")
    return tuple(value)
