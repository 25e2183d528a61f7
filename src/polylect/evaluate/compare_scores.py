"""Two tables of measurements: per benchmark and metric, win rate and difference in every language."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from polylect.errors import EvaluationError, nearest
from polylect.evaluate.clustered import clustered_test
from polylect.evaluate.paired import DifferenceRow, PairedComparison, compare
from polylect.records import MULTIPLE, Measurement
from polylect.resampling import Estimate, tabulate

__all__ = ["ScoreComparison", "ScoreRow", "compare_scores"]

_Cells = dict[tuple[str, str, str], Measurement]
"""Measurements by subset, language and item."""


class _Game(NamedTuple):
    """An item that both have scored: 1 point where a's score is higher, 0.5 where they are equal, 0 where it is lower."""

    item: str
    language: str
    points: float


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One language ("mul": the mean over languages), on the items that both have scored.

    `difference` is a minus b in `points` of the metric (hundredths for metrics from 0 to 1), with its 95 % interval; `win`,
    `loss` and `tie` count the items on which a's score is higher, lower, equal; `win_rate` is win + tie / 2 in [0, 1].
    `verdict` is "better", "worse", "undecided" or "no data"; over languages it goes by `p_holm`. `only_a` and `only_b` count
    scores without a partner, `unscored_a` and `unscored_b` rows without a score by reason.
    """

    language: str
    n: int
    difference: Estimate
    win: int
    loss: int
    tie: int
    win_rate: Estimate
    verdict: str
    p: float | None
    p_holm: float | None
    only_a: int
    only_b: int
    unscored_a: Mapping[str, int]
    unscored_b: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name; estimates as value, low, high."""
        return {**asdict(self), "difference": self.difference._asdict(), "win_rate": self.win_rate._asdict()}


@dataclass(frozen=True, kw_only=True)
class ScoreComparison:
    """One benchmark, metric and subset ("" for all of it); the languages in which a loses most come first."""

    benchmark: str
    metric: str
    subset: str
    words: str
    macro: ScoreRow
    languages: tuple[ScoreRow, ...]

    @property
    def alone(self) -> dict[str, tuple[str, ...]]:
        """Languages left undecided whose own interval leaves out 0, as "better" and "worse": leads, not claims."""
        open_rows = [(row.language, row.difference) for row in self.languages if row.verdict == "undecided"]
        return {
            "better": tuple(language for language, (_, low, _high) in open_rows if low is not None and low > 0),
            "worse": tuple(language for language, (_, _low, high) in open_rows if high is not None and high < 0),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {
            "benchmark": self.benchmark,
            "metric": self.metric,
            "subset": self.subset,
            "words": self.words,
            "macro": self.macro.as_dict(),
            "languages": [row.as_dict() for row in self.languages],
        }


def compare_scores(
    a: tuple[str, Sequence[Measurement]],
    b: tuple[str, Sequence[Measurement]],
    *,
    metrics: Sequence[str] = (),
    seed: int = 0,
    level: float = 0.05,
) -> list[ScoreComparison]:
    """Compare the measurements of two models on everything that both were measured on.

    Args:
        a: name and measurements of the first.
        b: of the second.
        metrics: those to compare; all when empty.
        seed: of the bootstrap.
        level: of the claims over languages together.

    Raises:
        EvaluationError: a metric that is not there, nothing that both were measured on, an item measured twice.
    """
    known = {row.metric for _, rows in (a, b) for row in rows}
    for metric in metrics:
        if metric not in known:
            raise EvaluationError(
                f"metric {metric!r}: neither table has it; found {', '.join(sorted(known))}.{nearest(metric, known)}"
            )
    left, right = (
        [replace(row, id="", model=name) for row in rows if not metrics or row.metric in metrics] for name, rows in (a, b)
    )
    found = []
    parts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in (*left, *right):
        parts[row.benchmark, row.metric].add(row.subset)
    for comparison in compare(left, right, seed=seed, level=level):
        first = comparison.rows[0]
        if first.subset and len(parts[first.benchmark, first.metric]) == 1:
            continue  # The only part is the whole.
        found.append(_comparison(comparison, _chosen(left, first), _chosen(right, first)))
    return found


def _chosen(rows: Sequence[Measurement], of: DifferenceRow) -> _Cells:
    return {
        (row.subset, row.language, row.item): row
        for row in rows
        if (row.benchmark, row.metric) == (of.benchmark, of.metric) and of.subset in ("", row.subset)
    }


def _comparison(comparison: PairedComparison, left: _Cells, right: _Cells) -> ScoreComparison:
    games = []
    for key in left.keys() & right.keys():
        x, y = left[key].score, right[key].score
        if x is not None and y is not None:
            _, language, item = key
            games.append(_Game(item, language, 0.5 + 0.5 * ((x > y) - (x < y))))
    wins = _win_rates(games)
    tally: Counter[tuple[str, float | None]] = Counter((game.language, game.points) for game in games)
    tally.update((MULTIPLE, game.points) for game in games)
    missing = [_unscored(cells) for cells in (left, right)]
    rows = [
        _row(row, comparison.scale, wins.get(row.language, Estimate(None, None, None)), tally, missing)
        for row in (*comparison.languages, next(row for row in comparison.rows if row.scope == "macro"))
    ]
    first = comparison.rows[0]
    return ScoreComparison(
        benchmark=first.benchmark,
        metric=first.metric,
        subset=first.subset,
        words=comparison.words,
        macro=rows[-1],
        languages=tuple(rows[:-1]),
    )


def _row(
    row: DifferenceRow,
    scale: float,
    win: Estimate,
    tally: Counter[tuple[str, float | None]],
    missing: Sequence[Mapping[str, Counter[str]]],
) -> ScoreRow:
    value, low, high = (None if end is None else scale * end for end in (row.value, row.low, row.high))
    return ScoreRow(
        language=row.language,
        n=row.n,
        difference=Estimate(value, low, high),
        win=tally[row.language, 1.0],
        loss=tally[row.language, 0.0],
        tie=tally[row.language, 0.5],
        win_rate=win,
        verdict=row.verdict,
        p=row.p,
        p_holm=row.p_holm,
        only_a=row.only_a,
        only_b=row.only_b,
        unscored_a=dict(missing[0].get(row.language, {})),
        unscored_b=dict(missing[1].get(row.language, {})),
    )


def _win_rates(games: Sequence[_Game]) -> dict[str, Estimate]:
    """Return win rates per language, and over languages, with errors clustered by item across subsets and languages."""
    table = tabulate([(game.item, game.language, game.points - 0.5) for game in games], sorted({game.language for game in games}))
    columns = {language: [j] for j, language in enumerate(table.languages)} | {MULTIPLE: list(range(len(table.languages)))}
    rates = {}
    for language, at in columns.items() if games else ():
        value, low, high = clustered_test(table.sums[:, at], table.counts[:, at], 0.5).estimate
        low, high = (None if end is None else min(max(0.5 + end, 0.0), 1.0) for end in (low, high))
        rates[language] = Estimate(None if value is None else 0.5 + value, low, high)
    return rates


def _unscored(cells: _Cells) -> dict[str, Counter[str]]:
    """Return the rows without a score by language ("mul": all) and reason."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in cells.values():
        if row.score is None:
            reason = f"{row.status}: {row.reason}" if row.reason else row.status
            found[row.language][reason] += 1
            found[MULTIPLE][reason] += 1
    return found
