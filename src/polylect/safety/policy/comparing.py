"""Rates before and after with 95 % intervals, clustered by item, so that a change is told from chance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from polylect.records import MULTIPLE
from polylect.resampling import Estimate, means, percentiles, replicates, tabulate, wilson

__all__ = ["Change", "changes"]

Floats: TypeAlias = NDArray[np.float64]
Value: TypeAlias = tuple[str, str, float]
"""Item, language, value."""

_BEFORE, _AFTER = "before", "after"


@dataclass(frozen=True)
class Change:
    """A mean in one language ("mul": the mean over languages) before and after, and the paired difference, after - before.

    `fall` is 1 - after / before, None where it was 0 before; `n` counts items.
    """

    language: str
    before: Estimate
    after: Estimate
    difference: Estimate
    n: int

    @property
    def fall(self) -> float | None:
        """How much of the rate has gone, relative to before."""
        if not self.before.value or self.after.value is None:
            return None
        return 1 - self.after.value / self.before.value


def changes(before: Iterable[Value], after: Iterable[Value], *, seed: int = 0) -> dict[str, Change]:
    """Return the change in each language and of the mean over languages, of values in [0, 1].

    Items are drawn with replacement, jointly for both sides and all languages (`polylect.resampling`), so that the
    difference is paired. A single language's own rates have Wilson's interval: an item has one answer there.
    """
    sides = {_BEFORE: list(before), _AFTER: list(after)}
    languages = sorted({language for rows in sides.values() for _, language, _ in rows})
    rows = [(item, f"{side}\t{language}", value) for side, own in sides.items() for item, language, value in own]
    table = tabulate(rows, [f"{side}\t{language}" for side in sides for language in languages])
    # Both of shape (resamples + 1, languages): the estimate itself stands in the last row.
    then, now = np.split(np.vstack([replicates(table, seed), means(table)]), 2, axis=1)
    items = len(table.sums)
    found = {tag: _change(tag, then[:, at], now[:, at], items) for at, tag in enumerate(languages)}
    for at, tag in enumerate(languages):
        own, other = (
            wilson(table.sums[:, place].sum(), int(table.counts[:, place].sum())) for place in (at, at + len(languages))
        )
        found[tag] = replace(found[tag], before=own, after=other, n=int(table.counts[:, at].sum()))
    found[MULTIPLE] = _change(MULTIPLE, then.mean(axis=1), now.mean(axis=1), items)
    return found


def _change(language: str, then: Floats, now: Floats, items: int) -> Change:
    """Return the change of two means, whose replicates and, last, estimates are given."""

    def estimate(values: Floats, least: float) -> Estimate:
        return percentiles(values[:-1], float(values[-1]), items, (least, 1.0), expanded=True)

    return Change(language, estimate(then, 0.0), estimate(now, 0.0), estimate(now - then, -1.0), items)
