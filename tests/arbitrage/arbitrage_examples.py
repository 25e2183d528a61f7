"""Prompts, answers and scores for the tests of the arbitrage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from polylect.arbitrage import Candidate, candidates
from polylect.records import Completion, Prompt, Score


def prompt(name: str, language: str = "en") -> Prompt:
    """Return the prompt `name`, the same item in every language."""
    return Prompt(
        item=name,
        language=language,
        kind="test",
        split="prompt",
        text=f"{name} in {language}?",
        references=("answer",),
        source="here",
        licence="CC0-1.0",
    )


def completion(to: Prompt, model: str, text: str = "answer", **change: Any) -> Completion:
    """Return an answer of a model to a prompt."""
    values = {"sample": 0, "finish_reason": "stop", "prompt_tokens": 3, "completion_tokens": 2, **change}
    return Completion(prompt_id=to.id, item=to.item, language=to.language, model=model, text=text, **values)


def score(of: Completion, value: float | None, language_ok: bool | None = True) -> Score:
    """Return the score of an answer; None is unscored."""
    return Score(
        completion_id=of.id,
        prompt_id=of.prompt_id,
        item=of.item,
        language=of.language,
        model=of.model,
        arbiter="test",
        value=value,
        exact=None,
        chrf=None,
        language_ok=language_ok,
        reason=None if value is not None else "no answer: timeout",
    )


def pool(to: Prompt, values: Mapping[str, float | None]) -> list[Candidate]:
    """Return the candidates of one prompt, best first, from model -> value."""
    return pools({to: values})[to.id]


def pools(table: Mapping[Prompt, Mapping[str, float | None]]) -> dict[str, list[Candidate]]:
    """Return the candidates of several prompts from prompt -> model -> value."""
    answers = [(completion(to, model, f"{model} says"), value) for to, row in table.items() for model, value in row.items()]
    return joined(answers)


def joined(answers: Iterable[tuple[Completion, float | None]]) -> dict[str, list[Candidate]]:
    """Return candidates from answers with their values."""
    answers = list(answers)
    return candidates([answer for answer, _ in answers], [score(answer, value) for answer, value in answers])
