"""Writes tensors into the weight files of the output, each at its place, and reads them back to check them."""

from __future__ import annotations

import os
import threading
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

_PAUSE = 0.2
"""Seconds between two requests to the disk."""


class Output:
    """The weight files in a folder, which have been created; use as a context manager.

    While it is open a thread keeps asking the disk to write: most is there when the merge ends, and the last wait is short.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder, self.layout = folder, layout
        self._tensors = {tensor.name: tensor for shard in layout.shards for tensor in shard.tensors}
        self._files: list[int] = []
        self._closing = threading.Event()
        self._flusher = threading.Thread(target=self._flush, name="merge-flush", daemon=True)
        self._fault: OSError | None = None

    def __enter__(self) -> Output:
        self._files = [os.open(self.folder / shard.name, os.O_RDWR | os.O_CLOEXEC) for shard in self.layout.shards]
        self._flusher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._closing.set()
        self._flusher.join()
        for descriptor in self._files:
            os.close(descriptor)
        # The system tells of a failed write once only: a later wait for the same file would not see it.
        if self._fault is not None and kind is None:
            raise self._fault

    def _flush(self) -> None:
        while not self._closing.wait(_PAUSE):
            try:
                for descriptor in self._files:
                    os.fsync(descriptor)
            except OSError as error:
                self._fault = error
                return

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

    def hash(self, name: str) -> str:
        """Return the hash of a tensor's bytes as they lie in the file."""
        tensor = self._tensors[name]
        number, start = self.layout.places[name]
        digests = []
        for first in range(0, tensor.size, BLOCK):
            begin, end = (min(element, tensor.size) * tensor.bytes // tensor.size for element in (first, first + BLOCK))
            digests.append(xxh3_128_digest(os.pread(self._files[number], end - begin, start + begin)))
        return tree_hash(digests)
