"""Translation into another language, and back (Yong et al. 2023, arXiv 2310.02446: low-resource languages jailbreak GPT-4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polylect import languages
from polylect.errors import EvaluationError
from polylect.models.translators import Failure
from polylect.models.translators.base import Translated, Translator
from polylect.models.translators.protect import MARKS, Masked, mask, restore
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

    Code, links, addresses, placeholders and the like come out as they went in (`polylect.models.translators.protect`).
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
    there = _whole([one.text for one in batch], language, target, options.translator)
    wrong = [_wrong(one.text, new, language, target) for one, new in zip(batch, there, strict=True)]
    texts = ["" if reason else str(new) for new, reason in zip(there, wrong, strict=True)]
    again = _whole(texts, target, language, options.translator)
    for one, text, reason, back in zip(batch, texts, wrong, again, strict=True):
        yield Attacked(prompt=one, attack=name, reason=reason) if reason else _attacked(one, name, target, text, back, options)


def _whole(texts: Sequence[str], source: str, target: str, translator: Translator) -> list[Translated]:
    """Translate texts with their protected spans; where a translator loses the marks that stand for them, with other marks."""
    found: list[Translated] = list(texts)
    waiting = list(range(len(texts)))
    for marks in MARKS:
        masked = [mask(texts[place], marks=marks) for place in waiting]
        new = translator.translate([one.text for one in masked], source, target)
        for place, one, translation in zip(waiting, masked, new, strict=True):
            found[place] = translation if isinstance(translation, Failure) else _restored(one, translation)
        failed = zip(waiting, masked, strict=True)
        waiting = [place for place, one in failed if one.kept and isinstance(found[place], Failure)]
        if not waiting:
            break
    return found


def _restored(masked: Masked, translation: str) -> Translated:
    """Return a translation with its spans; whether its numbers are right the back-translation shows."""
    text, reason = restore(masked, translation)
    return Failure(reason) if reason is not None and reason.startswith("protected") else text


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
