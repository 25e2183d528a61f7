"""Numbers as they are written in a language: its own digits, decimal mark and grouping.

Digits are those of every numeric system of CLDR: the decimal digits of Unicode (general category Nd), which all of these
systems but one are made of, and `hanidec` (二〇二四). Marks follow CLDR's number symbols of the language (through Babel). Numbers
in words and algorithmic systems (Roman numerals, 三百二十) are not read: list them as references of an exact answer instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Literal

__all__ = ["Which", "number_match", "numbers"]

Which = Literal["first", "last", "only"]

_HANIDEC = {character: str(value) for value, character in enumerate("〇一二三四五六七八九")} | {"零": "0"}
_HAN_RUN = re.compile(f"[{''.join(_HANIDEC)}]+")
_SPACES = "\u0020\u00a0\u2009\u202f"
_APOSTROPHES = "'’"
_ARABIC_DECIMAL, _ARABIC_GROUP = "٫", "٬"
_MINUS = {"−": "-", "﹣": "-", "－": "-", "‐": "-", "–": "-"}
_WIDE = {"．": ".", "，": ",", "＋": "+", "⹁": ","}
_INVISIBLE = dict.fromkeys(map(ord, "\u061c\u200e\u200f\u200b\u2066\u2067\u2068\u2069"))
"""Bidirectional marks, which CLDR's minus signs of Arabic, Persian and Hebrew hold."""

_TOKEN = re.compile(
    r"(?<![0-9.,])(?P<sign>(?:(?<![\w)])[-+])?)(?P<body>[0-9]+(?:[.,'’٫٬][0-9]+|[ \u00a0\u2009\u202f][0-9]{3}(?![0-9]))*)"
    r"(?:[eE](?P<exponent>[-+]?[0-9]{1,3})(?![0-9]))?"
)
_GROUPS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]?(?:,[0-9]{2})*,[0-9]{3}")
"""Digits in groups of three, or in the groups of South Asia (12,34,567)."""


def numbers(text: str, language: str) -> list[Decimal]:
    """Return the numbers in `text` in their order, read as the language writes them.

    One mark that stands once is the decimal mark if it is the language's (1,5 in German), and groups thousands if it is the
    language's sign for that, three digits follow and up to three go before (1.500 in German); else it is the decimal mark,
    which is how 3.14 in German is meant. A mark that stands twice or more groups; where the groups are none (12.03.2024) there
    is no number. Percent signs and units are passed over. The sign of 5-3 is no minus.
    """
    plain = _ascii(text, language)
    decimal, group = _marks(language.partition("-")[0])
    found = [_value(match, decimal, group) for match in _TOKEN.finditer(plain)]
    return [number for number in found if number is not None]


def number_match(
    text: str, references: Sequence[str], language: str, *, which: Which = "last", tolerance: float = 0.0
) -> tuple[float | None, str | None]:
    """Tell whether the number in `text` is that of a reference: (1.0 or 0.0, why not), or (None, reason) without a measure.

    Args:
        text: the answer.
        references: accepted numbers, in any way the language writes them, or as plain 1234.5.
        language: canonical tag.
        which: the number of the answer that counts; with "only" an answer with two different numbers is wrong.
        tolerance: largest accepted difference, relative to the reference.
    """
    expected = [values[0] for values in (numbers(one, language) for one in references) if values]
    if not expected:
        return None, "no reference is a number" if references else "no references"
    found = numbers(text, language)
    if not found:
        return 0.0, "no number in the answer"
    if which == "only" and len(set(found)) > 1:
        return 0.0, "more than one number in the answer"
    given = found[-1] if which == "last" else found[0]
    near = any(abs(given - one) <= Decimal(repr(tolerance)) * abs(one) for one in expected)
    return (1.0, None) if near else (0.0, "another number")


def _ascii(text: str, language: str) -> str:
    """Return `text` with ASCII digits and signs, without the marks that only steer the direction of writing."""
    if text.isascii():
        return text
    if language.startswith(("zh", "ja")):
        text = _HAN_RUN.sub(lambda run: _han(run[0], text), text)
    return "".join(map(_plain, text.translate(_INVISIBLE)))


def _han(run: str, text: str) -> str:
    """Read two or more of these characters, or one that is the whole text, as digits; 一 in a sentence is a word."""
    alone = len(run) == len(text.strip(" 。．.\n"))
    return "".join(_HANIDEC[character] for character in run) if len(run) > 1 or alone else run


@cache
def _plain(character: str) -> str:
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.decimal(character))
    return _MINUS.get(character) or _WIDE.get(character) or character


def _value(match: re.Match[str], decimal: str, group: str) -> Decimal | None:
    """Return the number of one token, None where its marks make none (a date, a version)."""
    body = match["body"]
    for mark in _SPACES + _APOSTROPHES + _ARABIC_GROUP:
        body = body.replace(mark, "")
    if _ARABIC_DECIMAL in body:
        body = body.replace(".", "").replace(",", "").replace(_ARABIC_DECIMAL, ".")
    elif "." in body and "," in body:
        last = "." if body.rindex(".") > body.rindex(",") else ","
        whole, _, part = body.rpartition(last)
        body = f"{_ungrouped(whole)}.{part}"
    elif body.count(".") + body.count(",") == 1:
        mark = "." if "." in body else ","
        grouped = mark == group and mark != decimal and _GROUPS.fullmatch(body.replace(mark, ","))
        body = body.replace(mark, "" if grouped else ".")
    else:
        body = _ungrouped(body)
    try:
        return Decimal(f"{match['sign']}{body}e{match['exponent'] or 0}")
    except InvalidOperation:
        return None


def _ungrouped(digits: str) -> str:
    """Return digits without the marks of their groups; what is not grouped rightly comes back as no number."""
    if digits.isdigit():
        return digits
    uniform = digits.replace(".", ",") if "," not in digits else digits
    return uniform.replace(",", "") if _GROUPS.fullmatch(uniform) else "?"


@cache
def _marks(base: str) -> tuple[str, str]:
    """Return CLDR's decimal and group sign of a language for ASCII digits; those of English where CLDR has no such language."""
    from babel import Locale, UnknownLocaleError

    try:
        symbols = Locale.parse(base).number_symbols["latn"]
    except (UnknownLocaleError, ValueError):
        return ".", ","
    return _WIDE.get(symbols["decimal"], symbols["decimal"]), _WIDE.get(symbols["group"], symbols["group"])
