"""Bring two spellings of one answer to one form, and never two answers to one form.

The rules, in the order in which they are applied, each with its reason:

1. *Apostrophes and marks before compatibility.* A superscript digit gets a `^` and a vulgar fraction a space in
   front, because NFKC would turn 10² into 102 and 1½ into 11⁄2; `´` would become a space and a loose accent.
2. *Turkish and Azerbaijani capitals.* There `I` is the capital of `ı` and `İ` that of `i` (Unicode CaseFolding.txt,
   status T); the general folding would make `I` an `i`.
3. *NFKC, case folding, NFKC* (Unicode Standard Annex 15; section 3.13, "caseless matching"): full-width and
   half-width forms, Arabic presentation forms, ligatures and composed against decomposed letters carry no meaning;
   this also gives the Devanagari letters with nukta (क़ as one or two code points) one form. A dot above an `i`, left
   over from folding `İ` outside Turkish, is dropped.
4. *Digits* of every script become ASCII (२०२४, ٢٠٢٤, ２０２４): a numeral system is a style of writing.
5. *Invisible characters* (zero-width, bidirectional marks, soft hyphen, variation selectors) steer display only.
6. *Optional vowel and reading marks*: Arabic tashkeel and tatweel, Hebrew points. Ordinary text leaves them out.
   Persian, Urdu and Arabic code points of the same letter (ی/ي, ک/ك, ہ/ه) depend on the keyboard.
7. *Spellings that a language's own norm leaves free*: see `_arabic`, `_hindi`, `_russian`.
8. *Punctuation.* Apostrophes, quotes, full stops (also । 。) and middle dots vanish, other marks become a space. A mark
   between two digits stays, since 1.5 is not 15 and 12:30 is not 1230; so does a minus sign before a number. Percent
   signs, ampersands and symbols (currency, mathematics) stay: 50 % is not 50.
9. *Spaces* collapse to one; beside a Han, Hiragana or Katakana character they vanish, as these scripts set none,
   and between a number and its percent sign, where habits differ.
10. *An article at the start of an English answer* ("the euro") is dropped: it belongs to the sentence around it.

Left alone, because they can tell words apart: accents of Latin and Greek letters, simplified and traditional
characters, numbers in words, digit grouping (1,000 against 1.000 against 1000: list variants as references).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

__all__ = ["first_line", "normalise"]

_APOSTROPHES = "'’‘‚‛`´ʼʻʹ＇"
_VANISHING = frozenset("'\"’‘‚‛“”„‟«»‹›「」『』ʼʻʹ׳״。．।॥·・‧۔｡…՚՛")
"""Marks that are dropped without leaving a space (the ASCII full stop is handled with the digits around it)."""

_DIGIT_MARKS = {"٫": ".", "٬": ",", "−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "⁄": "/", "∶": ":"}
"""Characters that mean one of the marks `.,:/-`, which are kept between digits."""

_KEPT = frozenset(".,:/-%‰&@^")
_PERCENT = {"٪": "%", "؉": "‰"}
_LETTERS = {"ی": "ي", "ک": "ك", "ہ": "ه", "ۀ": "ه", "ۂ": "ه"}
_ARTICLE = re.compile(r"(?:the|an|a) (?=\S)")
_STOP = re.compile(r"(?<![0-9])\.|\.(?![0-9])")
_SEPARATOR = re.compile(r"(?<![0-9])[,:/]|[,:/](?![0-9])")
_DASH = re.compile(r"(?<=[^\s0-9])-|-(?![0-9])")
_SPACES = re.compile(r"\s+")
_SPACE_BEFORE_PERCENT = re.compile(r"(?<=[0-9]) (?=[%‰])")
_UNSPACED = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SPACE_BESIDE_HAN = re.compile(f"(?<=[{_UNSPACED}]) | (?=[{_UNSPACED}])")


def first_line(text: str) -> str:
    """Return the first line that is not blank, stripped; "" when there is none."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


