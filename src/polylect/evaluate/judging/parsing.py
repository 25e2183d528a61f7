"""How a judge's verdict is read. It has a fixed form; what has another form is no verdict, and never a tie.

Two forms are known. "line": a line with nothing but `Preferred: A` (or B, TIE), or a JSON object with the key `preferred`.
"arena-hard": one of the five labels of Arena-Hard (Li et al. 2024, arXiv 2406.11939), such as `[[A>>B]]`, anywhere in the text; a
label of a much better answer counts as three battles, every other one as one.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

from polylect.models.requests import Generated
from polylect.models.verdicts import plain, preferences

__all__ = [
    "CONTRADICTION",
    "CUT_OFF",
    "EMPTY",
    "NO_LABEL",
    "NO_VERDICT",
    "STRONG",
    "Form",
    "Place",
    "Reading",
    "read_reply",
    "read_verdict",
]

Place: TypeAlias = Literal["first", "second", "tie"]
Form: TypeAlias = Literal["line", "arena-hard"]

NO_VERDICT = "no line with a verdict"
NO_LABEL = "no label such as [[A>B]]"
CONTRADICTION = "two different verdicts"
CUT_OFF = "cut off before the verdict"
EMPTY = "empty reply"

STRONG = 3
"""Battles that a much better answer wins: `weight=3` of Arena-Hard's public code."""

_PLACES: dict[str, Place] = {"a": "first", "b": "second", "tie": "tie"}
_LABEL = re.compile(r"\[\[\s*(?:A\s*(>>|>|=|<<|<)\s*B|B\s*(>>|>|=|<<|<)\s*A)\s*\]\]")


class Reading(NamedTuple):
    """A verdict: the preferred place, None where there is none, with the reason; and the battles that it is worth."""

    place: Place | None
    reason: str | None = None
    battles: int = 1


def read_verdict(text: str, form: Form = "line") -> Reading:
    """Return what a verdict says, or why it cannot be read.

    Thoughts between <think> tags are passed over, full-width letters are read as plain ones, and emphasis around the line is
    allowed. The same verdict given twice is one verdict.
    """
    missing = NO_VERDICT if form == "line" else NO_LABEL
    if not plain(text).strip():
        return Reading(None, EMPTY if not text.strip() else missing)
    found = {Reading(_PLACES[choice]) for choice in preferences(text)} if form == "line" else _labels(plain(text))
    if len(found) != 1:
        return Reading(None, CONTRADICTION if found else missing)
    return found.pop()


def read_reply(reply: Generated, form: Form = "line") -> tuple[Reading, str]:
    """Return the verdict of a judge's reply, and the status as in `Game`."""
    if reply.reason is not None:
        return Reading(None, f"judge: {reply.reason}"), "failed"
    found = read_verdict(reply.text, form)
    if found.place is None and reply.finish_reason == "length":
        found = Reading(None, CUT_OFF)
    return found, "unparsed" if found.place is None else "ok"


def _labels(text: str) -> set[Reading]:
    """Return the labels of Arena-Hard; `[[B<A]]` says the same as `[[A>B]]`."""
    found = set()
    for match in _LABEL.finditer(text):
        sign = match[1] or match[2].translate(str.maketrans("<>", "><"))
        place: Place = "tie" if sign == "=" else "first" if sign[0] == ">" else "second"
        found.add(Reading(place, battles=STRONG if len(sign) == 2 else 1))
    return found
