"""Examples to show before a question, per language, from a table or a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from polylect import tables
from polylect.records import Record

__all__ = ["Shot", "by_language", "choose", "read_shots"]


class Shot(NamedTuple):
    """One example: a prompt and the answer to learn from; `item` is the same for its translations, "" for a hand-written one."""

    prompt: str
    completion: str
    item: str = ""


@dataclass(frozen=True, kw_only=True)
class _ShotRow(Record):
    """A row of a table of examples."""

    identity = ("language", "prompt", "completion")
    language: str
    prompt: str
    completion: str
    item: str = ""


def read_shots(path: Path) -> dict[str, tuple[Shot, ...]]:
    """Return the examples of a table (JSONL or Parquet: `language`, `prompt`, `completion`, and `item`) by language, in order.

    Raises:
        DataError: the table cannot be read, or lacks a column.
        LanguageError: a language is unknown.
    """
    return by_language((row.language, Shot(row.prompt, row.completion, row.item)) for row in tables.read(path, _ShotRow))


def by_language(shots: Iterable[tuple[str, Shot]]) -> dict[str, tuple[Shot, ...]]:
    """Group (language, example) by language, in order."""
    grouped: dict[str, list[Shot]] = {}
    for language, shot in shots:
        grouped.setdefault(language, []).append(shot)
    return {language: tuple(members) for language, members in grouped.items()}


def choose(shots: Iterable[Shot], number: int | None, item: str = "", text: str = "") -> tuple[tuple[str, str], ...]:
    """Return the first `number` (None: all) examples as (prompt, completion), never one of the item or the text that is asked.

    An example of the same item, or its translation, would show the answer.
    """
    fitting = [(shot.prompt, shot.completion) for shot in shots if not (item and shot.item == item) and shot.prompt != text]
    return tuple(fitting[:number])
