"""Which answers a run has counted: a set of keys on disk, which may be larger than memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

__all__ = ["Counted"]

_AT_ONCE = 500

_CACHE = 65536
"""KiB of memory at most: keys come in no order, and every miss is a page of the file. 500,000 keys took 9 us each on a busy
machine, with SQLite's usual 2 MB 31 us."""


class Counted:
    """Keys of answers that were counted, for one process and one run.

    They are in a temporary database of SQLite, which begins in memory, spills to a file in the folder for temporary files when it
    outgrows its cache, and is gone when it is closed or the process ends. Not for more than one thread at a time.
    """

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # Nobody reads it after a crash.
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute(f"PRAGMA cache_size={-_CACHE}")
        self._connection.execute("CREATE TABLE counted (key BLOB PRIMARY KEY) WITHOUT ROWID")
        self._connection.execute("BEGIN")

    def fresh(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of `keys` that were not counted."""
        found = set(keys)
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            query = f"SELECT key FROM counted WHERE key IN ({','.join('?' * len(part))})"  # noqa: S608
            found.difference_update(key for (key,) in self._connection.execute(query, part))
        return found

    def add(self, keys: Iterable[bytes]) -> None:
        """Note that `keys` were counted, or are about to be."""
        self._connection.executemany("INSERT OR IGNORE INTO counted VALUES (?)", ((key,) for key in keys))

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()
