"""The section `safety` of a recipe: what is distilled and measured, and the fine-tuning that learns it after the merges."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from polylect.safety.step_settings import Safety
from polylect.train.settings import Sft

__all__ = ["LastTraining", "RecipeSafety"]


class LastTraining(BaseModel):
    """One more fine-tuning of the last model: all languages in one run, on refusals, anchors, and what it can do already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rehearsed: int = Field(
        100, ge=0, description="Training prompts per language that the model answers once more: its own answers are rows, right "
        "or wrong, so that it changes in nothing but safety.",
    )  # fmt: skip
    general: int | None = Field(50, ge=0, description="Most rows of the arbitrage per language; empty: all.")
    train: Sft | None = Field(None, description="Its training; empty: that of `sft`.")


class RecipeSafety(Safety):
    """Safety context distillation, its share of the training data, and the measurement of safety."""

    last: LastTraining | None = Field(
        None, description="Learn the refusals in one more fine-tuning after all merges, not in the clusters', whose merge takes "
        "them away; empty: in the clusters'.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _learnt(self) -> RecipeSafety:
        if self.last is not None and not self.share:
            raise ValueError("`last` is a training on refusals, and `share` is 0: give a share, or leave `last` out")
        if self.last is not None and self.last.general == 0 == self.last.rehearsed:
            raise ValueError("`last` has neither `general` nor `rehearsed` rows: a model that only refuses would be learnt")
        return self
