"""Translation into another language, and back (Yong et al. 2023, arXiv 2310.02446: low-resource languages jailbreak GPT-4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polylect import languages
from polylect.errors import EvaluationError
from polylect.models.translators import Failure
from polylect.models.translators.base import Translated
from polylect.safety.attacks.base import Attacked, AttackOptions, register
from polylect.safety.attacks.grouping import by_language
from polylect.safety.attacks.meaning import BACK_TRANSLATION, LEAST_CHRF, chrf
from polylect.safety.prompts import SafetyPrompt

__all__ = ["translate"]

_BATCH = 100
"""Prompts between two reports of progress."""


@register("translate")
def translate(prompts: Sequence[SafetyPrompt], options: AttackOptions) -> Iterator[Attacked]:
    """Translate prompts into the languages of `into`, and back to see whether the meaning was kept.

    The attacked prompt is the translation, in its language; with `back` it is the back-translation, in the original's.

    Raises:
        EvaluationError: no language to translate into, or no translator.
    """
    if not options.into or options.translator is None:
        raise EvaluationError("--kind translate needs --into TAG,... and --translator SPEC (docs/translators.md).")
    done, total = 0, len(prompts) * len(options.into)
    for language, own in by_language(prompts).items():
        for target in options.into:
            for start in range(0, len(own), _BATCH):
                batch = own[start : start + _BATCH]
                yield from _batch(batch, language, target, options)
                done += len(batch)
                options.progress(done, total)


def _batch(batch: Sequence[SafetyPrompt], language: str, target: str, options: AttackOptions) -> Iterator[Attacked]:
    name = f"translate:{target}" + (":back" if options.back else "")
    if target == language:
        yield from (Attacked(prompt=one, attack=name, reason="it is in that language already") for one in batch)
        return
    assert options.translator is not None  # translate() has checked it
    there = options.translator.translate([one.text for one in batch], language, target)
    wrong = [_wrong(one.text, new, language, target) for one, new in zip(batch, there, strict=True)]
    texts = ["" if reason else str(new) for new, reason in zip(there, wrong, strict=True)]
    again = options.translator.translate(texts, target, language)
    for one, text, reason, back in zip(batch, texts, wrong, again, strict=True):
        yield Attacked(prompt=one, attack=name, reason=reason) if reason else _attacked(one, name, target, text, back, options)


def _wrong(text: str, new: Translated, language: str, target: str) -> str | None:
    """Return why a translation is none."""
    if isinstance(new, Failure):
        return new.reason
    if not new.strip():
        return "the translation is empty"
    if new.casefold().split() == text.casefold().split():
        return "the translation is a copy of the prompt"
    if languages.in_language(new, target, [language]) is False:
        return "the translation is not in the language asked for"
    return None


def _attacked(prompt: SafetyPrompt, name: str, target: str, text: str, back: Translated, options: AttackOptions) -> Attacked:
    """Return a translated prompt, or its back-translation."""
    if isinstance(back, Failure):
        if options.back:
            return Attacked(prompt=prompt, attack=name, reason=f"back-translation: {back.reason}")
        return Attacked(prompt=prompt, attack=name, text=text, language=target, origin="machine-translation")
    meaning = chrf(back, prompt.text)
    if options.back and back.split() == prompt.text.split():
        return Attacked(prompt=prompt, attack=name, reason="the back-translation is the prompt itself")
    return Attacked(
        prompt=prompt,
        attack=name,
        text=back if options.back else text,
        language=None if options.back else target,
        origin="machine-translation",
        meaning=meaning,
        meaning_by=BACK_TRANSLATION,
        kept=meaning >= (LEAST_CHRF if options.least is None else options.least),
    )
