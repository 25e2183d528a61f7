"""Two models on one corpus: the paired difference of their corpus chrF++ per language and over languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from polylect.errors import EvaluationError
from polylect.evaluate.cells import Group, groups
from polylect.evaluate.chrf import CORPUS_CHRF, SegmentTable, corpus_score, rescored, segment_statistics
from polylect.evaluate.paired import LEVEL, PairedComparison, comparison_of
from polylect.records import Measurement
from polylect.resampling import RESAMPLES, Floats, ItemTable

__all__ = ["compare_corpus_chrf"]


def compare_corpus_chrf(
    rows_a: Iterable[Measurement],
    rows_b: Iterable[Measurement],
    *,
    level: float = LEVEL,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[PairedComparison]:
    """Compare the corpus chrF++ of two models on the segments that both have translated, as `compare` does with means.

    Each value is the difference of two corpus scores. For its error each item counts with what leaving it out changes in the
    difference (the infinitesimal jackknife's finite form, Efron and Tibshirani 1993, chapter 11), so that tests and Holm's
    adjustment are those of `compare`.

    Args:
        rows_a: measurements of one model, of one metric; see `corpus_chrf`.
        rows_b: of the other.
        level: of the claims over languages together.
        seed: of the draws for the worst language.
        resamples: number of them.

    Raises:
        EvaluationError: several models on one side, no shared benchmark, an item measured twice.
    """
    sides = []
    for rows in (rows_a, rows_b):
        found = groups(rescored(row) for row in rows)
        models = sorted({group.model for group in found})
        if len(models) > 1:
            raise EvaluationError(f"one side holds several models ({', '.join(models)}); compare them one by one.")
        sides.append({(group.benchmark, group.subset): group for group in found})
    shared = sorted(sides[0].keys() & sides[1].keys())
    if not shared:
        raise EvaluationError("no benchmark has outputs of both models; give both the same benchmark.")
    return [_compare(sides[0][key], sides[1][key], level, seed, resamples) for key in shared]


def _compare(a: Group, b: Group, level: float, seed: int, resamples: int) -> PairedComparison:
    left, right = ({(row.item, row.subset, row.language): row for row in group.rows} for group in (a, b))
    pairs = sorted(left.keys() & right.keys())
    languages = sorted({*a.languages, *b.languages})
    references = [left[key].reference for key in pairs]
    tables = [
        SegmentTable.of(
            [key[0] for key in pairs],
            [key[2] for key in pairs],
            segment_statistics([side[key].output for key in pairs], references),
            languages,
        )
        for side in (left, right)
    ]
    alone = (Counter(key[2] for key in left if key not in right), Counter(key[2] for key in right if key not in left))
    # Every item counts once, however many segments it has: the cell's value is its pull on the corpus score.
    present = (tables[0].counts > 0).astype(np.float64)
    values = np.where(present > 0, _pulls(tables[0]) - _pulls(tables[1]), 0.0)
    named = Group(a.model, a.benchmark, CORPUS_CHRF, a.subset)
    return comparison_of(
        named, (a.model, b.model), ItemTable(tuple(languages), values, present), alone, 100.0, 1.0, level, seed, resamples
    )


def _pulls(table: SegmentTable) -> Floats:
    """Return values by item and language, shape (items, L), whose mean is the corpus score and whose spread gives its error."""
    present = table.counts > 0
    number = present.sum(axis=0)
    without = corpus_score(table.statistics.sum(axis=0) - table.statistics)
    average = np.where(present, without, 0.0).sum(axis=0) / np.maximum(number, 1)
    return np.asarray(np.nan_to_num(table.scores()) + (number - 1) * (average - without))
