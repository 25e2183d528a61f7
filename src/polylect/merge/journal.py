"""Where a merge works until it is whole: a hidden folder beside the output, with a line in a journal per finished tensor.

A killed merge leaves the folder behind. The next one with the same plan checks every finished tensor against its hash and goes on
after them; another plan starts anew. The output appears by renaming the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_hexdigest

import polylect
from polylect.errors import MergeError
from polylect.merge.shards import sync

if TYPE_CHECKING:
    import numpy as np

    from polylect.merge.plan import MergePlan, Source
    from polylect.merge.shards import Layout

__all__ = ["JOURNAL", "Partial", "fingerprint", "partial_folder"]

JOURNAL = "journal.jsonl"
_COMPACT = json.JSONEncoder(separators=(",", ":"))
_FORMAT = 1
"""Of journal and output; another number starts anew."""


def partial_folder(out: Path) -> Path:
    """Return the folder in which the output `out` is made."""
    return out.with_name(f".{out.name.lstrip('.')}.partial")


def fingerprint(plan: MergePlan) -> str:
    """Return a hash of all that decides the output: plan, settings, version, and size and time of the input files."""
    settings = plan.settings
    digest = hashlib.sha256()
    head = [_FORMAT, polylect.__version__, plan.method.name, plan.labels, settings.seed, settings.statistics]
    digest.update(repr([*head, settings.shard_size, settings.device]).encode())
    describe = _Describer()
    values: dict[int, str] = {}
    for tensor in plan.tensors:
        numbers = values.setdefault(id(tensor.values), repr(tensor.values))
        sources = ";".join(map(describe.source, (*tensor.inputs, tensor.base, tensor.copy)))
        digest.update(f"{tensor.name}|{tensor.dtype}|{tensor.shape}|{numbers}|{sources}\n".encode())
    for file in plan.files:
        digest.update(f"{file.name}|{_stamp(file.source) if file.source else ''}|".encode() + file.content)
    for path in describe.files:
        digest.update(_stamp(path).encode())
    return digest.hexdigest()


class _Describer:
    """Describes sources in few characters; remembers files, and hashes of row maps, which many tensors share."""

    def __init__(self) -> None:
        self.files: dict[Path, int] = {}
        self._rows: dict[int, str] = {}

    def source(self, source: Source | None) -> str:
        if source is None:
            return ""
        tensors = [source.tensor, *(matrix for update in source.updates for matrix in (update.a, update.b))]
        places = [
            (self.files.setdefault(tensor.file, len(self.files)), tensor.start, tensor.dtype, tensor.shape) for tensor in tensors
        ]
        updates = [(update.scale, update.transposed) for update in source.updates]
        return f"{places}{updates}{self._map(source.rows)}"

    def _map(self, rows: np.ndarray | None) -> str:
        if rows is None:
            return ""
        if id(rows) not in self._rows:
            self._rows[id(rows)] = xxh3_128_hexdigest(rows.tobytes())
        return self._rows[id(rows)]


def _stamp(path: Path) -> str:
    state = path.stat()
    return f"{path.absolute()}|{state.st_size}|{state.st_mtime_ns}\n"


class Partial:
    """The working folder of one merge, locked while open; use as a context manager.

    Attributes:
        folder: see `partial_folder`.
        finished: name -> journal entry of the tensors that an earlier attempt finished; their bytes are still to be checked.
        note: what became of an earlier attempt, for the user; "" when there was none.
    """

    def __init__(self, out: Path, key: str, layout: Layout) -> None:
        self.out, self.folder = out, partial_folder(out)
        self.finished: dict[str, dict[str, Any]] = {}
        self.note = ""
        self._key, self._layout = key, layout
        self._journal = -1

    def __enter__(self) -> Partial:
        """Take the folder.

        Raises:
            MergeError: another merge is working in it.
        """
        self._lock()
        self._resume()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the folder back."""
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add a finished tensor. A kill may tear the last line, which then does not count.

        No wait for the disk: a line that outlived its tensor's bytes in a power cut is found out by their hash.
        """
        os.write(self._journal, _COMPACT.encode(entry).encode() + b"\n")

    def publish(self) -> None:
        """Rename the folder to the output, once all of it is on disk."""
        (self.folder / JOURNAL).unlink()
        sync(self.folder)
        self.folder.rename(self.out)
        sync(self.out.parent)
        self.close()

    def discard(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _lock(self) -> None:
        """Open and lock the journal; whoever had it may have renamed or deleted it just now: then once more."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                path = self.folder / JOURNAL
                self._journal = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
                try:
                    fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if os.path.samestat(os.fstat(self._journal), path.stat()):
                        return
                except BlockingIOError:
                    self.close()
                    raise MergeError(
                        f"{self.out}: another merge is writing this output. Wait for it, or choose another folder with --out."
                    ) from None
                except FileNotFoundError:
                    self.close()

    def _resume(self) -> None:
        lines = self._lines()
        head = next(lines, None)
        if head is not None and head.get("key") == self._key and self._layout.is_in(self.folder):
            self.finished = {entry["name"]: entry for entry in lines}
            self.note = f"{len(self.finished)} finished tensors of an earlier attempt are checked and kept"
            return
        if head is not None:
            self.note = "an earlier attempt had other settings or inputs: starting anew"
        for path in self.folder.iterdir():
            if path.name != JOURNAL:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        os.ftruncate(self._journal, 0)
        self._layout.create(self.folder)
        self.append({"key": self._key, "polylect": polylect.__version__})

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Yield the whole lines of the journal and cut off a torn one."""
        text = (self.folder / JOURNAL).read_bytes()
        whole = text.rpartition(b"\n")[0].splitlines()
        os.ftruncate(self._journal, sum(len(line) + 1 for line in whole))
        for line in whole:
            try:
                entry = json.loads(line)
            except ValueError:
                return
            if not isinstance(entry, dict) or not entry.keys() & {"key", "name"}:
                return
            yield entry
