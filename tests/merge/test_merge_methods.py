"""Merge methods against plain float64 formulas, on NumPy and torch arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from polylect.errors import MergeError
from polylect.merge import methods
from polylect.merge.arrays import NumpyArrays
from polylect.merge.methods import Values
from polylect.merge.methods.model_stock import ratio
from polylect.merge.methods.slerp import factors

Vector = NDArray[np.float64]
RNG = np.random.default_rng(5)
WEIGHTS = {2: (0.3, 0.7), 3: (1 / 3, 1 / 3, 1 / 3), 4: (0.25, 0.25, 0.25, 0.25), 5: (1.0, -2.0, 0.5, 0.0, 3.0), 10: (0.1,) * 10}


def data(dtype: str, count: int) -> list[Vector]:
    """Return vectors of numbers that a dtype holds: ordinary, equal and opposite, zeros of both signs, subnormal, huge."""
    arrays = NumpyArrays()
    tiny, huge = {"BF16": (1e-40, 3e38), "F16": (6e-8, 6e4), "F32": (1e-45, 3e38)}[dtype]
    special = [0.0, -0.0, tiny, -tiny, 3 * tiny, huge, -huge, 1.0, -1.0]
    columns = np.concatenate([RNG.standard_normal((count, 3000)), RNG.choice(special, (count, 3001))], axis=1)
    return [arrays.decode(arrays.encode(row, dtype), dtype) for row in columns]


def reference_sum(inputs: Sequence[Vector], weights: Sequence[float], normalize: bool) -> Vector:
    """Return sum(w x), over sum(w) if normalised, in the order of the inputs."""
    result = np.zeros_like(inputs[0])
    for x, w in zip(inputs, weights, strict=True):
        result = result + w * x
    return result / (sum(weights) or 1.0) if normalize else result


def reference_elected(inputs: Sequence[Vector], weights: Sequence[float], normalize: bool) -> Vector:
    """Return the sum of weighted entries that agree with the sign of their sum, as METHODS has it, with a loop and `where`."""
    weighted = [w * x for x, w in zip(inputs, weights, strict=True)]
    votes = reference_sum(inputs, weights, False)
    result, divisor = np.zeros_like(votes), np.zeros_like(votes)
    for y, w in zip(weighted, weights, strict=True):
        agrees = (np.sign(y) == np.sign(votes)) & (y != 0)
        result = result + np.where(agrees, y, 0.0)
        divisor = divisor + np.where(agrees, w, 0.0)
    return result / np.where(divisor == 0, 1.0, divisor) if normalize else result


def gram(inputs: Sequence[Vector]) -> tuple[tuple[float, ...], ...]:
    """Return the inner products."""
    return tuple(tuple(float(np.dot(a, b)) for b in inputs) for a in inputs)


def run(name: str, inputs: Sequence[Vector], values: Values, library: str) -> Vector:
    """Apply a method to copies of the inputs, in NumPy or torch."""
    function = methods.get(name).function
    if library == "numpy":
        return np.asarray(function([x.copy() for x in inputs], values))
    return np.asarray(function([torch.from_numpy(x.copy()) for x in inputs], values).numpy())


REFERENCES: dict[str, Callable[[Sequence[Vector], Sequence[float], bool], Vector]] = {
    "linear": lambda inputs, weights, _: reference_sum(inputs, weights, True),
    "task-arithmetic": reference_sum,
    "dare-linear": reference_sum,
    "ties": reference_elected,
    "dare-ties": reference_elected,
}


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_bits_are_those_of_the_plain_formula(name: str, dtype: str, library: str) -> None:
    """Every element equals the formula computed plainly in float64, normalised or not, for any number of inputs and weights."""
    for count, weights in WEIGHTS.items():
        inputs = data(dtype, count)
        for normalize in (False, True):
            values = Values(weights=weights, normalize=normalize)
            merged = run(name, inputs, values, library)
            assert np.array_equal(merged, REFERENCES[name](inputs, weights, normalize)), (count, normalize)


@pytest.mark.parametrize("name", methods.names())
def test_chunks_do_not_matter(name: str) -> None:
    """A tensor merged in pieces has the bits, signs of zeros included, of one merged at once, and torch has the same."""
    inputs = data("F32", 2)
    values = Values(weights=(0.4, 0.6), normalize=methods.get(name).normalize, gram=gram([x / 1e30 for x in inputs]), t=0.3)
    whole = run(name, inputs, values, "numpy")
    cuts = [0, 1, 8, 1003, 4000, 6001]
    pieces = [run(name, [x[a:b] for x in inputs], values, "numpy") for a, b in pairwise(cuts)]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()
    assert np.array_equal(run(name, inputs, values, "torch"), whole)


def test_one_input_is_itself() -> None:
    """A single task vector comes out as its weight times itself, or as itself when normalised."""
    (tau,) = data("BF16", 1)
    for name in ("ties", "dare-ties"):
        assert np.array_equal(run(name, [tau], Values(weights=(0.5,), normalize=True), "numpy"), tau)
        assert np.array_equal(run(name, [tau], Values(weights=(0.5,)), "numpy"), 0.5 * tau)


def test_sign_election_by_hand() -> None:
    """The larger sum decides, a tie keeps nobody, zeros do not count in the mean."""
    inputs = [np.array([3.0, 1.0, 2.0, 0.0]), np.array([-1.0, -1.0, 4.0, 0.0]), np.array([1.0, 0.0, 0.0, 0.0])]
    values = Values(weights=(1.0, 1.0, 1.0), normalize=True)
    assert run("ties", inputs, values, "numpy").tolist() == [2.0, 0.0, 3.0, 0.0]


def test_linear_refuses_weights_without_a_sum() -> None:
    """An average cannot divide by zero."""
    with pytest.raises(MergeError, match="their sum is 0"):
        run("linear", data("F32", 2), Values(weights=(1.0, -1.0)), "numpy")


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 1.0])
def test_slerp_follows_the_arc(t: float, library: str) -> None:
    """The result is the formula's, and for vectors of one length it has that length and the right angle to the first."""
    a, b = RNG.standard_normal((2, 5000))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    merged = run("slerp", [a, b], Values(weights=(0.5, 0.5), t=t, gram=gram([a, b])), library)
    theta = math.acos(np.dot(a, b) / math.sqrt(np.dot(a, a)) / math.sqrt(np.dot(b, b)))
    expected = math.sin((1 - t) * theta) / math.sin(theta) * a + math.sin(t * theta) / math.sin(theta) * b
    assert np.array_equal(merged, expected)
    assert np.linalg.norm(merged) == pytest.approx(np.linalg.norm(a), rel=1e-12)
    assert np.dot(merged, a) / np.dot(a, a) == pytest.approx(math.cos(t * theta), abs=1e-12)


