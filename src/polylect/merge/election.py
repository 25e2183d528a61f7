"""Arithmetic that several merge methods share: weighted sums and sign election, in place, on NumPy and torch arrays alike.

The input arrays are scratch of the engine: every function here overwrites them, and returns one of them or a new array.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from polylect.merge.forms import common

__all__ = ["elected", "total", "weighted_sum"]

Array = Any
CODED = 8
"""Up to this many inputs, who agrees with the elected sign is one byte per element and the sum of weights a look-up."""
PIECE = 8192


def total(arrays: Sequence[Array]) -> Array:
    """Return the sum, added up in the order given, in the first array."""
    result = arrays[0]
    for array in arrays[1:]:
        result += array
    return result


def weighted_sum(inputs: Sequence[Array], weights: Sequence[float], *, normalize: bool = False) -> Array:
    """Return sum(w_i x_i), divided by sum(w_i) if `normalize` (a sum of 0 counts as 1)."""
    shared = common(weights)
    result = total(inputs if shared else weigh(inputs, weights))
    if shared not in (0, 1):
        result *= shared
    divisor = sum(weights) or 1.0
    if normalize and divisor != 1:
        result /= divisor
    return result


def weigh(inputs: Sequence[Array], weights: Sequence[float]) -> Sequence[Array]:
    """Multiply each array by its weight, in place."""
    for array, weight in zip(inputs, weights, strict=True):
        if weight != 1:
            array *= weight
    return inputs


def elected(inputs: Sequence[Array], weights: Sequence[float], *, normalize: bool) -> Array:
    """Return the sum of the weighted entries that have the elected sign (TIES, Yadav et al. 2023, section 4, steps 2 and 3).

    The sign of the weighted sum is elected in every place; an exact 0 elects nobody, and entries that are 0 agree with nobody.
    `normalize` divides by the sum of the weights of those that agree (a sum of 0 counts as 1).
    """
    if len(inputs) == 1:
        return _alone(weigh(inputs, weights)[0], weights[0], normalize=normalize)
    shared = common(weights)
    if shared:
        # Normalised, it cancels; else it is multiplied last.
        weights = [1.0] * len(weights)
    weigh(inputs, weights)
    votes = inputs[0] + inputs[1]
    for array in inputs[2:]:
        votes += array
    sign = _sign(votes)
    for array in inputs:
        array *= sign
        _clip_below_zero(array)
    agree = _agreement(inputs, weights) if normalize else None
    # Turns a first -0.0 into 0.0, so that the sign of a zero never depends on how a processor picks between equal zeros.
    inputs[0].__iadd__(0.0)
    result = total(inputs)
    result *= sign
    if agree is not None:
        result /= _divisor(agree, weights, sign)
    elif shared not in (0, 1):
        result *= shared
    return result


def _alone(array: Array, weight: float, *, normalize: bool) -> Array:
    """One input always agrees with itself."""
    array += 0.0
    if normalize and weight not in (0, 1):
        array /= weight
    return array


def _agreement(arrays: Sequence[Array], weights: Sequence[float]) -> Array:
    """Return which arrays are above 0, one bit per array; for many arrays the sum of their weights at once."""
    if len(arrays) > CODED:
        return total([_floats(array > 0) * weight for array, weight in zip(arrays, weights, strict=True)])
    code = _bytes(arrays[0] > 0)
    for number, array in enumerate(arrays[1:], start=1):
        code |= _bytes(array > 0) * (1 << number)
    return code


def _divisor(agree: Array, weights: Sequence[float], out: Array) -> Array:
    """Return the sum of the weights of those that agree, 1 where it is 0; `out` is scratch."""
    if len(weights) > CODED:
        return agree + (agree == 0)
    sets = range(1 << len(weights))
    # Added up one by one: Python's own sum rounds in another way from version 3.12 on.
    table = [reduce(add, (weight for bit, weight in enumerate(weights) if value >> bit & 1), 0.0) or 1.0 for value in sets]
    return _look_up(table, agree, out)


# The few operations that NumPy and torch spell differently. NumPy's are looked up in the module that is loaded by
# whoever made the array, so that reading the list of methods imports neither.


def _torch(array: Array) -> bool:
    return type(array).__module__.startswith("torch")


def _sign(array: Array) -> Array:
    """Replace every entry by -1, 0 or 1; the difference of two comparisons is quicker than NumPy's sign."""
    if _torch(array):
        return array.sign_()
    array[...] = (array > 0).view("i1") - (array < 0).view("i1")
    return array


def _clip_below_zero(array: Array) -> None:
    """Replace every negative entry by 0."""
    if _torch(array):
        array.clamp_(min=0.0)
    else:
        sys.modules["numpy"].clip(array, 0.0, sys.float_info.max, out=array)


def _bytes(mask: Array) -> Array:
    """Return the truth values as unsigned bytes, without a copy."""
    return mask.view(sys.modules["torch"].uint8) if _torch(mask) else mask.view("u1")


def _floats(mask: Array) -> Array:
    """Return truth values that become float64 when multiplied; torch would make float32 of them."""
    return mask.double() if _torch(mask) else mask


def _look_up(table: list[float], code: Array, out: Array) -> Array:
    """Return table[code] as float64, in `out` where that is quicker."""
    if _torch(code):
        return out.new_tensor(table)[code.int()]
    numpy = sys.modules["numpy"]
    values = numpy.array(table)
    # take makes a wide copy of the codes: in short pieces that stays in the cache and is not given back to the system each time.
    for start in range(0, len(code), PIECE):
        numpy.take(values, code[start : start + PIECE], mode="clip", out=out[start : start + PIECE])
    return out
