"""People's votes on contests, from a table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.evaluate.judging.reading import rows_of
from polylect.tables import language_at

__all__ = ["Votes", "read_votes"]

_WINNERS = ("a", "b", "tie")
_Key = tuple[str, str, str]


class Votes:
    """Votes by contest (subset, language, item); each is "a", "b" or "tie".

    Attributes:
        counted: votes held.
        left_out: votes that are about other models, by reason.
    """

    def __init__(self, votes: Mapping[_Key, Sequence[str]] | None = None, left_out: Mapping[str, int] | None = None) -> None:
        self._votes = {key: tuple(labels) for key, labels in (votes or {}).items()}
        self.left_out = dict(left_out or {})

    @property
    def counted(self) -> int:
        """The number of votes."""
        return sum(map(len, self._votes.values()))

    def of(self, key: _Key) -> tuple[str, ...]:
        """Return the votes on a contest; those without a subset count for every subset."""
        return self._votes.get(key) or self._votes.get(("", *key[1:]), ())

    def majority(self, key: _Key) -> str:
        """Return the most frequent vote on a contest; "tie" where two are equally frequent."""
        ranked = Counter(self.of(key)).most_common(2)
        return "tie" if len(ranked) > 1 and ranked[0][1] == ranked[1][1] else ranked[0][0]


def read_votes(path: Path, a: str, b: str) -> Votes:
    """Read a table (.parquet or .jsonl) with the columns item, language and winner, and maybe a, b, subset, annotator.

    `winner` is a, b or tie. Where the table names the models in its columns `a` and `b`, votes about this pair the other way
    round are turned, and those about other models are left out, counted.

    Raises:
        DataError: the table cannot be read, lacks a column, holds an unknown winner or language, or one annotator voted twice.
    """
    votes: dict[_Key, list[str]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    seen: dict[tuple[Any, ...], int] = {}
    for number, row in rows_of(path, ("item", "language", "winner")):
        where = f"{path}, row {number}"
        winner = _winner(row, where)
        named = row.get("a") or a, row.get("b") or b
        if named == (b, a):
            winner = {"a": "b", "b": "a"}.get(winner, winner)
        elif named != (a, b):
            left_out["about other models"] += 1
            continue
        key = (str(row.get("subset") or ""), language_at(f"{where}, column 'language'", row["language"]), str(row["item"]))
        if row.get("annotator") is not None:
            before = seen.setdefault((*key, row["annotator"]), number)
            if before != number:
                raise DataError(
                    f"{where}: annotator {row['annotator']!r} voted on this contest in row {before} already. Remove one."
                )
        votes[key].append(winner)
    return Votes(votes, left_out)


def _winner(row: Mapping[str, Any], where: str) -> str:
    winner = str(row["winner"]).strip().lower()
    if winner not in _WINNERS:
        raise DataError(f"{where}, column 'winner': {row['winner']!r} is not one of {', '.join(_WINNERS)}.")
    return winner
