"""Premiums summed up: by script, by family, by resource class, and by how many people pay them."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["GROUPS", "by_group", "by_speakers"]

GROUPS = ("script", "family", "resource_class")
_AT_LEAST = (1.5, 2.0, 3.0, 5.0)


def by_group(rows: Sequence[Mapping[str, Any]], column: str) -> list[dict[str, Any]]:
    """Return one entry per value of `column`, the highest median premium first; languages without a value are one group, None.

    `premium` is the median over the group's languages, `weighted` the mean weighted by speakers where they are known.
    """
    groups = defaultdict(list)
    for row in rows:
        if row["premium"] is not None:
            groups[row[column]].append(row)
    entries = [_entry(value, members) for value, members in groups.items()]
    return sorted(entries, key=lambda entry: (entry["group"] is None, -entry["premium"], str(entry["group"])))


def by_speakers(rows: Sequence[Mapping[str, Any]], reference: str) -> dict[str, Any]:
    """Return the premium weighted by speakers, and the share of speakers whose language costs so many times the reference.

    Only languages with a number of speakers in the reviewed table count (`languages`). Speakers are those of a first or a second
    language: a person who speaks two is counted twice.
    """
    known = [row for row in rows if row["premium"] is not None and row["speakers"]]
    people = sum(row["speakers"] for row in known)
    others = [row for row in known if row["language"] != reference]
    return {
        "languages": len(known),
        "speakers": people,
        "premium": _weighted(known),
        "premium_without_reference": _weighted(others),
        "share_at_least": {
            f"{limit:g}": sum(row["speakers"] for row in known if row["premium"] >= limit) / people if people else None
            for limit in _AT_LEAST
        },
    }


def _entry(value: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    premiums = [row["premium"] for row in rows]
    return {
        "group": value,
        "languages": len(rows),
        "premium": statistics.median(premiums),
        "lowest": min(premiums),
        "highest": max(premiums),
        "speakers": sum(row["speakers"] or 0 for row in rows) or None,
        "weighted": _weighted([row for row in rows if row["speakers"]]),
    }


def _weighted(rows: Sequence[Mapping[str, Any]]) -> float | None:
    people = sum(row["speakers"] for row in rows)
    return sum(row["speakers"] * row["premium"] for row in rows) / people if people else None
