"""What a merge method does to each element, as data: for engines that do not call its function, with the same bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Form", "common", "election", "summed"]


@dataclass(frozen=True)
class Form:
    """A weighted sum of the inputs, or (`elect`) of those entries that have the elected sign (see `polylect.merge.election`).

    `weights` are multiplied first, `last` after the sum, and `divisor` divides it in the end. `normalize` divides an election
    by the weights of those that agree, added up in the order of the inputs (a sum of 0 counts as 1).
    """

    weights: tuple[float, ...]
    last: float = 1.0
    divisor: float = 1.0
    elect: bool = False
    normalize: bool = False


def common(weights: Sequence[float]) -> float:
    """Return the weight of all inputs if it is one power of two, else 0: such a factor may come last, bit for bit."""
    first = weights[0]
    return first if math.frexp(first)[0] == 0.5 and all(weight == first for weight in weights) else 0.0


def summed(weights: Sequence[float], *, normalize: bool = False) -> Form:
    """Return the form of `polylect.merge.election.weighted_sum`."""
    last = common(weights)
    divisor = (sum(weights) or 1.0) if normalize else 1.0
    return Form((1.0,) * len(weights) if last else tuple(weights), last=last or 1.0, divisor=divisor)


def election(weights: Sequence[float], *, normalize: bool) -> Form:
    """Return the form of `polylect.merge.election.elected`."""
    if len(weights) == 1:
        return Form(tuple(weights), divisor=(weights[0] or 1.0) if normalize else 1.0, elect=True)
    last = common(weights)
    weights = (1.0,) * len(weights) if last else tuple(weights)
    # Normalised, a factor that all share cancels.
    return Form(weights, last=1.0 if normalize else last or 1.0, elect=True, normalize=normalize)
