"""The folder of a job while it is made: one process at a time, one set of settings, the manifest last, and who made it."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Self

import polylect
from polylect.errors import RunError

__all__ = ["MANIFEST", "SETTINGS", "LockedFolder", "StoreFolder", "made_by", "read_json", "shortened", "write_json"]

MANIFEST = "manifest.json"
"""Name of the last file of an output: a folder that has it is whole."""

SETTINGS = "settings.json"
"""Name of the file in which an unfinished output keeps what it was asked for."""


class LockedFolder(ABC):
    """A folder that one process works in; use as a context manager, which holds a lock on it.

    Args:
        path: of the folder; made when it is missing.

    Attributes:
        ours: names inside the folder of which one must be there, unless it is empty.
        finished: the manifest of a finished job with the same settings, or None.
        resumed: whether an unfinished job with the same settings was found.

    Raises:
        RunError: another process works in the folder, it is a file, or it holds something else.
    """

    ours: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path) -> None:
        self.path = path
        self.finished: dict[str, Any] | None = None
        self.resumed = False
        self._lock = -1

    def __enter__(self) -> Self:
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path}: is a file. Name a folder for the output.")
        if self.path.is_dir() and any(self.path.iterdir()) and not any((self.path / name).exists() for name in self.ours):
            raise RunError(f"{self.path}: the folder holds something else. Name a new folder for the output.")
        self._make()
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take_lock()
            self._open()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def _make(self) -> None:
        """Make the folder, before it is locked."""
        self.path.mkdir(parents=True, exist_ok=True)

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{self.path}: another process works in this folder. Wait for it, or name another folder.") from None

    @abstractmethod
    def _open(self) -> None:
        """Find out what the folder holds; called with the lock."""


class StoreFolder(LockedFolder):
    """A folder whose answers and verdicts are kept in `.store` beside the output: the same command goes on where it stopped.

    Args:
        path: of the folder; made when it is missing.
        settings: what decides the output, as plain values.

    Attributes:
        holds: what the folder is for, in messages.
        store: folder of answers, and of scores or verdicts.

    Raises:
        RunError: as `LockedFolder`, or the folder holds an evaluation with other settings.
    """

    ours = (".store",)
    holds: ClassVar[str] = "an evaluation"

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        super().__init__(path)
        self.store = path / ".store"
        self._settings = json.loads(json.dumps(dict(settings)))

    def _make(self) -> None:
        self.store.mkdir(parents=True, exist_ok=True)

    def _open(self) -> None:
        before = read_json(self.store / SETTINGS)
        if before is None:
            write_json(self.store / SETTINGS, self._settings)
            return
        for key in {**before, **self._settings}:
            if before.get(key) != self._settings.get(key):
                raise RunError(
                    f"{self.path}: holds {self.holds} with other settings: {key} was {shortened(before.get(key))} and is now "
                    f"{shortened(self._settings.get(key))}. Name another folder with --out."
                )
        self.finished = read_json(self.path / MANIFEST)
        self.resumed = self.finished is None

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON file of a finished output.

        Raises:
            RunError: it cannot be read.
        """
        found = read_json(self.path / name)
        if found is None:
            raise RunError(f"{self.path / name}: cannot be read. Delete {MANIFEST} to write it again.")
        return found

    def seal(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Write the manifest with the settings, the last file of the output, and return it."""
        whole = {**manifest, "settings": self._settings}
        write_json(self.path / MANIFEST, whole)
        return whole


def made_by(command: str, packages: Iterable[str]) -> dict[str, Any]:
    """Return who makes an output: command, versions (of those of `packages` that are installed), time (UTC)."""
    return {
        "command": command,
        "polylect": polylect.__version__,
        "python": platform.python_version(),
        "platform": sys.platform,
        "packages": {name: found for name in packages if (found := _version(name))},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON into a file that appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file; None where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def shortened(value: Any) -> str:
    """Return a value as JSON for a message, of at most 120 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
