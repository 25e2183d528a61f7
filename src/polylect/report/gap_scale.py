"""The logarithmic axis of ratios: twice as dear is as far from English in every place."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from polylect.report.svg import Scale

__all__ = ["LogScale"]

_BOUNDS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.2, 1.5, 2, 3, 4, 5, 7, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100, 200, 500, 1000)
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_CLOSE = (0.7, 1, 1.5, 2, 3, 4)
_NARROW = 4.5
"""An axis over less than this factor gets ticks between the usual ones."""


@dataclass(frozen=True)
class LogScale(Scale):
    """A logarithmic axis from `low` to `high`, both above 0."""

    def at(self, value: float) -> float:
        """Position of `value` in percent of the plot's width, cut off at its edges."""
        if value <= 0:
            return 0.0
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return 100 * min(1.0, max(0.0, share))

    @classmethod
    def around(cls, values: Iterable[float | None]) -> LogScale:
        """Return the axis that holds 1 and all positive `values`, with ticks at 1, 2, 5, 10 and so on."""
        found = [1.0, *(v for v in values if v is not None and math.isfinite(v) and v > 0)]
        low = max((bound for bound in _BOUNDS if bound <= min(found)), default=min(found))
        high = min((bound for bound in _BOUNDS if bound >= 1.02 * max(found)), default=max(found))
        ticks = _CLOSE if high / low < _NARROW else _TICKS
        return cls(low, high, tuple(float(tick) for tick in ticks if low <= tick <= high))
