"""How a judge's verdict is read. It has a fixed form; what has another form is no verdict, and never a tie.

Two forms are read: a line with nothing but `Preferred: A` (or B, TIE), and a JSON object with the key `preferred`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Literal, TypeAlias

from polylect.models.requests import Generated

__all__ = ["CONTRADICTION", "CUT_OFF", "EMPTY", "NO_VERDICT", "Place", "read_reply", "read_verdict"]

Place: TypeAlias = Literal["first", "second", "tie"]

NO_VERDICT = "no line with a verdict"
CONTRADICTION = "two different verdicts"
CUT_OFF = "cut off before the verdict"
EMPTY = "empty reply"

_PLACES: dict[str, Place] = {"a": "first", "b": "second", "tie": "tie"}
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_LINE = re.compile(r"\W*preferred\W*?:\W*(?:answer[ _]?)?(a|b|tie)[\s*_`.\])>]*", re.IGNORECASE)
_OBJECT = re.compile(r"\{[^{}]*\}")


def read_verdict(text: str) -> tuple[Place | None, str | None]:
    """Return which place is preferred, or (None, why that cannot be read).

    Thoughts between <think> tags are passed over, full-width letters are read as plain ones, and emphasis around the line is
    allowed. The same verdict given twice is one verdict.
    """
    plain = unicodedata.normalize("NFKC", _THOUGHT.sub("", text))
    if not plain.strip():
        return None, EMPTY if not text.strip() else NO_VERDICT
    found = {match[1].lower() for line in plain.splitlines() if (match := _LINE.fullmatch(line))} | _objects(plain)
    if len(found) != 1:
        return None, CONTRADICTION if found else NO_VERDICT
    return _PLACES[found.pop()], None


def read_reply(reply: Generated) -> tuple[Place | None, str, str | None]:
    """Return (place, status, reason) of a judge's reply; status and reason as in `Game`."""
    if reply.reason is not None:
        return None, "failed", f"judge: {reply.reason}"
    place, reason = read_verdict(reply.text)
    if place is None and reply.finish_reason == "length":
        reason = CUT_OFF
    return place, "unparsed" if place is None else "ok", reason


def _objects(text: str) -> set[str]:
    """Return the verdicts in JSON objects such as {"reason": "...", "preferred": "A"}."""
    found = set()
    for match in _OBJECT.finditer(text):
        try:
            value = json.loads(match[0]).get("preferred")
        except json.JSONDecodeError:
            continue
        if isinstance(value, str) and value.strip().lower() in _PLACES:
            found.add(value.strip().lower())
    return found
