"""Reads what a plan's sources stand for: bytes of tensors, rows rearranged, low-rank updates, and rows that a model lacks.

Everything goes through pread into buffers of the caller: mapped files would count as memory of the process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from polylect.errors import MergeError, ModelError
from polylect.merge.arrays import NumpyArrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.plan import LowRank, Source
    from polylect.models.safetensors_file import TensorInfo

__all__ = ["Files", "Rows", "fill_missing", "first_not_finite", "orphan_error"]


class Files:
    """Open files of the inputs, shared by all threads; use as a context manager."""

    def __init__(self) -> None:
        self._open: dict[Path, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)

    def read(self, tensor: TensorInfo, offset: int, buffer: NDArray[np.uint8]) -> None:
        """Fill `buffer` with the bytes of a tensor from `offset` on.

        Raises:
            ModelError: the file has become shorter since its header was read, or cannot be read.
        """
        try:
            descriptor = self._descriptor(tensor.file)
            done = 0
            while done < buffer.size:
                count = os.preadv(descriptor, [buffer[done:].data if done else buffer.data], tensor.start + offset + done)
                if not count:
                    raise ModelError(
                        f"{tensor.file}: ends within tensor {tensor.name!r}: it became shorter while it was read. "
                        "Leave the inputs alone during a merge, and start it again."
                    )
                done += count
        except OSError as error:
            raise ModelError(
                f"{tensor.file}: cannot be read ({error.strerror}). Check the disk, and start the merge again."
            ) from error

    def _descriptor(self, path: Path) -> int:
        found = self._open.get(path)
        if found is not None:
            return found
        with self._lock:
            if path not in self._open:
                self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return self._open[path]


class Rows:
    """Rows of one source that is not plain, in float64, before rows that the model lacks are filled in."""

    def __init__(self, source: Source, width: int, files: Files, arrays: NumpyArrays) -> None:
        self.source, self.width = source, width
        self._files, self._arrays = files, arrays
        self._matrices: dict[TensorInfo, NDArray[np.float64]] = {}
        self._lock = threading.Lock()

    def read(self, first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return rows `first` to `last` (exclusive) of the output, (rows, width), and which of them the model has.

        Rows that it lacks are 0. Products are computed for all these rows at once: ask for the same ones to get the same bits.
        """
        rows = np.arange(first, last) if self.source.rows is None else self.source.rows[first:last]
        present = rows >= 0
        values = self._gather(self.source.tensor, rows, self.width)
        if self.source.updates:
            wanted = rows[present]
            change = sum(self._update(update, wanted) for update in self.source.updates)
            values[present] += change
        return values, present

    def _update(self, update: LowRank, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return these rows of scale * B A, or of its transpose."""
        a = self._matrix(update.a)
        if update.transposed:
            product = a[:, rows].T @ self._matrix(update.b).T
        else:
            product = self._gather(update.b, rows, update.b.shape[1]) @ a
        product *= update.scale
        return product

    def _matrix(self, tensor: TensorInfo) -> NDArray[np.float64]:
        with self._lock:
            if tensor not in self._matrices:
                self._matrices[tensor] = self._gather(tensor, np.arange(tensor.shape[0]), tensor.shape[1])
            return self._matrices[tensor]

    def _gather(self, tensor: TensorInfo, rows: NDArray[np.int64], width: int) -> NDArray[np.float64]:
        """Return rows of a tensor, (len(rows), width); a negative number stands for a row of zeros."""
        size = width * tensor.bytes // max(tensor.size, 1)
        raw = np.empty((len(rows), size), dtype=np.uint8)
        raw[rows < 0] = 0
        for place, row, count in _runs(rows):
            self._files.read(tensor, row * size, raw[place : place + count].reshape(-1))
        return self._arrays.decode(raw, tensor.dtype).reshape(len(rows), width)


def _runs(rows: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Yield (place in `rows`, first row, number of rows) of rows that follow each other; negative ones are left out."""
    places = np.flatnonzero(rows >= 0)
    if not places.size:
        return
    wanted = rows[places]
    breaks = np.flatnonzero((np.diff(wanted) != 1) | (np.diff(places) != 1)) + 1
    starts = [0, *breaks.tolist()]
    for start, stop in zip(starts, [*starts[1:], places.size], strict=True):
        yield int(places[start]), int(wanted[start]), stop - start


def fill_missing(
    inputs: Sequence[NDArray[np.float64]],
    present: Sequence[NDArray[np.bool_]],
    weights: Sequence[float],
    base: NDArray[np.float64] | None = None,
    base_present: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Fill in, in place, the rows that models lack: with the base's row, else with the weighted mean of the models that have it.

    A base that lacks the row takes that mean too. Where those weights sum to 0, all that have the row count alike.

    Args:
        inputs: (rows, width) of each model.
        present: per model, which rows it has.
        weights: one per model.
        base: (rows, width) of the base, if there is one.
        base_present: which rows the base has.

    Returns:
        The rows that nobody has, which are left as they are.
    """
    have = np.stack(present)
    in_base = np.zeros(have.shape[1], dtype=bool) if base_present is None else base_present
    lacking = ~in_base & (~have.all(axis=0) if base is None else np.ones_like(in_base))
    orphans = lacking & ~have.any(axis=0)
    wanted = np.flatnonzero(lacking & ~orphans)
    mean = _mean([array[wanted] for array in inputs], have[:, wanted], weights)
    for array, mask in zip(inputs, present, strict=True):
        if base is not None:
            from_base = ~mask & in_base
            array[from_base] = base[from_base]
        holes = ~mask[wanted]
        array[wanted[holes]] = mean[holes]
    if base is not None:
        base[wanted] = mean
    return np.flatnonzero(orphans)


def _mean(inputs: Sequence[NDArray[np.float64]], have: NDArray[np.bool_], weights: Sequence[float]) -> NDArray[np.float64]:
    """Return the weighted mean per row over the models that have it."""
    shares = have * np.asarray(weights, dtype=np.float64)[:, None]
    alike = shares.sum(axis=0) == 0
    shares[:, alike] = have[:, alike]
    total = np.zeros_like(inputs[0])
    for array, share in zip(inputs, shares, strict=True):
        total += array * share[:, None]
    total /= shares.sum(axis=0)[:, None]
    return total


def first_not_finite(values: NDArray[np.float64]) -> int:
    """Return the index of the first NaN or infinity of a flat array that holds one."""
    return int(np.argmin(np.isfinite(values)))


def orphan_error(name: str, row: int) -> MergeError:
    """Return the error for a row that neither a model nor the base has."""
    return MergeError(
        f"tensor {name!r}: row {row} of the output comes from no input. The plan is inconsistent; please report the tokenizers."
    )
