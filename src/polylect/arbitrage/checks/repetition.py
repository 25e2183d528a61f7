"""Degenerate repetition: an answer that ends in a loop, or says the same again and again.

Loops are what greedy decoding falls into (Holtzman et al. 2020, arXiv 1904.09751); the share of repeated n-grams follows the
idea of the quality filters of Rae et al. 2021 (arXiv 2112.11446, appendix A1.1). The thresholds are ours: docs/checks.md.
"""

from __future__ import annotations

import re
import unicodedata

from polylect.arbitrage.checks.settings import Checks, Finding

__all__ = ["repetition_finding"]

_SHORTEST = 24
"""Characters below which nothing is called a repetition."""

_TAIL = 240
_LOOP_CHARACTERS = 24
_SEEN = 8
_WORDS, _CHARACTERS = 4, 8
"""Lengths of the n-grams."""

_FEWEST = 24
"""N-grams below which their share says nothing."""

_LONG_WORD = 15
"""Mean characters between spaces from which a text is one without spaces between words."""

_NUMBERING = re.compile(r"^\s*\d{1,3}[.)、]\s*", re.MULTILINE)
_NO_LETTERS = re.compile(r"[\W\d_]+")
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


def repetition_finding(text: str, settings: Checks) -> Finding | None:
    """Return the finding where `text` repeats itself too much, code blocks aside, else None."""
    if len(text) < _SHORTEST:
        return None
    if "```" in text:
        text = _CODE.sub("\n", text)
    text = text.strip()
    unit, times = _loop(text[-_TAIL:])
    if times >= settings.loops and len(unit) * times >= _LOOP_CHARACTERS and _says(unit):
        return Finding("repetition", f"ends in {unit[:40]!r}, {times} times or more")
    tokens = _NUMBERING.sub("", text).split()
    if len(tokens) * _LONG_WORD < len(text):
        joined = _NO_LETTERS.sub("", text)
        grams: list[str] | list[tuple[str, ...]] = [joined[i : i + _CHARACTERS] for i in range(len(joined) - _CHARACTERS + 1)]
        kind = f"{_CHARACTERS} characters"
    else:
        grams = list(zip(*(tokens[i:] for i in range(_WORDS)), strict=False))
        kind = f"{_WORDS} words"
    if len(grams) < _FEWEST:
        return None
    share = 1 - len(set(grams)) / len(grams)
    return (
        Finding("repetition", f"{share:.0%} of runs of {kind} repeat an earlier one") if share > settings.repeated_share else None
    )


def _loop(tail: str) -> tuple[str, int]:
    """Return the unit that the end of `tail` repeats over the most characters, and how often; ("", 0) without any.

    The prefix function of the reversed text (Knuth, Morris and Pratt 1977) gives the shortest period of each ending, so one
    pass suffices.
    """
    if tail.find(tail[-_SEEN:], 0, len(tail) - 1) < 0:
        return "", 0  # a loop that is long enough has said its last characters before
    back, border, best = tail[::-1], [0] * len(tail), ("", 0)
    for i in range(1, len(back)):
        k = border[i - 1]
        while k and back[i] != back[k]:
            k = border[k - 1]
        border[i] = k + (back[i] == back[k])
        period = i + 1 - border[i]
        times = (i + 1) // period
        if times > 1 and times * period >= len(best[0]) * best[1]:
            best = (back[:period][::-1], times)
    return best


def _says(unit: str) -> bool:
    """Tell a loop from a long number or a rule: 10^40 and a line of dashes are none, the same number again and again is."""
    kinds = {unicodedata.category(character)[0] for character in unit} | {unicodedata.category(character) for character in unit}
    return bool(kinds & {"L", "So"}) or {"N", "Z"} <= kinds
