"""How sequence-to-sequence models name languages: as tokens of their vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from polylect.errors import ModelError
from polylect.languages import get
from polylect.models.translators.base import three_letter_codes

__all__ = ["STYLES", "code_of", "style_of"]

_SCRIPTS = {"Kore": "Hang"}
"""FLORES-200, whose codes NLLB uses, names the script of Korean Hangul."""
_TWO_LETTERS = {"nb": ("no",), "fil": ("tl",), "nso": ("ns",), "zh-Hans": ("zh",), "zh-Hant": ("zh",)}
"""Codes of M2M-100 that are not the tag's first part; it has one Chinese, written in either script."""


def _nllb(tag: str) -> list[str]:
    """`eng_Latn`: ISO 639-3 and ISO 15924 (NLLB Team 2022, arXiv 2207.04672, table 1)."""
    script = get(tag).script
    return [f"{code}_{_SCRIPTS.get(script, script)}" for code in three_letter_codes(tag)]


def _madlad(tag: str) -> list[str]:
    """`<2en>`: BCP-47 with an underscore, script only where it is not the usual one (Kudugunta et al. 2023, arXiv 2309.04662)."""
    row, base = get(tag), tag.partition("-")[0]
    if tag in {"zh-Hant", "sr-Latn"}:
        return [f"<2{base}_{row.script}>"]
    return [f"<2{code}>" for code in (base, f"{base}_{row.script}", *three_letter_codes(tag))]


def _m2m(tag: str) -> list[str]:
    """`__en__` (Fan et al. 2021, Beyond English-Centric Multilingual Machine Translation, table 1)."""
    return [f"__{code}__" for code in (*_TWO_LETTERS.get(tag, ()), tag.partition("-")[0])]


STYLES: dict[str, Callable[[str], list[str]]] = {"nllb": _nllb, "madlad": _madlad, "m2m": _m2m}
"""Per style, the tokens that may name a language, the likeliest first."""


def style_of(vocabulary: Mapping[str, int], where: str) -> str:
    """Return the style whose name for English is in a vocabulary.

    Raises:
        ModelError: none is.
    """
    for style, codes in STYLES.items():
        if any(code in vocabulary for code in codes("en")):
            return style
    raise ModelError(
        f"{where}: the vocabulary names English neither eng_Latn (NLLB), <2en> (MADLAD) nor __en__ (M2M-100), so that it cannot "
        "be told which language to write. Take a model of one of these kinds."
    )


def code_of(tag: str, style: str, vocabulary: Mapping[str, int]) -> str | None:
    """Return the token that names a language (canonical tag), None where the model has none."""
    return next((code for code in STYLES[style](tag) if code in vocabulary), None)
