"""What tells the quality of a candidate's answers to the held-out items: references, the recipe's judge, or its arbiter.

Known before anything runs, so that a recipe that cannot tell is refused at once; and so is how many items there are, on which
depends how small a loss of quality can be shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from polylect.errors import RecipeError
from polylect.recipe import Recipe

__all__ = ["WIN", "HeldOut", "QualityBy", "held_out", "least_tolerance", "quality_by", "quality_words"]

QualityBy: TypeAlias = Literal["references", "judge", "arbiter"]
"""References score each answer by itself. A judge that is a model, or an arbiter that needs no reference, says which of two
answers is better: quality is then a win rate over the general expert."""

WIN = "win"
"""Metric of the comparison with the general expert: 100 where an answer is better, 50 for a tie, 0 where it is worse."""

_Z2 = 1.959963984540054**2


@dataclass(frozen=True)
class HeldOut:
    """The recipe's held-out items: how many, and whether any has a reference."""

    items: int
    references: bool


def held_out(recipe: Recipe) -> HeldOut | None:
    """Return what is known of the held-out items; None where their file is not there (a dry run need not have it)."""
    most = recipe.prompts.items.heldout
    if recipe.prompts.source == "world-facts":
        return HeldOut(most, True)
    path = Path(recipe.prompts.files["heldout"])
    if not path.is_file():
        return None
    from polylect.prompts import from_file

    rows = from_file(path)
    return HeldOut(min(most, len({row.item for row in rows})), any(row.references for row in rows))


def quality_by(recipe: Recipe, held: HeldOut | None) -> QualityBy:
    """Return what tells the quality: the judge where the recipe has one that is a model, else references, else the arbiter.

    Raises:
        RecipeError: there are no references, and neither judge nor arbiter does without.
    """
    if recipe.evaluation.judge == "llm":
        return "judge"
    if held is None or held.references:
        return "references"
    if recipe.arbiter.kind != "verifiable":
        return "arbiter"
    raise RecipeError(
        f"{recipe.name}: the held-out items have no references, evaluation.judge is verifiable and so is the arbiter: nothing "
        "can tell the quality of an answer. Give references, or `evaluation: {judge: llm, model: ...}`, or an arbiter of kind "
        "reward_model or file."
    )


def quality_words(recipe: Recipe, by: QualityBy) -> str:
    """Return what "quality" means in this experiment, for people."""
    if by == "references":
        return "half exact match and half chrF against the references of the held-out items, 0 in a wrong language"
    who = recipe.evaluation.model if by == "judge" else f"the arbiter ({recipe.arbiter.model or recipe.arbiter.file})"
    return f"the share of answers to the held-out items that {who} prefers to the general expert's, ties half; its own is 50"


def least_tolerance(items: int) -> float:
    """Return the least loss in points that `items` held-out items can rule out: half of them choose.

    As many answers that all equal the general expert's leave a share z^2 / (n + z^2) of unseen items on which they may not
    (`polylect.resampling.percentiles`).
    """
    half = (items + 1) // 2
    return 100 * _Z2 / (half + _Z2)
