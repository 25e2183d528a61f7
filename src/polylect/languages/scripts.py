"""Which script the letters of a text are written in, from the names of the Unicode characters.

A Unicode character name begins with its script ("CYRILLIC SMALL LETTER A"), so the standard library is enough;
no range table can go stale. Codes are ISO 15924.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import cache

__all__ = ["SPACELESS", "letter_scripts", "scripts_of"]

SPACELESS = frozenset(
    {
        "Bali",
        "Hani",
        "Hans",
        "Hant",
        "Java",
        "Jpan",
        "Khmr",
        "Lana",
        "Laoo",
        "Mymr",
        "Sund",
        "Talu",
        "Tavt",
        "Thai",
        "Tibt",
        "Yiii",
    }
)
"""Scripts whose usual orthographies put no space between words: what stands between spaces there is a clause."""

_BY_NAME = {
    "ARABIC": "Arab",
    "ARMENIAN": "Armn",
    "BENGALI": "Beng",
    "CANADIAN": "Cans",
    "CHEROKEE": "Cher",
    "CJK": "Hani",
    "CYRILLIC": "Cyrl",
    "DEVANAGARI": "Deva",
    "ETHIOPIC": "Ethi",
    "GEORGIAN": "Geor",
    "GREEK": "Grek",
    "GUJARATI": "Gujr",
    "GURMUKHI": "Guru",
    "HANGUL": "Hang",
    "HEBREW": "Hebr",
    "HIRAGANA": "Hira",
    "IDEOGRAPHIC": "Hani",
    "KANNADA": "Knda",
    "KATAKANA": "Kana",
    "KATAKANA-HIRAGANA": "Kana",
    "KHMER": "Khmr",
    "LAO": "Laoo",
    "LATIN": "Latn",
    "MALAYALAM": "Mlym",
    "MONGOLIAN": "Mong",
    "MYANMAR": "Mymr",
    "ORIYA": "Orya",
    "SINHALA": "Sinh",
    "SYRIAC": "Syrc",
    "TAMIL": "Taml",
    "TELUGU": "Telu",
    "THAANA": "Thaa",
    "THAI": "Thai",
    "TIBETAN": "Tibt",
}

# First words of the names of letter-like characters that belong to no script: accents, modifier letters, ª, µ, 𝑥, ℝ, ⁿ.
_SYMBOLS = frozenset(
    {"ANGSTROM", "BLACK-LETTER", "COMBINING", "DOUBLE-STRUCK", "FEMININE", "KELVIN", "MASCULINE", "MATHEMATICAL", "MICRO"}
    | {"MODIFIER", "OHM", "SCRIPT", "SUBSCRIPT", "SUPERSCRIPT", "VARIATION"}
)
_WIDTHS = frozenset({"FULLWIDTH", "HALFWIDTH"})

# ISO 15924 codes of writing systems that mix or specialise the scripts of single characters.
_COMPOSITE = {
    "Hans": frozenset({"Hani"}),
    "Hant": frozenset({"Hani"}),
    "Jpan": frozenset({"Hani", "Hira", "Kana"}),
    "Kore": frozenset({"Hang", "Hani"}),
}


def scripts_of(script: str) -> frozenset[str]:
    """Return the scripts of single characters that a writing system uses: `Jpan` is Hani, Hira and Kana."""
    return _COMPOSITE.get(script, frozenset({script}))


def letter_scripts(text: str) -> Counter[str]:
    """Count the letters of `text` by script; digits, punctuation and symbols are not counted.

    Marks that are part of a script, such as the vowel signs of Devanagari, count as letters: they carry what vowels
    carry elsewhere. A letter of a script outside the table counts as "Zzzz" (ISO 15924: uncoded); one that belongs to
    no script (a combining accent, µ, 𝑥) is not counted.
    """
    counts: Counter[str] = Counter()
    for character, number in Counter(text).items():
        script = _script(character)
        if script:
            counts[script] += number
    return counts


@cache
def _script(character: str) -> str:
    if character.isascii():
        return "Latn" if character.isalpha() else ""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    words = unicodedata.name(character, "").split()
    if words and words[0] in _WIDTHS:
        words = words[1:]
    if not words or words[0] in _SYMBOLS:
        return ""
    return _BY_NAME.get(words[0], "Zzzz")
