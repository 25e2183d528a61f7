"""One run per folder at a time, by an advisory lock that the kernel gives back whatever ends the process."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from polylect.errors import RunError

__all__ = ["FolderLock"]

_PATIENCE = 1.5
"""Seconds to wait for the lock: the workers of a killed run share it and need a moment to die."""


class FolderLock:
    """Holds `folder/.lock` while open; use as a context manager.

    The file stays when the run ends and says nothing by its presence: what counts is the kernel's lock (flock) on it, so a
    file left by a killed run does no harm. The descriptor is handed to the run's worker processes: the folder is free only
    when the last of them is gone.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".lock"
        self.fd = -1

    def __enter__(self) -> FolderLock:
        """Take the lock.

        Raises:
            RunError: another run holds it; the message names its process id.
        """
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + _PATIENCE
        while not self._taken():
            if time.monotonic() > deadline:
                raise self._in_use()
            time.sleep(0.05)
        os.truncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _in_use(self) -> RunError:
        pid = os.pread(self.fd, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(self.fd)
        return RunError(
            f"{self.path.parent}: another run is working in this folder (process {pid}). "
            f"Wait for it, stop it with `kill {pid}`, or choose another folder with --out."
        )
