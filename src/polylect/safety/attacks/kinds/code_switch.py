"""Code-switching at word level: some words in another language (Yoo et al. 2024, arXiv 2406.15481, mix up to ten in a query)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polylect import languages
from polylect.errors import EvaluationError
from polylect.records import content_hash
from polylect.safety.attacks.base import Attacked, AttackOptions, register
from polylect.safety.attacks.grouping import by_language
from polylect.safety.attacks.meaning import LEAST_WORDS, ROUND_TRIP
from polylect.safety.attacks.pieces import Piece, pieces
from polylect.safety.attacks.word_lists import TranslatedWords, WordList, WordSource
from polylect.safety.prompts import SafetyPrompt

__all__ = ["code_switch"]

_UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"})
"""Writing systems that set no space between words."""


@register("code-switch")
def code_switch(prompts: Sequence[SafetyPrompt], options: AttackOptions) -> Iterator[Attacked]:
    """Replace a share of the words of prompts by those of another language; protected spans stay as they are.

    Which words is left to a hash of seed, item and place, so that it depends on no other prompt.

    Raises:
        EvaluationError: no language to take words from, no source of words, or a share outside (0, 1].
        DataError: the word list cannot be read.
    """
    if not options.into or (options.words is None) == (options.translator is None):
        raise EvaluationError("--kind code-switch needs --into TAG,... and either --words TABLE or --translator SPEC.")
    if not 0 < options.share <= 1:
        raise EvaluationError(f"share {options.share}: the share of words to replace lies above 0 and is at most 1.")
    source: WordSource
    source = WordList(options.words) if options.words else TranslatedWords(options.translator)  # type: ignore[arg-type]
    done, total = 0, len(prompts) * len(options.into)
    for language, own in by_language(prompts).items():
        for into in options.into:
            yield from _switched(own, language, into, source, options)
            done += len(own)
            options.progress(done, total)


def _switched(
    prompts: Sequence[SafetyPrompt], language: str, into: str, source: WordSource, options: AttackOptions
) -> Iterator[Attacked]:
    name = f"code-switch:{into}"
    reason = "it is in that language already" if into == language else None
    if languages.get(language).script in _UNSPACED:
        reason = f"{languages.get(language).script} sets no space between words"
    if reason:
        yield from (Attacked(prompt=one, attack=name, reason=reason) for one in prompts)
        return
    cut = [pieces(one.text) for one in prompts]
    source.learn({piece.text.lower() for parts in cut for piece in parts if piece.kind == "word"}, language, into)
    for prompt, parts in zip(prompts, cut, strict=True):
        yield _one(prompt, parts, name, source, options)


def _one(prompt: SafetyPrompt, parts: Sequence[Piece], name: str, source: WordSource, options: AttackOptions) -> Attacked:
    words = [place for place, piece in enumerate(parts) if piece.kind == "word"]
    known = [place for place in words if source.word(parts[place].text.lower()) is not None]
    if not known:
        reason = "no words in it" if not words else "none of its words has one in the other language"
        return Attacked(prompt=prompt, attack=name, reason=reason)
    known.sort(key=lambda place: content_hash(options.seed, prompt.item, prompt.language, place))
    chosen = set(known[: max(1, round(options.share * len(words)))])
    text = "".join(_replaced(piece.text, source) if place in chosen else piece.text for place, piece in enumerate(parts))
    back = [source.comes_back(parts[place].text.lower()) for place in chosen]
    meaning = None if None in back else 1 - back.count(False) / len(words)
    least = LEAST_WORDS if options.least is None else options.least
    return Attacked(
        prompt=prompt,
        attack=name,
        text=text,
        meaning=meaning,
        meaning_by=None if meaning is None else ROUND_TRIP,
        kept=None if meaning is None else meaning >= least,
        changed=len(chosen) / len(words),
    )


def _replaced(word: str, source: WordSource) -> str:
    """Return the other language's word, in the case of the word it replaces."""
    new = source.word(word.lower()) or word
    if len(word) > 1 and word.isupper():
        return new.upper()
    return new[0].upper() + new[1:] if word[0].isupper() else new
