"""Read headers of safetensors files and write such files tensor by tensor, so that no checkpoint is ever in memory whole.

Format: 8 bytes of little-endian header length, a JSON header (name -> dtype, shape, data_offsets), then the bytes of the
tensors without gaps (huggingface/safetensors, README, "Format"). Headers come from strangers: whatever is wrong with one ends in
a ModelError, before anything is allocated or read by its numbers.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Iterable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from polylect.errors import ModelError

__all__ = ["INDEX_FILE", "SINGLE_FILE", "TensorInfo", "read_header", "read_tensor", "read_tensors", "weight_files", "write"]

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

_BITS = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "BOOL": 8, "I8": 8, "U8": 8,
    "BF16": 16, "F16": 16, "I16": 16, "U16": 16, "F32": 32, "I32": 32, "U32": 32, "F64": 64, "I64": 64, "U64": 64, "C64": 64,
}  # fmt: skip
_LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit, which keeps a damaged length from asking for the whole memory."""
_MOST_DIMENSIONS = 64
"""As many as a NumPy array can have."""
_LARGEST = 2**63 - 1
"""Of a dimension or an offset; what a file system can address."""

_NEXT_STEP = "The file is damaged or cut short: download or write the checkpoint again."


class TensorInfo(NamedTuple):
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
    def width(self) -> int:
        """Number of bytes of an element; 0 for dtypes that pack several elements into one."""
        return _BITS[self.dtype] // 8

    @property
    def bytes(self) -> int:
        """Number of bytes in the file."""
        return self.size * _BITS[self.dtype] // 8


def read_tensor(tensor: TensorInfo) -> bytes:
    """Return the bytes of a tensor that `read_header` found: little-endian, row-major.

    Raises:
        ModelError: the file has become shorter since its header was read.
    """
    with tensor.file.open("rb") as handle:
        handle.seek(tensor.start)
        data = handle.read(tensor.bytes)
    if len(data) != tensor.bytes:
        raise ModelError(f"{tensor.file}: ends within the tensor {_shown(tensor.name)}. {_NEXT_STEP}")
    return data


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Return the tensors of a safetensors file by name, in the order of their bytes, after checking header and length.

    Raises:
        ModelError: the file is missing, is not safetensors, is shorter or longer than its header says, or its header names
            anything but whole tensors that lie side by side.
    """
    if not path.is_file():
        raise ModelError(f"{path}: this weight file is missing. Download or write the checkpoint again.")
    with path.open("rb") as handle:
        total = os.fstat(handle.fileno()).st_size
        start = handle.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(_LONGEST_HEADER, total - 8):
            raise ModelError(f"{path}: not a safetensors file: header length {length} does not fit the file. {_NEXT_STEP}")
        text = handle.read(length)
    header = _parse_object(path, "safetensors header", text)
    _check_metadata(path, header.pop("__metadata__", {}))
    data = 8 + length
    tensors = [(_tensor(path, name, entry, data), entry["data_offsets"]) for name, entry in header.items()]
    tensors.sort(key=itemgetter(1))
    expected = 0
    for tensor, (first, last) in tensors:
        if first != expected:
            _refuse(path, tensor.name, f"starts at byte {first} of the data, where {expected} comes next")
        expected = last
    if total != data + expected:
        raise ModelError(f"{path}: {total} bytes where the header promises {data + expected}. {_NEXT_STEP}")
    return {tensor.name: tensor for tensor, _ in tensors}


def read_tensors(folder: Path) -> dict[str, TensorInfo]:
    """Return all tensors of a checkpoint folder by name, file by file; index and files must tell the same.

    Raises:
        ModelError: a file or the index is damaged, a tensor lies in two files, in none, or in another than the index says.
    """
    index = _read_index(folder)
    files = weight_files(folder)
    single = folder / SINGLE_FILE
    if index is not None and single not in files and single.is_file():
        # transformers would load the single file, other programs the set.
        raise ModelError(
            f"{folder}: holds {SINGLE_FILE} beside the files of {INDEX_FILE}, so it is open which of them are the model. "
            "Delete the one that is out of date."
        )
    tensors: dict[str, TensorInfo] = {}
    for path in files:
        for name, tensor in read_header(path).items():
            if name in tensors:
                _refuse(path, name, f"is in {tensors[name].file.name!r} too")
            if index is not None and index.get(name) != path.name:
                told = f"says {index[name]!r}" if name in index else "does not list it"
                _refuse(path, name, f"is in this file, but {INDEX_FILE} {told}")
            tensors[name] = tensor
    for name in index or ():
        if name not in tensors and index is not None:
            _refuse(folder / index[name], name, f"is missing, though {INDEX_FILE} says that it is here")
    return tensors


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a checkpoint folder: those that the index names, else `model.safetensors`, else all.

    Raises:
        ModelError: the index is not readable, a file lies outside the folder, or one of a numbered set is missing.
    """
    index = _read_index(folder)
    single = folder / SINGLE_FILE
    if index is not None:
        files = [folder / name for name in sorted(set(index.values()))]
    else:
        files = [single] if single.is_file() else sorted(folder.glob("*.safetensors"))
        _check_numbered(folder, files)
    for path in files:
        _check_inside(folder, path)
    return files


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


