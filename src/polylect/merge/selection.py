"""Exact top-k by magnitude for TIES, in a few passes over the blocks of a tensor: no sorting, no copy of the tensor.

A pass with a sample brackets the k-th largest magnitude; the next counts what is above the bracket and looks at what is inside,
about one element in thirty. Where the bracket missed or holds too much, passes with a histogram narrow it by a factor of
2**16 each, so that any data end exact, after a few passes, in bounded memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from polylect.merge.brackets import SLICE, Counting, Found, Pass, bits, numpy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.kernel import Kernel

__all__ = ["BLOCK", "SMALL", "Cutoff", "cutoffs", "keep"]

BLOCK = 1 << 20
"""Elements of a block; the last one of a tensor is shorter."""
SMALL = 1 << 15
"""Elements up to which a plain partition costs less than passes do."""
STRIDES = (1, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093)
"""Of samples: primes, lest a stride fall in step with the rows of a matrix."""
SHARE = 31
"""A sample takes one of so many elements of a tensor, up to `SAMPLE` elements."""
SPARSE = 127
"""The same for the compiled kernel, to which what lies in a wider bracket is no trouble."""
SAMPLE = 1 << 19
DEVIATIONS = 4.0
"""Half the width of a bracket, in standard deviations of the sample's rank of the k-th largest."""
EXACT = 1 << 21
"""Magnitudes inside a bracket, over all blocks, that may be held at once, per input."""
LARGEST = int(np.array(np.inf).view(np.int64))
"""Bit pattern of infinity: the bit patterns of magnitudes sort as the magnitudes do."""

T = TypeVar("T")
Scan = Callable[[Callable[[list[Any]], T]], list[T]]
"""Applies a function to the K task vectors of every block and returns the results in the order of the blocks."""


@dataclass(frozen=True)
class Cutoff:
    """What is kept of one task vector: entries above `threshold` in magnitude, and of those equal to it the first ones.

    `equal` and `kept` have one number per block: how many entries equal the threshold there, and how many of them are kept.
    """

    threshold: float
    equal: tuple[int, ...]
    kept: tuple[int, ...]


def cutoffs(
    sizes: Sequence[int],
    scan: Scan,
    n: int,
    block: int = BLOCK,
    sample: Scan | None = None,
    part: int = 1,
    kernel: Kernel | None = None,
) -> list[Cutoff]:
    """Find which entries are the k largest in magnitude, exactly k; of equal ones those of the lowest index come first.

    Args:
        sizes: k of every input, from 0 to n. Where fewer than k entries are not zero, all of those are kept.
        scan: applies a function to the K task vectors (finite float64, not to be changed) of every block of the tensor, in any
            order or several at a time, and returns the results in the order of the blocks.
        n: elements of the tensor.
        block: elements of a block.
        sample: a cheaper scan for the first pass, which hands over one in `part` of the elements of every block, such as its
            first sixteenth. What it leaves out can only make further passes necessary. None: `scan`.
        part: 1 / share of the elements that `sample` hands over.
        kernel: sorts out magnitudes faster, with the same results.

    Returns:
        One cutoff per input.
    """
    if n <= block:
        # The data are at hand: one call, and all passes over the same arrays.
        found: list[Cutoff] = scan(lambda taus: _at_hand(sizes, taus, n, kernel))[0]
        return found
    return _search(sizes, scan, sample or scan, _stride(n, part if sample else 1, kernel), n, math.ceil(n / block), kernel)


def keep(tau: Any, cutoff: Cutoff, block: int) -> Any:
    """Set the entries of a block that are not kept to 0, in place.

    Args:
        tau: float64 array of the whole block, of NumPy or torch; overwritten.
        cutoff: of this task vector.
        block: number of the block.
    """
    if cutoff.threshold == 0:
        return tau
    quota, equal = cutoff.kept[block], cutoff.equal[block]
    step = SLICE if isinstance(tau, np.ndarray) else max(len(tau), 1)
    for start in range(0, len(tau), step):
        part = tau[start : start + step]
        size = abs(part)
        if not quota:
            part *= size > cutoff.threshold
            continue
        mask = size >= cutoff.threshold
        if quota < equal:
            places = _places(size == cutoff.threshold)
            mask[places[quota:]] = False
            equal -= len(places)
            quota = max(quota - len(places), 0)
        part *= mask
    return tau


def _places(mask: Any) -> Any:
    return mask.nonzero()[0] if isinstance(mask, np.ndarray) else mask.nonzero(as_tuple=True)[0]


def _at_hand(sizes: Sequence[int], taus: list[Any], n: int, kernel: Kernel | None) -> list[Cutoff]:
    if n <= SMALL:
        return [_direct(k, numpy(tau), kernel) for k, tau in zip(sizes, taus, strict=True)]

    def scan(function: Callable[[list[Any]], T]) -> list[T]:
        return [function(taus)]

    return _search(sizes, scan, scan, _stride(n, 1, kernel), n, 1, kernel)


def _direct(k: int, tau: NDArray[np.float64], kernel: Kernel | None) -> Cutoff:
    """Return the cutoff of a small tensor, by partition."""
    if k <= 0:
        return Cutoff(math.inf, (0,), (0,))
    if kernel is not None and k < tau.size:
        threshold, above, equal = kernel.largest(tau, k)
        return Cutoff(threshold, (equal,), (k - above,)) if threshold else Cutoff(0.0, (0,), (0,))
    size = np.abs(tau)
    threshold = 0.0 if k >= size.size else float(np.partition(size, size.size - k)[size.size - k])
    if threshold == 0:
        return Cutoff(0.0, (0,), (0,))
    return Cutoff(threshold, (int(np.count_nonzero(size == threshold)),), (k - int(np.count_nonzero(size > threshold)),))


