"""Settings of the recipe's merge step: how the clusters' checkpoints become one after every stage of training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["BranchAndMerge", "Merge", "WeightSearch"]

MethodName = Literal["linear", "slerp", "task-arithmetic", "ties", "dare-linear", "dare-ties", "model-stock"]
_USED = {
    "weights": ("linear", "task-arithmetic", "ties", "dare-linear", "dare-ties"),
    "search": ("linear", "task-arithmetic", "ties", "dare-linear", "dare-ties"),
    "density": ("ties", "dare-linear", "dare-ties"),
    "t": ("slerp",),
    "scale": ("task-arithmetic", "ties", "dare-linear", "dare-ties", "model-stock"),
}
"""Setting -> methods that use it."""


class Strict(BaseModel):
    """A part of a recipe that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WeightSearch(Strict):
    """Finds the clusters' weights on the validation items; half of them stay unseen for the verdict."""

    objective: Literal["mean", "worst", "floor"] = Field(
        "mean", description="Mean over languages, the worst one, or the mean with no language `floor` below its best cluster."
    )
    floor: float = Field(0.0, ge=0, description="Of objective `floor`: how far a language may fall, in points of the metric.")
    budget: int = Field(20, ge=1, description="Merged models to evaluate, single checkpoints and uniform weights included.")
    items: int | None = Field(None, ge=2, description="Validation items per language that are used; empty: all.")


class BranchAndMerge(Strict):
    """Branch-and-merge (Alexandrov et al. 2024): train on slices of the data side by side, merge, go on from the merge.

    The rows of every cluster are cut into `iterations` x `branches` slices by item; the clusters themselves are branches too.
    """

    iterations: int = Field(1, ge=1, le=32, description="Merges in a row; each starts from the last one.")
    branches: int = Field(1, ge=1, le=32, description="Slices of one cluster that are trained side by side in one iteration.")


class Merge(Strict):
    """How the clusters' checkpoints become one."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    method: MethodName = Field("linear", description="Merge method; the paper found weighted averaging the most consistent.")
    weights: dict[str, float] | None = Field(None, description="Cluster -> weight; empty: all alike.")
    density: float = Field(0.5, gt=0, le=1, description="Share of each task vector that TIES and DARE keep.")
    t: float = Field(0.5, ge=0, le=1, description="SLERP between the first cluster (0) and the second (1).")
    scale: float = Field(1.0, alias="lambda", description="Factor of the merged task vector.")
    search: WeightSearch | None = Field(None, description="Find the weights on validation items instead of giving them.")
    branch_and_merge: BranchAndMerge = Field(BranchAndMerge(), description="Slices of the fine-tuning data; 1 x 1 is off.")

    @model_validator(mode="after")
    def _possible(self) -> Merge:
        for name, methods in _USED.items():
            if getattr(self, name) != type(self).model_fields[name].default and self.method not in methods:
                key = "lambda" if name == "scale" else name
                raise ValueError(f"method `{self.method}` does not use `{key}`; leave it out, or choose {' or '.join(methods)}")
        if self.weights and self.search:
            raise ValueError("`search` finds the weights; leave out `weights`")
        return self
