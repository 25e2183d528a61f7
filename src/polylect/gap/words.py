"""Words of a text, where its script puts spaces between them.

A word is a run of letters, marks, digits and joiners between spaces, punctuation and symbols; an apostrophe inside is part
of it. U+1361, the word space of Ethiopic, and the tsheg of Tibetan are punctuation in Unicode and separate. Scripts without
spaces (Thai, Lao, Khmer, Burmese, Tibetan, Chinese, Japanese, ...) have no words here: fertility is not defined for them
without a segmenter, and a segmenter would be part of the measurement (Petrov et al. 2023, section 3; Ahia et al. 2023).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from polylect.languages.scripts import SPACELESS

__all__ = ["has_words", "words"]

_APOSTROPHES = "'’‘"


def has_words(script: str) -> bool:
    """Tell whether texts in `script` (ISO 15924) have spaces between words."""
    return script not in SPACELESS


def words(text: str) -> Iterator[re.Match[str]]:
    """Yield the words of `text` in order, as matches with their character positions."""
    return _pattern(frozenset(text)).finditer(text)


@lru_cache(maxsize=512)
def _pattern(characters: frozenset[str]) -> re.Pattern[str]:
    r"""Return the pattern of a word over an alphabet; Python's `\w` would break Indic words at their vowel signs."""
    inside = "".join(sorted(re.escape(character) for character in characters if _is_inside(character)))
    if not inside:
        return re.compile(r"(?!)")
    return re.compile(f"[{inside}]+(?:[{_APOSTROPHES}][{inside}]+)*")


@lru_cache(maxsize=65_536)
def _is_inside(character: str) -> bool:
    """Letters, marks, numbers, private use and format characters (the joiners of Persian and Indic words)."""
    category = unicodedata.category(character)
    return category[0] in "LMN" or category in {"Cf", "Co"}
