"""How the inputs of a merge lie to each other and to the result: sums over pieces of every tensor, and what they come to."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.plan import TensorPlan

__all__ = ["SAMPLE", "Measured", "Sums", "distances", "input_rows", "measure", "pair_rows", "part_of", "pieces", "summary"]

SAMPLE = 1 << 13
"""Elements that are looked at in a block of 2**20 when statistics are sampled."""
_EVERY = 4
"""Of so many blocks one is looked at: 0.2 % of a large tensor, at least 8,192 elements (a cosine is then good to about 0.01)."""
_ROW = 1 << 12
"""Elements at a time. BLAS splits longer inner products among threads, which changes the last bits; and the memory of small
arrays is taken from the heap and needs no new pages."""


_PARTS = (
    ("norm", r"norm|\bln_|layernorm"),
    ("attention", r"attn|attention|\b[qkvo]_proj|qkv"),
    ("mlp", r"mlp|ffn|feed_forward|experts|gate_proj|up_proj|down_proj|fc[12]\b"),
    ("embedding", r"embed|\bwte|\bwpe"),
    ("head", r"lm_head|\bhead|score"),
)
"""In this order: the norm of an attention is a norm."""


def part_of(name: str) -> str:
    """Return the part of a model that a tensor belongs to: attention, mlp, norm, embedding, head or other."""
    return next((part for part, pattern in _PARTS if re.search(pattern, name)), "other")


def pieces(block: int, size: int, mode: str) -> tuple[int, int]:
    """Return which elements (first, last exclusive) of a block of `size` elements are looked at; (0, 0): none.

    A sample is one run of elements whose place moves from block to block, so that it does not fall in step with the rows.
    """
    if mode == "none" or (mode == "sampled" and block % _EVERY):
        return 0, 0
    if mode == "exact" or size <= SAMPLE:
        return 0, size
    first = (5 + 37 * block) % (size // SAMPLE) * SAMPLE
    return first, first + SAMPLE


class Measured(Protocol):
    """What the rows of a tensor need to know of it; a `TensorPlan` does, and so does a manifest.

    `inputs` has None for a model that abstains; `base` is None where there are no task vectors.
    """

    @property
    def name(self) -> str:
        """Name of the tensor."""

    @property
    def size(self) -> int:
        """Number of elements."""

    @property
    def layer(self) -> int:
        """Number of the layer, -1: none."""

    @property
    def inputs(self) -> Sequence[object]:
        """One per model of the merge."""

    @property
    def base(self) -> object:
        """What task vectors are taken from."""


@dataclass(frozen=True)
class Sums:
    """Sums over the `sampled` elements of one tensor with K inputs; exact pieces add up with `+`.

    `gram` has K + 1 rows: inner products of the K task vectors and, last, the merged one (x - base; x itself where there is no
    base). `distance` is the sum of (x - merged)^2 per input, `merged` that of merged^2. `nonzero` counts the entries of a task
    vector that are not 0, `conflicting` those of them whose sign is opposite to the merged one's.
    """

    sampled: int
    gram: tuple[tuple[float, ...], ...]
    distance: tuple[float, ...]
    merged: float
    nonzero: tuple[int, ...]
    conflicting: tuple[int, ...]

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.sampled + other.sampled,
            tuple(_added(a, b) for a, b in zip(self.gram, other.gram, strict=True)),
            _added(self.distance, other.distance),
            self.merged + other.merged,
            _added(self.nonzero, other.nonzero),
            _added(self.conflicting, other.conflicting),
        )

    @classmethod
    def from_flat(cls, sampled: int, values: Sequence[float]) -> Sums:
        """Return the sums of K inputs from the list of the compiled kernel."""
        flat = tuple(values)
        # (K + 1)^2 inner products, 3 K sums per input, one of the result.
        count = (math.isqrt(17 + 4 * len(flat)) - 5) // 2
        side = count + 1
        square = side * side
        rows = tuple([flat[start : start + side] for start in range(0, square, side)])
        nonzero, conflicting = flat[square + count : square + 2 * count], flat[square + 2 * count : square + 3 * count]
        counts = tuple(map(int, nonzero)), tuple(map(int, conflicting))
        return cls(sampled, rows, flat[square : square + count], flat[-1], *counts)

    def packed(self) -> str:
        """Return the same as hexadecimal digits: quicker to write and to read than decimals."""
        flat = [value for row in self.gram for value in row] + [*self.distance, *self.nonzero, *self.conflicting, self.merged]
        return struct.pack(f"<q{len(flat)}d", self.sampled, *flat).hex()

    @classmethod
    def read(cls, values: Sequence[Any] | str) -> Sums:
        """Return what `packed` gave; or the nested lists of decimals that earlier versions wrote."""
        if isinstance(values, str):
            raw = bytes.fromhex(values)
            count, *flat = struct.unpack(f"<q{len(raw) // 8 - 1}d", raw)
            return cls.from_flat(count, flat)
        listed: Sequence[Any] = values
        sampled, gram, distance, merged, nonzero, conflicting = listed
        return cls(sampled, tuple(map(tuple, gram)), tuple(distance), merged, tuple(nonzero), tuple(conflicting))


def _added(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a + b for a, b in zip(first, second, strict=True))


def measure(inputs: NDArray[np.float64], base: NDArray[np.float64] | None, merged: NDArray[np.float64]) -> Sums:
    """Return the sums over one piece of a tensor.

    Args:
        inputs: (K, n).
        base: (n,), if there is one.
        merged: (n,), as it is in the output.
    """
    count, size = inputs.shape
    gram, distance, square = np.zeros((count + 1, count + 1)), np.zeros(count), 0.0
    nonzero, conflicting = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for first in range(0, size, _ROW):
        part = slice(first, first + _ROW)
        vectors = np.concatenate((inputs[:, part], merged[None, part]))
        apart = vectors[:-1] - vectors[-1]
        distance += np.vecdot(apart, apart)
        square += float(np.vecdot(vectors[-1], vectors[-1]))
        if base is not None:
            vectors -= base[part]
        gram += np.vecdot(vectors[:, None], vectors[None])
        nonzero += np.count_nonzero(vectors[:-1], axis=-1)
        np.multiply(vectors[:-1], vectors[-1], out=apart)
        conflicting += np.count_nonzero(apart < 0, axis=-1)
    return Sums(
        size,
        tuple(map(tuple, gram.tolist())),
        tuple(distance.tolist()),
        square,
        tuple(nonzero.tolist()),
        tuple(conflicting.tolist()),
    )


def distances(sums: Sums) -> tuple[float, ...]:
    """Return each input's relative L2 distance to the merged tensor (0 for a tensor that is 0 and was 0)."""
    norm = math.sqrt(sums.merged) or 1.0
    return tuple(math.sqrt(distance) / norm for distance in sums.distance)


