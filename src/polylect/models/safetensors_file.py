"""Read headers of safetensors files and write such files tensor by tensor, so that no checkpoint is ever in memory whole.

Format: 8 bytes of little-endian header length, a JSON header (name -> dtype, shape, data_offsets), then the bytes of the
tensors without gaps (huggingface/safetensors, README, "Format").
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from polylect.errors import ModelError

__all__ = ["INDEX_FILE", "SINGLE_FILE", "TensorInfo", "read_header", "read_tensor", "weight_files", "write"]

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

_BITS = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "BOOL": 8, "I8": 8, "U8": 8,
    "BF16": 16, "F16": 16, "I16": 16, "U16": 16, "F32": 32, "I32": 32, "U32": 32, "F64": 64, "I64": 64, "U64": 64, "C64": 64,
}  # fmt: skip
_LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit, which keeps a damaged length from asking for the whole memory."""

_NEXT_STEP = "The file is damaged or cut short: download or write the checkpoint again."


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of one tensor: its name, safetensors dtype ("BF16", "F32", ...) and shape.

    `file` and `start` say where its bytes lie; they are empty for a tensor that is still to be written.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path = Path()
    start: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Number of bytes in the file."""
        return self.size * _BITS[self.dtype] // 8


def read_tensor(tensor: TensorInfo) -> bytes:
    """Return the bytes of a tensor that `read_header` found: little-endian, row-major."""
    with tensor.file.open("rb") as handle:
        handle.seek(tensor.start)
        return handle.read(tensor.bytes)


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Return the tensors of a safetensors file by name, in file order, after checking header and length.

    Raises:
        ModelError: the file is missing, is not safetensors, or is shorter or longer than its header says.
    """
    if not path.is_file():
        raise ModelError(f"{path}: this weight file is missing. Download or write the checkpoint again.")
    with path.open("rb") as handle:
        start = handle.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(_LONGEST_HEADER, path.stat().st_size - 8):
            raise ModelError(f"{path}: not a safetensors file: header length {length} does not fit the file. {_NEXT_STEP}")
        text = handle.read(length)
    try:
        header = {name: entry for name, entry in json.loads(text).items() if name != "__metadata__"}
        tensors = {
            name: TensorInfo(name, entry["dtype"], tuple(entry["shape"]), path, 8 + length + entry["data_offsets"][0])
            for name, entry in header.items()
        }
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            if last - first != tensors[name].bytes:
                raise ModelError(
                    f"{path}: tensor {name!r} has {last - first} bytes where its shape needs another number. {_NEXT_STEP}"
                )
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: the safetensors header is not readable ({error!r}). {_NEXT_STEP}") from error
    expected = 8 + length + end
    if path.stat().st_size != expected:
        raise ModelError(f"{path}: {path.stat().st_size} bytes where the header promises {expected}. {_NEXT_STEP}")
    return tensors


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a checkpoint folder: those that the index names, else `model.safetensors`, else all.

    Raises:
        ModelError: the index is not readable or names a file outside the folder.
    """
    index = folder / INDEX_FILE
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ModelError(f"{index}: not a readable safetensors index ({error!r}). {_NEXT_STEP}") from error
        for name in names:
            if Path(name).name != name:
                raise ModelError(f"{index}: names the file {name!r}; weight files must lie in the folder itself.")
        return [folder / name for name in names]
    single = folder / SINGLE_FILE
    return [single] if single.is_file() else sorted(folder.glob("*.safetensors"))


def write(path: Path, tensors: Sequence[TensorInfo], parts: Iterable[bytes | memoryview]) -> None:
    """Write a safetensors file from `parts`: the raw little-endian bytes of the tensors, in order, in pieces of any size.

    Raises:
        ModelError: `parts` gives more or fewer bytes than `tensors` needs.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        header[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (offset, offset + tensor.bytes)}
        offset += tensor.bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data starts at a multiple of 8, which lets readers map it
    written = 0
    with path.open("wb") as handle:
        handle.write(struct.pack("<Q", len(text)) + text)
        for part in parts:
            written += handle.write(part)
    if written != offset:
        raise ModelError(f"{path}: {written} bytes of tensors were given where the shapes need {offset}.")
