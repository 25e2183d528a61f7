"""The folder of a safety evaluation while it is made: one process at a time, one set of settings, the manifest last."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polylect
from polylect.errors import RunError

__all__ = ["MANIFEST", "SafetyFolder", "digest", "write_json"]

MANIFEST = "manifest.json"
_SETTINGS = "settings.json"


class SafetyFolder:
    """A folder that one evaluation works in; use as a context manager, which holds a lock on it.

    Answers and verdicts are kept in its hidden folder `.store`, so that the same command goes on where it stopped.

    Args:
        path: of the folder; made when it is missing.
        settings: what decides the output, as plain values.

    Attributes:
        store: folder of answers and verdicts.
        finished: the manifest of a finished evaluation with the same settings, or None.
        resumed: whether an unfinished evaluation with the same settings was found.

    Raises:
        RunError: another process works in the folder, it holds something else, or an evaluation with other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self.store = path, path / ".store"
        self._settings = json.loads(json.dumps(dict(settings)))
        self.finished: dict[str, Any] | None = None
        self.resumed = False
        self._lock = -1

    def __enter__(self) -> SafetyFolder:
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path}: is a file. Name a folder for the output.")
        if self.path.is_dir() and any(self.path.iterdir()) and not self.store.exists():
            raise RunError(f"{self.path}: the folder holds something else. Name a new folder for the output.")
        self.store.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._open()
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, BlockingIOError):
                raise RunError(f"{self.path}: another process works in this folder. Wait for it, or name another.") from None
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def _open(self) -> None:
        before = _read(self.store / _SETTINGS)
        if before is None:
            write_json(self.store / _SETTINGS, self._settings)
            return
        for key in {**before, **self._settings}:
            if before.get(key) != self._settings.get(key):
                raise RunError(
                    f"{self.path}: holds an evaluation with other settings: {key} was {_short(before.get(key))} and is now "
                    f"{_short(self._settings.get(key))}. Name another folder with --out."
                )
        self.finished = _read(self.path / MANIFEST)
        self.resumed = self.finished is None

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON file of a finished evaluation.

        Raises:
            RunError: it cannot be read.
        """
        found = _read(self.path / name)
        if found is None:
            raise RunError(f"{self.path / name}: cannot be read. Delete {MANIFEST} to write it again.")
        return found

    def finish(self, command: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Write the manifest, the last file of the output, and return it."""
        whole = {
            "command": command,
            "polylect": polylect.__version__,
            "python": platform.python_version(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            **manifest,
            "settings": self._settings,
        }
        write_json(self.path / MANIFEST, whole)
        return whole


def digest(path: Path | None) -> str | None:
    """Return the SHA-256 of a file, or of the names and contents of a folder's files; None for None or what is not there."""
    if path is None or not path.exists():
        return None
    found = hashlib.sha256()
    for file in sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]:
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON into a file that appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
