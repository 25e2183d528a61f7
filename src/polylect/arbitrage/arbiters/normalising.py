"""Scores made comparable between the prompts of a language, and between arbiters, never between languages.

A reward model or judge gives Hindi answers other numbers than English ones for the same quality: raw scores do not compare
across languages (Aya Expanse arbitrage; see docs/arbiters.md). Within each language a score becomes

- `z`: (score - mean) / standard deviation, clipped to [-`CLIP`, `CLIP`], or
- `rank`: the normal score of its mid-rank, Phi^-1((rank - 1/2) / n) (Blom-type scores; Hazen's 1/2), clipped in the same way.

A language with few scores is drawn towards all languages together, the less the more scores it has (empirical Bayes; Efron and
Morris 1975, "Data analysis using Stein's estimator and its generalizations"). Its log variance is the mean of its own, weighted
by n - 1, and that of the pooled variance within languages, weighted by `PRIOR`; its mean that of its own, weighted by n, and of
all scores, weighted by variance / variance between languages, at most `PRIOR`: where languages differ much, little is borrowed.
Ranks are not drawn: with few scores they are few and coarse by themselves.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log, sqrt
from statistics import NormalDist, pvariance
from typing import Literal

from polylect.records import Score

__all__ = ["CLIP", "KEPT", "PRIOR", "Method", "Normaliser", "normalise"]

Method = Literal["z", "rank", "none"]

PRIOR = 5.0
"""Largest weight of the other languages in the mean and variance of one, in scores."""

FLOOR = 0.01
"""Least sum of squares of a language's own scores, relative to the pooled variance: a few equal scores do not make it 0."""

CLIP = 4.0
"""Largest normalised score: what is further out is one answer that would decide a weighted sum alone."""

KEPT = 10_000
"""Scores per language that ranks are taken among: the first ones. More would change a rank by less than a percent."""


@dataclass
class _Moments:
    """Running count, mean and sum of squared deviations (Welford 1962)."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.n += 1
        delta = value - self.mean
        self.mean += delta / self.n
        self.squares += delta * (value - self.mean)


@dataclass
class Normaliser:
    """Normalises scores of one arbiter by what it has seen of each language, in memory that does not grow with the scores.

    Attributes:
        method: "z", "rank" or "none", which leaves scores as they are.
    """

    method: Method = "z"
    _whole: _Moments = field(default_factory=_Moments)
    _moments: dict[str, _Moments] = field(default_factory=dict)
    _sorted: dict[str, list[float]] = field(default_factory=dict)
    _spreads: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """How many scored answers it has seen."""
        return self._whole.n

    def observe(self, scores: Iterable[Score]) -> None:
        """Take scores into the spread of their languages; unscored ones are passed over."""
        self._spreads.clear()
        for score in scores:
            if score.value is None:
                continue
            self._whole.add(score.value)
            self._moments.setdefault(score.language, _Moments()).add(score.value)
            if self.method == "rank":
                kept = self._sorted.setdefault(score.language, [])
                if len(kept) < KEPT:
                    insort(kept, score.value)

    def value(self, language: str, value: float) -> float:
        """Return the normalised score; 0 where all scores seen are equal, or none was seen."""
        if self.method == "none":
            return value
        raw = self._z(language, value) if self.method == "z" else self._rank(language, value)
        return max(-CLIP, min(CLIP, raw))

    def _z(self, language: str, value: float) -> float:
        if language not in self._spreads:
            self._spreads[language] = self._spread(language)
        mean, deviation = self._spreads[language]
        return (value - mean) / deviation if deviation > 1e-12 else 0.0

    def _spread(self, language: str) -> tuple[float, float]:
        """Return the shrunk mean and standard deviation of a language."""
        whole, own, every = self._whole, self._moments.get(language, _Moments()), self._moments.values()
        pooled = sum(one.squares for one in every) / max(1, whole.n - len(self._moments))
        pooled = pooled or whole.squares / max(1, whole.n)  # one score per language: only their differences tell the unit
        if pooled <= 0:
            return whole.mean, 0.0
        degrees = max(0, own.n - 1)
        variance = max(own.squares, FLOOR * pooled) / degrees if degrees else pooled
        variance = exp((degrees * log(variance) + PRIOR * log(pooled)) / (degrees + PRIOR))
        between = pvariance([one.mean for one in every])
        weight = min(PRIOR, variance / between) if between > 0 else PRIOR
        return (own.n * own.mean + weight * whole.mean) / (own.n + weight), sqrt(variance)

    def _rank(self, language: str, value: float) -> float:
        kept = self._sorted.get(language, [])
        if not kept:
            return 0.0
        rank = (bisect_left(kept, value) + bisect_right(kept, value)) / 2
        n = len(kept)
        return NormalDist().inv_cdf(min(max(rank / n, 0.5 / n), 1 - 0.5 / n))


def normalise(scores: Sequence[Score], method: Method = "z") -> list[Score]:
    """Return the scores of one arbiter normalised within each language, by their own spread; unscored ones as they are."""
    normaliser = Normaliser(method)
    normaliser.observe(scores)
    return [
        score if score.value is None else replace(score, value=normaliser.value(score.language, score.value)) for score in scores
    ]
