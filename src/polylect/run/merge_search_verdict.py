"""What held-out items say about the merges that a search found: values, paired differences, regret per language.

All intervals are 95 % percentile intervals over items drawn with replacement, each with all its languages; every merge is
evaluated on the same draws, so that differences are paired (see `polylect.resampling`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from polylect.errors import EvaluationError, nearest
from polylect.merge.search import Objective, Weights
from polylect.records import MULTIPLE, Difference, Result
from polylect.resampling import Estimate, Floats, means, percentiles, replicates, tabulate

__all__ = ["METRICS", "Heldout", "beats", "check_metric", "scored", "verdict"]

METRICS = {"score": 100.0, "exact_match": 1.0, "chrf": 100.0}
"""What can be searched for and its largest value. `score` is half exact match and half chrF, and 0 for an answer that is
found to be in a wrong language: the arbiter's reward (`polylect.verifiable.score`) on a scale of 0 to 100."""

Row = tuple[str, str, float]


def check_metric(metric: str) -> None:
    """Check that a metric can be searched for.

    Raises:
        EvaluationError: it is unknown.
    """
    if metric not in METRICS:
        raise EvaluationError(f"metric {metric!r}: one of {', '.join(METRICS)} is needed.{nearest(metric, METRICS)}")


def scored(results: Iterable[Result], metric: str) -> list[Row]:
    """Return (item, language, value) of every prompt that has a value."""
    answers: dict[str, dict[str, Result]] = defaultdict(dict)
    for result in results:
        answers[result.prompt_id][result.metric] = result
    rows = []
    for by_metric in answers.values():
        value = _score(by_metric) if metric == "score" else by_metric[metric].value
        if value is not None:
            one = by_metric["chrf"]
            rows.append((one.item, one.language, value))
    return rows


def _score(by_metric: Mapping[str, Result]) -> float | None:
    exact, chrf = by_metric["exact_match"].value, by_metric["chrf"].value
    if exact is None or chrf is None:
        return None
    return 0.0 if by_metric["language_pass"].value == 0.0 else 50.0 * exact + chrf / 2


class Heldout:
    """Results of several stages on the same prompts.

    Args:
        results: of all stages.
        singles: the stages that are single checkpoints; they decide what a language's best checkpoint reaches.
        languages: of the prompts.
        metric: one of `METRICS`.
        objective: what the search was for.
        seed: of the draws.
        weights: of the stages; two stages of equal weights are one model and differ by nothing, whatever the items.
    """

    def __init__(
        self,
        results: Iterable[Result],
        singles: Sequence[str],
        languages: Sequence[str],
        metric: str,
        objective: Objective,
        seed: int,
        weights: Mapping[str, Weights] | None = None,
    ) -> None:
        by_stage: dict[str, list[Result]] = defaultdict(list)
        for result in results:
            by_stage[result.stage].append(result)
        tables = {stage: tabulate(scored(rows, metric), languages) for stage, rows in by_stage.items()}
        self.languages, self.metric, self.objective = tuple(languages), metric, objective
        self._means = {stage: means(table) for stage, table in tables.items()}
        self._draws = {stage: replicates(table, seed) for stage, table in tables.items()}
        self._weights = weights or {}
        self._best = np.max([self._means[stage] for stage in singles], axis=0)
        self._best_draws = np.max([self._draws[stage] for stage in singles], axis=0)
        first = next(iter(tables.values()))
        self.items = len(first.sums)
        self._counts = first.counts.sum(axis=0)

    def value(self, stage: str) -> Estimate:
        """Return the objective of a stage."""
        draws, value = self._objective(stage)
        return percentiles(draws, value, self.items, (0.0, METRICS[self.metric]))

    def scores(self, stage: str) -> dict[str, float]:
        """Return the score of a stage in each language."""
        return dict(zip(self.languages, self._means[stage].tolist(), strict=True))

    def objective_difference(self, a: str, b: str) -> Difference:
        """Return the objective of stage `a` minus that of stage `b`."""
        (left, one), (right, other) = self._objective(a), self._objective(b)
        return self._difference(a, b, f"{self.objective.kind} {self.metric}", MULTIPLE, left - right, one - other, self.items)

    def differences(self, a: str, b: str) -> list[Difference]:
        """Return stage `a` minus stage `b` in each language, then the mean over languages."""
        draws, value = self._draws[a] - self._draws[b], self._means[a] - self._means[b]
        return self._rows(dict.fromkeys(self.languages, a), b, draws, value, a)

    def regret(self, best: Mapping[str, str], stage: str) -> list[Difference]:
        """Return what each language loses in `stage` against the single checkpoint that `best` names for it, then the mean.

        `best` is chosen on other items: chosen on these, it would be too good and the regret too large.
        """
        columns = [(self._draws[best[tag]][:, j], self._means[best[tag]][j]) for j, tag in enumerate(self.languages)]
        draws = np.stack([column for column, _ in columns], axis=1) - self._draws[stage]
        value = np.array([mean for _, mean in columns]) - self._means[stage]
        return self._rows(best, stage, draws, value, "best single per language")

    def _objective(self, stage: str) -> tuple[Floats, float]:
        draws = self.objective.of(self._draws[stage], self._best_draws)
        return draws, float(self.objective.of(self._means[stage], self._best))

    def _rows(self, left: Mapping[str, str], b: str, draws: Floats, value: Floats, overall: str) -> list[Difference]:
        rows = [
            self._difference(left[tag], b, self.metric, tag, draws[:, j], float(value[j]), int(self._counts[j]))
            for j, tag in enumerate(self.languages)
        ]
        total = int(self._counts.sum())
        return [*rows, self._difference(overall, b, self.metric, MULTIPLE, draws.mean(axis=1), float(value.mean()), total)]

    def _difference(self, a: str, b: str, metric: str, language: str, draws: Floats, value: float, n: int) -> Difference:
        if a in self._weights and self._weights[a] == self._weights.get(b):
            return Difference(a=a, b=b, metric=metric, language=language, value=0.0, low=0.0, high=0.0, n=n)
        most = METRICS[self.metric]
        _, low, high = percentiles(draws, value, self.items, (-most, most))
        return Difference(a=a, b=b, metric=metric, language=language, value=value, low=low, high=high, n=n)


def beats(difference: Difference) -> bool:
    """Tell whether the whole interval of a difference lies above 0."""
    return difference.low is not None and difference.low > 0


def verdict(difference: Difference, what: str, items: int) -> str:
    """Return the end of a sentence that begins "The recommended merge": whether it beats `what` on held-out items.

    It does when the whole interval of `difference`, its own minus the other, lies above 0.
    """
    assert difference.value is not None
    scale = 100.0 if difference.metric.endswith("exact_match") else 1.0
    text = f"{scale * difference.value:+.1f}"
    if difference.low is not None and difference.high is not None:
        text += f" [{scale * difference.low:+.1f}, {scale * difference.high:+.1f}]"
    if beats(difference):
        return f"beats {what} by {text} points on {items} held-out items"
    worse = difference.high is not None and difference.high < 0
    what += ", it is worse" if worse else ""
    return f"does not beat {what}: {text} points on {items} held-out items"
