"""Merges the blocks of one tensor by the methods' own functions, on arrays of NumPy or torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from xxhash import xxh3_128

from polylect.errors import MergeError
from polylect.merge import masks, selection
from polylect.merge.arrays import FLOATS, NumpyArrays
from polylect.merge.feeds import CHUNK, WIDE, Chunk, Feed, check_stored, finite
from polylect.merge.selection import BLOCK, Cutoff
from polylect.merge.sources import first_not_finite
from polylect.merge.statistics import measure, pieces
from polylect.merge.takeover import Block, Context, Write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.methods import Values
    from polylect.merge.plan import TensorPlan

__all__ = ["Map", "Merger"]

R = TypeVar("R")
_SHARE = 16
"""One in so many elements of a block are read for the sample that a selection begins with."""


class Map(Protocol):
    """Applies a function to all items, on as many threads as it likes, and returns the results in their order."""

    def __call__(self, function: Callable[[int], R], items: Iterable[int]) -> list[R]:
        """Return [function(item) for item in items]."""


class Merger:
    """Merges one tensor: passes over all blocks that measure, then one that combines."""

    def __init__(self, tensor: TensorPlan, context: Context, write: Write) -> None:
        self.tensor, self.context, self.write = tensor, context, write
        self.method, self.arrays = context.method, context.arrays
        self.numpy = context.arrays if isinstance(context.arrays, NumpyArrays) else NumpyArrays()
        self.models = [i for i, source in enumerate(tensor.inputs) if source is not None]
        self.sources = [source for source in tensor.inputs if source is not None]
        if not self.sources or (self.method.task_vectors and tensor.base is None):
            lacking = "a base" if self.sources else "an input"
            raise MergeError(f"tensor {tensor.name!r}: method {self.method.name} needs {lacking} and the plan has none.")
        self.values = _present(tensor.values, self.models, len(tensor.inputs))
        filled = any(source.rows is not None for source in self.sources)
        base = tensor.base if self.method.task_vectors or filled else None
        chunk = WIDE if self.method.keep == "all" else CHUNK
        alone = tensor.size <= BLOCK
        self.feed = Feed(
            tensor, self.sources, base, self.values.weights, context.files, self.arrays, context.scratch, chunk, alone
        )
        self.hashed = [*self.sources, *([base] if base is not None else [])] if self.feed.plain else []
        self.cutoffs: list[Cutoff] = []
        self.shares: list[float] = []
        self._checked = False

    def prepare(self, each: Map, blocks: range) -> None:
        """Make the passes over the whole tensor that the method asks for."""
        if self.method.gram:
            self.values = self.values.with_gram(_added(each(self._gram, blocks)))
            self._checked = True
        if self.method.keep == "largest":
            self.cutoffs = self._cutoffs([int(density * self.tensor.size) for density in self.values.density], each, blocks)
        elif self.method.keep == "random":
            self.shares = list(self.values.density)
            if self.values.rescale == "l1":
                sums = [
                    [math.fsum(column) for column in zip(*part, strict=True)]
                    for part in zip(*each(self._l1, blocks), strict=True)
                ]
                self.shares = [kept / whole if kept else 1.0 for kept, whole in sums]

    def _cutoffs(self, sizes: Sequence[int], each: Map, blocks: range) -> list[Cutoff]:
        """Return what is kept of each task vector: its `sizes[i]` largest entries."""
        return selection.cutoffs(
            sizes,
            lambda function: self._scan(function, each, blocks),
            self.tensor.size,
            sample=lambda function: each(self._whole(function, _SHARE), blocks),
            part=_SHARE,
            kernel=self.context.kernel,
        )

    def _chunks(self, block: int, **options: Any) -> Iterator[Chunk]:
        """Yield chunks with the inputs that the method works on: task vectors or models."""
        for chunk in self.feed.chunks(block, **options):
            if self.method.task_vectors:
                for array in chunk.inputs:
                    array -= chunk.base
            yield chunk

    def _gram(self, block: int) -> tuple[tuple[float, ...], ...]:
        """Return the inner products of all pairs of inputs over one block."""
        total = np.zeros((len(self.sources), len(self.sources)))
        for chunk in self._chunks(block):
            for i, first in enumerate(chunk.inputs):
                for j, second in enumerate(chunk.inputs[: i + 1]):
                    total[i, j] += self.arrays.dot(first, second)
        full = total + np.tril(total, -1).T
        return tuple(map(tuple, full.tolist()))

    def _scan(self, function: Callable[[list[Any]], R], each: Map, blocks: range) -> list[R]:
        """Apply a function to the task vectors of every block."""
        results = each(self._whole(function), blocks)
        self._checked = True
        return results

    def _whole(self, function: Callable[[list[Any]], R], share: int = 1) -> Callable[[int], R]:
        """Make a function of the task vectors of a block (of its first 1 / share) one of the block's number."""

        def apply(block: int) -> R:
            if not isinstance(self.arrays, NumpyArrays):
                return function(next(self._chunks(block, share=share)).inputs)
            span = -(-self.feed.span(block) // share)
            taus = [self.context.scratch.floats(f"block {i}", span) for i in range(len(self.sources))]
            for _ in self._chunks(block, share=share, targets=taus):
                pass
            return function(taus)

        return apply

    def _masks(self, block: int) -> list[Any]:
        """Return DARE's masks of a block, one per input."""
        seed, span = self.context.settings.seed, self.feed.span(block)
        return [
            self.arrays.asarray(masks.bernoulli(density, span, seed, self.tensor.name, model, block, self.context.kernel))
            for density, model in zip(self.values.density, self.models, strict=True)
        ]

    def _l1(self, block: int) -> list[tuple[float, float]]:
        """Return, per input, the L1 norm of what DARE keeps of a block, and of the block."""
        drawn = self._masks(block)
        sums = np.zeros((len(self.sources), 2))
        for chunk in self._chunks(block):
            for i, (tau, mask) in enumerate(zip(chunk.inputs, drawn, strict=True)):
                sums[i] += masks.l1(tau, mask[chunk.first : chunk.last])
        return [(float(kept), float(whole)) for kept, whole in sums]

    def combine(self, block: int) -> Block:
        """Merge, encode, check, hash and write one block."""
        hashers = [xxh3_128() for _ in self.hashed]
        keep = self._keeper(block)
        output, sums = xxh3_128(), None
        width = FLOATS[self.tensor.dtype]
        sampled = pieces(block, self.feed.span(block), self.context.settings.statistics)
        for chunk in self.feed.chunks(block, hashers, check=not self._checked):
            piece = self._piece(block, chunk, sampled)
            raw = self._merged(chunk, keep)
            start = block * BLOCK + chunk.first
            self._check_result(raw, start)
            output.update(raw.data)
            self.write(start * width, raw)
            if piece is not None:
                inputs, base, part = piece
                merged = self.numpy.decode(raw[part.start * width : part.stop * width], self.tensor.dtype)
                found = measure(inputs, base, merged)
                sums = found if sums is None else sums + found
        return Block(output.digest(), sums, [hasher.digest() for hasher in hashers])

    def _merged(self, chunk: Chunk, keep: Callable[[int, Any, Chunk], Any]) -> NDArray[np.uint8]:
        """Return the bytes of the merged chunk; the chunk's arrays are used up."""
        out = self.context.scratch.bytes("merged", (chunk.last - chunk.first) * FLOATS[self.tensor.dtype])
        if not self.method.task_vectors:
            return self.arrays.encode(self.method.function(chunk.inputs, self.values), self.tensor.dtype, out)
        for i, array in enumerate(chunk.inputs):
            array -= chunk.base
            keep(i, array, chunk)
        merged = self.method.function(chunk.inputs, self.values)
        if self.values.scale != 1:
            merged *= self.values.scale
        merged += chunk.base
        return self.arrays.encode(merged, self.tensor.dtype, out)

    def _keeper(self, block: int) -> Callable[[int, Any, Chunk], Any]:
        """Return the function that sets what is not kept of input i to 0, for the chunks of a block in order."""
        if self.method.keep == "largest":
            cuts = [Cut(cutoff, block) for cutoff in self.cutoffs]
            return lambda i, tau, chunk: cuts[i](tau)
        if self.method.keep == "random":
            drawn = self._masks(block)
            return lambda i, tau, chunk: masks.drop(tau, drawn[i][chunk.first : chunk.last], self.shares[i])
        return lambda i, tau, chunk: tau

    def _piece(self, block: int, chunk: Chunk, sampled: tuple[int, int]) -> Any:
        """Return copies of what statistics need of a chunk: inputs (K, n), base (n,) or None, and which part it is."""
        first, last = max(sampled[0], chunk.first), min(sampled[1], chunk.last)
        if first >= last:
            return None
        part = slice(first - chunk.first, last - chunk.first)
        inputs = self.context.scratch.floats("piece", len(chunk.inputs) * (last - first)).reshape(len(chunk.inputs), -1)
        for row, array in zip(inputs, chunk.inputs, strict=True):
            row[:] = self.arrays.to_numpy(array[part])
        if chunk.base is not None:
            return inputs, self.arrays.to_numpy(chunk.base[part]), part
        return inputs, self._base_piece(block * BLOCK + first, last - first), part

    def _base_piece(self, start: int, count: int) -> NDArray[np.float64] | None:
        """Return elements of a base that only statistics need."""
        if self.tensor.base is None:
            return None
        feed = Feed(self.tensor, [self.tensor.base], None, [1.0], self.feed.files, self.numpy, self.context.scratch)
        if not feed.plain:
            block, first = divmod(start, BLOCK)
            whole = np.concatenate([chunk.inputs[0] for chunk in feed.chunks(block)])
            return whole[first : first + count]
        raw = feed.raw(self.tensor.base.tensor, start, count, "base piece")
        check_stored(raw, self.tensor.base.tensor, start)
        return self.numpy.decode(raw, self.tensor.base.tensor.dtype)

    def _check_result(self, raw: NDArray[np.uint8], start: int) -> None:
        if not finite(raw, self.tensor.dtype):
            index = start + first_not_finite(self.numpy.decode(raw, self.tensor.dtype))
            raise MergeError(
                f"tensor {self.tensor.name!r}: the merged value at index {index} is too large for {self.tensor.dtype}. "
                "Lower lambda or the weights, or choose a wider dtype."
            )


class Cut:
    """Keeps the largest entries of one input in the chunks of a block, which must come in order."""

    def __init__(self, cutoff: Cutoff, block: int) -> None:
        self.threshold = cutoff.threshold
        count = cutoff.equal[block] if cutoff.equal else 0
        self.left = cutoff.kept[block] if cutoff.kept else 0
        self.partly = 0 < self.left < count
        self.whole = Cutoff(cutoff.threshold, (count,), (self.left,))

    def __call__(self, tau: Any) -> Any:
        if not self.partly:
            return selection.keep(tau, self.whole, 0)
        # Of the entries equal to the threshold only the first ones of the block are kept.
        equal = int((abs(tau) == self.threshold).sum())
        kept = min(equal, self.left)
        self.left -= kept
        return selection.keep(tau, Cutoff(self.threshold, (equal,), (kept,)), 0)


def _present(values: Values, models: Sequence[int], count: int) -> Values:
    """Return the values of the models that take part; one density for all becomes one each."""
    density = values.density if len(values.density) == count else values.density[:1] * count
    density = density or (1.0,) * count
    if len(models) == count and density == values.density:
        return values
    return replace(values, weights=tuple(values.weights[i] for i in models), density=tuple(density[i] for i in models))


def _added(grams: Sequence[tuple[tuple[float, ...], ...]]) -> tuple[tuple[float, ...], ...]:
    """Return the sum of the blocks' inner products, in order."""
    total = sum(np.array(gram) for gram in grams)
    return tuple(map(tuple, np.asarray(total).tolist()))
