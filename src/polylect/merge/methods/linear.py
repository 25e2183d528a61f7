"""Weighted averaging of models (Wortsman et al. 2022, arXiv 2203.05482; Aya Expanse, arXiv 2412.04261, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

from polylect.errors import MergeError
from polylect.merge.election import weighted_sum
from polylect.merge.forms import Form, summed
from polylect.merge.methods import Array, Values, method

__all__ = ["linear"]


def _checked(values: Values) -> Values:
    if sum(values.weights) == 0:
        raise MergeError(f"weights {list(values.weights)}: their sum is 0, an average divides by it. Give other weights.")
    return values


def _form(values: Values) -> Form:
    return summed(_checked(values).weights, normalize=True)


@method("linear", "weighted average of the models: sum(w x) / sum(w)", normalize=True, form=_form)
def linear(inputs: Sequence[Array], values: Values) -> Array:
    """Return sum(w_i x_i) / sum(w_i); only the ratios of the weights matter.

    Raises:
        MergeError: the weights sum to 0.
    """
    return weighted_sum(inputs, _checked(values).weights, normalize=True)
