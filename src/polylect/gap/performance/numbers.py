"""Differences, ratios and inequality between the languages of a group, with 95 % intervals.

Statistics that pick the best or the lowest languages are biased: chance decides who is picked. Their intervals are percentiles of
the bootstrap, in which the picking is done anew each time, widened to the same percentiles after the bootstrap's estimate of the
bias is taken off twice (once for the estimate, once for the replicates; Davison and Hinkley 1997, section 5.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polylect.gap.performance.groups import ENGLISH, NOTHING, Group
from polylect.resampling import Estimate, Floats, percentiles

__all__ = [
    "as_dict",
    "gap_to_best",
    "gap_to_english",
    "gini",
    "macro",
    "mean_gap",
    "ratio_to_english",
    "verdict",
    "worst",
    "worst_mean",
]


def gap_to_english(group: Group, tag: str) -> Estimate:
    """Return English minus a language; a summary's own interval where it gives one. Nothing for English itself."""
    if tag == ENGLISH or tag not in group.scores or ENGLISH not in group.scores:
        return NOTHING
    if tag in group.gaps:
        return group.gaps[tag]
    return _difference(group, ENGLISH, tag)


def gap_to_best(group: Group, tag: str) -> Estimate:
    """Return how far a language is behind the best one; 0 without an interval for the best itself."""
    best = group.best
    if best is None or tag not in group.scores:
        return NOTHING
    value = group.value(best) - group.value(tag)
    if tag == best or not group.drawn:
        return Estimate(value, None, None)
    drawn = _matrix(group)
    behind = _largest(drawn) - group.drawn[tag]
    return _picked(behind, value, group, (0.0, group.bounds[1] - group.bounds[0]))


def ratio_to_english(group: Group, tag: str) -> Estimate:
    """Return a score over that of English; nothing where English is missing or not above 0. English itself is 1."""
    if tag not in group.scores or ENGLISH not in group.scores or group.value(ENGLISH) <= 0 or group.bounds[0] < 0:
        return NOTHING
    value = group.value(tag) / group.value(ENGLISH)
    if tag == ENGLISH or not group.drawn:
        return Estimate(value, None, None)
    english = group.drawn[ENGLISH]
    drawn = np.divide(group.drawn[tag], english, out=np.full(english.shape, np.nan), where=english > 0)
    if np.isnan(drawn).all():
        return Estimate(value, None, None)
    return percentiles(drawn, value, group.all_items, (0.0, max(2 * value, 1.0)), expanded=True)


def verdict(ratio: Estimate, theta: float) -> str | None:
    """Return "yes" where the whole interval of a ratio reaches theta, "no" where none of it does, "open" in between."""
    if ratio.value is None:
        return None
    low, high = (ratio.value if end is None else end for end in (ratio.low, ratio.high))
    return "yes" if low >= theta else "no" if high < theta else "open"


def macro(group: Group) -> Estimate:
    """Return the mean over the scored languages, each with the same weight."""
    return _combined(group, group.scored, _mean)


def mean_gap(group: Group) -> tuple[Estimate, str | None]:
    """Return English minus the mean of the other languages, or why there is none."""
    others = [tag for tag in group.scored if tag != ENGLISH]
    if ENGLISH not in group.scores:
        return NOTHING, "English has no score" if ENGLISH in group.languages else "English was not measured"
    if not others:
        return NOTHING, "English is the only language with a score"
    return _combined(group, [ENGLISH, *others], lambda x: x[..., 0] - _mean(x[..., 1:]), difference=True), None


def worst(group: Group) -> tuple[str | None, Estimate]:
    """Return the language with the lowest score, the first of equals, with its own interval."""
    tag = min(group.scored, key=group.value, default=None)
    return tag, NOTHING if tag is None else group.scores[tag]


