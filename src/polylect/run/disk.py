"""Disk space: asked for before a run, and recognised in whatever error a full disk ends in."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from polylect.errors import RunError

__all__ = ["check_disk", "full_disk_message", "is_disk_full"]

_FULL = {errno.ENOSPC, errno.EDQUOT}
# Rust and SQLite libraries wrap the system's error into types of their own and keep only its text.
_TEXTS = ("No space left on device", "database or disk is full", "Disk quota exceeded")


def check_disk(folder: Path, needed_bytes: int) -> None:
    """Check that `needed_bytes` are free where `folder` is or will be.

    Raises:
        RunError: less is free; the message gives both figures.
    """
    free = _free(folder)
    if free < needed_bytes:
        raise RunError(
            f"{folder}: the run needs about {needed_bytes / 1e9:.1f} GB of disk, but {free / 1e9:.1f} GB are free. "
            "Free space (old run folders are the usual place), or choose a folder on another disk with --out."
        )


def _free(folder: Path) -> int:
    existing = next(path for path in [folder.absolute(), *folder.absolute().parents] if path.exists())
    return shutil.disk_usage(existing).free


def is_disk_full(error: BaseException | None) -> bool:
    """Tell whether an error, or an error it was raised from, means that the disk or the quota is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(text in str(error) for text in _TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


def full_disk_message(folder: Path, where: str) -> str:
    """Return the one line that tells the user what happened and what to free."""
    return (
        f"{folder}: the disk is full ({where}; {_free(folder) / 1e6:.0f} MB free now). Free space (old run folders are the usual "
        "place) or copy this folder to a larger disk and name it with --out; then run the same command. Finished steps are kept."
    )
