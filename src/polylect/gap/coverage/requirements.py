"""What must be there for every language, and what is not: the linter of the coverage ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polylect.errors import DataError
from polylect.gap.evidence import level_named

__all__ = ["Required", "missing_levels", "parse_levels"]


@dataclass(frozen=True)
class Required:
    """The levels that were asked for, of which languages, and what is missing: language -> levels, in their order."""

    levels: tuple[str, ...]
    languages: tuple[str, ...]
    missing: Mapping[str, tuple[str, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, and `ok`."""
        return {
            "levels": list(self.levels),
            "languages": list(self.languages),
            "missing": {tag: list(levels) for tag, levels in self.missing.items()},
            "ok": not self.missing,
        }

    def lines(self) -> list[str]:
        """Return what to tell the user: what was asked for and how it came out, then a line per language that lacks something."""
        lines = [f"{tag}: no evidence of {', '.join(levels)}" for tag, levels in self.missing.items()]
        asked = f"{', '.join(self.levels)} required of {len(self.languages)} languages"
        return [f"{asked}: {'all there.' if not self.missing else f'missing in {len(self.missing)}:'}", *lines]


def parse_levels(given: Iterable[str]) -> tuple[str, ...]:
    """Return the levels in texts such as "evaluated,safety-tested", each once, in their order.

    Raises:
        DataError: a name is no level, or there is none.
    """
    levels = tuple(dict.fromkeys(level_named(part) for text in given for part in text.split(",") if part.strip()))
    if not levels:
        raise DataError("--require names no level. Write --require evaluated,safety-tested, for instance.")
    return levels


def missing_levels(
    levels: Sequence[str], languages: Sequence[str], states: Mapping[tuple[str, str], str], *, measured_only: bool = False
) -> Required:
    """Return which levels which languages lack.

    Args:
        levels: required.
        languages: of which they are required.
        states: (language, level) -> "stated" or "shown"; a blank has none.
        measured_only: whether a statement of a card is not enough.

    Raises:
        DataError: no language is named or claimed.
    """
    if not languages:
        raise DataError("--require: no language to check. The sources claim none by name: name them with --languages en,sw.")
    enough = {"shown"} if measured_only else {"shown", "stated"}
    lacking = {tag: tuple(level for level in levels if states.get((tag, level), "") not in enough) for tag in languages}
    return Required(tuple(levels), tuple(languages), {tag: gone for tag, gone in lacking.items() if gone})
