"""JSON in the answers of language models, who wrap it in prose and code fences, cut it off, and leave keys out."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["listed", "objects"]

_LINE = re.compile(r"^[ \t]*(?:[-*•‣–]|\(?\d{1,3}[.):、．）])[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_DECODER = json.JSONDecoder()


def objects(answer: str, keys: tuple[str, ...]) -> tuple[list[dict[str, str]], str | None]:
    """Return the objects of the first JSON list (or the objects that stand in a row) in an answer, and None, or what is wrong.

    Every object must have a text that is not blank under each of `keys`; other keys are passed over. Of a list that was cut
    off the whole objects are returned with the reason.

    Returns:
        The objects as {key: stripped text}, and the reason: "no JSON", "JSON cut off", or which key is missing.
    """
    values, whole = _values(answer)
    found: list[dict[str, str]] = []
    reason = None if whole else "JSON cut off"
    for value in values:
        if not isinstance(value, dict):
            return found, "JSON: not a list of objects"
        wrong = next(
            (key for key in keys if not isinstance(value.get(key), (str, int, float)) or not str(value[key]).strip()), None
        )
        if wrong is None:
            found.append({key: str(value[key]).strip() for key in keys})
        else:
            reason = f"JSON: no text under {wrong!r}"
    if not found and reason in {None, "JSON cut off"}:
        reason = "no JSON" if not values else reason
    return found, reason


def listed(answer: str, *, cut: bool = False) -> tuple[list[str], str | None]:
    """Return the texts of the first JSON list in an answer, else of the lines that begin with a number or a bullet.

    Objects in the list count with their only text, or that under "instruction". Of an answer that was `cut` off the last line is
    left out, as an unfinished element of a JSON list is in any case. The reason is None or "no list".
    """
    values, _ = _values(answer)
    found = [text for value in values if (text := _single(value))]
    if not found:
        lines = [match[1] for match in _LINE.finditer(answer)]
        found = lines[:-1] if cut else lines
    return found, None if found else "no list"


def _single(value: Any) -> str:
    if isinstance(value, dict):
        texts = [one for one in value.values() if isinstance(one, str)]
        value = value.get("instruction", texts[0] if len(texts) == 1 else "")
    return value.strip() if isinstance(value, str) else ""


def _values(answer: str) -> tuple[list[Any], bool]:
    """Return the elements of the first JSON list, or the objects that stand there without one, and whether it is whole."""
    starts = [place for place in (answer.find("["), answer.find("{")) if place >= 0]
    if not starts:
        return [], True
    start = min(starts)
    if answer[start] == "{":
        found = _elements(answer, start)
        return found, bool(found)
    try:
        value, _ = _DECODER.raw_decode(answer, start)
    except json.JSONDecodeError:
        return _elements(answer, start + 1), False
    return list(value), True


def _elements(answer: str, place: int) -> list[Any]:
    """Return the whole elements from `place` on."""
    found: list[Any] = []
    while True:
        place += len(answer) - place - len(answer[place:].lstrip(" \t\r\n,"))
        try:
            value, place = _DECODER.raw_decode(answer, place)
        except json.JSONDecodeError:
            return found
        found.append(value)
