"""Instructions with verifiable constraints, from the columns in which IFEval and its translations publish them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from polylect.errors import DataError
from polylect.evaluate.task_types import Turn

__all__ = ["parsed", "turn"]


def parsed(where: str, column: str, value: Any) -> Any:
    """Return a value that is either given as it is or as JSON text.

    Raises:
        DataError: it is a text that is not JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}, column {column!r}: {value[:80]!r} is not JSON ({error}). Correct the row.") from error


def turn(where: str, text: str, ids: Any, arguments: Any, columns: tuple[str, str]) -> Turn:
    """Return one turn with its constraints; arguments that are None are left out, as tables fill them in for every key.

    Args:
        where: file and row, for messages.
        text: what the user says.
        ids: the instruction ids: a list of texts, or JSON of one.
        arguments: a mapping per id, in the same order: a list of mappings or of JSON texts, or JSON of one.
        columns: the names of the columns of ids and arguments.

    Raises:
        DataError: these are not lists of one length, or a member is not what it should be.
    """
    names = parsed(where, columns[0], ids)
    if not isinstance(names, Sequence) or isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where}, column {columns[0]!r}: {str(ids)[:80]!r} is not a list of instruction ids. Correct the row.")
    values = parsed(where, columns[1], arguments)
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != len(names):
        raise DataError(
            f"{where}, column {columns[1]!r}: {str(arguments)[:80]!r} is not a list of {len(names)} mappings, one per "
            f"instruction of {columns[0]!r}. Correct the row."
        )
    mappings = [parsed(where, columns[1], value) if isinstance(value, str) else value for value in values]
    for mapping in mappings:
        if mapping is not None and not isinstance(mapping, Mapping):
            raise DataError(f"{where}, column {columns[1]!r}: {mapping!r} is not a mapping of arguments. Correct the row.")
    kept = tuple({key: value for key, value in (mapping or {}).items() if value is not None} for mapping in mappings)
    return Turn(text=text, instructions=tuple(names), arguments=kept)
