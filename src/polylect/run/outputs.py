"""Output folders that are whole or absent, and the manifests that say what made them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.run.keys import Identity
from polylect.run.steps import Step, log_name

__all__ = ["MANIFEST", "SCHEMA", "Outputs", "folder_bytes", "sync_folder", "write_manifest"]

MANIFEST = "manifest.json"
SCHEMA = 1
"""Version of the manifest's layout; a manifest of another version counts as stale."""

_TEMPORARY, _OLD = ".tmp-", ".old-"


class Outputs:
    """The folder `steps/` of a run.

    A step writes into a hidden temporary folder beside the finished ones. Its manifest is written last, after everything
    else has reached the disk: a temporary folder that has one is whole, one that has none is rubbish.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "steps"

    def path(self, name: str) -> Path:
        """Return the folder of a finished step."""
        return self.root / name

    def manifest(self, name: str) -> dict[str, Any] | None:
        """Return the manifest of a finished step, or None when there is none that can be read."""
        return _read(self.path(name))

    def temporary(self, name: str) -> Path:
        """Create and return an empty folder for a step to write into."""
        path = self.root / f"{_TEMPORARY}{log_name(name).removesuffix('.log')}-{secrets.token_hex(4)}"
        path.mkdir(parents=True)
        return path

    def publish(self, temporary: Path, name: str) -> None:
        """Put a whole temporary folder into its place; the output it replaces is deleted afterwards.

        A kill between the two renames leaves the new folder whole under its temporary name: `recover` finishes the job.
        """
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        old = self.root / f"{_OLD}{secrets.token_hex(4)}"
        with contextlib.suppress(FileNotFoundError):
            target.rename(old)
        temporary.rename(target)
        _sync(target.parent)
        if old.exists():
            shutil.rmtree(old)

    def discard(self, temporary: Path) -> None:
        """Delete what a failed step has written; a folder that got its manifest is whole and left to `recover`."""
        if _read(temporary) is None:
            shutil.rmtree(temporary, ignore_errors=True)

    def recover(self) -> None:
        """Publish whole folders that an interrupted run left behind and delete the rest; call only while no worker runs."""
        for path in self._left(_TEMPORARY):
            manifest = _read(path)
            if manifest is None:
                shutil.rmtree(path)
            else:
                self.publish(path, manifest["name"])
        for path in self._left(_OLD):
            shutil.rmtree(path)

    def _left(self, prefix: str) -> list[Path]:
        return sorted(self.root.glob(prefix + "*")) if self.root.is_dir() else []

    def states(self, steps: Sequence[Step], identities: Mapping[str, Identity]) -> dict[str, str]:
        """Return "current", "stale" or "absent" for each step; `steps` are in an order in which inputs come first.

        Current means: the key is the one the plan asks for, and every input is current and is the very one that was read
        (an input made anew, by --force or after it was deleted, makes its readers stale although no key changed).
        """
        states: dict[str, str] = {}
        builds: dict[str, str] = {}
        for step in steps:
            manifest = self.manifest(step.name)
            if manifest is None:
                states[step.name] = "absent"
                continue
            builds[step.name] = manifest["build"]
            fresh = manifest["key"] == identities[step.name].key and all(
                states[source] == "current" and manifest["inputs"].get(role) == builds[source]
                for role, source in step.inputs.items()
            )
            states[step.name] = "current" if fresh else "stale"
        return states


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        return None
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest in one go, on disk before it has its name."""
    part = folder / f".{MANIFEST}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump(manifest, file, ensure_ascii=False, indent=2, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / MANIFEST)
    _sync(folder)


def sync_folder(folder: Path) -> None:
    """Wait until every file and folder below `folder` is on disk, so that a power cut cannot leave a hollow output."""
    for path in _walk(folder):
        _sync(path)
    _sync(folder)


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below `folder`, in bytes."""
    return sum(path.lstat().st_size for path in _walk(folder) if not path.is_dir())


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            yield path


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
