"""DARE's random masks: which entries of a task vector are kept (Yu et al. 2024, arXiv 2311.03099, section 3.2).

A mask depends on (seed, tensor, model, block) alone, never on threads, memory or the order of work.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.kernel import Kernel

__all__ = ["bernoulli", "drop", "l1"]


def bernoulli(
    density: float, size: int, seed: int, tensor: str, model: int | str, block: int, kernel: Kernel | None = None
) -> NDArray[np.bool_]:
    """Return `size` truth values, each True with probability `density`, independent of each other.

    Eight random bits decide nearly every element; one whose bits equal the density's first eight is decided by 56 more. The
    probability is exact to 2**-64. The bits are those of SFC64, seeded by a hash of the other arguments.

    Args:
        density: from 0 to 1.
        size: number of elements of this block.
        seed: the merge's.
        tensor: name of the tensor.
        model: number or label of the model.
        block: number of the block in the tensor.
        kernel: draws the same values faster.
    """
    if density >= 1:
        return np.ones(size, dtype=bool)
    digest = hashlib.sha256(json.dumps([seed, tensor, model, block]).encode()).digest()
    source = np.random.SFC64(int.from_bytes(digest, "little"))
    # Scaling by a power of two is exact; a density that has bits below 2**-64 loses them.
    coarse, fine = divmod(int(density * 2.0**64), 1 << 56)
    if kernel is not None:
        return kernel.bernoulli(source.state["state"]["state"], coarse, fine, size)
    bits = source.random_raw(-(-size // 8)).astype("<u8", copy=False).view(np.uint8)[:size]
    kept: NDArray[np.bool_] = bits < np.uint8(coarse)
    if fine:
        undecided = np.flatnonzero(bits == np.uint8(coarse))
        kept[undecided] = (source.random_raw(undecided.size) >> np.uint64(8)) < np.uint64(fine)
    return kept


def drop(tau: Any, mask: Any, share: float) -> Any:
    """Return the kept entries divided by `share` and the others as 0, in place.

    Args:
        tau: float64 array of a task vector's block, of NumPy or torch; overwritten.
        mask: what is kept, of the same library.
        share: the density, or the share of the L1 norm that is kept.
    """
    tau *= mask
    if share != 1:
        tau *= 1 / share
    return tau


def l1(tau: Any, mask: Any) -> tuple[float, float]:
    """Return the L1 norm of what the mask keeps, and of all: over blocks, the ratio of the sums is the share kept."""
    size = abs(tau)
    whole = float(size.sum())
    size *= mask
    return float(size.sum()), whole
