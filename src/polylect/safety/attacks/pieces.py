"""A text cut into words, what stands between them, and spans that an attack must not touch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Literal, NamedTuple

__all__ = ["Piece", "pieces"]

_PROTECTED = re.compile(
    r"```.*?```|`[^`\n]+`"  # code
    r"|(?:[a-z][a-z0-9+.-]*://|www\.)\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # links, addresses
    r"|</?[A-Za-z][^<>\n]*>|\{\{[^{}\n]*\}\}|\$?\{[^{}\n]*\}|%\(\w+\)[sd]|\[\[\d+\]\]"  # tags, placeholders, marks
    r"|\$[^$\n]*[\\^_={}][^$\n]*\$",  # formulas
    re.DOTALL,
)
_JOINERS = frozenset("'’ʼ\u200c\u200d")
"""Characters that stand inside words: apostrophes, and the joiners of Persian and of Indic scripts."""


class Piece(NamedTuple):
    """A part of a text and what it is."""

    text: str
    kind: Literal["word", "other", "protected"]


def pieces(text: str) -> list[Piece]:
    """Cut a text; the pieces in order make up the text. Words are runs of letters with their marks; digits are no words."""
    found: list[Piece] = []
    end = 0
    for match in _PROTECTED.finditer(text):
        found += _between(text[end : match.start()])
        found.append(Piece(match.group(), "protected"))
        end = match.end()
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
