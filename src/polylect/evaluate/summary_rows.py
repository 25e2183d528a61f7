"""Measurements in, summary rows out: each language, the macro mean, the worst language, the gaps, each with n and an interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

from polylect.evaluate.cells import Bounds, Group, bounds_of, groups, languages_of
from polylect.evaluate.estimates import Estimates, from_tables
from polylect.records import MULTIPLE, Measurement
from polylect.resampling import RESAMPLES, Estimate, tabulate

__all__ = ["Combine", "SummaryRow", "rows_of", "summarise"]

Combine: TypeAlias = Literal["rows", "subsets"]


@dataclass(frozen=True, kw_only=True)
class SummaryRow:
    """One number of one model on one benchmark, with its 95 % interval clustered by item.

    `scope` says what it is: "language"; "macro" (mean over languages, language "mul"); "worst" (the lowest language, which
    `language` names; its interval is that of the lowest true value); "gap" (English minus a language, or minus the mean of the
    others for "mul"); "gap_best" (the best language, named, minus the mean of the others). `n` counts scored rows, `items`
    what was resampled, `unscored` rows without a score, `statuses` rows by status. Values are on the metric's scale.
    """

    model: str
    benchmark: str
    metric: str
    subset: str
    scope: str
    language: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    items: int
    unscored: int
    statuses: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


def summarise(
    rows: Iterable[Measurement],
    *,
    languages: Sequence[str] | None = None,
    bounds: Mapping[str, Bounds] | None = None,
    combine: Combine | Mapping[str, Combine] = "rows",
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[SummaryRow]:
    """Summarise every model, benchmark, metric and subset, and each benchmark with subsets as a whole (subset "").

    A higher score is taken to be better. The result is the same for any order of the rows.

    Args:
        rows: measurements; those without a score are counted and not averaged.
        languages: those that should be there; one without rows gets a row with n = 0. None: those that are there.
        bounds: smallest and largest value by metric, where it is neither 0 to 1 nor (chrF, COMET) 0 to 100.
        combine: how the subsets make a whole, for all benchmarks or by benchmark: "rows" weighs them by their rows, "subsets"
            equally (M-RewardBench: the mean of its sections).
        seed: of the draws.
        resamples: number of bootstrap resamples.

    Raises:
        EvaluationError: an item measured twice, a language not listed, a score outside the metric's range.
    """
    found = []
    for group in groups(rows):
        chosen = combine if isinstance(combine, str) else combine.get(group.benchmark, "rows")
        present = languages_of(group, languages)
        found += rows_of(group, _estimates(group, present, bounds, chosen, seed, resamples))
    return found


def rows_of(group: Group, estimates: Estimates) -> list[SummaryRow]:
    """Return the summary rows of a group whose languages have been estimated."""
    row, every = partial(_row, group, estimates), estimates.languages
    lines = [row("language", tag, [tag], estimate) for tag, estimate in zip(every, estimates.each, strict=True)]
    lines.append(row("macro", MULTIPLE, every, estimates.macro))
    worst, estimate = estimates.worst
    lines.append(row("worst", worst or MULTIPLE, [worst] if worst else every, estimate))
    if "en" in every and len(every) > 1:
        lines.append(row("gap", MULTIPLE, every, estimates.gap))
        lines += [row("gap", tag, ["en", tag], estimates.gap_of(tag)) for tag in every if tag != "en"]
    if len(every) > 1:
        best, estimate = estimates.gap_to_best
        lines.append(row("gap_best", best or MULTIPLE, every, estimate))
    return lines


def _row(group: Group, estimates: Estimates, scope: str, language: str, counted: Sequence[str], estimate: Estimate) -> SummaryRow:
    """Return one number with what was counted in the languages that it is made of."""
    at = [estimates.languages.index(one) for one in counted]
    statuses: Counter[str] = Counter()
    for (tag, status), number in group.statuses.items():
        statuses[status] += number if tag in counted else 0
    return SummaryRow(
        model=group.model,
        benchmark=group.benchmark,
        metric=group.metric,
        subset=group.subset,
        scope=scope,
        language=language,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=sum(estimates.rows[j] for j in at),
        items=estimates.items[at[0]] if len(at) == 1 else estimates.all_items,
        unscored=sum(group.unscored[one] for one in counted),
        statuses={status: number for status, number in sorted(statuses.items()) if number},
    )


def _estimates(
    group: Group, languages: Sequence[str], known: Mapping[str, Bounds] | None, combine: Combine, seed: int, resamples: int
) -> Estimates:
    cells = group.cells
    limits = bounds_of(group.metric, [score for _, _, score in cells], known)
    parts = sorted({row.subset for row in group.rows}) if combine == "subsets" and not group.subset else []
    if len(parts) < 2:
        return from_tables([tabulate(cells, languages)], limits, seed, resamples)
    # One table over (part, language) columns, so that an item that several parts share is drawn with all of them.
    columns = [f"{part}\t{language}" for part in parts for language in languages]
    wide = tabulate([(row.item, f"{row.subset}\t{row.language}", row.score or 0.0) for row in group.rows], columns)
    return from_tables(wide.split(languages), limits, seed, resamples)
