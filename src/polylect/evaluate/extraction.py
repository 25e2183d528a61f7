"""Reading answers out of generated text: final numbers in the digits of a language, and options of a choice.

Three readings of a final number are kept apart, because published scores of MGSM differ by them:

- strict: the number directly behind the words that the examples end with ("The answer is"), in ASCII digits, with nothing but
  spaces and a colon between;
- flexible: the last number in ASCII digits, wherever it stands;
- native: the number behind those words with signs of currency or emphasis allowed between, or, without the words, the last
  number; in any digits, with the separators of the language.

An answer that a reading finds no number in is wrong by it, and counted as unparsed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from polylect import verifiable
from polylect.errors import EvaluationError, nearest
from polylect.evaluate.benchmarks.multiple_choice import LETTERS

__all__ = ["READINGS", "Reading", "option_of", "read_number"]

READINGS = ("strict", "flexible", "native")

_NUMBER_START = re.compile(r"[:：]?\s*(?=[-+]?[0-9])")
_LETTER = re.compile(rf"^\W*(?:option\s+)?\(?([{LETTERS}])(?:[).:：、．]|\s*$|\s+[-–—]|\*)", re.IGNORECASE)


class Reading(NamedTuple):
    """A number that was read, or why there is none."""

    value: Decimal | None
    reason: str | None = None


def read_number(text: str, language: str, pattern: str, reading: str) -> Reading:
    """Read the final number of an answer.

    Args:
        text: the answer.
        language: canonical tag of the language that the answer should be in.
        pattern: words around the final number with "#" in its place ("The answer is #"); "": none are known.
        reading: "strict", "flexible" or "native".

    Raises:
        EvaluationError: there is no such reading.
    """
    if reading not in READINGS:
        raise EvaluationError(f"reading {reading!r}: expected one of {', '.join(READINGS)}.{nearest(reading, READINGS)}")
    if not text.strip():
        return Reading(None, "empty answer")
    if reading == "flexible":
        return _last(_ascii_digits(text), language)
    behind = _behind(text, pattern)
    if reading == "native":
        line = "" if behind is None else behind.lstrip().partition("\n")[0]
        found = verifiable.numbers(line, language)
        return Reading(found[0]) if found else _last(text, language)
    if behind is None:
        return Reading(None, "the words before the answer are missing")
    start = _NUMBER_START.match(behind)
    found = verifiable.numbers(_ascii_digits(behind[start.end() :].partition("\n")[0]), language) if start else []
    return Reading(found[0]) if found else Reading(None, "no number directly behind the words before the answer")


def _behind(text: str, pattern: str) -> str | None:
    """Return what follows the last occurrence of the words before the number; None where they are not there."""
    words = pattern.partition("#")[0].strip()
    at = text.casefold().rfind(words.casefold()) if words else -1
    if at < 0 or len(text.casefold()) != len(text):
        at = text.rfind(words) if words else -1
    return None if at < 0 else text[at + len(words) :]


def _last(text: str, language: str) -> Reading:
    found = verifiable.numbers(text, language)
    return Reading(found[-1]) if found else Reading(None, "no number in the answer")


def _ascii_digits(text: str) -> str:
    """Return the text with the digits of other scripts as spaces."""
    if text.isascii():
        return text
    return "".join(" " if unicodedata.category(c) == "Nd" and not c.isascii() else c for c in text)


def option_of(text: str, options: Sequence[str], language: str) -> int | None:
    """Return the index of the option that a text names: by its letter at the start ("B", "(B)", "B. ..."), else by its wording.

    A wording counts where the whole first line is one option, after normalisation; None where the text names none or several.
    """
    answer = verifiable.normalise(verifiable.first_line(text), language)
    same = [place for place, option in enumerate(options) if verifiable.normalise(option, language) == answer]
    if answer and len(same) == 1:
        return same[0]
    letter = _LETTER.match(text.strip())
    place = LETTERS.index(letter[1].upper()) if letter else len(options)
    return place if place < len(options) else None
