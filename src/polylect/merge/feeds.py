"""The inputs of one tensor as float64 chunks, side by side, checked to be finite and hashed on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from xxhash import xxh3_128

from polylect.errors import MergeError
from polylect.merge.arrays import FLOATS, NumpyArrays
from polylect.merge.selection import BLOCK
from polylect.merge.sources import Files, Rows, fill_missing, first_not_finite, orphan_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.arrays_torch import TorchArrays
    from polylect.merge.plan import Source, TensorPlan
    from polylect.models.safetensors_file import TensorInfo

__all__ = ["CHUNK", "WIDE", "Chunk", "Feed", "Scratch", "check_stored", "finite", "not_finite"]

CHUNK = 1 << 17
"""Elements that are read, decoded and merged at a time: what all inputs take of them stays in the processor's cache."""
WIDE = 1 << 18
"""The same for methods that do little per element: there handing over Python's lock at every step costs more than the cache."""


Targets = Sequence["NDArray[np.float64]"]
_Hasher = xxh3_128


class Scratch(threading.local):
    """Buffers of a thread, kept from one chunk to the next: fresh memory costs more than the arithmetic done in it."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def bytes(self, name: str, size: int) -> NDArray[np.uint8]:
        """Return this thread's buffer of that name, cut to `size`; its content is whatever was left there."""
        kept = self._kept.get(name)
        if kept is None or kept.size < size:
            kept = self._kept[name] = np.empty(size, np.uint8)
        return kept if kept.size == size else kept[:size]

    def floats(self, name: str, size: int) -> NDArray[np.float64]:
        """Return a buffer of `size` float64 numbers."""
        return self.bytes(name, 8 * size).view(np.float64)


@dataclass
class Chunk:
    """Elements `first` to `last` (exclusive) of a block: one float64 array per input, to be overwritten, and the base."""

    first: int
    last: int
    inputs: list[Any]
    base: Any = None


