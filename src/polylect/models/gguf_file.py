"""Read a GGUF file: its metadata and its tensors, without one Python object per array element.

The layout follows the GGUF specification, version 3 (ggml-org/ggml, docs/gguf.md). The `gguf` package's own reader keeps a
memory-mapped view for each of the 262,144 token strings of Gemma (9 s and 700 MB); this one walks the header once. The
package is used for what is hard: the block formats of quantised tensors.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["GgufFile", "GgufTensor"]

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_DEFAULT_ALIGNMENT = 32
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True)
class GgufTensor:
    """One tensor of the file: `shape` is in row-major order (rows first), `offset` counts bytes from the file's start."""

    name: str
    shape: tuple[int, ...]
    quantisation: int
    offset: int


class GgufFile:
    """The metadata and the tensor index of one GGUF file that is mapped into memory.

    Raises:
        ModelError: the file is not GGUF version 2 or 3, or ends before its header does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata: dict[str, Any] = {}
        self.tensors: dict[str, GgufTensor] = {}
        self._position = 0
        with path.open("rb") as handle:
            self._bytes = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._read_header()
        except (struct.error, KeyError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: the GGUF header is damaged ({error}). Install the package again.") from error

    def __enter__(self) -> GgufFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes.close()

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        """Yield the values of tensor `name` as float32 arrays of at most 16,384 rows each, in order, shape (rows, columns).

        A tensor of one dimension comes as a single array of shape (n,).
        """
        import gguf
        import numpy as np

        tensor = self.tensors[name]
        kind = gguf.GGMLQuantizationType(tensor.quantisation)
        per_block, bytes_per_block = gguf.GGML_QUANT_SIZES[kind]
        row_bytes = tensor.shape[-1] // per_block * bytes_per_block
        rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
        for start in range(0, rows, _ROWS_AT_ONCE):
            count = min(_ROWS_AT_ONCE, rows - start)
            at = tensor.offset + start * row_bytes
            # A copy, so that no view outlives the map: an open view makes closing it fail.
            raw = np.frombuffer(self._bytes[at : at + count * row_bytes], dtype=np.uint8).reshape(count, row_bytes)
            values = gguf.dequantize(raw, kind)
            yield values if len(tensor.shape) > 1 else values.reshape(-1)

    def _read_header(self) -> None:
        magic, version, tensors, fields = self._unpack("4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise ModelError(f"{self.path}: not a GGUF file of version 2 or 3 (starts with {magic!r}, version {version}).")
        for _ in range(fields):
            key = self._string()
            self.metadata[key] = self._value(self._unpack("I")[0])
        for _ in range(tensors):
            name = self._string()
            (dimensions,) = self._unpack("I")
            shape = self._unpack(f"{dimensions}Q")
            quantisation, offset = self._unpack("IQ")
            self.tensors[name] = GgufTensor(name, tuple(reversed(shape)), quantisation, offset)
        alignment = self.metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        data = -(-self._position // alignment) * alignment
        self.tensors = {
            name: GgufTensor(name, tensor.shape, tensor.quantisation, data + tensor.offset)
            for name, tensor in self.tensors.items()
        }

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self._bytes, self._position)
        self._position += struct.calcsize("<" + layout)
        return values

    def _string(self) -> str:
        (length,) = self._unpack("Q")
        start = self._position
        self._position += length
        return self._bytes[start : start + length].decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            element, count = self._unpack("IQ")
            if element in _SCALARS:
                return list(self._unpack(f"{count}{_SCALARS[element]}"))
            return [self._value(element) for _ in range(count)]
        return self._unpack(_SCALARS[kind])[0]
