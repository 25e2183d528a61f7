"""Rank correlation over languages, with an interval that treats the languages as a sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["spearman"]

_Z = 1.959963984540054
_FEWEST = 5


def spearman(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, Any]:
    """Return Spearman's rank correlation over the languages of both, ties with mean ranks.

    The interval is Fisher's z with the standard error sqrt((1 + r^2 / 2) / (L - 3)) (Bonett and Wright 2000, "Sample size
    requirements for estimating Pearson, Kendall and Spearman correlations", Psychometrika 65), from five languages on. A perfect
    order of L languages says no more than that none of the neighbours changed places: for the interval r is at most the
    correlation with one exchange of neighbours, 1 - 12 / (L^3 - L).

    Returns:
        `value`, `low`, `high`, `languages` (their number) and `reason`, which says why a number is missing.
    """
    tags = sorted(first.keys() & second.keys())
    found: dict[str, Any] = {"value": None, "low": None, "high": None, "languages": len(tags), "reason": None}
    if len(tags) < 3:
        return {**found, "reason": "fewer than three languages have both"}
    x, y = (np.array([values[tag] for tag in tags], dtype=np.float64) for values in (first, second))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return {**found, "reason": "all scores are equal" if np.ptp(x) == 0 else "all languages have the same value"}
    value = float(np.clip(np.corrcoef(_ranks(x), _ranks(y))[0, 1], -1.0, 1.0))
    low, high = _interval(value, len(tags))
    return {**found, "value": value, "low": low, "high": high, "reason": None if low is not None else "no interval below five"}


def _interval(value: float, n: int) -> tuple[float | None, float | None]:
    if n < _FEWEST:
        return None, None
    most = 1 - 12 / (n**3 - n)
    r = max(-most, min(most, value))
    half = _Z * math.sqrt((1 + r * r / 2) / (n - 3))
    low, high = math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
    return min(low, value), max(high, value)


def _ranks(values: Any) -> Any:
    """Return ranks from 1, equal values with the mean of theirs."""
    _, place, number = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(number)
    return (last - (number - 1) / 2)[place]
