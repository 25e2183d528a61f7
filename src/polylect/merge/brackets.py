"""What a pass of a selection finds in the blocks of a task vector: magnitudes above, inside and at the ends of a bracket."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.kernel import Kernel

__all__ = ["SLICE", "Counting", "Found", "Pass", "bits", "numpy"]

SLICE = 1 << 17
"""Elements that are worked on at a time: their temporaries stay in the processor's cache."""
BINS = 1 << 16
CROWD = 24
"""A slice with more than one in so many magnitudes inside the bracket has, as a rule, most of them at its ends."""


def numpy(tau: Any) -> NDArray[np.float64]:
    """Return an array of NumPy or torch as NumPy's."""
    return tau if isinstance(tau, np.ndarray) else tau.cpu().numpy()  # type: ignore[no-any-return]


def _magnitude(bits: int) -> float:
    return float(np.array(bits, dtype=np.int64).view(np.float64))


def bits(magnitude: float) -> int:
    """Return the bit pattern of a magnitude: patterns sort as magnitudes do."""
    return int(np.array(magnitude, dtype=np.float64).view(np.int64))


@dataclass(frozen=True)
class Found:
    """What a pass found in one block: how many magnitudes are above the bracket and at its ends, and those between the ends."""

    above: int
    at_high: int
    between: NDArray[np.float64]
    at_low: int

    def equal(self, magnitude: float, low: float, high: float) -> int:
        """Return how many magnitudes equal one of the bracket."""
        if magnitude == high:
            return self.at_high
        return self.at_low if magnitude == low else int(np.count_nonzero(self.between == magnitude))


class Pass:
    """Looks at the blocks of one task vector; `shift` None: finds what is in the bracket.

    Else the bit patterns in the bracket go into one histogram for all blocks, 2**shift patterns per bin.
    """

    def __init__(self, low: int, high: int, shift: int | None, kernel: Kernel | None = None) -> None:
        self.kernel = kernel
        self.low, self.high = _magnitude(low), _magnitude(high)
        self.shift = shift
        self.histogram = np.zeros(BINS, dtype=np.int64)
        self._first = low
        self._lock = threading.Lock()

    def __call__(self, tau: Any, limit: int) -> Found | None:
        """Return what is in a block; None where more than `limit` magnitudes lie between the ends."""
        values = numpy(tau)
        return self.whole([self.part(values[start : start + SLICE]) for start in range(0, values.size, SLICE)], limit)

    def part(self, values: NDArray[np.float64]) -> Found:
        """Return what is in a part of a block; some of those at the ends may be left among those between."""
        if self.kernel is not None:
            between = np.empty(values.size)
            above, at_high, at_low, found = self.kernel.split(values, self.low, self.high, between)
            return Found(above, at_high, between[:found].copy(), at_low)
        size = np.abs(values)
        return self._split(size, np.empty(size.size, dtype=bool), np.empty(size.size, dtype=bool))

    def whole(self, parts: Sequence[Found], limit: int) -> Found | None:
        """Return what is in a block from its parts; None where more than `limit` magnitudes lie between the ends."""
        above, high, low = (sum(getattr(part, name) for part in parts) for name in ("above", "at_high", "at_low"))
        between = np.concatenate([part.between for part in parts])
        ends = between == self.low, between == self.high
        low, high = low + int(np.count_nonzero(ends[0])), high + int(np.count_nonzero(ends[1]))
        between = between[~(ends[0] | ends[1])]
        if self.shift is None and between.size > limit:
            return None
        if self.shift is None:
            return Found(above, high, between, low)
        bins = np.bincount((between.view(np.int64) - self._first) >> self.shift, minlength=BINS)
        bins[0] += low
        bins[(bits(self.high) - self._first) >> self.shift] += high
        with self._lock:
            self.histogram += bins
        return Found(above, 0, between[:0], 0)

    def _split(self, size: NDArray[np.float64], inside: NDArray[np.bool_], other: NDArray[np.bool_]) -> Found:
        """Sort out a slice's magnitudes, its few at the ends left among those between; the truth values are scratch."""
        np.greater_equal(size, self.low, out=inside)
        np.greater(size, self.high, out=other)
        above = int(np.count_nonzero(other))
        inside ^= other
        total = int(np.count_nonzero(inside))
        if self.low == self.high:
            return Found(above, total, size[:0], 0)
        if total <= size.size // CROWD:
            return Found(above, 0, size[np.flatnonzero(inside)], 0)
        # Task vectors of 16-bit models take few values: counting the ends apart leaves little to gather between them.
        np.equal(size, self.low, out=other)
        low_end = int(np.count_nonzero(other))
        inside ^= other
        np.equal(size, self.high, out=other)
        high_end = int(np.count_nonzero(other))
        inside ^= other
        return Found(above, high_end, size[np.flatnonzero(inside)], low_end)


@dataclass(frozen=True)
class Counting:
    """The function that a pass applies to every block: `passes` has one for each input that is still searched.

    Called with the task vectors of a whole block; or, where these are never at hand as a whole, part by part and then `whole`.
    """

    passes: Mapping[int, Pass]
    limit: int

    @property
    def wanted(self) -> Iterable[int]:
        """The inputs that are looked at."""
        return self.passes

    def __call__(self, taus: list[Any]) -> list[Found | None]:
        """Return what is in a block, per input that is still searched."""
        return [one(taus[i], self.limit) for i, one in self.passes.items()]

    def part(self, i: int, values: NDArray[np.float64]) -> Found:
        """Return what is in a part of input i's block."""
        return self.passes[i].part(values)

    def whole(self, parts: Sequence[Sequence[Found]]) -> list[Found | None]:
        """Return what is in a block from the parts of every input."""
        return [one.whole(parts[i], self.limit) for i, one in self.passes.items()]
