"""Metrics of one answer against its accepted references, and the reward made of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from polylect import languages
from polylect.errors import EvaluationError
from polylect.records import Completion, Prompt, Score
from polylect.verifiable.normalisation import first_line, normalise

__all__ = ["chrf", "exact", "in_right_language", "is_reference", "score"]


def exact(text: str, references: Sequence[str], language: str) -> float:
    """Return 1.0 when the first non-empty line of `text` equals a reference after `normalise`, else 0.0.

    Only the first line counts, since a model that goes on to invent further questions has still answered this one.
    """
    answer = normalise(first_line(text), language)
    return float(bool(answer) and any(answer == normalise(reference, language) for reference in references))


def chrf(text: str, references: Sequence[str]) -> float:
    """Return the sentence chrF of the whole of `text` against the nearest reference, in [0, 100].

    Character n-grams up to 6, beta 2, no whitespace, effective order (Popović 2015, "chrF: character n-gram F-score for
    automatic MT evaluation"), as computed by sacrebleu. The whole text counts, so what follows the answer costs.
    """
    if not references or not text.strip():
        return 0.0
    return float(_sentence_chrf().sentence_score(text, list(references)).score)


def is_reference(text: str, references: Sequence[str], language: str) -> bool:
    """Tell whether the whole of `text` is one line that equals a reference after `normalise`."""
    return text.strip() == first_line(text) and exact(text, references, language) == 1.0


def in_right_language(text: str, references: Sequence[str], language: str) -> bool | None:
    """Tell whether `text` is in `language`; None when it is too short to tell.

    A text that is one line and equals an accepted reference is in the language, whatever identification makes of a name
    that many languages share ("Paris").
    """
    if is_reference(text, references, language):
        return True
    return languages.in_language(text, language)


def score(completion: Completion, prompt: Prompt, arbiter: str = "verifiable") -> Score:
    """Return the verifiable reward of an answer: exact match + chrF / 100, in [0, 2].

    An answer in the wrong language and an empty answer are worth 0, with the reason. A completion that failed and a
    prompt without references are unscored: `value` is None, with the reason.

    Raises:
        EvaluationError: the completion answers another prompt.
    """
    if completion.prompt_id != prompt.id:
        raise EvaluationError(
            f"completion {completion.id} answers prompt {completion.prompt_id}, not {prompt.id}: join the tables on prompt_id."
        )
    values = _values(completion, prompt)
    return Score(
        completion_id=completion.id,
        prompt_id=prompt.id,
        item=completion.item,
        language=completion.language,
        model=completion.model,
        arbiter=arbiter,
        **values,
    )


def _values(completion: Completion, prompt: Prompt) -> dict[str, Any]:
    """Return the fields `value`, `exact`, `chrf`, `language_ok` and `reason` of a score."""
    unscored = {"value": None, "exact": None, "chrf": None, "language_ok": None}
    if completion.status == "failed":
        return {**unscored, "reason": f"no answer: {completion.reason}"}
    if not prompt.references:
        return {**unscored, "reason": "no references"}
    if not completion.text.strip():
        return {"value": 0.0, "exact": 0.0, "chrf": 0.0, "language_ok": None, "reason": "empty answer"}
    matched = exact(completion.text, prompt.references, prompt.language)
    similarity = chrf(completion.text, prompt.references)
    right = in_right_language(completion.text, prompt.references, prompt.language)
    wrong = right is False
    return {
        "value": 0.0 if wrong else matched + similarity / 100,
        "exact": matched,
        "chrf": similarity,
        "language_ok": right,
        "reason": "wrong language" if wrong else None,
    }


@cache
def _sentence_chrf() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF(char_order=6, word_order=0, beta=2)
