"""The writing system of a text, as an ISO 15924 code, for all scripts of Unicode that a declaration is written in.

`languages.scripts` knows the scripts of the reviewed languages; parallel text of 450 languages has a dozen more.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache

from polylect.languages.scripts import letter_scripts

__all__ = ["script_of", "script_of_letter"]

# First words of Unicode character names that `languages.scripts` leaves uncoded.
_FURTHER = {
    "ADLAM": "Adlm", "BALINESE": "Bali", "BAMUM": "Bamu", "BATAK": "Batk", "BOPOMOFO": "Bopo", "BUGINESE": "Bugi",
    "CHAKMA": "Cakm", "CHAM": "Cham", "COPTIC": "Copt", "GRANTHA": "Gran", "HANIFI": "Rohg", "JAVANESE": "Java",
    "KAYAH": "Kali", "LEPCHA": "Lepc", "LIMBU": "Limb", "LISU": "Lisu", "MANDAIC": "Mand", "MEETEI": "Mtei", "MIAO": "Plrd",
    "NKO": "Nkoo", "NYIAKENG": "Hmnp", "OSAGE": "Osge", "PAHAWH": "Hmng", "SAMARITAN": "Samr", "SAURASHTRA": "Saur",
    "SUNDANESE": "Sund", "SYLOTI": "Sylo", "TAGALOG": "Tglg", "TIFINAGH": "Tfng", "VAI": "Vaii", "WANCHO": "Wcho", "YI": "Yiii",
}  # fmt: skip
_TAI = {"LE": "Tale", "LUE": "Talu", "THAM": "Lana", "VIET": "Tavt"}


@lru_cache(maxsize=65_536)
def script_of_letter(character: str) -> str:
    """Return the script of one letter or vowel sign, "" for anything else, "Zzzz" for a script that is not known here.

    "TAI THAM LETTER" and "NEW TAI LUE LETTER" are told apart by a later word of the character's name.
    """
    code = next(iter(letter_scripts(character)), "")
    if code != "Zzzz":
        return code
    words = unicodedata.name(character, "").split()
    if "TAI" in words[:2]:
        return next((_TAI[word] for word in words if word in _TAI), "Zzzz")
    return _FURTHER.get(words[0], "Zzzz") if words else "Zzzz"


def script_of(text: str) -> tuple[str, float]:
    """Return the writing system of most letters of `text` and the share of its letters that are in it.

    Han letters with kana are Japanese ("Jpan"), Hangul with or without Han is Korean ("Kore"). Which of the two forms of
    Han a text uses is left to the tag ("Hani"). A text without letters is ("Zyyy", 1.0): common to all scripts.
    """
    counts: Counter[str] = Counter()
    for character, number in Counter(text).items():
        if code := script_of_letter(character):
            counts[code] += number
    kana = counts["Hira"] + counts["Kana"]
    if kana and kana + counts["Hani"] > counts.total() / 2 and kana > counts["Hani"] / 20:
        counts["Jpan"] = counts.pop("Hira", 0) + counts.pop("Kana", 0) + counts.pop("Hani", 0)
    if counts["Hang"]:
        counts["Kore"] = counts.pop("Hang") + counts.pop("Hani", 0)
    if not counts.total():
        return "Zyyy", 1.0
    code, number = counts.most_common(1)[0]
    return code, number / counts.total()
