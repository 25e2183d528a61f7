"""Weights of a merge from evaluations of it: pure optimisation on the simplex, no data and no model.

`search` is given a function from weights to one score per language, and spends a budget of calls: every single checkpoint,
the uniform average, a greedy soup, then Bayesian optimisation with a Gaussian process per language.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.merge.search.objectives import OBJECTIVES, Objective
    from polylect.merge.search.optimise import Evaluation, SearchResult, search
    from polylect.merge.search.simplex import Weights, text

__all__ = ["OBJECTIVES", "Evaluation", "Objective", "SearchResult", "Weights", "search", "text"]

_HOME = {
    "OBJECTIVES": "objectives",
    "Evaluation": "optimise",
    "Objective": "objectives",
    "SearchResult": "optimise",
    "Weights": "simplex",
    "search": "optimise",
    "text": "simplex",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that numpy is not loaded for `--help`."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
