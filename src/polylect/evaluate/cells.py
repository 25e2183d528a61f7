"""Measurements arranged for statistics: one group per model, benchmark, metric and subset; items by languages within it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from polylect.errors import EvaluationError
from polylect.records import Measurement

__all__ = ["Bounds", "Group", "bounds_of", "groups", "languages_of"]

Bounds: TypeAlias = tuple[float, float]

_PERCENT = ("chrf", "comet", "bleu")
"""Metrics on a scale of 0 to 100, by how their names begin."""


@dataclass
class Group:
    """The measurements of one model, benchmark, metric and subset.

    `rows` are those with a score; `unscored` counts the others by language, `statuses` all of them by (language, status).
    """

    model: str
    benchmark: str
    metric: str
    subset: str
    rows: list[Measurement] = field(default_factory=list)
    unscored: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def cells(self) -> list[tuple[str, str, float]]:
        """(item, language, score) of each scored measurement."""
        return [(row.item, row.language, row.score) for row in self.rows if row.score is not None]

    @property
    def languages(self) -> list[str]:
        """The languages measured, scored or not, sorted."""
        return sorted({language for language, _ in self.statuses})

    def add(self, row: Measurement) -> None:
        """Take a measurement in."""
        self.statuses[row.language, row.status] += 1
        if row.score is None:
            self.unscored[row.language] += 1
        else:
            self.rows.append(row)


def groups(rows: Iterable[Measurement]) -> list[Group]:
    """Return the groups of `rows`, sorted; a benchmark with parts has a group for each part and one, "", for all of them.

    Raises:
        EvaluationError: one item was measured twice (the same model, benchmark, language, subset and metric).
    """
    found: dict[tuple[str, str, str, str], Group] = {}
    seen: Counter[str] = Counter()
    for row in rows:
        seen[row.id] += 1
        for subset in {row.subset, ""}:
            key = (row.model, row.benchmark, row.metric, subset)
            found.setdefault(key, Group(*key)).add(row)
        if seen[row.id] == 2:
            raise EvaluationError(
                f"{row.model}, {row.benchmark}, {row.metric}: item {row.item!r} in {row.language} is measured more than once; "
                "an item counts once. Remove the repeated rows."
            )
    return [found[key] for key in sorted(found)]


def languages_of(group: Group, languages: Sequence[str] | None) -> tuple[str, ...]:
    """Return the languages to summarise: those asked for, or those measured.

    Raises:
        EvaluationError: a measured language that was not asked for.
    """
    if languages is None:
        return tuple(group.languages)
    for language in group.languages:
        if language not in languages:
            raise EvaluationError(
                f"{group.model}, {group.benchmark}: language {language!r} is not among {', '.join(languages)}; list it too."
            )
    return tuple(languages)


def bounds_of(metric: str, scores: Sequence[float], known: Mapping[str, Bounds] | None = None) -> Bounds:
    """Return the smallest and largest value that a metric can take.

    `known` says it; otherwise names that begin with chrf, comet or bleu are on 0 to 100 and all others on 0 to 1.

    Raises:
        EvaluationError: a score lies outside.
    """
    named = (0.0, 100.0) if metric.lower().startswith(_PERCENT) else (0.0, 1.0)
    least, most = (known or {}).get(metric, named)
    for score in scores:
        if not least - 1e-9 <= score <= most + 1e-9:
            raise EvaluationError(
                f"metric {metric!r}: score {score} is outside {least:g} to {most:g}; give its range with "
                f"bounds={{{metric!r}: (low, high)}}."
            )
    return least, most