@dataclass
class Feed:
    """Reads the inputs of one tensor.

    `sources` are the inputs that take part, `weights` theirs (for rows that a model lacks); `base` is None where none is needed;
    `chunk` is the number of elements at a time; `alone` says that one worker does all passes, with no other tensor in between.
    """

    tensor: TensorPlan
    sources: Sequence[Source]
    base: Source | None
    weights: Sequence[float]
    files: Files
    arrays: NumpyArrays | TorchArrays
    scratch: Scratch
    chunk: int = CHUNK
    alone: bool = False
    _rows: list[Rows] = field(default_factory=list, init=False)
    _whole: tuple[NDArray[np.uint8], ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        everything = [*self.sources, *([self.base] if self.base is not None else [])]
        self.width = self.tensor.size // max(self.tensor.shape[0], 1) if self.tensor.shape else 1
        if not all(source.plain for source in everything):
            # Sources that are not plain are few and their decoding is not the bottleneck: NumPy on every device.
            self._rows = [Rows(source, self.width, self.files, NumpyArrays()) for source in everything]
        self._plain = [(source.tensor, source.tensor.width) for source in everything]
        self._numpy = isinstance(self.arrays, NumpyArrays)

    @property
    def plain(self) -> bool:
        """Whether all inputs are bytes of files as they lie there."""
        return not self._rows

    def span(self, block: int) -> int:
        """Return the number of elements of a block."""
        return min(BLOCK, self.tensor.size - block * BLOCK)

    def chunks(
        self, block: int, hashers: Sequence[_Hasher] = (), *, check: bool = True, share: int = 1, targets: Targets | None = None
    ) -> Iterator[Chunk]:
        """Yield the chunks of a block in order; a chunk's arrays are valid until the next one.

        Args:
            block: number of the block.
            hashers: one per input and, last, the base's, for the bytes of inputs as they are read; none: nothing is hashed.
            check: raise for inputs that are not finite; an earlier pass may have done so.
            share: only the first 1 / share of the block is read.
            targets: NumPy arrays as long as the block, in which the inputs' chunks are put next to each other.
        """
        span = -(-self.span(block) // share)
        if self._rows:
            yield from self._filled(block, span, targets)
            return
        size = self.chunk if self._numpy else BLOCK
        for first, count, raws in self.raws(block, hashers, size=size, share=share):
            arrays: list[Any] = []
            for i, (raw, (tensor, _)) in enumerate(zip(raws, self._plain, strict=True)):
                if check:
                    check_stored(raw, tensor, block * BLOCK + first)
                into = targets[i][first : first + count] if targets is not None and i < len(targets) else None
                out: Any = into if into is not None else self.scratch.floats(f"values {i}", count) if self._numpy else None
                arrays.append(self.arrays.decode(raw, tensor.dtype, out))
            base = arrays.pop() if self.base is not None else None
            yield Chunk(first, first + count, arrays, base)

    def raws(
        self, block: int, hashers: Sequence[_Hasher] = (), *, size: int, share: int = 1
    ) -> Iterator[tuple[int, int, list[NDArray[np.uint8]]]]:
        """Yield (first, count, bytes of the inputs and, last, the base) of the chunks of a block, `size` elements each.

        For plain inputs only; the buffers are valid until the next chunk. `hashers` and `share` are those of `chunks`.
        """
        span = -(-self.span(block) // share)
        if self._whole:
            # One worker merges a small tensor, pass after pass: its bytes still lie in that worker's buffers.
            for hasher, raw in zip(hashers, self._whole, strict=False):
                hasher.update(raw.data)
            yield 0, span, list(self._whole)
            return
        for first in range(0, span, size):
            count = min(size, span - first)
            raws = []
            for i, (tensor, width) in enumerate(self._plain):
                raw = self.scratch.bytes(f"raw {i}", count * width)
                self.files.read(tensor, (block * BLOCK + first) * width, raw)
                if hashers:
                    hashers[i].update(raw.data)
                raws.append(raw)
            if self.alone and count == self.tensor.size:
                self._whole = tuple(raws)
            yield first, count, raws

    def raw(self, tensor: TensorInfo, start: int, count: int, name: str) -> NDArray[np.uint8]:
        """Return the bytes of `count` elements from element `start` on, in this thread's buffer of that name."""
        buffer = self.scratch.bytes(name, count * tensor.bytes // tensor.size)
        self.files.read(tensor, start * tensor.bytes // tensor.size, buffer)
        return buffer

    def _filled(self, block: int, span: int, targets: Targets | None) -> Iterator[Chunk]:
        """Yield the chunks of a block whose rows are read as wholes, so that missing ones can be filled in."""
        start, count = block * BLOCK, self.span(block)
        top, bottom = start // self.width, -(-(start + count) // self.width)
        values, present = map(list, zip(*(rows.read(top, bottom) for rows in self._rows), strict=True))
        for rows, array in zip(self._rows, values, strict=True):
            if not np.isfinite(array).all():
                raise not_finite(rows.source.tensor, top * self.width + first_not_finite(array.reshape(-1)))
        many = len(self.sources)
        base = (values[many], present[many]) if self.base is not None else (None, None)
        orphans = fill_missing(values[:many], present[:many], self.weights, *base)
        if orphans.size:
            raise orphan_error(self.tensor.name, top + int(orphans[0]))
        offset = start - top * self.width
        flat = [array.reshape(-1)[offset : offset + count] for array in values]
        for first in range(0, span, CHUNK):
            last = min(first + CHUNK, span)
            if targets is not None:
                for target, array in zip(targets, flat, strict=False):
                    target[first:last] = array[first:last]
            arrays = [self.arrays.asarray(array[first:last]) for array in (*(targets or flat)[:many], *flat[many:])]
            yield Chunk(first, last, arrays[:many], arrays[many] if self.base is not None else None)


def check_stored(raw: NDArray[np.uint8], tensor: TensorInfo, start: int) -> None:
    """Raise unless all stored elements are finite; whole numbers always are.

    Args:
        raw: bytes of elements of `tensor` from element `start` on.
        tensor: where they lie.
        start: see `raw`.

    Raises:
        MergeError: one is NaN or infinite.
    """
    if tensor.dtype in FLOATS and not finite(raw, tensor.dtype):
        values = NumpyArrays().decode(raw, tensor.dtype)
        raise not_finite(tensor, start + first_not_finite(values))


_LIMITS = {
    dtype: (np.dtype(f"<i{width}"), np.dtype(f"<u{width}"), infinite, 1 << (8 * width - 1))
    for dtype, width, infinite in (
        ("BF16", 2, 0x7F80), ("F16", 2, 0x7C00), ("F32", 4, 0x7F800000), ("F64", 8, 0x7FF0000000000000)
    )
}  # fmt: skip
"""The bits as signed and as unsigned numbers, those of infinity, and the sign bit: those of NaN are above those of infinity."""


def finite(raw: NDArray[np.uint8], dtype: str) -> bool:
    """Return whether no element is NaN or infinite, by two comparisons of bits and no temporary array."""
    if not raw.size:
        return True
    signed, unsigned, infinite, sign = _LIMITS[dtype]
    largest = np.maximum.reduce(raw.view(signed)), np.maximum.reduce(raw.view(unsigned))
    return bool(largest[0] < infinite and largest[1] < sign + infinite)


def not_finite(tensor: TensorInfo, index: int) -> MergeError:
    """Return the error for an input that holds NaN or infinity at a flat index."""
    place = [int(i) for i in np.unravel_index(index, tensor.shape)] if tensor.shape and index < tensor.size else [index]
    return MergeError(
        f"{tensor.file}: tensor {tensor.name!r} holds NaN or infinity, first at {place}; that checkpoint is broken. "
        "Take an earlier one of the training, or leave this model out."
    )
