"""Tensors that are taken over and not merged: copied from one input, or whole numbers that all inputs agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from xxhash import xxh3_128

from polylect.errors import MergeError
from polylect.merge.arrays import FLOATS, NumpyArrays
from polylect.merge.feeds import CHUNK, Feed, Scratch, check_stored
from polylect.merge.selection import BLOCK
from polylect.merge.sources import Files
from polylect.merge.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.arrays_torch import TorchArrays
    from polylect.merge.kernel import Kernel
    from polylect.merge.methods import Method
    from polylect.merge.plan import Source, TensorPlan
    from polylect.merge.settings import Settings

__all__ = ["Block", "Context", "Write", "comparer", "copier"]

Write = Callable[[int, "NDArray[np.uint8]"], None]
"""Writes bytes at an offset into the tensor's place in the output."""


@dataclass(frozen=True)
class Context:
    """What all tensors of a merge have in common."""

    settings: Settings
    method: Method
    files: Files
    arrays: NumpyArrays | TorchArrays
    scratch: Scratch
    kernel: Kernel | None = None


class Block(NamedTuple):
    """A finished block: hash of its bytes, statistics, hashes of what was read of each input."""

    digest: bytes
    sums: Sums | None
    inputs: list[bytes]


def copier(tensor: TensorPlan, source: Source, context: Context, write: Write) -> Callable[[int], Block]:
    """Return the function that takes a block over from one input: byte for byte, or converted to another dtype."""
    gaps = source.rows is not None and bool((source.rows < 0).any())
    others = [other for other in tensor.inputs if other is not None and other is not source] if gaps else []
    sources = [source, *others]
    base = tensor.base if gaps and tensor.base is not source else None
    feed = Feed(tensor, sources, base, [1.0] * len(sources), context.files, context.arrays, context.scratch)

    def copy(block: int) -> Block:
        output = xxh3_128()
        if feed.plain and source.tensor.dtype == tensor.dtype:
            for start, raw in _raw_chunks(feed, source, block):
                output.update(raw.data)
                write(start * source.tensor.bytes // tensor.size, raw)
            return Block(output.digest(), None, [output.digest()])
        for chunk in feed.chunks(block):
            raw = context.arrays.encode(chunk.inputs[0], tensor.dtype)
            output.update(raw.data)
            write((block * BLOCK + chunk.first) * FLOATS[tensor.dtype], raw)
        return Block(output.digest(), None, [])

    return copy


def comparer(tensor: TensorPlan, sources: Sequence[Source], context: Context, write: Write) -> Callable[[int], Block]:
    """Return the function that takes a block of whole numbers over from the first input, if all agree."""
    feed = Feed(tensor, sources, None, [1.0] * len(sources), context.files, context.arrays, context.scratch)
    if not feed.plain or len({source.tensor.dtype for source in sources}) > 1:
        raise MergeError(
            f"tensor {tensor.name!r} holds whole numbers, of several dtypes or in other rows; they cannot be merged."
        )

    def compare(block: int) -> Block:
        output = xxh3_128()
        for start, raw in _raw_chunks(feed, sources[0], block):
            count = raw.size * tensor.size // sources[0].tensor.bytes
            for other in sources[1:]:
                if not np.array_equal(raw, feed.raw(other.tensor, start, count, "other")):
                    raise MergeError(
                        f"{other.tensor.file}: tensor {tensor.name!r} holds whole numbers that differ from those of "
                        f"{sources[0].tensor.file}; they cannot be averaged. Take it from one model by a rule (keep)."
                    )
            output.update(raw.data)
            write(start * sources[0].tensor.bytes // tensor.size, raw)
        return Block(output.digest(), None, [output.digest()] * len(sources))

    return compare


def _raw_chunks(feed: Feed, source: Source, block: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (first element, bytes) of the chunks of a block as they lie in the file."""
    start, last = block * BLOCK, block * BLOCK + feed.span(block)
    for first in range(start, last, CHUNK):
        raw = feed.raw(source.tensor, first, min(CHUNK, last - first), "raw 0")
        check_stored(raw, source.tensor, first)
        yield first, raw
