"""A store of answers in SQLite: what was generated is never generated again, after a crash either.

WAL mode with one writer: a kill loses at most the batch in flight. An answer is found by a hash of everything that
decides it: the model's weights, the request, the sampling settings and the sample's number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from polylect.errors import DataError
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import content_hash

__all__ = ["Store", "answer_key"]

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, sample INTEGER NOT NULL, text TEXT NOT NULL,
    finish_reason TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL
) WITHOUT ROWID
"""


def answer_key(model: str, request: Request, sampling: Sampling, sample: int) -> str:
    """Return the key of one answer; `model` is the fingerprint of its weights. `sampling.samples` does not change it."""
    decides = (sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.stop, sampling.seed)
    return content_hash(model, request.hash(), decides, sample)


class Store:
    """Answers by key, in one SQLite file that several processes may share.

    Args:
        path: of the file; made with its folder when it is missing.

    Raises:
        DataError: the file is damaged or something else.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(_TABLE)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            if isinstance(error, sqlite3.OperationalError):
                raise  # a full disk or a lock, which say nothing against the file
            raise DataError(
                f"{path}: cannot be used as a store of answers ({error}). Move it away; what it held is asked again."
            ) from error

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, keys: Sequence[str]) -> dict[str, Generated]:
        """Return the stored answers among `keys`."""
        found = {}
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT * FROM answers WHERE key IN ({marks})", part)  # noqa: S608
            found.update({row[0]: Generated(*row[1:]) for row in rows})
        return found

    def put(self, answers: Iterable[tuple[str, Generated]]) -> None:
        """Store answers in one transaction: all of them or, on a kill, none."""
        rows = [(key, a.key, a.sample, a.text, a.finish_reason, a.prompt_tokens, a.completion_tokens) for key, a in answers]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?,?,?)", rows)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