@pytest.mark.parametrize(
    ("products", "case"),
    [
        (((1.0, 0.9996), (0.9996, 1.0)), "parallel"),
        (((1.0, -0.9996), (-0.9996, 1.0)), "antiparallel"),
        (((0.0, 0.0), (0.0, 1.0)), "the first is zero"),
        (((1.0, 0.0), (0.0, 0.0)), "the second is zero"),
        (((1e300, 1e300), (1e300, 1e300)), "huge"),
    ],
)
def test_slerp_is_straight_where_the_arc_is_unsound(products: tuple[tuple[float, ...], ...], case: str) -> None:
    """Parallel, antiparallel and zero vectors are interpolated linearly."""
    assert factors(products, 0.3) == (0.7, 0.3), case


def test_slerp_bends_below_the_bound() -> None:
    """At a cosine of 0.9994 the arc is followed."""
    assert factors(((1.0, 0.9994), (0.9994, 1.0)), 0.3) != (0.7, 0.3)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_model_stock_is_the_formula(count: int) -> None:
    """It is t = N c / (1 + (N - 1) c) times the mean task vector, c from normalised vectors."""
    shared = RNG.standard_normal(4000)
    taus = [(shared + RNG.standard_normal(4000)) * (1 + i) for i in range(count)]
    units = [tau / np.linalg.norm(tau) for tau in taus]
    c = float(np.mean([np.dot(units[i], units[j]) for i, j in combinations(range(count), 2)]))
    t = count * c / (1 + (count - 1) * c)
    merged = run("model-stock", taus, Values(weights=(1 / count,) * count, gram=gram(taus)), "numpy")
    assert 0.4 < c < 0.6
    np.testing.assert_allclose(merged, t * np.mean(taus, axis=0), rtol=1e-12)


def test_model_stock_at_its_ends() -> None:
    """Equal task vectors are taken whole, orthogonal and opposed ones not at all, and a zero vector agrees with nobody."""
    assert ratio(((4.0, 4.0), (4.0, 4.0))) == 1.0
    assert ratio(((1.0, 0.0), (0.0, 1.0))) == 0.0
    assert ratio(((1.0, -1.0), (-1.0, 1.0))) == 0.0
    assert ratio(((1.0, 0.0), (0.0, 0.0))) == 0.0
    assert ratio(((2.0,),)) == 1.0


def test_what_the_engine_is_told() -> None:
    """Each method declares what it needs of the engine."""
    found = {name: methods.get(name) for name in methods.names()}
    assert set(found) == {"linear", "slerp", "task-arithmetic", "ties", "dare-linear", "dare-ties", "model-stock"}
    assert {name for name, method in found.items() if not method.task_vectors} == {"linear", "slerp"}
    assert {name for name, method in found.items() if method.gram} == {"slerp", "model-stock"}
    assert {name: method.keep for name, method in found.items() if method.keep != "all"} == {
        "ties": "largest",
        "dare-linear": "random",
        "dare-ties": "random",
    }
    assert {name for name, method in found.items() if method.normalize} == {"linear", "ties"}
    assert found["slerp"].inputs == (2, 2)