@lru_cache(maxsize=65536)
def normalise(text: str, language: str) -> str:
    """Return the form of `text` in which spellings of the same answer are equal; the module says by which rules.

    Args:
        text: an answer or a reference, any Unicode text.
        language: canonical BCP-47 tag; its first subtag chooses the language's own rules.
    """
    base = language.partition("-")[0]
    text = text.translate(_BEFORE)
    if base in {"tr", "az"}:
        text = text.replace("I\u0307", "i").replace("İ", "i").replace("I", "ı")
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = text.replace("i\u0307", "i")
    if base in _OWN_RULES:
        text = _OWN_RULES[base](text)
    text = text.translate(_CHARACTERS)
    text = _SEPARATOR.sub(" ", _STOP.sub("", text))
    text = _SPACES.sub(" ", _DASH.sub(" ", text)).strip()
    text = _SPACE_BEFORE_PERCENT.sub("", _SPACE_BESIDE_HAN.sub("", text))
    return _ARTICLE.sub("", text, count=1) if base == "en" and _ARTICLE.match(text) else text


class _Table(dict[int, str]):
    """A table for `str.translate` that asks `rule` once for each code point it meets."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, code: int) -> str:
        self[code] = self._rule(chr(code))
        return self[code]


def _before(character: str) -> str:
    """Protect what NFKC would destroy (rule 1)."""
    kind = unicodedata.decomposition(character).partition(" ")[0]
    if character in _APOSTROPHES:
        return "'"
    if kind in {"<super>", "<sub>"} and unicodedata.category(character) == "No":
        return "^" + character
    return " " + character if kind == "<fraction>" else character


def _after(character: str) -> str:
    """Map one character of case-folded NFKC text (rules 4, 5, 6 and the marks of rule 8)."""
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.digit(character))
    for table in (_DIGIT_MARKS, _PERCENT, _LETTERS):
        if character in table:
            return table[character]
    if character in _KEPT:
        return character
    if character in _VANISHING or category == "Cf" or _is_optional_mark(ord(character)):
        return ""
    return " " if category[0] in "PZC" else character


def _is_optional_mark(code: int) -> bool:
    """Tell Arabic tashkeel, dagger alef and tatweel, Hebrew points, and variation selectors."""
    arabic = 0x064B <= code <= 0x065F or code in {0x0640, 0x0670} or 0x06D6 <= code <= 0x06DC
    hebrew = 0x0591 <= code <= 0x05BD or code in {0x05BF, 0x05C1, 0x05C2, 0x05C4, 0x05C5, 0x05C7}
    return arabic or hebrew or 0xFE00 <= code <= 0xFE0F


def _arabic(text: str) -> str:
    """Write every alef as bare alef: the hamza and madda on it are often left out in print."""
    return re.sub("[أإآٱ]", "ا", text)


def _hindi(text: str) -> str:
    """Choose one of the spellings that the Hindi standard allows or print leaves free.

    The nasal consonant before a stop of its own class may be written as anusvara (हिन्दी, हिंदी); print sets anusvara for
    chandrabindu (पाँच, पांच); the nukta of letters for borrowed sounds is often left out (फ़रवरी, फरवरी), that of ड़ and ढ़,
    which are letters of their own, is not. (Central Hindi Directorate, Devanagari Lipi tatha Hindi Vartani ka Manakikaran.)
    """
    text = re.sub("ङ्(?=[क-घ])|ञ्(?=[च-झ])|ण्(?=[ट-ढ])|न्(?=[त-ध])|म्(?=[प-भ])|ँ", "ं", text)
    return re.sub("(?<=[कखगजफ])\u093c", "", text)


def _russian(text: str) -> str:
    """Write ё as е: ordinary Russian text leaves the dots out (Rules of Russian Orthography of 1956, section 10)."""
    return text.replace("ё", "е")


_BEFORE = _Table(_before)
_CHARACTERS = _Table(_after)
_OWN_RULES: dict[str, Callable[[str], str]] = {"ar": _arabic, "hi": _hindi, "ru": _russian}
