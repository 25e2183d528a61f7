"""How scores are written: shares as percentages, other metrics in their own units, differences in points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polylect.report.numerals import MISSING

__all__ = ["Unit"]

_PLACES = 10
"""Below this range a metric in its own units gets two digits after the point, else one."""


@dataclass(frozen=True)
class Unit:
    """The unit of a metric: its factor for writing, the sign behind it, digits after the point."""

    factor: float
    sign: str
    digits: int
    include: tuple[float, ...] = ()

    @classmethod
    def of(cls, bounds: Sequence[float | None] | None) -> Unit:
        """Return the unit of a metric with these bounds; one in [0, 1] is a share."""
        low, high = bounds if bounds else (None, None)
        if high is not None and high <= 1 and (low or 0) >= -1:
            return cls(100, "%", 1)
        return cls(1, "", 1 if high is None or high >= _PLACES else 2)

    def value(self, score: float | None) -> str:
        """Write a score: "62.5%"."""
        return MISSING if score is None else f"{self._number(score)}{self.sign}"

    def ends(self, low: float | None, high: float | None) -> str:
        """Write the two ends of an interval: "60.1–64.9", or nothing where one is missing."""
        return "" if low is None or high is None else f"{self._number(low)}–{self._number(high)}"

    def difference(self, gap: float | None) -> str:
        """Write how far something is behind, in points: "12.3", and "−1.0" where it is ahead."""
        return MISSING if gap is None else self._number(gap)

    def difference_ends(self, low: float | None, high: float | None) -> str:
        """Write the interval of a difference: "−1.0 to 3.2"."""
        return "" if low is None or high is None else f"{self._number(low)} to {self._number(high)}"

    def tick(self, value: float) -> str:
        """Write a tick of an axis."""
        return f"{self.factor * value:g}{self.sign}"

    def _number(self, value: float) -> str:
        text = f"{self.factor * value:.{self.digits}f}"
        zero = f"{0:.{self.digits}f}"
        return zero if text == f"-{zero}" else text.replace("-", "\u2212")
