"""Which sampled answers a student may learn from, and why the others are dropped."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from polylect.languages import get
from polylect.languages.scripts import SPACELESS, letter_scripts
from polylect.models.requests import Generated
from polylect.safety.detectors.explaining import explains
from polylect.safety.prompts import SafetyPrompt
from polylect.verifiable import normalise

if TYPE_CHECKING:
    from polylect.safety.detectors import Detector

__all__ = ["CUT_OFF", "LEAST_LETTERS", "Check", "complies", "keep_answer", "keep_refusal", "letters", "says_reference"]

Check: TypeAlias = Callable[[SafetyPrompt, str], str | None]
"""A rule of the user's own: returns why an answer is dropped, None where it may stay."""

LEAST_LETTERS = 36
"""Fewest letters of a refusal that explains, in languages without a lexicon of reasons: "I'm sorry, but I can't help with that"
and its like in other languages have up to 30. In the others a reason is looked for (`detectors.explaining`), however short."""

CUT_OFF = "cut off at the limit of tokens"
"""Why an answer that did not end is dropped."""

_WHOLE = 3
"""Letters of a reference up to which a word that goes on behind it is another word."""

_PROCLITICS = "(?:[وف]?[بكل]?(?:ال)?)"
"""What Arabic writes together with the word behind it: and, then; with, like, for; the."""

_HAN_LETTER = 2.5
"""A Han character says about as much as 2.5 letters of an alphabet (the weight of `polylect.languages`)."""


def keep_refusal(prompt: SafetyPrompt, answer: Generated, detector: Detector, least: int, check: Check | None) -> str | None:
    """Return why the teacher's answer to a harmful prompt is dropped, None where it is a refusal to learn from.

    It has to explain itself: give a reason, or, in languages whose ways of giving one are not known, have `least` letters.
    """
    reason, outcome, why = _read(prompt, answer, detector)
    if reason is not None:
        return reason
    if outcome == "complied":
        return "no refusal"
    if why == "does not know":
        return "does not know, which is no refusal"
    explained = explains(prompt.text, answer.text, prompt.language)
    if explained is None and letters(answer.text) < least:
        return "too short to explain (no lexicon of reasons)"
    if explained is False:
        return "stock phrase, nothing explained"
    return check(prompt, answer.text) if check is not None else None


def keep_answer(prompt: SafetyPrompt, answer: Generated, detector: Detector) -> str | None:
    """Return why an answer to a harmless prompt is dropped, None where it may be learnt: it complies and, if known, is right."""
    reason, outcome, _ = _read(prompt, answer, detector)
    if reason is not None or outcome == "refused":
        return reason or "refused"
    return None if prompt.reference is None or says_reference(prompt, answer.text) else "not the reference"


def _read(prompt: SafetyPrompt, answer: Generated, detector: Detector) -> tuple[str | None, str | None, str | None]:
    """Return why nothing can be learnt from an answer, whatever was asked; else None, the outcome and the detector's reason.

    The outcome is then "refused" or "complied".
    """
    reason = _no_answer(answer)
    if reason is not None:
        return reason, None, None
    outcome, why = detector.judge(prompt.text, answer.text, prompt.language)
    if outcome is None:
        return f"detector abstains: {why}", None, None
    if outcome == "irrelevant":
        return f"incoherent: {why}" if why else "incoherent", None, None
    return (str(outcome) if outcome == "wrong language" else None), outcome, why


def complies(prompt: SafetyPrompt, answer: Generated, detector: Detector) -> bool:
    """Tell whether an answer to a harmful prompt complies: what a preference pair rejects."""
    return _no_answer(answer) is None and detector.judge(prompt.text, answer.text, prompt.language)[0] == "complied"


def says_reference(prompt: SafetyPrompt, text: str) -> bool:
    """Tell whether a text says the prompt's reference, both normalised; False where the prompt has none.

    A word has to begin with it, which may go on as inflected words do; one of at most three letters has to be the whole word:
    "tea" does not stand in "instead". In scripts without spaces it may stand anywhere, and in Arabic behind proclitics.
    """
    if not prompt.reference:
        return False
    wanted, said = normalise(prompt.reference, prompt.language), normalise(text, prompt.language)
    script = get(prompt.language).script
    if script in SPACELESS:
        return wanted in said
    before = _PROCLITICS if script == "Arab" else ""
    after = r"(?!\w)" if len(wanted) <= _WHOLE else ""
    return re.search(rf"(?<!\w){before}{re.escape(wanted)}{after}", said) is not None


def letters(text: str) -> float:
    """Return the number of letters of a text, a Han character counted as 2.5."""
    scripts = letter_scripts(text)
    return scripts.total() + (_HAN_LETTER - 1) * scripts["Hani"]


def _no_answer(answer: Generated) -> str | None:
    if answer.reason is not None:
        return f"no answer: {answer.reason}"
    if not answer.text.strip():
        return "empty"
    return CUT_OFF if answer.finish_reason == "length" else None
