"""The numbers of one model on one benchmark: means, corpus scores and what is made of several rates, with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from polylect.evaluate.benchmarks.base import Benchmark
from polylect.evaluate.cells import Group, groups
from polylect.evaluate.chrf import corpus_chrf
from polylect.evaluate.estimates import Estimates
from polylect.evaluate.summary_rows import Combine, SummaryRow, rows_of, summarise
from polylect.records import MULTIPLE, Measurement
from polylect.resampling import Floats, means, replicates, tabulate

__all__ = ["main_metric", "summary_of"]

_Harmonic: TypeAlias = Callable[[Floats, Floats], Floats]


def main_metric(entry: Benchmark) -> str:
    """Return the metric that a benchmark is known by, as the summary rows name it."""
    return {"translate": "corpus_chrf++", "confusion": "line_pass_rate"}.get(entry.kind, entry.metrics[0])


def summary_of(entry: Benchmark, rows: Sequence[Measurement], seed: int = 0) -> list[SummaryRow]:
    """Return the summary rows of one model's measurements on a benchmark.

    The sections of M-RewardBench weigh equally (its score is the mean of four). Translation has the corpus chrF++ besides the
    mean over sentences. AC3 and LCPR, harmonic means of two rates, are computed in every resample anew.

    Raises:
        EvaluationError: as `polylect.evaluate.summary_rows.summarise`.
    """
    by_language = [row for row in rows if row.language != MULTIPLE]
    across = [row for row in rows if row.language == MULTIPLE]
    combine: Combine = "subsets" if entry.kind == "reward" else "rows"
    found = summarise(by_language, combine=combine, seed=seed)
    found += [row for row in summarise(across, seed=seed) if row.scope == "macro"]
    if entry.kind == "translate":
        found += corpus_chrf((row for row in rows if row.metric == "chrf++"), seed=seed)
    if "ac3" in entry.metrics:
        found += _ac3(rows, seed)
    if entry.kind == "confusion":
        found += _lcpr(rows, seed)
    return found


def _harmonic(a: Floats, b: Floats) -> Floats:
    total = a + b
    return np.asarray(np.divide(2 * a * b, total, out=np.zeros(np.shape(total)), where=total > 0))


def _lcpr(rows: Sequence[Measurement], seed: int) -> list[SummaryRow]:
    """Return the harmonic mean of line and word pass rate per language that has both."""
    found = []
    for group in groups(row for row in rows if row.metric in ("line_pass_rate", "word_pass_rate")):
        if group.metric != "word_pass_rate":
            continue
        tags = group.languages
        lines = [
            row for row in rows if row.metric == "line_pass_rate" and row.language in tags and group.subset in (row.subset, "")
        ]
        both = [*((row, "line_pass_rate") for row in lines), *((row, "word_pass_rate") for row in group.rows)]
        cells = [(row.item, f"{metric}\t{row.language}", row.score) for row, metric in both if row.score is not None]
        table = tabulate(cells, [f"{metric}\t{tag}" for metric in ("line_pass_rate", "word_pass_rate") for tag in tags])
        values, drawn = means(table), replicates(table, seed)
        half = len(tags)
        derived = _derived(
            group,
            "language_confusion_pass_rate",
            tags,
            _harmonic(values[:half], values[half:]),
            _harmonic(drawn[:, :half], drawn[:, half:]),
            table.counts[:, :half],
        )
        found += derived
    return found


def _ac3(rows: Sequence[Measurement], seed: int) -> list[SummaryRow]:
    """Return AC3 over all languages: the harmonic mean of consistency and macro accuracy."""
    found = []
    for group in groups(row for row in rows if row.metric == "consistency"):
        inside = [row for row in rows if row.metric == "accuracy" and group.subset in (row.subset, "")]
        tags = sorted({row.language for row in inside})
        cells = [(row.item, row.language, row.score) for row in [*inside, *group.rows] if row.score is not None]
        table = tabulate(cells, [*tags, MULTIPLE])
        values, drawn = means(table), replicates(table, seed)
        every = _derived(
            group,
            "ac3",
            [MULTIPLE],
            _harmonic(values[-1:], np.nanmean(values[:-1], keepdims=True)),
            _harmonic(drawn[:, -1:], np.nanmean(drawn[:, :-1], axis=1, keepdims=True)),
            table.counts[:, -1:],
        )
        found += [row for row in every if row.scope == "macro"]
    return found


def _derived(group: Group, metric: str, tags: Sequence[str], values: Floats, drawn: Floats, counts: Floats) -> list[SummaryRow]:
    """Return the summary rows of a metric that is made of others; `n` counts the items that it is made of."""
    named = Group(group.model, group.benchmark, metric, group.subset, [], group.unscored, group.statuses)
    items = tuple(int(number) for number in (counts > 0).sum(axis=0))
    estimates = Estimates(
        languages=tuple(tags),
        values=values,
        drawn=drawn,
        rows=tuple(int(number) for number in counts.sum(axis=0)),
        items=items,
        all_items=len(counts),
        bounds=(0.0, 1.0),
        trials=(None,) * len(tags),
    )
    return rows_of(named, estimates)
