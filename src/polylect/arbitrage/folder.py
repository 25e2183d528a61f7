"""The output folder while it is made: one process at a time, one set of settings, and which stages are whole.

Until the manifest is there, the hidden folder `.work` holds the stages' own files. A killed run leaves it behind; the next one
with the same settings goes on from it. Answers are in the store, which outlives both.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polylect.arbitrage.outputs import sweep, write_json
from polylect.errors import RunError

__all__ = ["MANIFEST", "OutputFolder"]

MANIFEST = "manifest.json"
_SETTINGS = "settings.json"


class OutputFolder:
    """A folder that one run works in; use as a context manager, which holds a lock on it.

    Args:
        path: of the folder; made when it is missing.
        settings: what decides the output, as plain values.
        again: make the output of a finished run anew (answers still come from the store).

    Attributes:
        work: where stages keep their files.
        finished: the manifest of a finished run with the same settings, or None.
        resumed: whether an unfinished run with the same settings was found.

    Raises:
        RunError: another process works in the folder, or it holds something else, or the output of other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, again: bool = False) -> None:
        self.path, self.work, self._settings, self._again = path, path / ".work", dict(settings), again
        self.finished: dict[str, Any] | None = None
        self.resumed = False
        self._lock = -1

    def __enter__(self) -> OutputFolder:
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path}: is a file. Name a folder for the output.")
        ours = [self.path / name for name in (MANIFEST, ".work", ".store")]
        if self.path.is_dir() and any(self.path.iterdir()) and not any(place.exists() for place in ours):
            raise RunError(f"{self.path}: the folder holds something else. Name a new folder for the output.")
        self.path.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._open()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def _take_lock(self) -> None:
        self._lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise RunError(f"{self.path}: another process works in this folder. Wait for it, or name another folder.") from None

    def _open(self) -> None:
        sweep(self.path)
        manifest = _read(self.path / MANIFEST)
        if manifest is not None:
            self._compare(manifest.get("settings", {}), "holds the finished output of other settings")
            if not self._again:
                self.finished = manifest
                shutil.rmtree(self.work, ignore_errors=True)
                return
        unfinished = _read(self.work / _SETTINGS)
        if unfinished is not None:
            self._compare(unfinished, "holds an unfinished run with other settings")
            self.resumed = True
            sweep(self.work)
            return
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        write_json(self.work / _SETTINGS, self._settings)

    def _compare(self, found: Mapping[str, Any], what: str) -> None:
        wanted = json.loads(json.dumps(self._settings))
        different = _difference(found, wanted)
        if different:
            key, before, now = different
            raise RunError(
                f"{self.path}: {what}: {key} was {_short(before)} and is now {_short(now)}. Name another folder with --out; "
                f"with --store {self.path / '.store' / 'answers.sqlite'} answers that stay the same are not asked again."
            )

    def done(self, stage: str) -> dict[str, Any] | None:
        """Return what a whole stage noted, or None when it is not whole."""
        return _read(self.work / f"{stage}.json")

    def mark(self, stage: str, notes: Mapping[str, Any]) -> dict[str, Any]:
        """Note that a stage is whole, with its counts; return them."""
        write_json(self.work / f"{stage}.json", dict(notes))
        return dict(notes)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest, the last file of the output, and take the stages' files away."""
        write_json(self.path / MANIFEST, {**manifest, "settings": self._settings})
        shutil.rmtree(self.work)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _difference(found: Any, wanted: Any, place: str = "") -> tuple[str, Any, Any] | None:
    """Return the first place where two settings differ, with both values."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        inside = (_difference(found.get(key), wanted.get(key), f"{place}.{key}" if place else key) for key in {**found, **wanted})
        return next((one for one in inside if one), None)
    return None if found == wanted else (place, found, wanted)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
