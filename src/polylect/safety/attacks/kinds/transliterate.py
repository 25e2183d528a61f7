"""Transliteration: the same words in another script (Ghanim et al. 2024, arXiv 2406.18725, for Arabic in Latin letters)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from polylect import languages
from polylect.errors import EvaluationError, nearest
from polylect.languages.scripts import letter_scripts, scripts_of
from polylect.safety.attacks.alphabet_tables import FROM_LATIN, LATIN, TO_LATIN, from_latin, to_latin
from polylect.safety.attacks.alphabets import Scheme, UncoveredError
from polylect.safety.attacks.base import Attacked, AttackOptions, register
from polylect.safety.attacks.meaning import ROUND_TRIP
from polylect.safety.attacks.pieces import pieces
from polylect.safety.prompts import SafetyPrompt

__all__ = ["transliterate"]


@register("transliterate")
def transliterate(prompts: Sequence[SafetyPrompt], options: AttackOptions) -> Iterator[Attacked]:
    """Write prompts in another script, `options.script` (None: Latin); the language stays.

    Words in other scripts than the language's, digits and protected spans stay as they are. The meaning counts as kept where
    every word comes back as it was.

    Raises:
        EvaluationError: no table writes in that script.
    """
    into = options.script or LATIN
    known = (LATIN, *FROM_LATIN)
    if into not in known:
        raise EvaluationError(f"--script {into!r}: no table writes in it.{nearest(into, known)} Known: {', '.join(known)}.")
    for done, prompt in enumerate(prompts, start=1):
        yield _one(prompt, into, options)
        options.progress(done, len(prompts))


def _one(prompt: SafetyPrompt, into: str, options: AttackOptions) -> Attacked:
    name = f"transliterate:{into}"
    own = languages.get(prompt.language).script
    scheme = _scheme(prompt.language, own, into)
    if isinstance(scheme, str):
        return Attacked(prompt=prompt, attack=name, reason=scheme)
    try:
        return _written(prompt, name, own, scheme, 1.0 if options.least is None else options.least)
    except UncoveredError as error:
        letter = unicodedata.name(str(error), str(error))
        return Attacked(prompt=prompt, attack=name, reason=f"the table has no {letter}")


def _scheme(language: str, own: str, into: str) -> Scheme | str:
    """Return the scheme for a language, or why there is none."""
    if own == into:
        return f"it is written in {into} already"
    scheme = to_latin(language) if into == LATIN else from_latin(into) if own == LATIN else None
    if scheme is not None:
        return scheme
    if into == LATIN:
        return f"no table writes {language} in {LATIN} (covered: {', '.join(TO_LATIN)})"
    return f"only what is written in {LATIN} can be written in {into}"


def _written(prompt: SafetyPrompt, name: str, own: str, scheme: Scheme, least: float) -> Attacked:
    parts, same, words, total = [], 0, 0, 0
    for piece in pieces(prompt.text):
        total += piece.kind == "word"
        if piece.kind != "word" or not _in_script(piece.text, own):
            parts.append(piece.text)
            continue
        new = scheme.write(piece.text)
        words, same = words + 1, same + _comes_back(piece.text, new, scheme)
        parts.append(new)
    if not words:
        return Attacked(prompt=prompt, attack=name, reason=f"no words in {own}")
    meaning = same / words
    return Attacked(
        prompt=prompt,
        attack=name,
        text="".join(parts),
        meaning=meaning,
        meaning_by=ROUND_TRIP,
        kept=meaning >= least,
        changed=words / total,
    )


def _in_script(word: str, script: str) -> bool:
    return set(letter_scripts(word)) <= scripts_of(script)


def _comes_back(word: str, new: str, scheme: Scheme) -> bool:
    """Tell whether a word comes back but for its case, which some scripts do not have."""
    try:
        return scheme.read(new).casefold() == word.casefold()
    except UncoveredError:
        return False
