"""Many tests at once: p-values adjusted for the number of languages.

A claim ("better in these languages") is made with Holm's adjustment: the chance that any of the named languages is named
wrongly stays below the level. Benjamini and Hochberg's is for screening, where a known share of false finds is fine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from polylect.resampling import Floats

__all__ = ["benjamini_hochberg", "holm"]


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Return Holm's adjusted p-values in the order given (Holm 1979, Scand. J. Statist. 6): valid under any dependence.

    NaN (nothing to test) stays NaN and does not count as a test.
    """
    return _adjusted(p_values, lambda ordered: np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1)))


def benjamini_hochberg(p_values: Sequence[float] | Floats) -> Floats:
    """Return adjusted p-values that bound the false discovery rate (Benjamini and Hochberg 1995, JRSS B 57).

    Valid for tests that are independent or positively dependent, as those of languages that share items are. NaN as in `holm`.
    """

    def step_up(ordered: Floats) -> Floats:
        raised = ordered * len(ordered) / np.arange(1, len(ordered) + 1)
        return np.asarray(np.minimum.accumulate(raised[::-1])[::-1])

    return _adjusted(p_values, step_up)


def _adjusted(p_values: Sequence[float] | Floats, adjust: Callable[[Floats], Floats]) -> Floats:
    given = np.asarray(p_values, dtype=np.float64)
    result = np.full(given.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    result[order] = np.minimum(1.0, adjust(given[order]))
    return result
