"""Rows against the schema of their benchmark: every value is checked, a fault names file, row, column and value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from polylect.errors import DataError, nearest
from polylect.evaluate.benchmarks.base import Column

__all__ = ["check_columns", "checked"]

_NAMES = {
    "text": "text",
    "int": "whole number",
    "bool": "true or false",
    "texts": "list of texts",
    "object": "mapping or list",
    "any": "text or number",
}
_WHOLE = re.compile(r"[-+]?\d+(\.0+)?")
_SHOWN = 80


def check_columns(where: str, row: Mapping[str, Any], columns: Mapping[str, Column]) -> None:
    """Check that a table has the required columns.

    Raises:
        DataError: one is missing; the message names it and the columns found.
    """
    for name, column in columns.items():
        if column.required and name not in row:
            found = ", ".join(map(repr, row)) or "none"
            raise DataError(f"{where}: column {name!r} is missing; found {found}.{nearest(name, row)}")


def checked(where: str, row: Mapping[str, Any], columns: Mapping[str, Column], from_text: bool) -> dict[str, Any]:
    """Return the values of the declared columns, converted; columns that are not declared are passed over.

    Args:
        where: file and row, for messages.
        row: the values as read.
        columns: the schema.
        from_text: whether all values are texts (CSV, TSV), so that numbers, lists and truth values are read from them.

    Raises:
        DataError: a column is missing, a value is of the wrong type, empty, or none of those allowed.
    """
    check_columns(where, row, columns)
    return {name: _value(where, name, row[name], column, from_text) for name, column in columns.items() if name in row}


def _value(where: str, name: str, value: Any, column: Column, from_text: bool) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        if column.empty:
            return "" if column.type == "text" else None
        raise DataError(
            f"{where}, column {name!r}: {value!r} is empty, but a {_NAMES[column.type]} is required. Correct the row."
        )
    converted = _from_text(value, column) if from_text and column.type != "text" else value
    if column.type == "int" and isinstance(converted, float) and converted.is_integer():
        converted = int(converted)
    if not _fits(converted, column):
        raise DataError(f"{where}, column {name!r}: {_shown(value)} is not a {_NAMES[column.type]}. Correct the row.")
    fault = _out_of_bounds(converted, column)
    if fault:
        raise DataError(f"{where}, column {name!r}: {_shown(value)} {fault}. Correct the row.")
    return tuple(converted) if column.type == "texts" else converted


def _from_text(value: Any, column: Column) -> Any:
    if column.type == "int":
        return int(value.strip().partition(".")[0]) if _WHOLE.fullmatch(value.strip()) else value
    if column.type == "any":
        return value
    if column.type == "bool":
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _fits(value: Any, column: Column) -> bool:
    if column.type == "text":
        return isinstance(value, str)
    if column.type == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if column.type == "bool":
        return isinstance(value, bool)
    if column.type == "texts":
        return isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value)
    if column.type == "any":
        return isinstance(value, (str, int)) and not isinstance(value, bool)
    return isinstance(value, (dict, list))


def _out_of_bounds(value: Any, column: Column) -> str:
    """Say which bound a value breaks, or nothing."""
    if column.values and value not in column.values:
        return f"is none of {', '.join(map(repr, column.values))}"
    if column.type not in {"int", "texts"}:
        return ""
    size = value if column.type == "int" else len(value)
    what = "is" if column.type == "int" else "has a length"
    if column.least is not None and size < column.least:
        return f"{what} below {column.least}"
    return f"{what} above {column.most}" if column.most is not None and size > column.most else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