def input_rows(tensor: Measured, labels: Sequence[str], sums: Sums) -> Iterator[dict[str, Any]]:
    """Yield one row per input that takes part: sums, and the figures that they come to.

    Without a base there are no task vectors: fields that need them are None (see `polylect.records.MergeInput`).
    """
    last = len(sums.gram) - 1
    scale = tensor.size / max(sums.sampled, 1)
    for i, label in enumerate(_present(tensor, labels)):
        row: dict[str, Any] = _head(tensor, label, sums)
        row |= {"square_merged": sums.merged, "square_distance": sums.distance[i]}
        row["distance"] = math.sqrt(sums.distance[i] / sums.merged) if sums.merged else None
        if tensor.base is not None:
            row |= {
                "square_task": sums.gram[i][i],
                "square_task_merged": sums.gram[last][last],
                "dot": sums.gram[i][last],
                "nonzero": sums.nonzero[i],
                "conflicting": sums.conflicting[i],
                "norm": math.sqrt(sums.gram[i][i] * scale) if sums.sampled else None,
                "cosine": cosine(sums, i, last),
                "sign_conflict": sums.conflicting[i] / sums.nonzero[i] if sums.nonzero[i] else None,
            }
        yield row


def pair_rows(tensor: Measured, labels: Sequence[str], sums: Sums) -> Iterator[dict[str, Any]]:
    """Yield one row per pair of inputs: how their task vectors lie to each other; none without a base."""
    if tensor.base is None:
        return
    present = _present(tensor, labels)
    for i, label in enumerate(present):
        for j in range(i + 1, len(present)):
            norms = {"norm_model": math.sqrt(sums.gram[i][i]), "norm_other": math.sqrt(sums.gram[j][j])}
            yield {
                **_head(tensor, label, sums), "other": present[j], "dot": sums.gram[i][j], **norms, "cosine": cosine(sums, i, j),
            }  # fmt: skip


def summary(tensor: TensorPlan, sums: Sums) -> dict[str, Any]:
    """Return the statistics of one tensor for the manifest; "reference" says what vectors are taken from: "base" or "none"."""
    *norms, norm = [math.sqrt(row[i]) for i, row in enumerate(sums.gram)]
    scale = math.sqrt(tensor.size / max(sums.sampled, 1))
    count = range(len(norms))
    return {
        "reference": "none" if tensor.base is None else "base",
        "sampled": sums.sampled,
        "norm": [scale * value for value in norms],
        "distance": distances(sums),
        "cosine_merged": [_cosine(sums.gram[i][-1], norms[i] * norm) for i in count],
        "cosine": [[_cosine(sums.gram[i][j], norms[i] * norms[j]) for j in count[i + 1 :]] for i in count[:-1]],
        "sign_conflict": [part / whole if whole else None for part, whole in zip(sums.conflicting, sums.nonzero, strict=True)],
    }


def _cosine(dot: float, norms: float) -> float | None:
    return min(max(dot / norms, -1.0), 1.0) if norms else None


def cosine(sums: Sums, i: int, j: int) -> float | None:
    """Return the cosine of two of the vectors, None where one is zero."""
    return _cosine(sums.gram[i][j], math.sqrt(sums.gram[i][i]) * math.sqrt(sums.gram[j][j]))


def _present(tensor: Measured, labels: Sequence[str]) -> list[str]:
    return [label for label, source in zip(labels, tensor.inputs, strict=True) if source is not None]


def _head(tensor: Measured, label: str, sums: Sums) -> dict[str, Any]:
    return {
        "tensor": tensor.name,
        "layer": tensor.layer,
        "part": part_of(tensor.name),
        "model": label,
        "parameters": tensor.size,
        "sampled": sums.sampled,
    }
