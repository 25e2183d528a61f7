"""The folder of an evaluation while it is made: one process at a time, one set of settings, the manifest last."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polylect.errors import RunError

__all__ = ["MANIFEST", "ResultFolder", "write_json"]

MANIFEST = "manifest.json"
_WORK = ".store"
_SETTINGS = "settings.json"


class ResultFolder:
    """A folder that one evaluation works in; use as a context manager, which holds a lock on it.

    Answers and scores are kept in its hidden folder `.store`, so that the same command goes on where it stopped.

    Args:
        path: of the folder; made when it is missing.
        settings: what decides the output, as plain values.

    Attributes:
        store: folder of answers and scores.
        finished: the manifest of a finished evaluation with the same settings, or None.
        resumed: whether an unfinished evaluation with the same settings was found.

    Raises:
        RunError: another process works in the folder, it holds something else, or an evaluation with other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self.store = path, path / _WORK
        self._settings = json.loads(json.dumps(dict(settings)))
        self.finished: dict[str, Any] | None = None
        self.resumed = False
        self._lock = -1

    def __enter__(self) -> ResultFolder:
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path}: is a file. Name a folder for the output.")
        if self.path.is_dir() and any(self.path.iterdir()) and not self.store.exists():
            raise RunError(f"{self.path}: the folder holds something else. Name a new folder for the output.")
        self.store.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._open()
        except BlockingIOError:
            os.close(self._lock)
            raise RunError(f"{self.path}: another process works in this folder. Wait for it, or name another folder.") from None
        except BaseException:
            os.close(self._lock)
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

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest, the last file of the output."""
        write_json(self.path / MANIFEST, {**manifest, "settings": self._settings})


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
