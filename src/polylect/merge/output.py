"""Writes tensors into the weight files of the output, each at its place, and reads them back to check them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from xxhash import xxh3_128_digest

from polylect.merge.selection import BLOCK
from polylect.merge.streaming import tree_hash
from polylect.merge.takeover import Write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.shards import Layout

__all__ = ["Output"]


class Output:
    """The weight files in a folder, which have been created; use as a context manager."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder, self.layout = folder, layout
        self._tensors = {tensor.name: tensor for shard in layout.shards for tensor in shard.tensors}
        self._files: list[int] = []

    def __enter__(self) -> Output:
        self._files = [os.open(self.folder / shard.name, os.O_RDWR | os.O_CLOEXEC) for shard in self.layout.shards]
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._files:
            os.close(descriptor)

    def writer(self, name: str) -> Write:
        """Return the function that writes bytes at an offset into the tensor `name`."""
        number, start = self.layout.places[name]
        descriptor = self._files[number]

        def write(offset: int, raw: NDArray[np.uint8]) -> None:
            view, place = raw.data, start + offset
            while len(view):
                count = os.pwrite(descriptor, view, place)
                view, place = view[count:], place + count

        return write

    def finished(self, name: str) -> None:
        """Take note that a tensor is whole."""

    def flush(self) -> None:
        """Wait until all is on disk."""

    def hash(self, name: str) -> str:
        """Return the hash of a tensor's bytes as they lie in the file."""
        tensor = self._tensors[name]
        number, start = self.layout.places[name]
        digests = []
        for first in range(0, tensor.size, BLOCK):
            begin, end = (min(element, tensor.size) * tensor.bytes // tensor.size for element in (first, first + BLOCK))
            digests.append(xxh3_128_digest(os.pread(self._files[number], end - begin, start + begin)))
        return tree_hash(digests)
