"""What is estimated from bootstrap replicates of a value per language: intervals per language and over languages.

A value per language may be a mean of scores or a corpus score such as chrF++; whatever it is, its replicates come from items
drawn with replacement, jointly for all languages (see `polylect.resampling`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from polylect.resampling import Estimate, Floats, ItemTable, means, percentiles, replicates, wilson

__all__ = ["NOTHING", "Estimates", "extreme", "from_tables"]

_Flags: TypeAlias = NDArray[np.bool_]

NOTHING = Estimate(None, None, None)
_ENGLISH = "en"
_Z = 1.959963984540054
_MISS = 0.025
"""Chance that the high end of the lowest value lies below the truth."""
_MISS_TIED = 0.03
"""The same where the low end can hardly lie above it."""


@dataclass(frozen=True)
class Estimates:
    """A value per language with its bootstrap replicates.

    Attributes:
        languages: tags, shape (L,).
        values: shape (L,); NaN where nothing is scored.
        drawn: replicates, shape (resamples, L); NaN where a replicate has no item of a language.
        rows: scored rows per language.
        items: items per language.
        all_items: items of any language.
        bounds: smallest and largest value that can be.
        trials: per language the number of successes where every item is a single 0 or 1, else None.
    """

    languages: tuple[str, ...]
    values: Floats
    drawn: Floats
    rows: tuple[int, ...]
    items: tuple[int, ...]
    all_items: int
    bounds: tuple[float, float]
    trials: tuple[float | None, ...]

    @cached_property
    def scored(self) -> list[int]:
        """The columns that have a value."""
        return [j for j in range(len(self.languages)) if not math.isnan(self.values[j])]

    @cached_property
    def each(self) -> tuple[Estimate, ...]:
        """One estimate per language: Wilson's interval for a proportion, else the expanded percentile interval."""
        return tuple(self._language(j) for j in range(len(self.languages)))

    def _language(self, j: int) -> Estimate:
        if j not in self.scored:
            return NOTHING
        successes = self.trials[j]
        if successes is not None:
            return wilson(successes, self.items[j])
        return percentiles(self.drawn[:, j], float(self.values[j]), self.items[j], self.bounds, expanded=True)

    @property
    def macro(self) -> Estimate:
        """The mean over the languages that have a value, each with the same weight."""
        return self._combined(lambda x: x[..., self.scored].mean(axis=-1), self.bounds) if self.scored else NOTHING

    @property
    def worst(self) -> tuple[str | None, Estimate]:
        """The language with the lowest value, and the interval of the lowest true value (see `extreme`)."""
        if not self.scored:
            return None, NOTHING
        at = self.scored
        found = extreme(self.values[at], self.drawn[:, at], [self.each[j] for j in at], self.bounds)
        return self.languages[at[int(np.argmin(self.values[at]))]], found

    @property
    def gap(self) -> Estimate:
        """English minus the mean of the other languages; nothing where either is missing."""
        others = [j for j in self.scored if self.languages[j] != _ENGLISH]
        if not others or len(others) == len(self.scored):
            return NOTHING
        english = self.languages.index(_ENGLISH)
        return self._combined(lambda x: x[..., english] - x[..., others].mean(axis=-1), self._differences)

    def gap_of(self, language: str) -> Estimate:
        """English minus one language; nothing where either is missing."""
        j = self.languages.index(language)
        if _ENGLISH not in self.languages or not {j, self.languages.index(_ENGLISH)} <= set(self.scored):
            return NOTHING
        english = self.languages.index(_ENGLISH)
        return self._combined(lambda x: x[..., english] - x[..., j], self._differences)

    @property
    def gap_to_best(self) -> tuple[str | None, Estimate]:
        """The best language and how far it is above the mean of the others, with an interval that knows it was picked."""
        if len(self.scored) < 2:
            return None, NOTHING
        number = len(self.scored)

        def below(x: Floats) -> Floats:
            part = x[..., self.scored]
            return np.asarray((part.mean(axis=-1, keepdims=True) - part) * (number / (number - 1)))

        values, drawn, reach = below(self.values), below(self.drawn), self._differences
        own = [percentiles(drawn[:, k], float(values[k]), self.all_items, reach, expanded=True) for k in range(number)]
        value, low, high = extreme(values, drawn, own, reach)
        best = self.languages[self.scored[int(np.argmin(values))]]
        return best, Estimate(_minus(value), _minus(high), _minus(low))

    @property
    def _differences(self) -> tuple[float, float]:
        reach = self.bounds[1] - self.bounds[0]
        return -reach, reach

    def _combined(self, combine: Callable[[Floats], Floats], bounds: tuple[float, float]) -> Estimate:
        value = float(combine(self.values))
        return percentiles(combine(self.drawn), value, self.all_items, bounds, expanded=True)


