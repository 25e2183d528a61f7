"""One model on one benchmark with one metric: a value per language, with replicates where there are items.

Replicates are means over items drawn with replacement, jointly for all languages (`polylect.resampling`), so that a difference of
two languages is paired wherever they share items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from polylect.resampling import Estimate, Floats, ItemTable, means, percentiles, replicates, tabulate, wilson

if TYPE_CHECKING:
    import polars as pl

    from polylect.gap.performance.sources import Results

__all__ = ["ENGLISH", "NOTHING", "Group", "groups_of"]

ENGLISH = "en"
NOTHING = Estimate(None, None, None)
_PERCENT = ("chrf", "corpus_chrf", "comet", "bleu", "corpus_bleu")


@dataclass
class Group:
    """Scores of one model, benchmark and metric by language.

    Attributes:
        model, benchmark, metric: what was measured.
        languages: all languages measured, scored or not, sorted.
        scores: language -> mean and interval; missing where nothing is scored.
        n: scored rows by language.
        items: distinct items by language; None for summaries.
        unscored: rows without a score by language, and `reasons` for all.
        bounds: smallest and largest value of the metric.
        drawn: language -> replicates, shape (resamples,); empty for summaries.
        shared: language -> share of its items that English has too.
        gaps: gaps to English that a summary gives with their intervals.
        all_items: number of items of any language.
    """

    model: str
    benchmark: str
    metric: str
    languages: tuple[str, ...]
    bounds: tuple[float, float]
    scores: dict[str, Estimate] = field(default_factory=dict)
    n: dict[str, int | None] = field(default_factory=dict)
    items: dict[str, int] | None = None
    unscored: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    drawn: dict[str, Floats] = field(default_factory=dict)
    shared: dict[str, float] = field(default_factory=dict)
    gaps: dict[str, Estimate] = field(default_factory=dict)
    all_items: int = 0

    @property
    def scored(self) -> list[str]:
        """The languages with a score, sorted."""
        return [tag for tag in self.languages if tag in self.scores]

    def value(self, tag: str) -> float:
        """Return the score of a scored language."""
        value = self.scores[tag].value
        assert value is not None, "a scored language has a value"
        return value

    @property
    def best(self) -> str | None:
        """The language with the highest score, the first of equals."""
        return max(self.scored, key=self.value, default=None)

    @property
    def design(self) -> str:
        """How languages share items: "paired", "partly paired", "separate", or "summary" where no items are known."""
        if self.items is None:
            return "summary"
        others = [share for tag, share in self.shared.items() if tag != ENGLISH]
        if not others:
            return "separate"
        return "paired" if min(others) == 1 else "partly paired" if max(others) > 0 else "separate"


def groups_of(results: Results, seed: int) -> Iterator[Group]:
    """Yield the groups of all results, those with items first, each part sorted by model, benchmark and metric."""
    for (model, benchmark, metric), frame in _parts(results.items):
        yield _from_items(Group(model, benchmark, metric, _tags(frame), _bounds(metric, frame)), frame, seed)
    for (model, benchmark, metric), frame in _parts(results.summaries):
        yield _from_summaries(Group(model, benchmark, metric, _tags(frame), _bounds(metric, frame)), frame)


def _parts(frame: pl.DataFrame) -> list[tuple[tuple[str, str, str], pl.DataFrame]]:
    parts = frame.partition_by("model", "benchmark", "metric", as_dict=True)
    return [((str(key[0]), str(key[1]), str(key[2])), parts[key]) for key in sorted(parts)]


def _tags(frame: pl.DataFrame) -> tuple[str, ...]:
    return tuple(sorted(frame["language"].unique().to_list()))


def _bounds(metric: str, frame: pl.DataFrame) -> tuple[float, float]:
    """Return the range of a metric: 0 to 1, else 0 to 100, by its name and its scores; else that of the scores."""
    scores = frame["score"].drop_nulls()
    least, most = (float(scores.min() or 0), float(scores.max() or 0)) if len(scores) else (0.0, 0.0)  # type: ignore[arg-type]
    if least >= 0 and most <= 1 and not metric.lower().startswith(_PERCENT):
        return 0.0, 1.0
    return (0.0, 100.0) if least >= 0 and most <= 100 else (least, most)


def _from_items(group: Group, frame: pl.DataFrame, seed: int) -> Group:
    table = _tabulated(frame.filter(frame["score"].is_not_null()), group.languages)
    _count(group, frame)
    values, drawn, there = means(table), replicates(table, seed), table.counts > 0
    group.all_items, group.items = len(table.counts), {}
    for j, tag in enumerate(group.languages):
        group.items[tag] = int(there[:, j].sum())
        if np.isnan(values[j]):
            continue
        group.drawn[tag] = drawn[:, j]
        group.scores[tag] = _interval(table, j, drawn[:, j], float(values[j]), group)
        if ENGLISH in group.languages:
            english = there[:, group.languages.index(ENGLISH)]
            group.shared[tag] = float((there[:, j] & english).sum() / there[:, j].sum())
    return group


def _tabulated(scored: pl.DataFrame, languages: tuple[str, ...]) -> ItemTable:
    return tabulate(scored.select("item", "language", "score").iter_rows(), languages)


def _interval(table: ItemTable, j: int, drawn: Floats, value: float, group: Group) -> Estimate:
    """Return a language's own interval as `polylect eval` does: Wilson's for a proportion, else the expanded percentiles."""
    items = int((table.counts[:, j] > 0).sum())
    if group.bounds == (0.0, 1.0) and table.binary(j):
        return wilson(float(table.sums[:, j].sum()), items)
    return percentiles(drawn, value, items, group.bounds, expanded=True)


def _count(group: Group, frame: pl.DataFrame) -> None:
    """Count scored and unscored rows by language, and why rows are unscored."""
    for tag, part in _by_language(frame).items():
        missing = part["score"].null_count()
        group.n[tag], group.unscored[tag] = part.height - missing, missing
    without = frame.filter(frame["score"].is_null())
    group.reasons = {str(reason): int(number) for reason, number in without["reason"].value_counts(sort=True).iter_rows()}


def _by_language(frame: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
    return {str(key[0]): part for key, part in frame.partition_by("language", as_dict=True).items()}


def _from_summaries(group: Group, frame: pl.DataFrame) -> Group:
    """Take over scores, and intervals only where they are given."""
    import polars as pl

    scope = pl.col("scope").fill_null("language")
    for row in frame.filter(scope == "language").iter_rows(named=True):
        tag = row["language"]
        group.n[tag] = None if row["n"] is None else int(row["n"])
        group.unscored[tag] = int(row["unscored"] or 0)
        if row["score"] is not None:
            group.scores[tag] = Estimate(row["score"], row["low"], row["high"])
        elif not row["unscored"]:
            group.reasons[row["reason"]] = group.reasons.get(row["reason"], 0) + 1
    for row in frame.filter(scope == "gap").iter_rows(named=True):
        group.gaps[row["language"]] = Estimate(row["score"], row["low"], row["high"])
    return group
