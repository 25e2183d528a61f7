"""A text cut into words, what stands between them, and spans that an attack must not touch."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Literal, NamedTuple

from polylect.models.translators.protect import spans

__all__ = ["Piece", "pieces"]

_JOINERS = frozenset("'’ʼ\u200c\u200d")
"""Characters that stand inside words: apostrophes, and the joiners of Persian and of Indic scripts."""


class Piece(NamedTuple):
    """A part of a text and what it is."""

    text: str
    kind: Literal["word", "other", "protected"]


def pieces(text: str) -> list[Piece]:
    """Cut a text; the pieces in order make up the text. Words are runs of letters with their marks; digits are no words.

    Protected is what a translation must not touch, too (`polylect.models.translators.protect`).
    """
    found: list[Piece] = []
    end = 0
    for span in spans(text):
        found += _between(text[end : span.start])
        found.append(Piece(text[span.start : span.end], "protected"))
        end = span.end
    return [*found, *_between(text[end:])]


def _between(text: str) -> Iterator[Piece]:
    inside = [_in_word(text, place) for place in range(len(text))]
    for word, run in groupby(zip(text, inside, strict=True), key=lambda pair: pair[1]):
        yield Piece("".join(character for character, _ in run), "word" if word else "other")


def _in_word(text: str, place: int) -> bool:
    if text[place] in _JOINERS:
        return 0 < place < len(text) - 1 and _letter(text[place - 1]) and _letter(text[place + 1])
    return _letter(text[place])


def _letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"