def worst_mean(group: Group, k: int) -> tuple[list[str], Estimate]:
    """Return the k lowest languages, the lowest first, and their mean; all languages where there are fewer than k."""
    tags = sorted(group.scored, key=lambda tag: (group.value(tag), tag))[:k]
    if not tags:
        return [], NOTHING
    value = math.fsum(group.value(tag) for tag in tags) / len(tags)
    if not group.drawn:
        return tags, Estimate(value, None, None)
    drawn = _mean(np.sort(_matrix(group), axis=1)[:, : len(tags)])
    return tags, _picked(drawn, value, group, group.bounds)


def gini(group: Group) -> tuple[Estimate, str | None]:
    """Return the Gini coefficient of the scores over languages, or why there is none.

    The mean absolute difference of all pairs of languages over twice the mean (Gini 1912): 0 where all are equal, (L - 1) / L
    where one of L languages has everything. Defined for scores that are not negative.
    """
    values = [group.value(tag) for tag in group.scored]
    if len(values) < 2:
        return NOTHING, "fewer than two languages have a score"
    if min(values) < 0 or group.bounds[0] < 0:
        return NOTHING, "scores are negative"
    if max(values) == 0:
        return NOTHING, "all scores are 0"
    value = float(_gini(np.array(values)))
    if not group.drawn:
        return Estimate(value, None, None), None
    return _picked(_gini(_matrix(group)), value, group, (0.0, 1 - 1 / len(values))), None


def as_dict(estimate: Estimate, **further: Any) -> dict[str, Any]:
    """Return an estimate as a dictionary, with further keys."""
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, **further}


def _difference(group: Group, first: str, second: str) -> Estimate:
    return _combined(group, [first, second], lambda x: x[..., 0] - x[..., 1], difference=True)


def _combined(group: Group, tags: Sequence[str], combine: Callable[[Floats], Any], *, difference: bool = False) -> Estimate:
    if not tags:
        return NOTHING
    value = float(combine(np.array([group.value(tag) for tag in tags])))
    if not group.drawn:
        return Estimate(value, None, None)
    reach = group.bounds[1] - group.bounds[0]
    drawn = combine(np.stack([group.drawn[tag] for tag in tags], axis=1))
    return percentiles(drawn, value, group.all_items, (-reach, reach) if difference else group.bounds, expanded=True)


def _picked(drawn: Floats, value: float, group: Group, bounds: tuple[float, float]) -> Estimate:
    """Return the interval of a statistic that picks languages: see the head of this file."""
    plain = percentiles(drawn, value, group.all_items, bounds, expanded=True)
    if plain.low is None or plain.high is None:
        return plain
    shift = 2 * (float(np.nanmean(drawn)) - value)
    low, high = min(plain.low, plain.low - shift), max(plain.high, plain.high - shift)
    return Estimate(value, max(low, bounds[0]), min(high, bounds[1]))


def _matrix(group: Group) -> Floats:
    """Return the replicates of the scored languages, shape (resamples, L)."""
    return np.stack([group.drawn[tag] for tag in group.scored], axis=1)


def _mean(x: Floats) -> Any:
    """Return the mean over languages of those that a replicate has; NaN where it has none."""
    there = ~np.isnan(x)
    total, number = np.where(there, x, 0.0).sum(axis=-1), there.sum(axis=-1)
    return np.divide(total, number, out=np.full(np.shape(total), np.nan), where=number > 0)


def _largest(x: Floats) -> Floats:
    found: Floats = np.where(np.isnan(x), -np.inf, x).max(axis=1)
    return found


def _gini(x: Floats) -> Any:
    """Return the coefficient along the last axis; a language that a replicate lacks counts with the replicate's mean."""
    mean = np.nan_to_num(_mean(x))
    ordered = np.sort(np.where(np.isnan(x), np.expand_dims(mean, -1), x), axis=-1)
    n = x.shape[-1]
    weights = 2 * np.arange(1, n + 1) - n - 1
    total = n * ordered.sum(axis=-1)
    return np.divide((weights * ordered).sum(axis=-1), total, out=np.zeros(np.shape(total)), where=total > 0)
