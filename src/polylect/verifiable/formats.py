"""Whether an answer has the form that was asked for: JSON, a pattern, a number of lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from polylect.verifiable.segments import lines

__all__ = ["Format", "Json", "format_match"]

Json = Literal["any", "object", "array", "string", "number"]
_TYPES: dict[str, tuple[type, ...]] = {"object": (dict,), "array": (list,), "string": (str,), "number": (int, float)}
_FENCE = "```"


@dataclass(frozen=True)
class Format:
    """The form of an answer; what is None is not asked for.

    Attributes:
        json: the whole answer, or its only code block, is JSON of this type (RFC 8259; NaN and double keys are none).
        keys: that the JSON object must have.
        glob: the whole answer matches this pattern; `*` is any text, `?` one character, `[a-z]` a class. Not a regular
            expression: a pattern from a table must not be able to hang the program on some answer.
        line_glob: every line that is not blank matches this pattern.
        lines: number of lines that are not blank.
        least_lines: least number of them.
        most_lines: greatest number of them.
    """

    json: Json | None = None
    keys: tuple[str, ...] = ()
    glob: str | None = None
    line_glob: str | None = None
    lines: int | None = None
    least_lines: int | None = None
    most_lines: int | None = None


def format_match(text: str, form: Format) -> tuple[float, str | None]:
    """Return 1.0 when `text` has the form, else 0.0 with the first rule that it breaks."""
    broken = _json_fault(text, form.json or "any", form.keys) if form.json or form.keys else None
    broken = broken or _pattern_fault(text, form) or _lines_fault(len(lines(text)), form)
    return (0.0, broken) if broken else (1.0, None)


def _json_fault(text: str, kind: Json, keys: Sequence[str]) -> str | None:
    try:
        value = json.loads(_unfenced(text), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "not JSON"
    if kind != "any" and (isinstance(value, bool) or not isinstance(value, _TYPES[kind])):
        return f"JSON, but no {kind}"
    if keys and not (isinstance(value, dict) and all(key in value for key in keys)):
        return "JSON without a key asked for"
    return None


def _unfenced(text: str) -> str:
    """Return what is in the code block when the answer is nothing but one."""
    text = text.strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE) and text.count(_FENCE) == 2 and "\n" in text:
        return text.split("\n", 1)[1][: -len(_FENCE)]
    return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _pattern_fault(text: str, form: Format) -> str | None:
    if form.glob is not None and not fnmatchcase(text.strip(), form.glob):
        return "pattern not matched"
    if form.line_glob is not None and not all(fnmatchcase(line.strip(), form.line_glob) for line in lines(text)):
        return "a line does not match the pattern"
    return None


def _lines_fault(number: int, form: Format) -> str | None:
    exact, least, most = form.lines, form.least_lines, form.most_lines
    if (exact is not None and number != exact) or (least is not None and number < least):
        return "number of lines"
    return "number of lines" if most is not None and number > most else None
