"""Safetensors files read and written one tensor at a time, so that memory does not grow with the model.

Format: 8 bytes little-endian length of the header, the header (JSON: name -> dtype, shape, data_offsets), the data.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.errors import MergeError

__all__ = ["SIZES", "Tensor", "Writer", "tensors"]

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
"""Bytes of one element per safetensors dtype."""


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies: `start` is the offset of its first byte in `file`."""

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int

    def read(self) -> bytes:
        """Return the tensor's bytes, little-endian, row-major."""
        with self.file.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


def tensors(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint folder by name, from the headers alone.

    Raises:
        MergeError: no safetensors file, a corrupt header, data cut off, or one name in two files.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise MergeError(
            f"{folder}: no safetensors file. Pickled checkpoints (.bin, .pt) are refused since loading one runs its code; "
            "save the model with safetensors first."
        )
    found: dict[str, Tensor] = {}
    for file in files:
        for tensor in _header(file):
            if tensor.name in found:
                raise MergeError(f"{file}: tensor {tensor.name!r} is also in {found[tensor.name].file.name}; keep one of them.")
            found[tensor.name] = tensor
    return found


def _header(file: Path) -> Iterator[Tensor]:
    size = file.stat().st_size
    try:
        with file.open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            if length > size - 8:
                raise ValueError(f"its header claims {length} bytes of {size}")
            header: Mapping[str, Any] = json.loads(handle.read(length))
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            shape = tuple(entry["shape"])
            if 8 + length + end > size or end - begin != math.prod(shape) * SIZES[entry["dtype"]]:
                raise ValueError(f"the data of tensor {name!r} is cut off or of the wrong size")
            yield Tensor(name, file, entry["dtype"], shape, 8 + length + begin, end - begin)
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise MergeError(f"{file}: not a valid safetensors file ({error}). Download or convert the model again.") from error


class Writer:
    """Writes one safetensors file tensor by tensor, in the order of `layout`.

    Args:
        path: of the file.
        layout: (name, dtype, shape) of every tensor that will be added.
    """

    def __init__(self, path: Path, layout: Sequence[tuple[str, str, tuple[int, ...]]]) -> None:
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        position = 0
        for name, dtype, shape in layout:
            size = math.prod(shape) * SIZES[dtype]
            header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, position + size]}
            position += size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._file = path.open("wb")
        self._file.write(struct.pack("<Q", len(text)) + text)

    def add(self, data: bytes | memoryview) -> None:
        """Append the next tensor's bytes."""
        self._file.write(data)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
