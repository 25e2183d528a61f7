"""Two models on the same items: differences per language and over languages, adjusted p-values, the verdict in words.

Pairing removes what makes an item hard for both models. Do not compare two models by whether their separate intervals overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from polylect.errors import EvaluationError
from polylect.evaluate.cells import Bounds, Group, bounds_of, groups
from polylect.evaluate.clustered import MeanTest, clustered_test
from polylect.evaluate.estimates import NOTHING, extreme
from polylect.evaluate.multiplicity import benjamini_hochberg, holm
from polylect.records import MULTIPLE, Measurement
from polylect.resampling import RESAMPLES, Estimate, Floats, ItemTable, replicates, tabulate

__all__ = ["DifferenceRow", "Outcome", "PairedComparison", "compare", "comparison_of", "decide"]

Outcome: TypeAlias = Literal["better", "worse", "undecided", "no data"]
LEVEL = 0.05
"""Chance, over all languages together, of calling one better or worse that is not."""


@dataclass(frozen=True, kw_only=True)
class DifferenceRow:
    """Model `a` minus model `b` on the items that both have scored, on the metric's scale.

    `scope` is "language", "macro" (mean over languages, language "mul") or "worst" (the language where `a` does worst against
    `b`, named; its interval accounts for having been picked, see `polylect.evaluate.estimates.extreme`). `p` is two-sided,
    `p_holm` and `p_bh` are adjusted over the languages; `verdict` goes by `p_holm` for a language, by `p` for the macro mean and
    by the interval for the worst. `n` counts the pairs, `only_a` and `only_b` scored rows whose partner has no score.
    """

    benchmark: str
    metric: str
    subset: str
    a: str
    b: str
    scope: str
    language: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    items: int
    only_a: int
    only_b: int
    p: float | None
    p_holm: float | None
    p_bh: float | None
    verdict: Outcome

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PairedComparison:
    """All rows of one benchmark, metric and subset; `scale` turns values into points (100 for metrics of 0 to 1)."""

    rows: tuple[DifferenceRow, ...]
    scale: float

    @property
    def languages(self) -> tuple[DifferenceRow, ...]:
        """The rows of single languages, the largest loss of `a` first, those without data last."""
        rows = [row for row in self.rows if row.scope == "language"]
        return tuple(sorted(rows, key=lambda row: (row.value is None, row.value or 0.0, row.language)))

    @property
    def words(self) -> str:
        """The verdict in words, in points: `better in 17, worse in 1 (sw, -4.1 [-7.9, -0.4]), undecided in 5`."""
        tally = Counter(row.verdict for row in self.languages)
        worse = "; ".join(self._points(row) for row in self.languages if row.verdict == "worse")
        parts = [f"better in {tally['better']}", f"worse in {tally['worse']}" + (f" ({worse})" if worse else "")]
        parts.append(f"undecided in {tally['undecided']}")
        if tally["no data"]:
            missing = ", ".join(row.language for row in self.languages if row.verdict == "no data")
            parts.append(f"no data in {tally['no data']} ({missing})")
        return ", ".join(parts)

    def _points(self, row: DifferenceRow) -> str:
        value, low, high = (round(self.scale * (end or 0.0), 1) + 0.0 for end in (row.value, row.low, row.high))
        return f"{row.language}, {value:+.1f} [{low:+.1f}, {high:+.1f}]"


def compare(
    rows_a: Iterable[Measurement],
    rows_b: Iterable[Measurement],
    *,
    bounds: Mapping[str, Bounds] | None = None,
    level: float = LEVEL,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[PairedComparison]:
    """Compare two models on every benchmark, metric and subset that both were measured on, each subset and the whole.

    Args:
        rows_a: measurements of one model.
        rows_b: of the other, or of the same model in another run.
        bounds: smallest and largest value by metric, as in `summarise`.
        level: of the claims over languages together (Holm).
        seed: of the draws behind the interval of the worst language; all others need none.
        resamples: number of bootstrap resamples.

    Raises:
        EvaluationError: several models on one side, nothing that both were measured on, an item measured twice.
    """
    left, right = (_one_model(groups(rows), side) for rows, side in ((rows_a, "first"), (rows_b, "second")))
    shared = sorted(left.keys() & right.keys())
    if not shared:
        raise EvaluationError(
            f"nothing to compare: the first has {_names(left)}, the second {_names(right)}; measure both on the same "
            "benchmark and metric."
        )
    return [_compare_groups(left[key], right[key], bounds, level, seed, resamples) for key in shared]


def decide(
    rows: Iterable[Measurement],
    against: float = 0.5,
    *,
    names: tuple[str, str] = ("a", "b"),
    bounds: Mapping[str, Bounds] | None = None,
    level: float = LEVEL,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[PairedComparison]:
    """Compare scores with a fixed value: for pairwise judging, scores of 1 (a wins), 0.5 and 0 with 0.5.

    Values are score minus `against`. Arguments and errors as in `compare`; `names` are the models `a` and `b`.
    """
    found = []
    for group in groups(rows):
        least, most = bounds_of(group.metric, [score for _, _, score in group.cells], bounds)
        reach = max(most - against, against - least)
        cells = [(item, language, score - against) for item, language, score in group.cells]
        table = tabulate(cells, group.languages)
        scale = 100.0 if (least, most) == (0.0, 1.0) else 1.0
        found.append(comparison_of(group, names, table, (Counter(), Counter()), reach, scale, level, seed, resamples))
    return found


def _one_model(found: list[Group], side: str) -> dict[tuple[str, str, str], Group]:
    models = sorted({group.model for group in found})
    if len(models) > 1:
        raise EvaluationError(f"the {side} table holds several models ({', '.join(models)}); compare them one by one.")
    return {(group.benchmark, group.metric, group.subset): group for group in found}


def _names(found: Mapping[tuple[str, str, str], Group]) -> str:
    return ", ".join(sorted({f"{benchmark} ({metric})" for benchmark, metric, _ in found})) or "no rows"


def _compare_groups(
    a: Group, b: Group, known: Mapping[str, Bounds] | None, level: float, seed: int, resamples: int
) -> PairedComparison:
    left, right = ({(row.language, row.item, row.subset): row.score or 0.0 for row in group.rows} for group in (a, b))
    least, most = bounds_of(a.metric, [*left.values(), *right.values()], known)
    pairs = left.keys() & right.keys()
    cells = [(item, language, left[language, item, subset] - right[language, item, subset]) for language, item, subset in pairs]
    table = tabulate(cells, sorted({*a.languages, *b.languages}))
    alone = (Counter(key[0] for key in left if key not in right), Counter(key[0] for key in right if key not in left))
    scale = 100.0 if (least, most) == (0.0, 1.0) else 1.0
    return comparison_of(a, (a.model, b.model), table, alone, most - least, scale, level, seed, resamples)


def comparison_of(
    group: Group,
    names: tuple[str, str],
    table: ItemTable,
    alone: tuple[Counter[str], Counter[str]],
    reach: float,
    scale: float,
    level: float,
    seed: int,
    resamples: int,
) -> PairedComparison:
    """Return the rows of one comparison.

    Args:
        group: names the benchmark, metric and subset.
        names: of the models `a` and `b`.
        table: differences by item and language.
        alone: scored rows without partner by language, of `a` and of `b`.
        reach: the largest absolute difference possible.
        scale: points per unit.
        level: of the claims over languages together.
        seed: of the draws for the worst language.
        resamples: number of them.
    """
    scored = [j for j in range(len(table.languages)) if table.counts[:, j].sum() > 0]
    tested = {j: clustered_test(table.sums[:, [j]], table.counts[:, [j]], reach) for j in scored}
    macro = clustered_test(table.sums[:, scored], table.counts[:, scored], reach) if scored else MeanTest(NOTHING, None)
    where, worst = _worst(table, scored, tested, reach, seed, resamples)
    pair, every = _Pair(group, names, table, alone), range(len(table.languages))
    rows = (
        *_language_rows(pair, tested, level),
        pair.row("macro", MULTIPLE, every, macro, _verdict(macro.estimate.value, macro.p, level)),
        pair.row("worst", table.languages[where[0]] if where else MULTIPLE, where, MeanTest(worst, None), _by_interval(worst)),
    )
    return PairedComparison(rows, scale)


@dataclass(frozen=True)
class _Pair:
    """What the rows of one comparison share; see `comparison_of`."""

    group: Group
    names: tuple[str, str]
    table: ItemTable
    alone: tuple[Counter[str], Counter[str]]

    def row(
        self,
        scope: str,
        language: str,
        at: Sequence[int],
        one: MeanTest,
        verdict: Outcome,
        adjusted: tuple[float | None, float | None] = (None, None),
    ) -> DifferenceRow:
        """Return the row of a test over the columns `at` of the table; `adjusted` are its p-values by Holm and by BH."""
        tags, counts = [self.table.languages[j] for j in at], self.table.counts[:, at]
        return DifferenceRow(
            benchmark=self.group.benchmark,
            metric=self.group.metric,
            subset=self.group.subset,
            a=self.names[0],
            b=self.names[1],
            scope=scope,
            language=language,
            value=one.estimate.value,
            low=one.estimate.low,
            high=one.estimate.high,
            n=int(counts.sum()),
            items=int((counts.sum(axis=1) > 0).sum()),
            only_a=sum(self.alone[0][tag] for tag in tags),
            only_b=sum(self.alone[1][tag] for tag in tags),
            p=one.p,
            p_holm=adjusted[0],
            p_bh=adjusted[1],
            verdict=verdict,
        )


def _language_rows(pair: _Pair, tested: Mapping[int, MeanTest], level: float) -> list[DifferenceRow]:
    """Return a row per language, its p-value adjusted over all of them."""
    each = [tested.get(j, MeanTest(NOTHING, None)) for j in range(len(pair.table.languages))]
    raw = [_number(one.p) for one in each]
    rows = []
    for j, (one, *both) in enumerate(zip(each, holm(raw), benjamini_hochberg(raw), strict=True)):
        by_holm, by_bh = (_known(p) for p in both)
        verdict = _verdict(one.estimate.value, by_holm, level)
        rows.append(pair.row("language", pair.table.languages[j], [j], one, verdict, (by_holm, by_bh)))
    return rows


def _worst(
    table: ItemTable, scored: Sequence[int], tested: Mapping[int, MeanTest], reach: float, seed: int, resamples: int
) -> tuple[list[int], Estimate]:
    if not scored:
        return [], NOTHING
    each = [tested[j].estimate for j in scored]
    values: Floats = np.array([one.value for one in each], dtype=np.float64)
    drawn = replicates(table, seed, resamples)[:, scored]
    return [scored[int(np.argmin(values))]], extreme(values, drawn, each, (-reach, reach))


def _verdict(value: float | None, p: float | None, level: float) -> Outcome:
    if value is None:
        return "no data"
    if p is None or p > level or value == 0:
        return "undecided"
    return "better" if value > 0 else "worse"


def _by_interval(estimate: Estimate) -> Outcome:
    if estimate.value is None:
        return "no data"
    if estimate.low is None or estimate.high is None:
        return "undecided"
    return "better" if estimate.low > 0 else "worse" if estimate.high < 0 else "undecided"


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
