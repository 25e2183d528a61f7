"""The protocol of arbiters, and the scores they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from polylect.records import Completion, Prompt, Score

__all__ = ["Arbiter", "TwoPass", "scored", "unscored", "why_unscored"]


@runtime_checkable
class Arbiter(Protocol):
    """What scores answers.

    Attributes:
        name: the `arbiter` of its scores.
    """

    name: str

    def score(self, prompts: Mapping[str, Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return one score per completion, in their order; what cannot be scored has value None and a reason.

        All answers to one prompt must be in one call: some arbiters compare them with each other.

        Args:
            prompts: by id; holds the prompt of every completion.
            completions: of any status. One that failed or was refused by a check is unscored (`why_unscored`).
        """


@runtime_checkable
class TwoPass(Arbiter, Protocol):
    """An arbiter whose scores depend on the spread of scores over a language.

    Whoever streams answers in windows first shows it a sample of them, the first windows for instance, then lets it score. An
    arbiter that was shown nothing takes the spread of each call of `score`, so that windows would not be comparable.
    """

    def observe(self, prompts: Mapping[str, Prompt], completions: Sequence[Completion]) -> None:
        """Take these answers into the spread; arguments as those of `score`. May be called many times."""


def why_unscored(completion: Completion) -> str | None:
    """Return why no arbiter scores this answer: the request failed, or a check refused the answer; else None."""
    if completion.status == "failed":
        return f"no answer: {completion.reason}"
    return f"rejected: {completion.reason}" if completion.status == "rejected" else None


def unscored(completion: Completion, arbiter: str, reason: str, language_ok: bool | None = None) -> Score:
    """Return the score of an answer that got none."""
    return scored(completion, arbiter, None, reason=reason, language_ok=language_ok)


def scored(
    completion: Completion,
    arbiter: str,
    value: float | None,
    *,
    exact: float | None = None,
    chrf: float | None = None,
    language_ok: bool | None = None,
    reason: str | None = None,
) -> Score:
    """Return the score that `arbiter` gives an answer."""
    return Score(
        completion_id=completion.id,
        prompt_id=completion.prompt_id,
        item=completion.item,
        language=completion.language,
        model=completion.model,
        arbiter=arbiter,
        value=value,
        exact=exact,
        chrf=chrf,
        language_ok=language_ok,
        reason=reason,
    )
