"""How long the character n-grams are that stand for a piece of text, by writing system.

What five letters of an alphabet carry, about a word, is in two Han characters, three syllable signs or four letters of the
scripts that set no spaces: with one length for all, a changed word would weigh four times as much in Chinese as in English.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from polylect.languages.table import get

__all__ = ["folded", "shingle_length"]

ALPHABETIC = 5
"""Characters of a shingle in scripts whose signs are single sounds and whose words are set apart."""

_LENGTHS = {
    "Hans": 2,
    "Hant": 2,
    "Hani": 2,
    "Jpan": 3,
    "Kore": 3,
    "Ethi": 3,
    "Cans": 3,
    "Thai": 4,
    "Laoo": 4,
    "Khmr": 4,
    "Mymr": 4,
}


@cache
def shingle_length(tag: str) -> int:
    """Return the length of the character n-grams of a language, 2 to 5.

    Raises:
        LanguageError: `tag` names no known language.
    """
    return _LENGTHS.get(get(tag).script, ALPHABETIC)


def folded(text: str) -> str:
    """Return the form in which texts are compared: compatible and lower-case forms made one (NFKC), white space single.

    Punctuation stays: 2*3 and 2/3 are not the same question. The dotless and the dotted i of Turkish and Azerbaijani become one
    letter, since their capitals fold to the wrong one of the two.
    """
    text = text.replace("İ", "i").replace("ı", "i")
    return " ".join(unicodedata.normalize("NFKC", text.casefold()).split())
