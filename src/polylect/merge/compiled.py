"""Merges the blocks of one tensor with the compiled kernel: `Merger`'s passes, on bytes as they lie in the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from xxhash import xxh3_128

from polylect.merge.arrays import FLOATS
from polylect.merge.brackets import Counting
from polylect.merge.feeds import check_stored
from polylect.merge.kernel import TILE, Kept, Operation, address, codes, scratch_size
from polylect.merge.merger import Map, Merger
from polylect.merge.selection import BLOCK, SMALL, Cutoff
from polylect.merge.statistics import Sums, pieces
from polylect.merge.takeover import Block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.kernel import Fault, Kernel
    from polylect.merge.plan import TensorPlan
    from polylect.merge.takeover import Context, Write

__all__ = ["CompiledMerger", "fits"]

R = TypeVar("R")
_CHUNK = 1 << 18
"""Elements at a time: going back and forth between Python and the kernel costs more than the second-level cache saves."""


def fits(tensor: TensorPlan, context: Context) -> bool:
    """Return whether the kernel can merge a tensor: inputs as they lie in files, and a method that has a form."""
    sources = [source for source in (*tensor.inputs, tensor.base) if source is not None]
    fitting = all(source.plain and source.tensor.dtype in FLOATS for source in sources)
    return fitting and context.method.form is not None


class CompiledMerger(Merger):
    """Merges one tensor; gives the bits that `Merger` gives."""

    def __init__(self, tensor: TensorPlan, context: Context, write: Write) -> None:
        super().__init__(tensor, context, write)
        assert context.kernel is not None
        self.kernel: Kernel = context.kernel
        self._dtypes = tuple([source.tensor.dtype for source in self.hashed])
        self._codes = codes(self._dtypes)
        base = tensor.base.tensor.dtype if tensor.base is not None else tensor.dtype
        self._measured_dtypes = (*self._dtypes[: len(self.sources)], tensor.dtype, base)
        self._measured_codes = codes(self._measured_dtypes)
        self._operation: Operation

    def prepare(self, each: Map, blocks: range) -> None:
        """Make the method's passes; what they find decides the operation."""
        super().prepare(each, blocks)
        assert self.method.form is not None
        vectors = self.method.task_vectors
        scale = self.values.scale if vectors else 1.0
        self._operation = Operation(self.method.form(self.values), task_vectors=vectors, keep=self.method.keep, scale=scale)

    def _decoded(self, block: int, size: int, taus: Sequence[NDArray[np.float64]], share: int = 1) -> Iterator[tuple[int, int]]:
        """Put chunks of what the method works on into `taus`, each as long as a chunk or as the block; yield (first, last).

        The first pass over a tensor looks whether the inputs are finite.
        """
        base_dtype = self._dtypes[-1]
        for first, count, raws in self.feed.raws(block, size=size, share=share):
            base = raws.pop() if self.method.task_vectors else None
            for i, raw in enumerate(raws):
                start = 0 if taus[i].size == size else first
                into = taus[i][start : start + count]
                check = 0 if self._checked else 1 if i else 2
                if not self.kernel.decode(raw, self._dtypes[i], base, base_dtype, into, check=check):
                    self._refuse([*raws, base] if base is not None else raws, block * BLOCK + first)
            yield first, first + count

    def _cutoffs(self, sizes: Sequence[int], each: Map, blocks: range) -> list[Cutoff]:
        size = self.tensor.size
        if size > SMALL or not all(0 < place < size for place in sizes):
            return super()._cutoffs(sizes, each, blocks)
        # A small tensor's task vectors are searched in one call.
        _, _, raws = next(self.feed.raws(0, size=_CHUNK))
        found = self.kernel.cutoffs(raws, self._codes, sizes, size, self.context.scratch.floats("small", 2 * size))
        if found is None:
            self._refuse(raws, 0)
            raise AssertionError
        self._checked = True
        return [
            Cutoff(threshold, (equal,), (place - above,)) if threshold else Cutoff(0.0, (0,), (0,))
            for place, (threshold, above, equal) in zip(sizes, found, strict=True)
        ]

    def _gram(self, block: int) -> tuple[tuple[float, ...], ...]:
        # Chunks as wide as `Merger` has them: sums of other parts would differ in the last bits.
        size, count = self.feed.chunk, len(self.sources)
        taus = [self.context.scratch.floats(f"wide {i}", size) for i in range(count)]
        total = np.zeros((count, count))
        for first, last in self._decoded(block, size, taus):
            for i in range(count):
                for j in range(i + 1):
                    total[i, j] += self.numpy.dot(taus[i][: last - first], taus[j][: last - first])
        full = total + np.tril(total, -1).T
        return tuple(map(tuple, full.tolist()))

    def _scan(self, function: Callable[[list[Any]], R], each: Map, blocks: range) -> list[R]:
        if not isinstance(function, Counting):
            return super()._scan(function, each, blocks)

        def count(block: int) -> Any:
            taus = [self.context.scratch.floats(f"tau {i}", _CHUNK) for i in range(len(self.sources))]
            parts: list[list[Any]] = [[] for _ in taus]
            for first, last in self._decoded(block, _CHUNK, taus):
                for i in function.wanted:
                    parts[i].append(function.part(i, taus[i][: last - first]))
            return function.whole(parts)

        results: list[R] = each(count, blocks)
        self._checked = True
        return results

    def _whole(self, function: Callable[[list[Any]], R], share: int = 1) -> Callable[[int], R]:
        def apply(block: int) -> R:
            span = -(-self.feed.span(block) // share)
            taus = [self.context.scratch.floats(f"block {i}", span) for i in range(len(self.sources))]
            for _ in self._decoded(block, _CHUNK, taus, share):
                pass
            return function(taus)

        return apply

    def combine(self, block: int) -> Block:
        """Merge, encode, check, hash and write one block."""
        scratch, width = self.context.scratch, FLOATS[self.tensor.dtype]
        hashers = [xxh3_128() for _ in self.hashed]
        output, sums = xxh3_128(), None
        kept, masks = self._kept(block)
        sampled = pieces(block, self.feed.span(block), self.context.settings.statistics)
        tiles = scratch.floats("tiles", scratch_size(len(self.sources)))
        for first, count, raws in self.feed.raws(block, hashers, size=_CHUNK):
            for rule, mask in zip(kept or (), masks, strict=False):
                rule.mask = address(mask) + first
            merged = scratch.bytes("merged", count * width)
            fault = self.kernel.combine(
                self._operation, raws, self._codes, kept, count, merged, self.tensor.dtype, tiles, check=not self._checked
            )
            start = block * BLOCK + first
            if fault.what:
                self._explain(fault, raws, merged, start)
            output.update(merged.data)
            self.write(start * width, merged)
            found = self._measured(block, first, raws, merged, sampled)
            sums = found if sums is None else sums + found if found is not None else sums
        return Block(output.digest(), sums, [hasher.digest() for hasher in hashers])

    def _kept(self, block: int) -> tuple[Any, list[NDArray[np.bool_]]]:
        """Return the rules of what is kept, one per input, and the masks that they point to."""
        if self.method.keep == "all":
            return None, []
        kept = (Kept * len(self.sources))()
        if self.method.keep == "random":
            drawn = self._masks(block)
            for rule, share in zip(kept, self.shares, strict=True):
                rule.factor = 1 / share if share != 1 else 1.0
            return kept, drawn
        for rule, cutoff in zip(kept, self.cutoffs, strict=True):
            equal = cutoff.equal[block] if cutoff.equal else 0
            left = cutoff.kept[block] if cutoff.kept else 0
            rule.threshold, rule.equal = cutoff.threshold, -1 if left and left == equal else left
        return kept, []

    def _measured(
        self, block: int, first: int, raws: Sequence[NDArray[np.uint8]], merged: NDArray[np.uint8], sampled: tuple[int, int]
    ) -> Sums | None:
        """Return the statistics of what is looked at in a chunk, if it is any."""
        begin, end = max(sampled[0], first), min(sampled[1], first + merged.size // FLOATS[self.tensor.dtype])
        if begin >= end:
            return None
        base = raws[-1] if self.method.task_vectors else None
        inputs = [*raws[: len(self.sources)], merged, base]
        parts = inputs
        if end - begin < merged.size // FLOATS[self.tensor.dtype]:
            parts = [
                None if raw is None else raw[(begin - first) * FLOATS[dtype] : (end - first) * FLOATS[dtype]]
                for raw, dtype in zip(inputs, self._measured_dtypes, strict=True)
            ]
        if base is None and self.tensor.base is not None:
            parts[-1] = read = self.feed.raw(self.tensor.base.tensor, block * BLOCK + begin, end - begin, "base piece")
            check_stored(read, self.tensor.base.tensor, block * BLOCK + begin)
        scratch = self.context.scratch.floats("tiles", scratch_size(len(self.sources)))
        return Sums.from_flat(end - begin, self.kernel.measure(parts, self._measured_codes, end - begin, scratch))

    def _explain(self, fault: Fault, raws: Sequence[NDArray[np.uint8]], merged: NDArray[np.uint8], start: int) -> None:
        """Raise the error that names what is not finite."""
        if fault.what == "input":
            self._refuse(raws, start)
        width = FLOATS[self.tensor.dtype]
        self._check_result(merged[: (fault.place + TILE) * width], start)
        raise AssertionError(f"tensor {self.tensor.name!r}: the kernel found a fault at {start} that NumPy does not see.")

    def _refuse(self, raws: Sequence[NDArray[np.uint8]], start: int) -> None:
        for source, raw in zip(self.hashed, raws, strict=True):
            check_stored(raw, source.tensor, start)
        raise AssertionError(f"tensor {self.tensor.name!r}: the kernel found an input at {start} not finite that NumPy does.")
