"""Answers by key in one SQLite file (WAL) that several processes may share.

A row is an answer, or the reason why a request failed for good. A transaction is whole or absent after a kill at any moment.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from polylect.errors import DataError, RunError
from polylect.models.requests import Generated

__all__ = ["COLUMNS", "Row", "Store"]

_VERSION = 2
COLUMNS = (
    "key", "max_tokens", "model", "request", "sample", "text", "finish_reason", "prompt_tokens", "completion_tokens", "reason",
    "permanent",
)  # fmt: skip
"""Columns of the table `answers`, see docs/requests.md."""

_TABLE = """
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, max_tokens INTEGER NOT NULL, model TEXT NOT NULL, request TEXT NOT NULL,
    sample INTEGER NOT NULL, text TEXT NOT NULL, finish_reason TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, reason TEXT, permanent INTEGER NOT NULL
)
"""
_INDEX = "CREATE UNIQUE INDEX answers_key ON answers (key, max_tokens)"
# The first answer stays: what somebody may have read already is not changed. A failure gives way to whatever comes.
_PUT = (
    f"INSERT INTO answers ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608 - our own names
    f"ON CONFLICT (key, max_tokens) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS)} "
    "WHERE answers.reason IS NOT NULL"
)
_KEYS_AT_ONCE = 500


class Row(NamedTuple):
    """What is stored of one answer.

    Attributes:
        key: from `Keys`.
        answer: the answer, or the reason of a failure.
        max_tokens: the limit that it was asked with.
        model: the model's name, for those who read the table.
        permanent: of a failure: asking again cannot help.
    """

    key: bytes
    answer: Generated
    max_tokens: int
    model: str = ""
    permanent: bool = False


_WAIT = 60.0
"""Seconds that a file may be locked by another process."""


class Store:
    """Answers by key, in one SQLite file.

    Every method may be called from any thread; calls on one object wait for each other.

    Args:
        path: of the file; made with its folder when it is missing.

    Raises:
        DataError: the file is damaged, something else, or a store of another version.
        RunError: the file cannot be opened or written (locked for a minute, disk full, no right).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        with self._named():
            self._connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        try:
            with self._named():
                self._write_ahead()
                # A kill loses nothing in WAL mode with NORMAL; a power cut may lose the last transactions, never the file.
                self._connection.execute("PRAGMA synchronous=NORMAL")
                with self._transaction():
                    self._make()
        except BaseException:
            self._connection.close()
            raise

    def _write_ahead(self) -> None:
        """Set WAL mode. Where another process does so at this moment, SQLite does not wait for it as it does elsewhere."""
        deadline = time.monotonic() + _WAIT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def get(self, keys: Sequence[bytes], max_tokens: int) -> dict[bytes, Generated]:
        """Return what is stored under `keys` for a limit of tokens: answers, else the failures at this very limit.

        An answer that ended by itself serves every limit that it fits in; one that was cut serves its own limit alone.
        """
        found: dict[bytes, tuple[tuple[bool, bool, int], Generated]] = {}
        columns = "key, max_tokens, request, sample, text, finish_reason, prompt_tokens, completion_tokens, reason"
        for key, limit, *answer in self._select(columns, keys):
            generated = Generated(*answer)
            if _serves(limit, generated.finish_reason, generated.completion_tokens, max_tokens):
                rank = (generated.reason is not None, limit != max_tokens, limit)
                if key not in found or rank < found[key][0]:
                    found[key] = rank, generated
        return {key: generated for key, (_, generated) in found.items()}

    def answered(self, keys: Sequence[bytes], max_tokens: int, *, retry_failed: bool = False) -> set[bytes]:
        """Return those of `keys` that need not be asked: they have an answer, or failed so that asking again cannot help.

        Args:
            keys: of answers.
            max_tokens: the limit they are wanted with.
            retry_failed: leave out permanent failures as well, so that they are asked again.
        """
        return {
            key
            for key, limit, finish, tokens, failed, permanent in self._select(
                "key, max_tokens, finish_reason, completion_tokens, reason IS NOT NULL, permanent", keys
            )
            if (not failed or (permanent and not retry_failed)) and _serves(limit, finish, tokens, max_tokens)
        }

    def put(self, rows: Iterable[Row]) -> None:
        """Store rows in one transaction: all of them or, on a kill or an error, none.

        Raises:
            DataError: the file is damaged.
            RunError: the disk is full, or another process held the file for a minute.
        """
        values = [
            (
                key, limit, model, _storable(a.key), a.sample, _storable(a.text), a.finish_reason, a.prompt_tokens,
                a.completion_tokens, a.reason and _storable(a.reason), permanent,
            )
            for key, a, limit, model, permanent in rows
        ]  # fmt: skip
        with self._lock, self._named(), self._transaction():
            self._connection.executemany(_PUT, values)

    def seal(self, path: Path) -> int:
        """Write all rows as one Parquet file (zstd) and return their number; memory does not grow with them."""
        from polylect.models.store.sealing import seal

        with self._named():
            return seal(self.path, path)

    def __len__(self) -> int:
        with self._lock, self._named():
            return int(self._connection.execute("SELECT count(*) FROM answers").fetchone()[0])

    def _make(self) -> None:
        """Make the table, or check that it is one of ours.

        Raises:
            DataError: it belongs to another version of Polylect.
        """
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        known = [row[1] for row in self._connection.execute("PRAGMA table_info(answers)")]
        if not known and version == 0:
            for statement in (_TABLE, _INDEX, f"PRAGMA user_version={_VERSION}"):
                self._connection.execute(statement)
        elif version != _VERSION or known != ["id", *COLUMNS]:
            other = "a later version" if version > _VERSION else "an earlier version"
            raise DataError(
                f"{self.path}: the table of answers was made by {other} of Polylect (schema {version}, this version has "
                f"{_VERSION}), and its keys cannot be computed anew. Move the file away; what it held is asked again."
            )

    def _select(self, columns: str, keys: Sequence[bytes]) -> Iterator[tuple]:
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            part = keys[start : start + _KEYS_AT_ONCE]
            query = f"SELECT {columns} FROM answers WHERE key IN ({','.join('?' * len(part))})"  # noqa: S608
            with self._lock, self._named():
                rows = self._connection.execute(query, part).fetchall()
            yield from rows

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            # SQLite has rolled back by itself after some errors, a full disk for one.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, which name the file and the next step."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise RunError(
                f"{self.path}: answers cannot be read or stored ({error}). Look for a full disk, missing rights, or a process "
                "that holds the file; what is stored is kept, run again to go on."
            ) from error
        except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
            raise  # rows of a wrong type, a closed store: our bug
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{self.path}: cannot be used as a store of answers ({error}). Move it away; what it held is asked again."
            ) from error


def _serves(limit: int, finish_reason: str, completion_tokens: int, max_tokens: int) -> bool:
    """Return whether a row that was asked with `limit` holds what `max_tokens` would give."""
    return limit == max_tokens or (finish_reason == "stop" and (limit <= max_tokens or completion_tokens <= max_tokens))


def _storable(text: str) -> str:
    """Return the text with halves of surrogate pairs, which UTF-8 cannot hold, replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
