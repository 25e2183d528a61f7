"""Model stock: towards the mean of the models, as far as they agree (Jang et al. 2024, arXiv 2403.19522)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from polylect.merge.election import total
from polylect.merge.forms import Form
from polylect.merge.methods import Array, Values, method

__all__ = ["model_stock", "ratio"]


def _form(values: Values) -> Form:
    count = len(values.gram)
    return Form((1.0,) * count, last=ratio(values.gram) / count)


@method(
    "model-stock",
    "from the base towards the mean of the models, by the angle between task vectors",
    task_vectors=True,
    gram=True,
    inputs=(2, 0),
    form=_form,
)
def model_stock(inputs: Sequence[Array], values: Values) -> Array:
    """Return t * mean(tau_i), t from the angles between the task vectors of the whole tensor; weights play no part."""
    result = total(inputs)
    result *= ratio(values.gram) / len(inputs)
    return result


def ratio(gram: Sequence[Sequence[float]]) -> float:
    """Return t = N c / (1 + (N - 1) c), c being the mean cosine over all pairs of the N task vectors.

    c is at least -1 / (N - 1), where the denominator is 0. A c below 0 says that the task vectors point apart: the formula
    would step from the base away from all of them, without bound. It counts as 0, which leaves the base as it is. A pair
    with a zero vector has cosine 0. A single task vector (other models abstain) is taken whole. `gram`: (N, N), over the
    whole tensor.
    """
    count = len(gram)
    if count == 1:
        return 1.0
    norms = [math.sqrt(gram[i][i]) for i in range(count)]
    pairs = list(combinations(range(count), 2))
    cosines = [gram[i][j] / norms[i] / norms[j] if norms[i] and norms[j] else 0.0 for i, j in pairs]
    cosine = min(max(math.fsum(cosines) / len(pairs), 0.0), 1.0)
    return count * cosine / (1 + (count - 1) * cosine)
