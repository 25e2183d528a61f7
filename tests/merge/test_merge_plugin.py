"""A merge method from outside: one decorated function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from polylect.errors import MergeError
from polylect.merge import methods
from polylect.merge.methods import Array, Values, method


@pytest.fixture
def plugin() -> Iterator[None]:
    """Register a method for one test: the entry of the largest magnitude in each place."""

    @method("largest", "in each place the weighted entry of the largest magnitude", task_vectors=True, inputs=(2, 0))
    def largest(inputs: Sequence[Array], values: Values) -> Array:
        result = inputs[0] * values.weights[0]
        for array, weight in zip(inputs[1:], values.weights[1:], strict=True):
            scaled = array * weight
            wins = abs(scaled) > abs(result)
            result = scaled * wins + result * ~wins
        return result

    yield
    del methods._METHODS["largest"]


@pytest.mark.usefixtures("plugin")
def test_a_decorated_function_is_a_method() -> None:
    """It is listed, found by name with what it declares, and computes."""
    found = methods.get("largest")
    assert "largest" in methods.names()
    assert (found.task_vectors, found.inputs, found.keep) == (True, (2, 0), "all")
    merged = found.function([np.array([1.0, -4.0]), np.array([-2.0, 3.0])], Values(weights=(1.0, 1.0)))
    assert merged.tolist() == [-2.0, -4.0]


def test_an_unknown_method_is_named_with_its_nearest() -> None:
    """A misspelt name says which methods there are."""
    with pytest.raises(MergeError, match=r"'tie' is unknown. Did you mean 'ties'\? Known: dare-linear"):
        methods.get("tie")