def _parse_object(path: Path, what: str, text: bytes) -> dict[str, Any]:
    """Return a JSON object, refusing what JSON's own rules leave open: duplicate keys, NaN, lone surrogates."""
    try:
        content = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if not isinstance(content, dict):
            raise ValueError(f"it is no JSON object but {type(content).__name__}")
        "".join(content).encode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        # Not the error itself: its text holds all of the bytes.
        raise ModelError(f"{path}: the {what} is not UTF-8 ({error.reason}). {_NEXT_STEP}") from error
    except RecursionError as error:
        raise ModelError(f"{path}: the {what} is nested too deeply. {_NEXT_STEP}") from error
    except ValueError as error:
        raise ModelError(f"{path}: the {what} is not readable ({str(error)[:160]}). {_NEXT_STEP}") from error
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"{_shown(key)} is there twice")
            seen.add(key)
    return content


def _no_constant(value: str) -> NoReturn:
    raise ValueError(f"{value} is no JSON number")


def _check_metadata(path: Path, metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ModelError(f"{path}: __metadata__ of the safetensors header must map names to texts. {_NEXT_STEP}")


def _tensor(path: Path, name: str, entry: Any, data: int) -> TensorInfo:
    """Return the tensor `name` from its header entry; the file's data starts at byte `data`."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        _refuse(path, name, "needs dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        _refuse(path, name, f"has the dtype {_shown(dtype)}; known are {', '.join(_BITS)}")
    # bool passes as int for isinstance, so types are compared.
    if type(shape) is not list or len(shape) > _MOST_DIMENSIONS or not all(type(n) is int and 0 <= n <= _LARGEST for n in shape):
        _refuse(path, name, f"has the shape {_shown(shape)}; at most {_MOST_DIMENSIONS} whole numbers from 0 up are needed")
    if type(offsets) is not list or len(offsets) != 2 or not all(type(n) is int and 0 <= n <= _LARGEST for n in offsets):
        _refuse(path, name, f"has the data_offsets {_shown(offsets)}; two whole numbers from 0 up are needed")
    first, last = offsets
    if (last - first) * 8 != math.prod(shape) * _BITS[dtype]:
        _refuse(path, name, f"has {last - first} bytes, which its shape {_shown(shape)} in {dtype} does not take")
    return TensorInfo(name, dtype, tuple(shape), path, data + first)


def _refuse(path: Path, name: str, fault: str) -> NoReturn:
    raise ModelError(f"{path}: tensor {_shown(name)} {fault}. {_NEXT_STEP}")


def _shown(value: Any) -> str:
    """Return a value from a file as one short line."""
    text = repr(value[:20] if isinstance(value, list) else value[:100] if isinstance(value, str) else value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _read_index(folder: Path) -> dict[str, str] | None:
    """Return the index of a checkpoint in several files, tensor -> file; None: it has none."""
    path = folder / INDEX_FILE
    if not path.is_file():
        return None
    if path.stat().st_size > _LONGEST_HEADER:
        raise ModelError(f"{path}: {path.stat().st_size} bytes is too long for a safetensors index. {_NEXT_STEP}")
    files = _parse_object(path, "safetensors index", path.read_bytes()).get("weight_map")
    if not isinstance(files, dict) or not files:
        raise ModelError(f"{path}: not a readable safetensors index: weight_map must map tensors to files. {_NEXT_STEP}")
    for name, file in files.items():
        if not isinstance(file, str):
            raise ModelError(
                f"{path}: weight_map gives {_shown(file)} for {_shown(name)}, where a file name is needed. {_NEXT_STEP}"
            )
        # Backslash and colon would leave the folder on Windows.
        if not file.endswith(".safetensors") or not file.isprintable() or re.search(r"[/\\:]", file) or len(file) > 255:
            raise ModelError(
                f"{path}: names the file {_shown(file)}; weight files are *.safetensors and must lie in the folder itself. "
                f"{_NEXT_STEP}"
            )
    return files


def _check_numbered(folder: Path, files: Sequence[Path]) -> None:
    """Refuse an incomplete set of files like model-00001-of-00003.safetensors that no index describes."""
    totals = [int(found[1]) for path in files if (found := re.search(r"-\d{5}-of-(\d{5})\.safetensors$", path.name))]
    if totals and (len(set(totals)) > 1 or len(totals) != totals[0]):
        raise ModelError(f"{folder}: {len(totals)} weight files of a set of {max(totals)}, and no {INDEX_FILE}. {_NEXT_STEP}")


def _check_inside(folder: Path, path: Path) -> None:
    """Refuse a link out of the folder, except into the blobs of the hub's cache, whose snapshots are such links."""
    if not path.is_symlink():
        return
    target = path.resolve()
    if target.is_relative_to(folder.resolve()) or (
        target.parent.name == "blobs" and target.parents[1].name.startswith("models--")
    ):
        return
    raise ModelError(f"{path}: is a link to {target}, outside the folder. Put the file itself (or a hard link) there.")
