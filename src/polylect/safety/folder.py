"""The folder of a safety evaluation while it is made: one process at a time, one set of settings, the manifest last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.errors import RunError
from polylect.folders import MANIFEST, StoreFolder, made_by, read_json, write_json

__all__ = ["MANIFEST", "SafetyFolder", "SafetyRun", "digest", "write_json"]


_PACKAGES = ("aiohttp", "numpy", "polars", "py3langid", "pyarrow", "sacrebleu", "tokenizers", "torch", "transformers", "vllm")
"""What decides answers, their languages and the numbers: their versions are in the manifest."""


class SafetyFolder(StoreFolder):
    """A folder that one command works in; see `polylect.folders.StoreFolder`."""

    holds = "a result"

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON file of a finished evaluation.

        Raises:
            RunError: it cannot be read.
        """
        found = read_json(self.path / name)
        if found is None:
            raise RunError(f"{self.path / name}: cannot be read. Delete {MANIFEST} to write it again.")
        return found

    def finish(self, command: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Write the manifest, the last file of the output, and return it."""
        return self.seal({**made_by(command, _PACKAGES), **manifest})


@dataclass(frozen=True)
class SafetyRun:
    """What a command that worked in such a folder came to.

    Attributes:
        out: the folder.
        document: the content of safety.json.
        manifest: the content of manifest.json.
        found: "finished" where the folder held it already, "unfinished" where it went on, else "".
    """

    out: Path
    document: dict[str, Any]
    manifest: dict[str, Any]
    found: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return document and folder for JSON; no text of a prompt, an answer or a sample is in it."""
        return {**self.document, "out": str(self.out), "found": self.found}


def digest(path: Path | None) -> str | None:
    """Return the SHA-256 of a file, or of the names and contents of a folder's files; None for None or what is not there."""
    if path is None or not path.exists():
        return None
    found = hashlib.sha256()
    for file in sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]:
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()
