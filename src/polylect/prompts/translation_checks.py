"""What can be wrong with a translation, told without a model: each reason is a short text that can be counted."""

from __future__ import annotations

from polylect.languages import in_language, neighbours
from polylect.languages.scripts import letter_scripts
from polylect.languages.shingles import folded
from polylect.models.translators.protect import bare
from polylect.prompts.drift import drift
from polylect.prompts.lengths import expected, plausible
from polylect.prompts.similarity import dice, loops, shingles

__all__ = ["REASONS", "wrong_with"]

REASONS = ("empty", "copy of the source", "wrong language", "too short", "too long", "repetition")
"""Of these checks. Failures of the translator and of the protected spans (`polylect.models.translators.protect`) come before."""

COPY = 0.8
"""Dice similarity of the character n-grams from which a translation into an unrelated language is a copy."""

FEWEST_LETTERS = 20
"""A shorter text can be the same in two languages: a name, a title, OK."""


def wrong_with(source: str, translation: str, source_language: str, target: str) -> str | None:
    """Return the reason why a text is no translation of another, or None. Protected spans are not looked at.

    Args:
        source: the original.
        translation: with its spans put back.
        source_language: canonical tag.
        target: canonical tag of the language it should be in.
    """
    before, after = bare(source).strip(), bare(translation).strip()
    letters = letter_scripts(before).total()
    if not after or (letters and not letter_scripts(after)):
        return "empty"
    if letters >= FEWEST_LETTERS and _copied(before, after, source_language, target):
        return "copy of the source"
    if in_language(after, target, drift(source_language)) is False:
        return "wrong language"
    if loops(after) and not loops(before):
        return "repetition"
    if not plausible(len(before), len(after), source_language, target):
        return "too long" if len(after) > expected(len(before), source_language, target) else "too short"
    return None


def _copied(before: str, after: str, source: str, target: str) -> bool:
    if folded(before) == folded(after):
        return True
    if target in neighbours(source):
        return False
    return dice(shingles(before, source), shingles(after, source)) >= COPY
