"""MinHash signatures of many short texts at once (Broder 1997), banded for locality-sensitive hashing.

A text is the set of its character n-grams (`polylect.languages.shingles`), hashed to 32 bits. The share of equal minima
under random permutations estimates the Jaccard similarity of two sets; texts that agree in all minima of at least one band are
candidates (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4). With 20 bands of 6 minima, two texts
of similarity 0.8 become candidates with probability 1 - (1 - 0.8^6)^20 = 0.998, of 0.5 with 0.27. Only a hash per band is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes: TypeAlias = NDArray[np.uint32]

__all__ = ["BANDS", "ROWS", "band_hashes", "candidate_pairs", "jaccard", "shingle_sets"]

BANDS = 20
"""Bands of a signature."""

ROWS = 6
"""Minima per band."""

ALL_PAIRS = 64
"""Texts that share a band and are all compared with each other; of more, see `candidate_pairs`."""

NEARBY = 16
"""In a larger group each text is compared with so many first and so many next ones."""

_BLOCK = 1 << 16
"""Shingles whose minima are taken at a time: 256 KiB, which stays in the cache of a core."""


def shingle_sets(texts: Sequence[str], length: int) -> list[Hashes]:
    """Return the sorted set of shingle hashes of each text."""
    import numpy as np

    hashes, counts = _shingles(texts, length)
    return [np.unique(part) for part in np.split(hashes, np.cumsum(counts)[:-1])]


def jaccard(one: Hashes, other: Hashes) -> float:
    """Return the exact Jaccard similarity of two sorted sets, in [0, 1]."""
    import numpy as np

    both = np.concatenate((one, other))
    both.sort()
    shared = int((both[1:] == both[:-1]).sum())
    return shared / (len(both) - shared)


def band_hashes(texts: Sequence[str], length: int, groups: NDArray[np.uint32], *, seed: int = 0) -> Hashes:
    """Return a hash per text and band, (texts, BANDS); texts of different `groups` (texts,) share none but by chance."""
    import numpy as np

    hashes, counts = _shingles(texts, length)
    ends = np.cumsum(counts)
    parts, first = [], 0
    while first < len(texts):
        base = int(ends[first] - counts[first])
        last = max(first + 1, int(np.searchsorted(ends, base + _BLOCK, side="right")))
        minima = _minima(hashes[base : int(ends[last - 1])], counts[first:last], seed)
        parts.append(_banded(minima, groups[first:last]))
        first = last
    return np.concatenate(parts) if parts else np.empty((0, BANDS), np.uint32)


def candidate_pairs(bands: Hashes, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of texts that share a band, (pairs, 2), smaller number first, each once.

    A group of more than `ALL_PAIRS` texts in one band, such as thousands of questions from one template, is not compared
    in all pairs but each text with the first `NEARBY` of the group and with the `NEARBY` that follow it.

    Args:
        bands: (rows, BANDS) hashes.
        rows: (rows,) the numbers to give the texts, ascending in the order of preference.
    """
    import numpy as np

    order = np.argsort(rows, kind="stable")
    bands, rows = bands[order], rows[order]
    found: list[NDArray[np.int64]] = []
    for band in range(bands.shape[1]):
        by_hash = np.argsort(bands[:, band], kind="stable")
        values = bands[by_hash, band]
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        sizes = np.diff(np.r_[starts, len(values)])
        # Most groups are of two texts: no loop for them.
        twos = starts[sizes == 2]
        found.append(np.stack((rows[by_hash[twos]], rows[by_hash[twos + 1]]), axis=1))
        shared = sizes > 2
        for start, size in zip(starts[shared].tolist(), sizes[shared].tolist(), strict=True):
            found.append(_pairs(rows[by_hash[start : start + size]]))
        if len(found) > 4096:
            found = [np.unique(np.concatenate(found), axis=0)]
    return np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), np.int64)


def _pairs(members: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of one group of ascending numbers."""
    import numpy as np

    count = len(members)
    if count <= ALL_PAIRS:
        one, other = _all_pairs(count)
    else:
        near = [np.stack((np.arange(count - step), np.arange(step, count))) for step in range(1, NEARBY + 1)]
        first = [np.stack((np.full(count - place - 1, place), np.arange(place + 1, count))) for place in range(NEARBY)]
        one, other = np.concatenate(near + first, axis=1)
    return np.stack((members[one], members[other]), axis=1)


@cache
def _all_pairs(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    import numpy as np

    return np.triu_indices(count, 1)


def _shingles(texts: Sequence[str], length: int) -> tuple[Hashes, NDArray[np.int64]]:
    """Return the hashes of all shingles, text after text, and their number per text.

    A text shorter than a shingle is padded: it has one.
    """
    import numpy as np

    padded = [text if len(text) >= length else text.ljust(length, "\0") for text in texts]
    # Lone surrogates, which broken JSON can hold, have no place in UTF-32 and yet must not stop the window.
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    if not len(codes):
        return np.empty(0, np.uint32), lengths
    rolling = codes[: len(codes) - length + 1].astype(np.uint64)
    for step in range(1, length):
        rolling *= np.uint64(0x9E3779B97F4A7C15)
        rolling += codes[step : len(codes) - length + 1 + step]
    whole = np.ones(len(rolling), bool)
    for step in range(1, length):
        # Shingles that begin near the end of a text reach into the next one.
        whole[np.cumsum(lengths)[:-1] - step] = False
    return _mixed(rolling[whole]), lengths - length + 1


def _mixed(values: NDArray[np.uint64]) -> Hashes:
    """Return 32 bits to which every bit of a 64-bit value contributes (the finaliser of splitmix64, Steele et al. 2014)."""
    import numpy as np

    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    return (values >> np.uint64(32)).astype(np.uint32)


def _minima(hashes: Hashes, counts: NDArray[np.int64], seed: int) -> Hashes:
    """Return the smallest hash of each text under each permutation x -> a x + b modulo 2^32, a odd: (BANDS * ROWS, texts)."""
    import numpy as np

    random = np.random.Generator(np.random.PCG64(seed))
    factors = random.integers(0, 1 << 31, BANDS * ROWS, np.uint32) * np.uint32(2) + np.uint32(1)
    offsets = random.integers(0, 1 << 32, BANDS * ROWS, np.uint64).astype(np.uint32)
    starts = np.cumsum(counts) - counts
    minima = np.empty((BANDS * ROWS, len(counts)), np.uint32)
    permuted = np.empty_like(hashes)
    for number in range(BANDS * ROWS):
        np.multiply(hashes, factors[number], out=permuted)
        permuted += offsets[number]
        np.minimum.reduceat(permuted, starts, out=minima[number])
    return minima


def _banded(minima: Hashes, groups: NDArray[np.uint32]) -> Hashes:
    """Return the hash of each band and group, (texts, BANDS)."""
    import numpy as np

    bands = minima.reshape(BANDS, ROWS, -1).astype(np.uint64)
    joined = np.broadcast_to(groups.astype(np.uint64), (BANDS, len(groups))).copy()
    for row in range(ROWS):
        joined *= np.uint64(0x9E3779B97F4A7C15)
        joined += bands[:, row]
    return np.ascontiguousarray(_mixed(joined).T)
