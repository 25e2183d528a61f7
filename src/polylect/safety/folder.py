"""The folder of a safety evaluation while it is made: one process at a time, one set of settings, the manifest last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.folders import MANIFEST, StoreFolder, made_by, write_json

__all__ = ["MANIFEST", "SafetyFolder", "SafetyRun", "digest", "named_file", "write_json"]


_PACKAGES = ("aiohttp", "numpy", "polars", "py3langid", "pyarrow", "sacrebleu", "tokenizers", "torch", "transformers", "vllm")
"""What decides answers, their languages and the numbers: their versions are in the manifest."""


class SafetyFolder(StoreFolder):
    """A folder that one command works in; see `polylect.folders.StoreFolder`."""

    holds = "a result"

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


def named_file(path: Path | None) -> dict[str, Any] | None:
    """Return a file by name and content, for the settings of an output: a changed table makes another one; None for None."""
    return None if path is None else {"path": str(path), "sha256": digest(path)}


def digest(path: Path | None) -> str | None:
    """Return the SHA-256 of a file, or of the names and contents of a folder's files; None for None or what is not there.

    Of a folder without files those of its folders count, as of a prompt set with a folder per language.
    """
    if path is None or not path.exists():
        return None
    found = hashlib.sha256()
    for file in _contents(path) if path.is_dir() else [path]:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        found.update(name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def _contents(folder: Path) -> list[Path]:
    own = [one for one in folder.iterdir() if one.is_file()]
    return sorted(own or [one for one in folder.glob("[!.]*/*") if one.is_file()])
