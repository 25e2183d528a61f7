"""How alike two texts of one language are by their characters, whether one is in a collection already, and loops in a text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polylect.languages.shingles import folded, shingle_length

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Collection", "dice", "loops", "shingles"]

_LOOP = re.compile(r"(.{2,60}?)\1{3,}", re.DOTALL)
_LOOP_OF_ONE = re.compile(r"(\S)\1{11,}")
LOOPED = 20
"""Characters that a piece repeated at least four times in a row must cover to be a loop."""


def shingles(text: str, language: str) -> frozenset[str]:
    """Return the character n-grams of the folded text, n by the language's script; a shorter text is one itself."""
    text, length = folded(text), shingle_length(language)
    return frozenset(text[start : start + length] for start in range(max(1, len(text) - length + 1)))


def dice(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the F1 of shared n-grams, 2 |A and B| / (|A| + |B|), in [0, 1]."""
    return 2 * len(one & other) / (len(one) + len(other))


def loops(text: str) -> bool:
    """Tell whether a piece of up to 60 characters comes at least four times in a row over `LOOPED` characters."""
    return _LOOP_OF_ONE.search(text) is not None or any(len(found[0]) >= LOOPED for found in _LOOP.finditer(text))


class Collection:
    """Texts of one language, with an index from n-grams to texts: the likeness to all of them costs what they share.

    Args:
        language: canonical tag.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._postings: dict[str, list[int]] = {}
        self._sizes: list[int] = []

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, text: str) -> None:
        """Take a text in."""
        found = shingles(text, self._language)
        for shingle in found:
            self._postings.setdefault(shingle, []).append(len(self._sizes))
        self._sizes.append(len(found))

    def likeness(self, text: str) -> float:
        """Return the largest Dice similarity of the text to one of the collection; 0 when that is empty."""
        import numpy as np

        found = shingles(text, self._language)
        shared: list[int] = []
        for shingle in found:
            shared += self._postings.get(shingle, ())
        if not shared:
            return 0.0
        counts: np.ndarray = np.bincount(shared, minlength=len(self._sizes))
        return float((2 * counts / (np.array(self._sizes) + len(found))).max())
