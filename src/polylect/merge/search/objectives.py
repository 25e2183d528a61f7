"""What a merge is good for: one number from its scores per language.

mean    the mean over languages; every language weighs the same
worst   the score of the worst language
floor   the mean, minus the largest shortfall: how far a language is below its best single checkpoint, less `floor`
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from polylect.errors import MergeError, nearest

__all__ = ["OBJECTIVES", "Floats", "Objective"]

Floats: TypeAlias = NDArray[np.float64]

OBJECTIVES = ("mean", "worst", "floor")


@dataclass(frozen=True)
class Objective:
    """An objective to be maximised.

    Args:
        kind: one of `OBJECTIVES`.
        floor: of kind "floor", how far below its best single checkpoint a language may fall, in units of the score.

    Raises:
        MergeError: an unknown kind, or a floor that is negative or not finite.
    """

    kind: str = "mean"
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in OBJECTIVES:
            raise MergeError(
                f"objective {self.kind!r}: one of {', '.join(OBJECTIVES)} is needed.{nearest(self.kind, OBJECTIVES)}"
            )
        if not (math.isfinite(self.floor) and self.floor >= 0):
            raise MergeError(f"floor {self.floor}: how far a language may fall; a number of 0 or more is needed.")

    def of(self, scores: Floats, best: Floats) -> Floats:
        """Return the objective of `scores`, shape (..., languages), as shape (...).

        `best` is the score of each language's best single checkpoint, of a shape that broadcasts to that of `scores`.
        The largest shortfall is taken off whole, not divided by the number of languages: a point that one language loses
        below its floor is paid for by no less than a point that every language gains. The sum of all shortfalls would ask
        the same, but adds up the noise of all languages.
        """
        if self.kind == "worst":
            return np.asarray(scores.min(axis=-1))
        means = np.asarray(scores.mean(axis=-1))
        return means if self.kind == "mean" else means - self.shortfall(scores, best)

    def shortfall(self, scores: Floats, best: Floats) -> Floats:
        """Return how far the language that is most below its floor is below it, 0 where none is; of shape (...)."""
        return np.asarray(np.maximum(best - self.floor - scores, 0.0).max(axis=-1))

    def __str__(self) -> str:
        return f"mean with a floor of {self.floor:g}" if self.kind == "floor" else self.kind
