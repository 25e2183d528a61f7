"""TIES: trim, elect sign, merge what agrees (Yadav et al. 2023, arXiv 2306.01708, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

from polylect.merge.election import elected
from polylect.merge.forms import Form, election
from polylect.merge.methods import Array, Values, method

__all__ = ["ties"]


def _form(values: Values) -> Form:
    return election(values.weights, normalize=values.normalize)


@method(
    "ties",
    "largest entries of each task vector; those that agree in sign are averaged",
    task_vectors=True,
    keep="largest",
    normalize=True,
    form=_form,
)
def ties(inputs: Sequence[Array], values: Values) -> Array:
    """Return the sum of the weighted entries that have the elected sign, divided by the sum of their weights if normalised.

    The engine has trimmed the inputs: all but the largest int(density * n) entries of each task vector are 0.
    """
    return elected(inputs, values.weights, normalize=values.normalize)
