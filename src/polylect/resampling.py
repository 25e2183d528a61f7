"""Intervals for means over items that are shared between languages.

The translations of one item are answered by one model and are right or wrong together more often than chance has it, so
the unit that is resampled is the *item*, with all its languages (a cluster bootstrap: Davison and Hinkley 1997, section
3.8; Miller 2024, "Adding Error Bars to Evals", arXiv 2411.00640). Treating the rows of a mean over languages as independent
makes its interval too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESAMPLES", "Estimate", "ItemTable", "draws", "means", "percentiles", "replicates", "tabulate", "totals", "wilson"]

Floats: TypeAlias = NDArray[np.float64]

RESAMPLES = 2000
"""Enough for an end of a 95 % interval to vary between seeds by about 1.5 % of the interval's width (standard error of a
2.5 % quantile of a normal sample)."""

_Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""

_CELLS_AT_ONCE = 4_000_000
"""Size of the blocks in which resamples are drawn and multiplied: 32 MB of float64."""


class Estimate(NamedTuple):
    """A mean and the ends of its 95 % interval; None where they cannot be known."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ItemTable:
    """Scored values by item and language: `sums` and `counts` of rows, both of shape (items, languages)."""

    languages: tuple[str, ...]
    sums: Floats
    counts: Floats

    def binary(self, column: int) -> bool:
        """Tell whether no cell of a language holds more than one row, nor a value other than 0 and 1."""
        sums, counts = self.sums[:, column], self.counts[:, column]
        return bool(((counts <= 1) & ((sums == 0) | (sums == 1))).all())

    def split(self, languages: Sequence[str]) -> list[ItemTable]:
        """Return one table over the same items for each run of `len(languages)` columns, with the columns named anew."""
        step = len(languages)
        starts = range(0, self.sums.shape[1], step)
        return [ItemTable(tuple(languages), self.sums[:, i : i + step], self.counts[:, i : i + step]) for i in starts]


def tabulate(rows: Iterable[tuple[str, str, float]], languages: Sequence[str]) -> ItemTable:
    """Arrange rows of (item, language, value) by item, in an order that does not depend on theirs."""
    ordered = sorted(rows)
    items = {item: i for i, item in enumerate(dict.fromkeys(item for item, _, _ in ordered))}
    columns = {language: j for j, language in enumerate(languages)}
    shape = (len(items), len(columns))
    cells = [items[item] * shape[1] + columns[language] for item, language, _ in ordered]
    size = shape[0] * shape[1]
    cell = np.array(cells, dtype=np.int64)
    values = np.array([value for _, _, value in ordered], dtype=np.float64)
    sums: Floats = np.bincount(cell, weights=values, minlength=size).astype(np.float64)
    counts: Floats = np.bincount(cell, minlength=size).astype(np.float64)
    return ItemTable(tuple(languages), sums.reshape(shape), counts.reshape(shape))


def means(table: ItemTable) -> Floats:
    """Return the mean of each language over its own rows, shape (languages,); NaN where there are none."""
    return _ratio(table.sums.sum(axis=0), table.counts.sum(axis=0))


def replicates(table: ItemTable, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Return bootstrap means, shape (resamples, languages): items drawn with replacement, jointly for all languages.

    A language is averaged over the drawn items that it has (NaN when it has none of them). The draws depend on the seed
    and the number of items only.
    """
    drawn = totals(np.concatenate([table.sums, table.counts], axis=1), seed, resamples)
    sums, counts = np.split(drawn, 2, axis=1)
    return _ratio(sums, counts)


def totals(cells: Floats, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Return bootstrap sums of `cells` (items, columns), shape (resamples, columns): items drawn with replacement."""
    items = len(cells)
    drawn = draws(items, seed, resamples)
    block = max(1, _CELLS_AT_ONCE // max(items, 1))
    return np.concatenate([drawn[i : i + block].astype(np.float64) @ cells for i in range(0, resamples, block)])


def percentiles(values: Floats, value: float, items: int, bounds: tuple[float, float], *, expanded: bool = False) -> Estimate:
    """Return the 95 % percentile interval of bootstrap `values` (resamples,) around the estimate `value`.

    `expanded` takes percentiles further out, as a t interval has it: the bootstrap's spread of a mean over n items is too
    small by sqrt((n - 1) / n), and a normal quantile stands where one of t would belong (Hesterberg 2015, "What Teachers
    Should Know About the Bootstrap", section 5.3). It matters below about 50 items.

    One item has no spread to resample: no interval. Where all replicates agree (every answer right, every comparison a
    tie) the bootstrap would claim certainty; instead a share u = z² / (n + z²) of unseen items could still lie at either
    end of `bounds`. For a proportion of 0 or 1 that is Wilson's interval.
    """
    if items < 2:
        return Estimate(value, None, None)
    tail = 100 * _tail(items) if expanded else 2.5
    low, high = (float(end) for end in np.nanpercentile(values, (tail, 100 - tail)))
    least, most = bounds
    if np.nanmax(values) - np.nanmin(values) <= 1e-9 * (most - least):
        unseen = _Z**2 / (items + _Z**2)
        low, high = value - unseen * (value - least), value + unseen * (most - value)
    return Estimate(value, low, high)


def wilson(successes: float, n: int) -> Estimate:
    """Return a proportion with Wilson's 95 % score interval (Wilson 1927); none for fewer than two trials.

    For few successes it covers better than the bootstrap's percentiles, and it never shrinks to a point
    (Brown, Cai and DasGupta 2001, "Interval Estimation for a Binomial Proportion").
    """
    share = successes / n
    if n < 2:
        return Estimate(share, None, None)
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    # At the ends rounding would leave 1e-17 where the formula gives the end itself.
    return Estimate(share, 0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def _tail(items: int) -> float:
    """Return the share below the low end of an expanded percentile interval: Phi(-sqrt(n / (n - 1)) t), t of n - 1 degrees."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(-math.sqrt(items / (items - 1)) * stdtrit(items - 1, 0.975)))


def _ratio(sums: Floats, counts: Floats) -> Floats:
    ratio: Floats = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return ratio


@lru_cache(maxsize=4)
def draws(items: int, seed: int, resamples: int) -> NDArray[np.uint16]:
    """Return how often each item is drawn, shape (resamples, items); the rows sum to `items`."""
    generator = np.random.default_rng([seed, items])
    drawn = np.empty((resamples, items), dtype=np.uint16)
    block = max(1, _CELLS_AT_ONCE // max(items, 1))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        picks = generator.integers(items, size=(rows, items)) + np.arange(rows)[:, None] * items
        drawn[start : start + rows] = np.bincount(picks.ravel(), minlength=rows * items).reshape(rows, items)
    drawn.flags.writeable = False
    return drawn
