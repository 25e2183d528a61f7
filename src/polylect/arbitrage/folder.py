"""The output folder while it is made: one process at a time, one set of settings, and which stages are whole.

Until the manifest is there, the hidden folder `.work` holds the stages' own files. A killed run leaves it behind; the next one
with the same settings goes on from it. Answers are in the store, which outlives both.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polylect.arbitrage.outputs import sweep, write_json
from polylect.errors import RunError
from polylect.folders import MANIFEST, SETTINGS, LockedFolder, read_json, shortened

__all__ = ["MANIFEST", "OutputFolder"]


class OutputFolder(LockedFolder):
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

    ours = (MANIFEST, ".work", ".store")

    def __init__(self, path: Path, settings: Mapping[str, Any], *, again: bool = False) -> None:
        super().__init__(path)
        self.work, self._settings, self._again = path / ".work", dict(settings), again

    def _open(self) -> None:
        sweep(self.path)
        manifest = read_json(self.path / MANIFEST)
        if manifest is not None:
            self._compare(manifest.get("settings", {}), "holds the finished output of other settings")
            if not self._again:
                self.finished = manifest
                shutil.rmtree(self.work, ignore_errors=True)
                return
        unfinished = read_json(self.work / SETTINGS)
        if unfinished is not None:
            self._compare(unfinished, "holds an unfinished run with other settings")
            self.resumed = True
            sweep(self.work)
            return
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        write_json(self.work / SETTINGS, self._settings)

    def _compare(self, found: Mapping[str, Any], what: str) -> None:
        wanted = json.loads(json.dumps(self._settings))
        different = _difference(found, wanted)
        if different:
            key, before, now = different
            raise RunError(
                f"{self.path}: {what}: {key} was {shortened(before)} and is now {shortened(now)}. Name another folder with "
                f"--out; with --store {self.path / '.store' / 'answers.sqlite'} answers that stay the same are not asked again."
            )

    def done(self, stage: str) -> dict[str, Any] | None:
        """Return what a whole stage noted, or None when it is not whole."""
        return read_json(self.work / f"{stage}.json")

    def mark(self, stage: str, notes: Mapping[str, Any]) -> dict[str, Any]:
        """Note that a stage is whole, with its counts; return them."""
        write_json(self.work / f"{stage}.json", dict(notes))
        return dict(notes)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest, the last file of the output, and take the stages' files away."""
        write_json(self.path / MANIFEST, {**manifest, "settings": self._settings})
        shutil.rmtree(self.work)


def _difference(found: Any, wanted: Any, place: str = "") -> tuple[str, Any, Any] | None:
    """Return the first place where two settings differ, with both values."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        inside = (_difference(found.get(key), wanted.get(key), f"{place}.{key}" if place else key) for key in {**found, **wanted})
        return next((one for one in inside if one), None)
    return None if found == wanted else (place, found, wanted)