def _stride(n: int, part: int, kernel: Kernel | None) -> int:
    """Return the distance between the elements of a sample of n elements, of which one in `part` is at hand."""
    share = SPARSE if kernel is not None else SHARE
    return max((stride for stride in STRIDES if stride <= max(share, n / SAMPLE) / part), default=1)


def _search(
    sizes: Sequence[int], scan: Scan, sample: Scan, stride: int, n: int, blocks: int, kernel: Kernel | None
) -> list[Cutoff]:
    searches = [_Search(k, n, blocks) for k in sizes]
    wanted = [i for i, search in enumerate(searches) if search.result is None]
    if wanted:
        samples = sample(lambda taus: [_sample(taus[i], stride) for i in wanted])
        for column, i in enumerate(wanted):
            searches[i].bracket(np.concatenate([row[column] for row in samples]))
    limit = max(4 * EXACT // blocks, 1)
    while wanted := [i for i, search in enumerate(searches) if search.result is None]:
        passes = {i: searches[i].prepare(kernel) for i in wanted}
        counted = scan(Counting(passes, limit))
        for column, i in enumerate(passes):
            searches[i].conclude(passes[i], [row[column] for row in counted])
    return [search.result for search in searches if search.result is not None]


def _sample(tau: Any, stride: int) -> NDArray[np.float64]:
    """Return every stride-th magnitude."""
    taken: NDArray[np.float64] = np.abs(numpy(tau[::stride]))
    return taken


def _largest(values: NDArray[np.float64], place: int) -> float:
    """Return the place-th largest value; where few values are distinct, partition is slower than a sort."""
    few = np.unique(values[:256]).size < min(values.size, 256) // 2
    ordered = np.sort(values) if few else np.partition(values, values.size - place)
    return float(ordered[values.size - place])


class _Search:
    """The search for one task vector's cutoff: a bracket of bit patterns (both ends included) that holds the k-th largest."""

    def __init__(self, k: int, n: int, blocks: int) -> None:
        self.k, self.n, self.blocks = k, n, blocks
        self.low, self.high = 1, LARGEST
        self.between = n
        self.result: Cutoff | None = None
        none = (0,) * blocks
        if k <= 0:
            self.result = Cutoff(math.inf, none, none)
        elif k >= n:
            self.result = Cutoff(0.0, none, none)

    def bracket(self, sample: NDArray[np.float64]) -> None:
        """Take the bracket from the magnitudes of a sample; zeros are never inside."""
        share = self.k / self.n
        rank = sample.size * share
        margin = DEVIATIONS * math.sqrt(sample.size * share * (1 - share)) + 2
        first, last = math.floor(rank - margin), math.ceil(rank + margin)
        places = [sample.size - 1 - place for place in (first, last) if 0 <= place < sample.size]
        ordered = np.partition(sample, places) if places else sample
        if first >= 0:
            self.high = max(1, bits(ordered[sample.size - 1 - first]))
        if last < sample.size:
            self.low = max(1, bits(ordered[sample.size - 1 - last]))
        self.between = self.n * (min(last, sample.size) - max(first, 0)) // max(sample.size, 1)

    def prepare(self, kernel: Kernel | None) -> Pass:
        """Return the next pass."""
        span = self.high - self.low + 1
        if span <= 2 or self.between <= EXACT:
            return Pass(self.low, self.high, None, kernel)
        return Pass(self.low, self.high, max(0, (span - 1).bit_length() - 16), kernel)

    def conclude(self, done: Pass, counted: list[Found | None]) -> None:
        """Narrow the bracket by what a pass found, or set the result."""
        blocks = [found for found in counted if found is not None]
        if len(blocks) < len(counted):
            self.between = max(self.n, EXACT + 1)
            return
        above = sum(found.above for found in blocks)
        if done.shift is not None:
            self._narrow(done, above)
            return
        high, low = sum(found.at_high for found in blocks), sum(found.at_low for found in blocks)
        between = np.concatenate([found.between for found in blocks])
        if self._missed(above, high + between.size + low):
            return
        place = self.k - above - high
        if place <= 0:
            threshold = done.high
        elif place > between.size:
            threshold, high = done.low, high + between.size
        else:
            threshold = _largest(between, place)
            high += int(np.count_nonzero(between > threshold))
        quota = self.k - above - (high if threshold != done.high else 0)
        self._set(threshold, quota, [found.equal(threshold, done.low, done.high) for found in blocks])

    def _narrow(self, done: Pass, above: int) -> None:
        """Make the bracket the bin of a histogram that holds the k-th largest."""
        assert done.shift is not None
        if self._missed(above, int(done.histogram.sum())):
            return
        reached = np.cumsum(done.histogram[::-1])[::-1] + above
        chosen = int(np.flatnonzero(reached >= self.k)[-1])
        self.between = int(done.histogram[chosen])
        self.low += chosen << done.shift
        self.high = min(self.high, self.low + (1 << done.shift) - 1)

    def _missed(self, above: int, inside: int) -> bool:
        """Whether the k-th largest is outside the bracket; it is then moved to the side where it must be."""
        if above >= self.k:
            self.low, self.high, self.between = self.high + 1, LARGEST, above
        elif above + inside >= self.k:
            return False
        elif self.low == 1:
            self.result = Cutoff(0.0, (0,) * self.blocks, (0,) * self.blocks)
        else:
            self.low, self.high, self.between = 1, self.low - 1, self.n - above - inside
        return True

    def _set(self, threshold: float, quota: int, equal: list[int]) -> None:
        kept = []
        for count in equal:
            kept.append(min(count, quota))
            quota -= kept[-1]
        self.result = Cutoff(threshold, tuple(equal), tuple(kept))
