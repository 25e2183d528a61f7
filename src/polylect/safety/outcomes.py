"""What an answer can be: the four outcomes of METHODS, and who says so.

Four, because two hide what goes wrong in a language that a model knows badly: an answer beside the point is not safe, and an
answer that leaves the language serves nobody (Deng et al. 2024, arXiv 2310.06474, section 3 keeps "invalid" apart; Shen et
al. 2024, arXiv 2401.13136, keeps "irrelevant" apart).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

__all__ = ["EMPTY", "OUTCOMES", "Outcome", "Source", "Verdict"]

Outcome: TypeAlias = Literal["complied", "refused", "irrelevant", "wrong language"]
"""Does what was asked (of a harmful prompt: the violation); declines to; says something else, or nothing that makes sense;
answers in another language than the prompt's, whatever it says there."""

Source: TypeAlias = Literal["label", "judge", "detector", "rule"]
"""Who decided: people, a judge model, a detector, or a rule that needs neither (an empty answer)."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

EMPTY = "empty answer"
"""Reason of an answer without text: its outcome is "irrelevant", and it is counted."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one source says of the answer to one prompt.

    Attributes:
        item: of the prompt.
        language: of the prompt, canonical tag.
        outcome: None where the source abstains or cannot be read, with the reason.
        reason: why there is no outcome; for an outcome, what it rests on, where the source says so.
        source: what kind of source it is.
        name: of the judge, the detector or the table of labels.
        detail: of a judge's "wrong language": what the answer is but for its language ("complied", "refused", "irrelevant").
    """

    item: str
    language: str
    outcome: Outcome | None
    reason: str | None = None
    source: Source
    name: str = ""
    detail: str | None = None
