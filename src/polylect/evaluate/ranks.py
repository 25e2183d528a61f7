"""Whether a leaderboard depends on the part of the benchmark: ranks on two subsets, with intervals clustered by item.

Models are ranked on culturally sensitive and on culturally agnostic questions apart: Singh et al. 2024, "Global MMLU", arXiv
2412.03304, found the order to change with the part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from polylect.errors import EvaluationError, nearest
from polylect.evaluate.cells import Group, groups
from polylect.records import MULTIPLE, Measurement
from polylect.resampling import RESAMPLES, Floats, means, replicates, tabulate

__all__ = ["RankChange", "RankChanges", "kendall_tau", "rank_changes"]

_ENDS = (2.5, 97.5)


@dataclass(frozen=True, kw_only=True)
class RankChange:
    """One model's rank (1 is best, ties share the mean) on the two subsets and the change (positive: worse on the second)."""

    model: str
    first: float
    first_low: float
    first_high: float
    second: float
    second_low: float
    second_high: float
    change: float
    change_low: float
    change_high: float
    n_first: int
    n_second: int


@dataclass(frozen=True, kw_only=True)
class RankChanges:
    """The models of one benchmark, metric and language ("mul": by their macro means) on two subsets, best on the first first.

    `tau` is Kendall's tau-b between the two rankings with its 95 % percentile interval; None where all models tie. `moved`
    names the models whose change of rank has an interval without 0.
    """

    benchmark: str
    metric: str
    language: str
    subsets: tuple[str, str]
    tau: float | None
    tau_low: float | None
    tau_high: float | None
    models: tuple[RankChange, ...]

    @property
    def moved(self) -> tuple[str, ...]:
        """The models that changed rank beyond doubt."""
        return tuple(model.model for model in self.models if model.change_low > 0 or model.change_high < 0)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


def rank_changes(
    rows: Iterable[Measurement], first: str = "CS", second: str = "CA", *, seed: int = 0, resamples: int = RESAMPLES
) -> list[RankChanges]:
    """Return how ranks differ between two subsets, for each benchmark, metric and language and over languages.

    Items are drawn with replacement within each subset, jointly for all models and languages. Percentile intervals of ranks
    are honest about chance but not adjusted for the number of models. Only languages that every model has on both are ranked.

    Raises:
        EvaluationError: a subset is missing, or fewer than two models have both.
    """
    found = [group for group in groups(rows) if group.subset]
    changes = []
    for benchmark, metric in sorted({(group.benchmark, group.metric) for group in found}):
        parts = {
            name: [g for g in found if (g.benchmark, g.metric, g.subset) == (benchmark, metric, name)] for name in (first, second)
        }
        _check(benchmark, metric, parts, {g.subset for g in found if g.benchmark == benchmark})
        changes += _changes(benchmark, metric, (first, second), parts[first], parts[second], seed, resamples)
    if not changes:
        raise EvaluationError(f"no benchmark has the subsets {first!r} and {second!r}; the rows name no subset.")
    return changes


def kendall_tau(first: Floats, second: Floats) -> Floats:
    """Return Kendall's tau-b along the last axis, shape (..., M) -> (...); NaN where one side is all ties (Kendall 1945)."""
    size = first.shape[-1]
    i, j = np.triu_indices(size, 1)
    one, two = np.sign(first[..., i] - first[..., j]), np.sign(second[..., i] - second[..., j])
    divisor = np.sqrt((one**2).sum(axis=-1) * (two**2).sum(axis=-1))
    agreement = (one * two).sum(axis=-1)
    return np.asarray(np.divide(agreement, divisor, out=np.full(np.shape(agreement), np.nan), where=divisor > 0))


def _changes(
    benchmark: str, metric: str, names: tuple[str, str], left: list[Group], right: list[Group], seed: int, resamples: int
) -> list[RankChanges]:
    models = sorted({g.model for g in left} & {g.model for g in right})
    languages = sorted(set.intersection(*({row.language for row in g.rows} for g in [*left, *right] if g.model in models)))
    # Other seeds: with as many items on both sides the same draws would tie unrelated items together.
    one, two = (_scores(part, models, languages, seed + k, resamples) for k, part in enumerate((left, right)))
    changes = []
    for j, language in enumerate([*languages, MULTIPLE] if len(languages) > 1 else languages):
        at = [j] if language != MULTIPLE else list(range(len(languages)))
        ranked = [_ranks(values[..., at].mean(axis=-1)) for values in (one[0], two[0], one[1], two[1])]
        counts = [one[2][:, at].sum(axis=1), two[2][:, at].sum(axis=1)]
        changes.append(_one(benchmark, metric, language, names, models, ranked, counts))
    return changes


