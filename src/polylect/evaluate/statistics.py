"""Statistics over per-item records: means, win rates and paired differences, per language and over languages.

All of them are pure: records in, records out, the same for any order of the rows. A macro average gives every language
the same weight, however many items it has.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from polylect.errors import EvaluationError, nearest
from polylect.evaluate.items import METRICS, base_metric
from polylect.records import MULTIPLE, Comparison, Difference, Result, Summary, Verdict
from polylect.resampling import RESAMPLES, Estimate, Floats, ItemTable, means, percentiles, replicates, tabulate, wilson

__all__ = ["comparisons", "differences", "summaries"]

_ENGLISH = "en"
_POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}
_NOTHING = Estimate(None, None, None)
_Rows = list[tuple[str, str, float]]


def summaries(results: Iterable[Result], languages: Sequence[str], seed: int, resamples: int = RESAMPLES) -> list[Summary]:
    """Summarise every metric of every stage: each language, the macro mean, the worst language, the gap to English.

    `languages` are those the results may hold; one without rows gets a Summary with n = 0, and the macro mean, the worst
    language and the gap are taken over the languages that have scored rows. The interval of the worst language is that
    of the language itself: it does not account for having been picked as the lowest. The gap is left out when English is
    not among `languages`. `n` and `unscored` count rows (of all languages, for the macro mean and the gap).

    Raises:
        EvaluationError: an unknown metric, or a result in a language that is not listed.
    """
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.language not in languages:
            raise EvaluationError(
                f"result {result.id}: language {result.language!r} is not among {', '.join(languages)}; list it too."
            )
        groups[result.stage, result.metric].append(result)
    rows = []
    for (stage, metric), members in sorted(groups.items()):
        scored = [(r.item, r.language, r.value) for r in members if r.value is not None]
        unscored = Counter(r.language for r in members if r.value is None)
        sample = _Sample(scored, languages, (0.0, _largest(metric)), seed, resamples)
        rows += _summary_rows(stage, metric, sample, unscored)
    return rows


def comparisons(verdicts: Iterable[Verdict], seed: int, resamples: int = RESAMPLES) -> list[Comparison]:
    """Count wins, losses and ties of each pair of stages per language, with the win rate W + T/2 and its interval.

    The last row of a pair (language "mul") is the mean of the languages' win rates; its counts are sums.

    Raises:
        EvaluationError: an unknown winner, or verdicts of several judges about one pair.
    """
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.winner is not None and verdict.winner not in _POINTS:
            raise EvaluationError(f"verdict {verdict.id}: winner {verdict.winner!r} is not one of a, b, tie or empty (unscored).")
        groups[verdict.a, verdict.b].append(verdict)
    rows = []
    for (a, b), members in sorted(groups.items()):
        judges = sorted({verdict.judge for verdict in members})
        if len(judges) > 1:
            raise EvaluationError(f"{a} against {b}: verdicts of several judges ({', '.join(judges)}); compare them one by one.")
        rows += _comparison_rows(a, b, members, seed, resamples)
    return rows


def differences(
    results: Iterable[Result], a: str, b: str, metrics: Sequence[str], seed: int, resamples: int = RESAMPLES
) -> list[Difference]:
    """Return the mean difference `a` minus `b` of each metric on the prompts that both have scored.

    Per language, then the macro mean ("mul"). Pairing removes what makes an item hard for both stages, so the interval is
    much narrower than two separate ones suggest. `n` counts the pairs.

    Raises:
        EvaluationError: a stage or a metric that the results do not hold.
    """
    values: dict[tuple[str, str], dict[str, Result]] = defaultdict(dict)
    for result in results:
        values[result.stage, result.metric][result.prompt_id] = result
    _check_present("stage", (a, b), {stage for stage, _ in values})
    _check_present("metric", metrics, {metric for _, metric in values})
    rows = []
    for metric in metrics:
        left, right = values[a, metric], values[b, metric]
        pairs = [(left[prompt_id], right[prompt_id]) for prompt_id in left.keys() & right.keys()]
        languages = sorted({result.language for result in (*left.values(), *right.values())})
        scored = [(x.item, x.language, x.value - y.value) for x, y in pairs if x.value is not None and y.value is not None]
        most = _largest(metric)
        sample = _Sample(scored, languages, (-most, most), seed, resamples)
        for language, (value, low, high) in sample.with_macro():
            n = sample.rows(language)
            rows.append(Difference(a=a, b=b, metric=metric, language=language, value=value, low=low, high=high, n=n))
    return rows


class _Sample:
    """One metric of one stage (or pair of stages): scored rows by item and language, and what is estimated from them."""

    def __init__(self, rows: _Rows, languages: Sequence[str], bounds: tuple[float, float], seed: int, resamples: int) -> None:
        self.languages = tuple(languages)
        self._table: ItemTable = tabulate(rows, languages)
        self._means = means(self._table)
        self._bounds = bounds
        self._seed, self._resamples = seed, resamples
        self._scored = [j for j in range(len(languages)) if not math.isnan(self._means[j])]

    def rows(self, language: str) -> int:
        """Return the number of scored rows of a language, or of all ("mul")."""
        counts = self._table.counts
        return int(counts.sum() if language == MULTIPLE else counts[:, self.languages.index(language)].sum())

    def language(self, language: str) -> Estimate:
        """Return the mean of one language."""
        j = self.languages.index(language)
        if j not in self._scored:
            return _NOTHING
        items = int((self._table.counts[:, j] > 0).sum())
        if self._bounds == (0.0, 1.0) and self._table.binary(j):
            return wilson(float(self._table.sums[:, j].sum()), items)
        return percentiles(self._replicates[:, j], float(self._means[j]), items, self._bounds)

    def macro(self) -> Estimate:
        """Return the mean over the languages that have scored rows."""
        return self._combined(lambda x: x[..., self._scored].mean(axis=-1), self._bounds) if self._scored else _NOTHING

    def gap(self) -> Estimate:
        """Return English minus the mean of the other languages."""
        others = [j for j in self._scored if self.languages[j] != _ENGLISH]
        if not others or len(others) == len(self._scored):
            return _NOTHING
        english = self.languages.index(_ENGLISH)
        reach = self._bounds[1] - self._bounds[0]
        return self._combined(lambda x: x[..., english] - x[..., others].mean(axis=-1), (-reach, reach))

    def worst(self) -> str | None:
        """Return the language with the lowest mean, the first one listed where several are lowest."""
        return self.languages[min(self._scored, key=lambda j: self._means[j])] if self._scored else None

    def with_macro(self) -> list[tuple[str, Estimate]]:
        """Return the estimate of every language, then the macro mean under "mul"."""
        return [*((language, self.language(language)) for language in self.languages), (MULTIPLE, self.macro())]

    def _combined(self, combine: Callable[[Floats], Floats], bounds: tuple[float, float]) -> Estimate:
        return percentiles(combine(self._replicates), float(combine(self._means)), len(self._table.sums), bounds)

    @cached_property
    def _replicates(self) -> Floats:
        return replicates(self._table, self._seed, self._resamples)


def _summary_rows(stage: str, metric: str, sample: _Sample, unscored: Counter[str]) -> list[Summary]:
    def row(scope: str, language: str, counted: str, estimate: Estimate) -> Summary:
        value, low, high = estimate
        missing = unscored.total() if counted == MULTIPLE else unscored[counted]
        return Summary(
            stage=stage,
            metric=metric,
            scope=scope,
            language=language,
            value=value,
            low=low,
            high=high,
            n=sample.rows(counted),
            unscored=missing,
        )

    rows = [row("language", language, language, sample.language(language)) for language in sample.languages]
    rows.append(row("macro", MULTIPLE, MULTIPLE, sample.macro()))
    worst = sample.worst() or MULTIPLE
    rows.append(row("worst", worst, worst, _NOTHING if worst == MULTIPLE else sample.language(worst)))
    if _ENGLISH in sample.languages:
        rows.append(row("gap", MULTIPLE, MULTIPLE, sample.gap()))
    return rows


def _comparison_rows(a: str, b: str, verdicts: list[Verdict], seed: int, resamples: int) -> list[Comparison]:
    languages = sorted({verdict.language for verdict in verdicts})
    scored = [(v.item, v.language, _POINTS[v.winner]) for v in verdicts if v.winner is not None]
    sample = _Sample(scored, languages, (0.0, 1.0), seed, resamples)
    tally = Counter((verdict.language, verdict.winner) for verdict in verdicts)
    tally.update((MULTIPLE, verdict.winner) for verdict in verdicts)
    return [
        Comparison(
            a=a,
            b=b,
            language=language,
            win=tally[language, "a"],
            loss=tally[language, "b"],
            tie=tally[language, "tie"],
            unscored=tally[language, None],
            win_rate=value,
            low=low,
            high=high,
            n=sample.rows(language),
        )
        for language, (value, low, high) in sample.with_macro()
    ]


def _largest(metric: str) -> float:
    base = base_metric(metric)
    if base not in METRICS:
        raise EvaluationError(f"metric {metric!r} is unknown; known are {', '.join(METRICS)}.{nearest(base, METRICS)}")
    return METRICS[base]


def _check_present(what: str, wanted: Iterable[str], present: set[str]) -> None:
    for name in wanted:
        if name not in present:
            found = ", ".join(sorted(present)) or "none"
            raise EvaluationError(f"{what} {name!r}: no results; found {found}.{nearest(name, present)}")
