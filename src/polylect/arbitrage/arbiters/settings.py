"""Settings from YAML as a frozen dataclass: every key and value is checked, and an error names where it stands."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from polylect.arbitrage.arbiters.registry import Context
from polylect.errors import RecipeError, nearest

__all__ = ["read"]

T = TypeVar("T")

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def read(kind: type[T], settings: Mapping[str, Any], context: Context) -> T:
    """Return the dataclass `kind` filled from `settings`.

    Fields may be bool, int, float, str, `Literal`, `tuple[X, ...]` of these, mappings and `Any` (taken as they are), or one of
    these or None.

    Raises:
        RecipeError: a key is unknown or missing, or a value is not of its field's type.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in settings:
        if key not in known:
            raise RecipeError(
                f"{context.where}: key {key!r} is unknown.{nearest(key, known)} Known: {', '.join(['kind', *sorted(known)])}."
            )
    for name, field in known.items():
        if name not in settings and field.default is MISSING and field.default_factory is MISSING:
            raise RecipeError(f"{context.where}: key {name!r} is missing. Give it.")
    hints = get_type_hints(kind)
    return kind(**{key: _value(hints[key], value, key, context) for key, value in settings.items()})


def _value(hint: Any, value: Any, key: str, context: Context) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _value(next(part for part in get_args(hint) if part is not type(None)), value, key, context)
    if origin is Literal:
        return _choice(get_args(hint), value, key, context)
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise context.refuse(key, value, "expected a list. Write [a, b].")
        return tuple(_value(get_args(hint)[0], one, f"{key}[{i}]", context) for i, one in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise context.refuse(key, value, "expected keys and values. Write `key: value`.")
        return value
    return value if hint is Any else _plain(hint, value, key, context)


def _choice(choices: Sequence[Any], value: Any, key: str, context: Context) -> Any:
    if value in choices:
        return value
    raise context.refuse(key, value, f"expected one of {', '.join(map(str, choices))}.{nearest(str(value), map(str, choices))}")


def _plain(kind: type, value: Any, key: str, context: Context) -> Any:
    """Return a bool, int, float or str; a whole number is a float too, `true` is no number."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and number and math.isfinite(value):
        return float(value)
    if kind is not float and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise context.refuse(key, value, f"expected {_KINDS[kind]}.")
