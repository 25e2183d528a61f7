"""Where every tensor of the output lies: one file, or several of at most a given size with an index, as transformers has it."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polylect.models.safetensors_file import INDEX_FILE, SINGLE_FILE, TensorInfo

__all__ = ["Layout", "Shard", "layout", "sync"]

_SIZES = {"F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
"""Bytes per element of the dtypes that have more than one."""


@dataclass(frozen=True)
class Shard:
    """One weight file: its header (length included), its tensors in the order of their bytes, and its size."""

    name: str
    header: bytes
    tensors: tuple[TensorInfo, ...]
    bytes: int


@dataclass(frozen=True)
class Layout:
    """All weight files; `places`: name of a tensor -> (number of its file, byte at which it starts there)."""

    shards: tuple[Shard, ...]
    places: dict[str, tuple[int, int]]
    index: bytes | None

    @property
    def bytes(self) -> int:
        """Size of all weight files."""
        return sum(shard.bytes for shard in self.shards)

    def create(self, folder: Path) -> None:
        """Write headers and index; files have their full size at once, with holes where tensors will be."""
        for shard in self.shards:
            with (folder / shard.name).open("wb") as handle:
                handle.write(shard.header)
                handle.truncate(shard.bytes)
        if self.index is not None:
            (folder / INDEX_FILE).write_bytes(self.index)

    def is_in(self, folder: Path) -> bool:
        """Return whether all files are in a folder, with these headers and sizes."""
        for shard in self.shards:
            path = folder / shard.name
            if not path.is_file() or path.stat().st_size != shard.bytes:
                return False
            with path.open("rb") as handle:
                if handle.read(len(shard.header)) != shard.header:
                    return False
        return self.index is None or ((folder / INDEX_FILE).is_file() and (folder / INDEX_FILE).read_bytes() == self.index)


def layout(tensors: Sequence[TensorInfo], shard_size: int) -> Layout:
    """Return where tensors go: in the order given, a file being closed when the next tensor would make it exceed `shard_size`.

    A tensor larger than that gets a file of its own. Inside a file wide dtypes come first, so that every tensor is aligned.

    Args:
        tensors: name, dtype and shape of each; the rest is not looked at.
        shard_size: bytes of tensors in one file.
    """
    groups: list[list[TensorInfo]] = [[]]
    size = 0
    for tensor in tensors:
        if groups[-1] and size + tensor.bytes > shard_size:
            groups.append([])
            size = 0
        groups[-1].append(tensor)
        size += tensor.bytes
    count = len(groups)
    names = [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)] if count > 1 else [SINGLE_FILE]
    shards = tuple(_shard(name, group) for name, group in zip(names, groups, strict=True))
    places = {tensor.name: (number, tensor.start) for number, shard in enumerate(shards) for tensor in shard.tensors}
    return Layout(shards, places, _index(shards) if count > 1 else None)


def _shard(name: str, tensors: Sequence[TensorInfo]) -> Shard:
    ordered = sorted(tensors, key=lambda tensor: -_SIZES.get(tensor.dtype, 1))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in ordered:
        header[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (offset, offset + tensor.bytes)}
        offset += tensor.bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    placed = []
    for tensor in ordered:
        placed.append(TensorInfo(tensor.name, tensor.dtype, tensor.shape, Path(name), start))
        start += tensor.bytes
    return Shard(name, struct.pack("<Q", len(text)) + text, tuple(placed), start)


def _index(shards: Sequence[Shard]) -> bytes:
    """Return the index of shards as `save_pretrained` of transformers writes it."""
    tensors = [(tensor, shard.name) for shard in shards for tensor in shard.tensors]
    content = {
        "metadata": {
            "total_parameters": sum(tensor.size for tensor, _ in tensors),
            "total_size": sum(tensor.bytes for tensor, _ in tensors),
        },
        "weight_map": {tensor.name: name for tensor, name in tensors},
    }
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
