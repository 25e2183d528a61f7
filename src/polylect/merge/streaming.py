"""Merges one tensor, block by block: passes that measure, then one that combines, encodes and writes.

A block is 2**20 elements, whatever the settings: sums over a tensor are added up block by block in order and masks are seeded per
block, so that results depend neither on threads nor on memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_128

from polylect.merge.arrays import FLOATS
from polylect.merge.compiled import CompiledMerger, fits
from polylect.merge.feeds import CHUNK, WIDE
from polylect.merge.merger import Map, Merger
from polylect.merge.selection import BLOCK
from polylect.merge.statistics import Sums
from polylect.merge.takeover import Context, Write, comparer, copier

if TYPE_CHECKING:
    from polylect.merge.methods import Method
    from polylect.merge.plan import Source, TensorPlan

__all__ = ["Done", "Map", "buffers", "merge_tensor", "tree_hash"]


class Done(NamedTuple):
    """A finished tensor: hash of its bytes, statistics, and the hashes of the inputs that were read in full (name, hash)."""

    hash: str
    sums: Sums | None
    inputs: tuple[tuple[str, str, str], ...]


def merge_tensor(tensor: TensorPlan, context: Context, each: Map, write: Write) -> Done:
    """Carry out the plan of one tensor.

    Args:
        tensor: what to do.
        context: of the merge.
        each: maps functions over the numbers of the tensor's blocks.
        write: takes the bytes of the output.

    Raises:
        MergeError: an input or the result is not finite, or whole numbers differ between inputs.
        ModelError: an input cannot be read.
    """
    blocks = range(-(-tensor.size // BLOCK))
    if tensor.copy is not None:
        sources: list[Source] = [tensor.copy]
        done = each(copier(tensor, tensor.copy, context, write), blocks)
    elif tensor.dtype not in FLOATS:
        sources = [source for source in tensor.inputs if source is not None]
        done = each(comparer(tensor, sources, context, write), blocks)
    else:
        merger = _merger(tensor, context, write)
        sources = merger.hashed
        merger.prepare(each, blocks)
        done = each(merger.combine, blocks)
    sums = [block.sums for block in done if block.sums is not None]
    inputs = [
        (str(source.tensor.file), source.tensor.name, tree_hash([block.inputs[i] for block in done]))
        for i, source in enumerate(sources)
        if all(len(block.inputs) > i for block in done)
    ]
    return Done(tree_hash([block.digest for block in done]), sum(sums[1:], sums[0]) if sums else None, tuple(inputs))


def tree_hash(digests: Sequence[bytes]) -> str:
    """Return the XXH3-128 of a tensor from those of its blocks: the block's own, or that of all digests, put together."""
    return (digests[0] if len(digests) == 1 else xxh3_128(b"".join(digests)).digest()).hex()


def buffers(tensor: TensorPlan, method: Method) -> int:
    """Return the bytes that one worker's buffers take for a tensor, about."""
    count = sum(source is not None for source in tensor.inputs) + (tensor.base is not None)
    needed = (count * (8 + 4) + 6 * 8) * (WIDE if method.keep == "all" else CHUNK)
    everything = [source for source in (*tensor.inputs, tensor.base, tensor.copy) if source is not None]
    if not all(source.plain for source in everything):
        needed += (count + 2) * BLOCK * 8
    if method.keep == "largest":
        needed += (count + 2) * BLOCK * 8
    if method.keep == "random":
        needed += count * BLOCK
    return needed


def _merger(tensor: TensorPlan, context: Context, write: Write) -> Merger:
    """Return what merges a tensor: the compiled kernel where it is there and fits, else NumPy or torch; the bits are the same."""
    if context.kernel is not None and fits(tensor, context):
        return CompiledMerger(tensor, context, write)
    return Merger(tensor, context, write)
