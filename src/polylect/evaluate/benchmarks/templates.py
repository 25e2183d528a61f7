"""Prompt templates of users: texts with {names} of columns, and nothing that could run code."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from polylect.errors import EvaluationError, nearest

__all__ = ["Template", "template"]


@dataclass(frozen=True)
class Template:
    """A text whose {names} are replaced; `{{` and `}}` stand for braces. Made by `template`."""

    parts: tuple[tuple[str, str], ...]
    """(literal text, name of the field behind it or "")."""

    @property
    def names(self) -> tuple[str, ...]:
        """The fields, in order, without repetitions."""
        return tuple(dict.fromkeys(name for _, name in self.parts if name))

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text with the values put in, as they are: what looks like a field within a value stays text."""
        return "".join(literal + (str(values[name]) if name else "") for literal, name in self.parts)


def template(where: str, text: Any, known: Iterable[str] | None = None) -> Template:
    """Return the template in a text.

    Args:
        where: file and key, for messages.
        text: the text.
        known: names that may stand in it; None: any.

    Raises:
        EvaluationError: it is no text, a brace is open, a field is unknown, or is more than a name: attributes, indices,
            conversions and format specifications are refused, as they reach beyond the value.
    """
    if not isinstance(text, str) or not text:
        raise EvaluationError(f"{where}: {text!r} is no text. Write the template as a text with {{column}} names.")
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise EvaluationError(f"{where}: {text!r} is not a template ({error}). Write {{{{ and }}}} for braces.") from error
    allowed = None if known is None else set(known)
    parts = []
    for literal, name, specification, conversion in parsed:
        if name is not None and (specification or conversion or not name.isidentifier()):
            raise EvaluationError(
                f"{where}: {text!r}: the field {name!r} is more than the name of a column, or has a conversion or format. "
                "Only plain {column} names are allowed."
            )
        if name is not None and allowed is not None and name not in allowed:
            hint = nearest(name, allowed)
            raise EvaluationError(f"{where}: {{{name}}} is not known; known are {', '.join(sorted(allowed))}.{hint}")
        parts.append((literal, name or ""))
    return Template(tuple(parts))
