"""Tables of records on disk: Parquet (or JSON lines) with a declared schema, checked whenever they are read."""

from __future__ import annotations

import json
import math
import os
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from polylect import languages
from polylect.errors import DataError, LanguageError, nearest
from polylect.records import MULTIPLE, Record

if TYPE_CHECKING:
    import polars as pl

__all__ = ["language_at", "read", "schema", "write"]

R = TypeVar("R", bound=Record)

_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", tuple[str, ...]: "list of texts"}


def _columns(kind: type[Record]) -> dict[str, tuple[Any, bool]]:
    """Map each field of a record type to (Python type, whether None is allowed)."""
    hints = typing.get_type_hints(kind)
    columns = {}
    for field in fields(kind):
        hint = hints[field.name]
        optional = isinstance(hint, types.UnionType)
        base = next(t for t in typing.get_args(hint) if t is not type(None)) if optional else hint
        columns[field.name] = (base, optional)
    return columns


def _required(kind: type[Record]) -> frozenset[str]:
    """Return the fields that a table must have: those without a default. Tables of earlier versions lack newer columns."""
    return frozenset(field.name for field in fields(kind) if field.default is MISSING)


def schema(kind: type[Record]) -> pl.Schema:
    """Return the declared polars schema of a record type."""
    import polars as pl

    dtypes: dict[Any, Any] = {
        str: pl.String(),
        int: pl.Int64(),
        float: pl.Float64(),
        bool: pl.Boolean(),
        tuple[str, ...]: pl.List(pl.String()),
    }
    return pl.Schema({name: dtypes[base] for name, (base, _) in _columns(kind).items()})


def write(path: Path, rows: Iterable[R], kind: type[R]) -> int:
    """Write `rows` to a Parquet file that appears whole or not at all; return their number.

    Raises:
        DataError: two rows have the same id.
    """
    import polars as pl

    rows = list(rows)
    _check_ids(path, {number: row.id for number, row in enumerate(rows, start=1)})
    frame = pl.DataFrame([row.as_dict() for row in rows], schema=schema(kind))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        frame.write_parquet(temporary, compression="zstd")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return len(rows)


def read(path: Path, kind: type[R], *, allow_empty: bool = False) -> list[R]:
    """Read a Parquet or JSON-lines table into records, checking every value.

    Raises:
        DataError: the file is missing, unreadable or empty, lacks a column, or holds a wrong type, a number that is
            not finite, an unknown language tag or a duplicate id. The message names file, row (1-based) and column.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such table. Expected a .parquet or .jsonl file of {kind.__name__} rows.")
    rows = _read_jsonl(path) if path.suffix in {".jsonl", ".json"} else _read_parquet(path, kind)
    if not rows and not allow_empty:
        raise DataError(f"{path}: the table has no rows; a table of {kind.__name__} needs at least one.")
    columns, required = _columns(kind), _required(kind)
    records = {number: kind(**_checked(path, number, row, columns, required)) for number, row in rows.items()}
    _check_ids(path, {number: record.id for number, record in records.items()})
    return list(records.values())


def _read_parquet(path: Path, kind: type[Record]) -> dict[int, dict[str, Any]]:
    import polars as pl

    try:
        # One open file: given a path, polars opens it twice and may see two tables when it is replaced in between.
        with path.open("rb") as file:
            frame = pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}). Write it again, or give a .jsonl file.") from error
    for name in _required(kind):
        if name not in frame.columns:
            raise _missing(path, name, frame.columns, row=None)
    return dict(enumerate(frame.to_dicts(), start=1))


def _read_jsonl(path: Path) -> dict[int, dict[str, Any]]:
    """Return the objects of a JSON-lines file by line number; blank lines are passed over."""
    try:
        # Only a line feed ends a line: str.splitlines would also cut at U+2028 or U+0085, which a JSON text may hold.
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}). Save it as UTF-8, or give a .parquet file.") from error
    rows = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, row {number}: not valid JSON ({error}). One JSON object per line is expected.") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: {type(row).__name__} found where a JSON object is expected.")
        rows[number] = row
    return rows


def _checked(
    path: Path, number: int, row: dict[str, Any], columns: dict[str, tuple[Any, bool]], required: frozenset[str]
) -> dict[str, Any]:
    values = {}
    for name, (base, optional) in columns.items():
        if name not in row:
            if name not in required:
                continue
            raise _missing(path, name, list(row), row=number)
        values[name] = _convert(path, number, name, row[name], base, optional)
    return values


def _convert(path: Path, number: int, name: str, value: Any, base: Any, optional: bool) -> Any:
    where = f"{path}, row {number}, column {name!r}"
    if value is None:
        if optional:
            return None
        raise DataError(f"{where}: empty, but a {_NAMES[base]} is required.")
    if base == tuple[str, ...] and isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if base is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if base == tuple[str, ...] or not isinstance(value, base) or (base is int and isinstance(value, bool)):
        raise DataError(f"{where}: {value!r} is not a {_NAMES[base]}.")
    if base is float and not math.isfinite(value):
        raise DataError(f"{where}: {value!r} is not a finite number. A value that is not known is left empty.")
    if name == "language" and value != MULTIPLE:
        return language_at(where, value)
    return value


def _missing(path: Path, name: str, present: Sequence[str], row: int | None) -> DataError:
    at = f", row {row}" if row else ""
    return DataError(f"{path}{at}: column {name!r} is missing; found {', '.join(present) or 'none'}.{nearest(name, present)}")


def _check_ids(path: Path, ids: Mapping[int, str]) -> None:
    first: dict[str, int] = {}
    for number, value in ids.items():
        if value in first:
            raise DataError(
                f"{path}, row {number}, column 'id': {value!r} is already the id of row {first[value]}. "
                "Ids are hashes of the content: remove the repeated row."
            )
        first[value] = number


def language_at(where: str, value: object) -> str:
    """Return the canonical tag of a language that stands in a row; `where` names file, row and column in the message.

    Raises:
        DataError: it names no known language.
    """
    try:
        return languages.canonical(str(value))
    except LanguageError as error:
        raise DataError(f"{where}: {error}") from error
