"""The tree of errors: what the command line returns for each, and the hint at a misspelt name."""

from __future__ import annotations

import re

import pytest

from polylect import errors
from polylect.errors import ChecksumError, EndpointError, ModelError, PolylectError, RunError, StepError, nearest

KINDS = [getattr(errors, name) for name in errors.__all__ if name != "nearest"]


def test_every_error_is_a_polylect_error_with_an_exit_code() -> None:
    """All kinds share one base; a service that failed returns 3, everything else 2."""
    assert all(issubclass(kind, PolylectError) for kind in KINDS)
    assert {kind: kind.exit_code for kind in KINDS if kind.exit_code != 2} == {EndpointError: 3}


def test_kinds_that_refine_another() -> None:
    """Who catches a model error catches a wrong checksum, who catches a run error a failed step."""
    assert issubclass(ChecksumError, ModelError)
    assert issubclass(StepError, RunError)


def test_tree_in_the_docstring_is_the_tree_of_the_code() -> None:
    """The drawing at the head of the module names every kind once, below its base."""
    drawn: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([ │├└─]*)(\w+Error)\b", line)
        if found:
            depth = len(found[1])
            stack = [(at, name) for at, name in stack if at < depth]
            drawn[found[2]] = stack[-1][1] if stack else "Exception"
            stack.append((depth, found[2]))
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in KINDS}


@pytest.mark.parametrize(
    ("value", "hint"),
    [("languges", " Did you mean 'languages'?"), ("seed", " Did you mean 'seed'?"), ("colour", ""), ("", "")],
)
def test_nearest_known_name(value: str, hint: str) -> None:
    """A name close to a known one is answered with it, any other with nothing."""
    assert nearest(value, {"languages", "seed", "pool"}) == hint
