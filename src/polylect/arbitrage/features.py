"""Prompts as hashed character n-grams: what the learned router sees (feature hashing: Weinberger et al. 2009, arXiv 0902.2206).

All n-grams of a batch of texts are hashed at once with NumPy: each text is one stretch of an array of code points, and the
hash of the n-gram that starts at a position is made from that of the (n-1)-gram there. Case and canonical equivalence do not
count (NFC, lower case). The sign of a feature comes from a bit of the hash of its own, so that collisions cancel on average.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NgramSettings", "Ngrams", "ngrams"]


@dataclass(frozen=True)
class NgramSettings:
    """Which n-grams.

    Attributes:
        bits: the table of features has 2**bits rows.
        orders: lengths of the n-grams, in code points.
        characters: of a long prompt the first and the last half of this many are read: what is asked stands at an end.
    """

    bits: int = 16
    orders: tuple[int, ...] = (1, 2, 3, 4)
    characters: int = 400


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of B texts, for one lookup per order: `indices[i]` and `signs[i]` are those of `orders[i]`, text after text.

    Attributes:
        indices: rows of the feature table, int64, per order of shape (n-grams,).
        signs: 1 or -1, float32, of the same shapes.
        offsets: per order the start of each text's n-grams, int64, (B,).
        scale: 1 / sqrt(n-grams of the text over all orders), float32, (B,): texts of any length weigh the same.
    """

    indices: tuple[NDArray[np.int64], ...]
    signs: tuple[NDArray[np.float32], ...]
    offsets: tuple[NDArray[np.int64], ...]
    scale: NDArray[np.float32]


def ngrams(texts: Sequence[str], settings: NgramSettings) -> Ngrams:
    """Return the hashed n-grams of a batch of texts, each taken with a space before and after it."""
    import numpy as np

    read = [_read(text, settings.characters) for text in texts]
    # A lone surrogate is no character, but it may stand in scraped data.
    points = np.frombuffer("".join(read).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.array([len(text) for text in read], dtype=np.int64)
    ends = np.cumsum(lengths)
    left = np.repeat(ends, lengths) - np.arange(len(points))
    rolling = np.zeros(len(points), dtype=np.uint32)
    longest = max(settings.orders, default=0)
    indices, signs, offsets = [], [], []
    total = np.zeros(len(texts), dtype=np.int64)
    for order in range(1, longest + 1):
        # h_n(i) = (h_{n-1}(i) + point(i + n - 1) + 1) * odd constant, modulo 2**32: a polynomial hash, O(1) per order.
        rolling = (rolling[: len(points) - order + 1] + points[order - 1 :] + np.uint32(1)) * np.uint32(0x9E3779B1)
        if order not in settings.orders:
            continue
        hashed = _mixed(rolling[left[: len(rolling)] >= order], order)
        indices.append((hashed & np.uint32((1 << settings.bits) - 1)).astype(np.int64))
        signs.append(np.where(hashed >> np.uint32(31), np.float32(1), np.float32(-1)))
        counts = np.maximum(lengths - order + 1, 0)
        offsets.append(np.cumsum(counts) - counts)
        total += counts
    scale = (1 / np.sqrt(np.maximum(total, 1))).astype(np.float32)
    return Ngrams(tuple(indices), tuple(signs), tuple(offsets), scale)


def _read(text: str, characters: int) -> str:
    """Return the part of a text that is read, normalised, with a space at either end."""
    if len(text) > characters:
        half = characters // 2
        text = f"{text[:half]} {text[-half:]}"
    return f" {unicodedata.normalize('NFC', text).lower()} "


def _mixed(hashed: NDArray[np.uint32], order: int) -> NDArray[np.uint32]:
    """Return the hashes of one order with all bits stirred (the finaliser of MurmurHash3, public domain), apart by order."""
    import numpy as np

    mixed = hashed + np.uint32(order * 0x85EBCA6B & 0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(factor)
    return mixed ^ (mixed >> np.uint32(16))