def _scores(
    part: list[Group], models: Sequence[str], languages: Sequence[str], seed: int, resamples: int
) -> tuple[Floats, Floats, Floats]:
    """Return means (M, L), replicates (resamples, M, L) and counts (M, L); items are drawn jointly for all."""
    columns = [f"{model}\t{language}" for model in models for language in languages]
    cells = [
        (row.item, f"{group.model}\t{row.language}", row.score)
        for group in part
        if group.model in models
        for row in group.rows
        if row.language in languages and row.score is not None
    ]
    table = tabulate(cells, columns)
    shape = (len(models), len(languages))
    counts = table.counts.sum(axis=0).reshape(shape)
    values = means(table)
    drawn = replicates(table, seed, resamples)
    # A replicate without an item of a cell says nothing new about it: its mean stands.
    drawn = np.where(np.isnan(drawn), values, drawn)
    return values.reshape(shape), drawn.reshape(-1, *shape), counts


def _ranks(scores: Floats) -> Floats:
    """Return ranks along the last axis, 1 for the highest, ties the mean of theirs."""
    above = (scores[..., None, :] > scores[..., :, None] + 1e-12).sum(axis=-1)
    level = (np.abs(scores[..., None, :] - scores[..., :, None]) <= 1e-12).sum(axis=-1)
    return np.asarray(above + (level + 1) / 2)


def _one(
    benchmark: str,
    metric: str,
    language: str,
    names: tuple[str, str],
    models: Sequence[str],
    ranked: Sequence[Floats],
    counts: Sequence[Floats],
) -> RankChanges:
    first, second, first_drawn, second_drawn = ranked
    taus = kendall_tau(first_drawn, second_drawn)
    taus, tau = taus[~np.isnan(taus)], float(kendall_tau(first, second))
    low, high = np.percentile(taus, _ENDS) if len(taus) else (np.nan, np.nan)
    known = not np.isnan(tau)
    return RankChanges(
        benchmark=benchmark,
        metric=metric,
        language=language,
        subsets=names,
        tau=tau if known else None,
        tau_low=float(low) if known else None,
        tau_high=float(high) if known else None,
        models=tuple(sorted(_model_changes(models, ranked, counts), key=lambda row: (row.first, row.model))),
    )


def _model_changes(models: Sequence[str], ranked: Sequence[Floats], counts: Sequence[Floats]) -> list[RankChange]:
    """Return the ranks of each model in both subsets, their difference, and the 95 % intervals of all three."""
    first, second, first_drawn, second_drawn = ranked
    ends = [np.percentile(drawn, _ENDS, axis=0) for drawn in (first_drawn, second_drawn, second_drawn - first_drawn)]
    return [
        RankChange(
            model=model,
            first=float(first[i]),
            first_low=float(ends[0][0, i]),
            first_high=float(ends[0][1, i]),
            second=float(second[i]),
            second_low=float(ends[1][0, i]),
            second_high=float(ends[1][1, i]),
            change=float(second[i] - first[i]),
            change_low=float(ends[2][0, i]),
            change_high=float(ends[2][1, i]),
            n_first=int(counts[0][i]),
            n_second=int(counts[1][i]),
        )
        for i, model in enumerate(models)
    ]


def _check(benchmark: str, metric: str, parts: dict[str, list[Group]], present: set[str]) -> None:
    for name, members in parts.items():
        if not members:
            raise EvaluationError(
                f"{benchmark}, {metric}: no rows of subset {name!r}; found {', '.join(sorted(present))}.{nearest(name, present)}"
            )
    one, two = ({group.model for group in members} for members in parts.values())
    if len(one & two) < 2:
        raise EvaluationError(
            f"{benchmark}, {metric}: ranks need two models with both subsets; found {', '.join(sorted(one & two)) or 'none'}."
        )
