"""Sum of task vectors (Ilharco et al. 2023, arXiv 2212.04089, section 2)."""

from __future__ import annotations

from collections.abc import Sequence

from polylect.merge.election import weighted_sum
from polylect.merge.forms import Form, summed
from polylect.merge.methods import Array, Values, method

__all__ = ["task_arithmetic"]


def _form(values: Values) -> Form:
    return summed(values.weights, normalize=values.normalize)


@method("task-arithmetic", "base + lambda * weighted sum of the task vectors", task_vectors=True, form=_form)
def task_arithmetic(inputs: Sequence[Array], values: Values) -> Array:
    """Return sum(w_i tau_i), divided by sum(w_i) if `values.normalize`."""
    return weighted_sum(inputs, values.weights, normalize=values.normalize)
