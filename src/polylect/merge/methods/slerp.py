"""Spherical interpolation between two models (Shoemake 1985, Animating rotation with quaternion curves)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from polylect.merge.forms import Form
from polylect.merge.methods import Array, Values, method

__all__ = ["factors", "slerp"]

PARALLEL = 0.9995
"""Cosine beyond which sin(theta) is too small to divide by: the arc is as good as straight there."""


def _form(values: Values) -> Form:
    return Form(factors(values.gram, values.t))


@method("slerp", "spherical interpolation between two models at position t", gram=True, inputs=(2, 2), form=_form)
def slerp(inputs: Sequence[Array], values: Values) -> Array:
    """Return f a + g b with the factors of the arc between the tensors a and b, each as one vector over the whole tensor."""
    first, second = inputs
    f, g = factors(values.gram, values.t)
    first *= f
    second *= g
    first += second
    return first


def factors(gram: Sequence[Sequence[float]], t: float) -> tuple[float, float]:
    """Return sin((1-t) theta) / sin(theta) and sin(t theta) / sin(theta), theta being the angle between the two vectors.

    The factors are 1 - t and t (straight interpolation) where the arc is not defined or not numerically sound: a vector is
    zero, the vectors are parallel (cosine above 0.9995), or antiparallel (below -0.9995: no arc is the shortest there, and
    dividing by sin(theta) would blow up what is rounding error). `gram`: (2, 2), inner products over the whole tensor.
    """
    norms = math.sqrt(gram[0][0]) * math.sqrt(gram[1][1])
    cosine = gram[0][1] / norms if norms else 1.0
    if abs(cosine) > PARALLEL:
        return 1 - t, t
    theta = math.acos(cosine)
    return math.sin((1 - t) * theta) / math.sin(theta), math.sin(t * theta) / math.sin(theta)
