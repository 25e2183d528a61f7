"""DARE: drop entries of task vectors at random, rescale the rest, add up (Yu et al. 2024, arXiv 2311.03099, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from polylect.merge.election import weighted_sum
from polylect.merge.forms import Form, summed
from polylect.merge.methods import Array, Values, method

__all__ = ["dare_linear"]


def _form(values: Values) -> Form:
    return summed(values.weights, normalize=values.normalize)


@method(
    "dare-linear",
    "random entries of each task vector, rescaled, then their weighted sum",
    task_vectors=True,
    keep="random",
    form=_form,
)
def dare_linear(inputs: Sequence[Array], values: Values) -> Array:
    """Return sum(w_i tau_i), divided by sum(w_i) if `values.normalize`; the engine has dropped and rescaled.

    The divisor counts all weights, those of dropped entries too: the rescaling already makes up for what was dropped.
    """
    return weighted_sum(inputs, values.weights, normalize=values.normalize)