def from_tables(tables: Sequence[ItemTable], bounds: tuple[float, float], seed: int, resamples: int) -> Estimates:
    """Return the means per language of a table, or of several parts over the same items the mean of the parts' means.

    Parts a language has no row in are left out of its mean.
    """
    values = _over_parts([means(table) for table in tables])
    drawn = _over_parts([replicates(table, seed, resamples) for table in tables])
    counts = np.sum([table.counts for table in tables], axis=0)
    whole = tables[0] if len(tables) == 1 else None
    languages = range(len(tables[0].languages))
    proportion = bounds == (0.0, 1.0) and whole is not None
    return Estimates(
        languages=tables[0].languages,
        values=values,
        drawn=drawn,
        rows=tuple(int(counts[:, j].sum()) for j in languages),
        items=tuple(int((counts[:, j] > 0).sum()) for j in languages),
        all_items=len(counts),
        bounds=bounds,
        trials=tuple(float(whole.sums[:, j].sum()) if proportion and whole and whole.binary(j) else None for j in languages),
    )


def extreme(values: Floats, drawn: Floats, each: Sequence[Estimate], bounds: tuple[float, float]) -> Estimate:
    """Return the lowest of several values with a 95 % interval for the lowest *true* value.

    The lowest observed value is too low on average: it was picked because chance pushed it down. The low end needs no care (the
    truth is at most 2.5 % likely to lie below the low end of the language that is truly lowest). The high end is the least of
    the languages' high ends after each has been moved by the factor k / 1.96 (an intersection bound: Chernozhukov, Lee and Rosen
    2013, Econometrica 81). k is the quantile of what would have been needed in resamples around `_likely_truths`: resamples
    around the values themselves would take chance differences for true ones (Andrews 2000, Econometrica 68, on why that fails).
    With one clear loser the interval is its own; with many equals it reaches up. There the low end hardly ever misses, so the
    high end may miss in 3 % instead of 2.5 %; the other 2 % are left for what is not known of the truths.

    Simulated coverage is 93 to 97 % for one clear loser, equal languages and evenly spaced ones, and up to 98 % where many lie
    about one standard error apart (docs/statistics.md).

    Args:
        values: shape (L,), no NaN.
        drawn: their bootstrap replicates, shape (resamples, L).
        each: the languages' own intervals, shape (L,).
        bounds: smallest and largest value that can be.
    """
    value = float(values.min())
    if any(one.low is None or one.high is None for one in each):
        return Estimate(value, None, None)
    lows, highs = (np.array(ends, dtype=np.float64) for ends in ([e.low for e in each], [e.high for e in each]))
    deviations = np.where(np.isnan(drawn), 0.0, drawn - values)
    close, truths = _likely_truths(values, deviations)
    low = float(lows[close].min())
    # A language where nothing varies still has an interval: its half-width stands in for the standard error.
    errors = np.maximum(deviations.std(axis=0), np.maximum(highs - values, 1e-12) / (4 * _Z))
    missed = float(((truths + deviations).min(axis=1) - (value - low) > truths.min()).mean())
    needed = ((truths.min() - truths - deviations) / errors).max(axis=1)
    k = float(np.quantile(needed, 1 - max(_MISS, _MISS_TIED - missed)))
    high = float((values + k / _Z * (highs - values)).min())
    return Estimate(value, low, min(max(high, value), bounds[1]))


def _likely_truths(values: Floats, deviations: Floats) -> tuple[_Flags, Floats]:
    """Return which values could be the lowest true one, shape (L,), and all values with those drawn towards their mean.

    Values spread more than their truths do. Those no further above the lowest than chance alone would spread equal ones (the
    median range of the deviations) are shrunk by the share of their variance that is chance: the empirical Bayes estimate
    (Morris 1983, JASA 78), from which Laird and Louis 1987 (JASA 82) draw their bootstrap samples. What moves all languages
    together (hard items) changes no order and is taken out first.

    Args:
        values: shape (L,).
        deviations: of the replicates from them, shape (resamples, L).
    """
    apart = deviations - deviations.mean(axis=1, keepdims=True)
    spread = np.maximum(apart.std(axis=0), 1e-12)
    reach = float(np.median(np.ptp(apart / spread, axis=1)))
    close = np.asarray(values - values.min() <= reach * spread)
    if close.sum() < 2:
        return close, values
    part = deviations[:, close]
    chance = float((part - part.mean(axis=1, keepdims=True)).var(axis=0).sum()) / (close.sum() - 1)
    seen = float(values[close].var(ddof=1))
    kept = max(0.0, 1 - chance / seen) if seen > 0 else 0.0
    truths = values.copy()
    truths[close] = values[close].mean() + kept * (values[close] - values[close].mean())
    return close, truths


def _over_parts(parts: Sequence[Floats]) -> Floats:
    stacked = np.stack(parts)
    present = ~np.isnan(stacked)
    number = present.sum(axis=0)
    total = np.where(present, stacked, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0))


def _minus(end: float | None) -> float | None:
    return None if end is None else -end
