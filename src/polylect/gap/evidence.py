"""The evidence ladder: what a provider can show for a language, from a claim to a mitigation, and where it is shown.

The levels follow METHODS 8 and recommendations 2.1 and 2.2 of The Multilingual Divide (Cohere Labs 2025): providers name the
languages that a model serves, and report per language what was measured and whether safety was looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from polylect.errors import DataError, nearest

__all__ = ["LEVELS", "Evidence", "Unresolved", "Unspecific", "level_named"]

LEVELS = ("claimed", "trained", "evaluated", "human-checked", "safety-tested", "mitigated")
"""The rungs, lowest first. None implies another: a language can be evaluated and claimed by nobody."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One piece of evidence that `language` stands on rung `level`.

    `kind` is "front matter", "text" or "table" where a model card says so, "recipe" where a run's recipe does (statements),
    "rows" where a table or a run has rows that show it. `source` is the file; `line` (1-based) is set for cards, `rows` (a
    count) for tables. `quote` is the phrase of the card, or what the rows are. `note` says what had to be assumed ("script
    not said: taken as zh-Hans").
    """

    level: str
    language: str
    source: str
    kind: str
    quote: str
    line: int | None = None
    rows: int | None = None
    note: str | None = None

    @property
    def shown(self) -> bool:
        """Whether rows show it; False where a card only says it."""
        return self.kind == "rows"

    def link(self) -> str:
        """Return where it is to be found, for reading: 'README.md:14 "..."' or 'results.parquet, 120 rows: ...'."""
        if self.shown:
            return f"{self.source}, {self.rows:,} rows: {self.quote}"
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f'{where} "{self.quote}"'

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, without language and level, which the row has."""
        return {
            "source": self.source, "kind": self.kind, "line": self.line, "rows": self.rows, "quote": self.quote, "note": self.note
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Unresolved:
    """A word where a language was expected, that names none: what it says, where, and why."""

    text: str
    source: str
    line: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Unspecific:
    """A claim about many languages that does not name them: "multilingual", "over 140 languages".

    `count` is the number of languages it speaks of, None where it gives none.
    """

    quote: str
    source: str
    line: int
    count: int | None
    level: str


def level_named(text: str, known: Iterable[str] = LEVELS) -> str:
    """Return the level that `text` names; "_" or a space may stand for "-".

    Raises:
        DataError: there is no such level; the message names the nearest.
    """
    spelling = text.strip().lower().replace("_", "-").replace(" ", "-")
    if spelling not in known:
        raise DataError(f"level {text!r} is not one of {', '.join(known)}.{nearest(spelling, known)}")
    return spelling
