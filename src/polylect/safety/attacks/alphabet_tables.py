"""The tables of transliteration, and what they cover: into Latin by language, out of Latin by script.

| into Latin | languages | after |
|---|---|---|
| Cyrillic | ru, uk, be, bg | GOST 7.79-2000, system B (ASCII, made to be read back; ц is cz everywhere) |
| Cyrillic | sr-Cyrl | the Latin alphabet of Serbian |
| Greek | el | ISO 843, letter by letter (υ is always y) |
| Arabic | ar | Buckwalter's transliteration (ASCII, one to one) |
| Devanagari | hi, mr, ne | ISO 15919, spelling not sound: the final a of हम stays |

Out of Latin each of the 26 letters has one letter of the other script, so that every word comes back; it is a disguise that
a reader solves by sound or by shape, not an orthography. Accents stay on their letters, but for Devanagari, which has no room
for them: such a text is refused. Arabic and Devanagari have no case.
"""

from __future__ import annotations

from functools import cache

from polylect.safety.attacks.alphabets import Abugida, Alphabet, Reversed, Scheme

__all__ = ["FROM_LATIN", "LATIN", "TO_LATIN", "from_latin", "to_latin"]

LATIN = "Latn"

_RUSSIAN = (
    "а a б b в v г g д d е e ё yo ж zh з z и i й j к k л l м m н n о o п p р r с s т t у u ф f х x ц cz ч ch ш sh щ shh "
    "ъ `` ы y` ь ` э e` ю yu я ya"
)
_CYRILLIC = {
    "ru": ("", ""),
    "uk": ("ґ g` є ye и y` і i ї yi", "ёъыэ"),
    "be": ("ў u` і i", "ищъ"),
    "bg": ("щ sht ъ a`", "ёыэ"),
}
"""What differs from Russian, and the letters that the language does not have."""

_SERBIAN = (
    "а a б b в v г g д d ђ đ е e ж ž з z и i ј j к k л l љ lj м m н n њ nj о o п p р r с s т t ћ ć у u ф f х h ц c ч č џ dž ш š"
)
_GREEK = "α a β v γ g δ d ε e ζ z η ī θ th ι i κ k λ l μ m ν n ξ x ο o π p ρ r σ s ς s τ t υ y φ f χ ch ψ ps ω ō"
_ARABIC = (
    "ء ' آ | أ > ؤ & إ < ئ } ا A ب b ة p ت t ث v ج j ح H خ x د d ذ * ر r ز z س s ش $ ص S ض D ط T ظ Z ع E غ g ـ _ ف f ق q ك k "
    "ل l م m ن n ه h و w ى Y ي y \u064b F \u064c N \u064d K \u064e a \u064f u \u0650 i \u0651 ~ \u0652 o \u0670 ` \u0671 {"
)
_NUKTA = "\u093c"
_DEVANAGARI = (
    f"क k ख kh ग g घ gh ङ ṅ च c छ ch ज j झ jh ञ ñ ट ṭ ठ ṭh ड ḍ ढ ḍh ण ṇ त t थ th द d ध dh न n प p फ ph ब b भ bh म m य y र r "
    f"ल l ळ ḷ व v श ś ष ṣ स s ह h क{_NUKTA} q ख{_NUKTA} ḵẖ ग{_NUKTA} ġ ज{_NUKTA} z ड{_NUKTA} ṛ ढ{_NUKTA} ṛh फ{_NUKTA} f"
)
_DEVANAGARI_VOWELS = {
    "a": ("अ", ""), "ā": ("आ", "ा"), "i": ("इ", "ि"), "ī": ("ई", "ी"), "u": ("उ", "ु"), "ū": ("ऊ", "ू"), "r̥": ("ऋ", "ृ"),
    "ē": ("ए", "े"), "ai": ("ऐ", "ै"), "ō": ("ओ", "ो"), "au": ("औ", "ौ"), "ê": ("ऍ", "ॅ"), "ô": ("ऑ", "ॉ"),
}  # fmt: skip
_DEVANAGARI_MARKS = "ं ṁ ँ m̐ ः ḥ"
_VIRAMA = "\u094d"

_INTO_CYRILLIC = "a а b б c ц d д e е f ф g г h һ i и j й k к l л m м n н o о p п q қ r р s с t т u у v в w ў x х y ы z з"
_INTO_GREEK = "a α b β c ϲ d δ e ε f φ g γ h ͱ i ι j ϳ k κ l λ m μ n ν o ο p π q ϙ r ρ s σ t τ u υ v ϝ w ω x ξ y η z ζ"
_INTO_ARABIC = "a ا b ب c ج d د e ە f ف g گ h ه i ئ j ژ k ک l ل m م n ن o ۆ p پ q ق r ر s س t ت u ۇ v ڤ w و x خ y ی z ز"
_INTO_DEVANAGARI = (
    f"ब b च c द d फ{_NUKTA} f ग g ह h ज j क k ल l म m न n प p क{_NUKTA} q र r स s त t व v व{_NUKTA} w ख{_NUKTA} x य y ज{_NUKTA} z"
)
_PLAIN_VOWELS = {"a": ("अ", ""), "e": ("ए", "े"), "i": ("इ", "ि"), "o": ("ओ", "ो"), "u": ("उ", "ु")}

TO_LATIN = (*_CYRILLIC, "sr-Cyrl", "el", "ar", "hi", "mr", "ne")
"""Languages that are written in Latin letters."""

FROM_LATIN = ("Cyrl", "Grek", "Arab", "Deva")
"""Scripts that Latin letters are written in."""


@cache
def to_latin(language: str) -> Scheme | None:
    """Return the scheme that writes a language in Latin letters; None where no table covers it."""
    if language in _CYRILLIC:
        other, without = _CYRILLIC[language]
        letters = {**_table(_RUSSIAN), **_table(other)}
        return Alphabet({letter: latin for letter, latin in letters.items() if letter not in without})
    if language in ("hi", "mr", "ne"):
        return Abugida(_table(_DEVANAGARI), _DEVANAGARI_VOWELS, _table(_DEVANAGARI_MARKS), _VIRAMA)
    if language == "el":
        return Alphabet(_table(_GREEK), {"σ": "ς"})
    if language == "ar":
        return Alphabet(_table(_ARABIC), exact=True)
    return Alphabet(_table(_SERBIAN)) if language == "sr-Cyrl" else None


@cache
def from_latin(script: str) -> Scheme | None:
    """Return the scheme that writes Latin letters in a script; None where no table covers it."""
    if script == "Deva":
        return Reversed(Abugida(_table(_INTO_DEVANAGARI), _PLAIN_VOWELS, {}, _VIRAMA))
    tables = {"Cyrl": _INTO_CYRILLIC, "Grek": _INTO_GREEK, "Arab": _INTO_ARABIC}
    return Alphabet(_table(tables[script])) if script in tables else None


def _table(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))
