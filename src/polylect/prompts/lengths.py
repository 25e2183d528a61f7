"""How long a translation can be: characters per language, from the Universal Declaration of Human Rights.

`lengths.csv` has the characters of the declaration in each language relative to English (scripts/build_lengths.py). A language
that is not in it counts as long as the median of its script, else as English.
"""

from __future__ import annotations

import csv
import math
import statistics
from functools import cache
from importlib import resources

from polylect.languages import get, known

__all__ = ["expected", "plausible", "ratio"]

FACTOR = 1.6
"""How many times longer or shorter than expected a long translation may be."""

SLACK = 4.0
"""Short ones may be off by more: by a factor of FACTOR (1 + SLACK / sqrt(expected characters)), as the deviation grows with the
square root of the length (Gale and Church 1993, section 3.2). Of 104,400 pairs of articles of the Declaration, in random pairs of
its languages, 0.4 % are outside; scripts/build_lengths.py has the source."""


@cache
def ratio(language: str) -> float:
    """Return the characters of a text in this language per character of its English version.

    Raises:
        LanguageError: `language` names no known language.
    """
    row = get(language)
    measured = _measured()
    if row.tag in measured:
        return measured[row.tag]
    same = [measured[other.tag] for other in known() if other.script == row.script and other.tag in measured]
    return statistics.median(same) if same else 1.0


def expected(length: int, source: str, target: str) -> float:
    """Return the characters that a text of `length` characters is likely to have after translation."""
    return length * ratio(target) / ratio(source)


def plausible(length: int, translated: int, source: str, target: str) -> bool:
    """Tell whether a text of `length` characters can have a translation of `translated` characters."""
    likely = max(1.0, expected(length, source, target))
    factor = FACTOR * (1 + SLACK / math.sqrt(likely))
    return likely / factor <= translated <= likely * factor


@cache
def _measured() -> dict[str, float]:
    text = resources.files(__package__).joinpath("lengths.csv").read_text(encoding="utf-8")
    return {row["language"]: float(row["ratio"]) for row in csv.DictReader(text.splitlines())}
