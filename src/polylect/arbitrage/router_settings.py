"""Settings of routers: a mapping from YAML or the command line to a frozen dataclass, every key and value checked."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from polylect.errors import RecipeError, nearest

__all__ = ["positive", "read_settings", "share"]

S = TypeVar("S")


def read_settings(kind: type[S], values: Mapping[str, Any], *, where: str) -> S:
    """Return `kind(**values)` with types checked; whole numbers pass as numbers, lists as tuples.

    The ranges are checked by the `__post_init__` of `kind`; its message is preceded by `where`.

    Raises:
        RecipeError: an unknown key, a value of the wrong type or out of range. The message names the nearest known key.
    """
    hints = typing.get_type_hints(kind)
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    given = {}
    for key, value in values.items():
        if key not in known:
            raise RecipeError(f"{where}: setting {key!r} is unknown.{nearest(key, known)} Known: {', '.join(known)}.")
        given[key] = _checked(f"{where}, {key}", value, hints[key])
    try:
        return kind(**given)
    except RecipeError as error:
        raise RecipeError(f"{where}, {error}") from None


def share(name: str, value: float, *, below: float = 1.0) -> None:
    """Check that a setting is a share.

    Raises:
        RecipeError: `value` is not in [0, below].
    """
    if not 0 <= value <= below:
        raise RecipeError(f"{name}: {value!r} is no share; give a number from 0 to {below:g}.")


def positive(name: str, value: float) -> None:
    """Check that a setting is a positive, finite number.

    Raises:
        RecipeError: it is not.
    """
    if not (value > 0 and math.isfinite(value)):
        raise RecipeError(f"{name}: {value!r} must be more than 0.")


def _checked(where: str, value: Any, hint: Any) -> Any:
    """Return `value` as the annotated type."""
    allowed = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for kind in allowed:
        if kind is type(None) and value is None:
            return None
        base = typing.get_origin(kind) or kind
        if base is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if base is tuple and isinstance(value, list):
            return tuple(value)
        if base is typing.Literal and value in typing.get_args(kind):
            return value
        if isinstance(base, type) and isinstance(value, base) and not (isinstance(value, bool) and base is not bool):
            return value
    raise RecipeError(f"{where}: {value!r} is not {_described(allowed)}.")


def _described(kinds: tuple[Any, ...]) -> str:
    """Return what is allowed, in words."""
    words = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", tuple: "a list", type(None): "empty"}
    parts = []
    for kind in kinds:
        origin = typing.get_origin(kind) or kind
        literal = origin is typing.Literal
        parts.append(" or ".join(map(repr, typing.get_args(kind))) if literal else words.get(origin, "a table (key: value)"))
    return " or ".join(parts)
