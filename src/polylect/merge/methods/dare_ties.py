"""DARE with sign election: random entries, rescaled; those that agree count (Yu et al. 2024, arXiv 2311.03099, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from polylect.merge.election import elected
from polylect.merge.forms import Form, election
from polylect.merge.methods import Array, Values, method

__all__ = ["dare_ties"]


def _form(values: Values) -> Form:
    return election(values.weights, normalize=values.normalize)


@method(
    "dare-ties",
    "random entries of each task vector, rescaled; the sum of those that agree in sign",
    task_vectors=True,
    keep="random",
    form=_form,
)
def dare_ties(inputs: Sequence[Array], values: Values) -> Array:
    """Return the sum of the weighted entries that have the elected sign; the engine has dropped and rescaled.

    Not normalised unless asked for. Where m of K entries survive, the rescaling by 1 / density has already multiplied them
    by what the dropped ones would have added; dividing by the weights of the survivors alone would make up for the dropped
    ones a second time, and the result would exceed every input by about 1 / density.
    """
    return elected(inputs, values.weights, normalize=values.normalize)
