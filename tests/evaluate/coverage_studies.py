"""Simulated studies with a known truth: how often the intervals hold it, and how often ones that ignore shared items do.

Answers to one item are right or wrong together in all languages (and for both models): the chance of a right answer is
logistic(language + item), with the item's ease drawn from a normal distribution. Truths come by quadrature, not by simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polylect.evaluate.bradley_terry import Battles, information, win_matrix
from polylect.evaluate.clustered import clustered_test
from polylect.evaluate.estimates import Estimates, from_tables
from polylect.evaluate.ratings import ELO, ratings
from polylect.resampling import Estimate, ItemTable

__all__ = ["STUDIES", "Coverage", "Study"]

Floats = NDArray[np.float64]

SPREAD = 1.5
"""Standard deviation of the items' ease, on the log-odds scale."""

MIXED = np.array([0.2, 1.5, 1.0, 0.7, 0.4, 0.0, -0.6, -1.4])
"""Log-odds of eight languages, the first called English; the last is clearly the worst."""

STAIRS = np.linspace(0.0, 1.0, 23)
"""Log-odds of 23 languages that are each a little easier than the one before."""

EQUAL = np.zeros(8)
"""Eight languages that are equally hard: whichever is lowest is so by chance."""

HALF = np.repeat([0.0, 1.0], [11, 12])
"""Eleven languages that are equally hard, and twelve that are easier."""

RESAMPLES = 1000


@dataclass(frozen=True)
class Coverage:
    """Shares of studies whose interval held the truth; `naive` takes the rows for independent, or the pick for given."""

    clustered: float
    naive: float | None


@dataclass(frozen=True)
class Study:
    """A kind of study: `draw` makes one and returns whether its interval, and the naive one, held the truth."""

    name: str
    draw: Callable[[np.random.Generator], tuple[bool, bool | None]]

    def run(self, studies: int, seed: int = 0) -> Coverage:
        """Return the coverage over many studies."""
        generator = np.random.default_rng(seed)
        held = [self.draw(generator) for _ in range(studies)]
        naive = [other for _, other in held if other is not None]
        return Coverage(float(np.mean([one for one, _ in held])), float(np.mean(naive)) if naive else None)


def logistic(x: Floats) -> Floats:
    """Return the logistic function."""
    return 1 / (1 + np.exp(-x))


def shares(languages: Floats) -> Floats:
    """Return the true share of right answers per language, by Gauss-Hermite quadrature over the items' ease."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return np.asarray((logistic(languages[:, None] + SPREAD * nodes) * weights).sum(axis=1) / weights.sum())


def answers(generator: np.random.Generator, items: int, languages: Floats) -> Floats:
    """Draw right (1) and wrong (0) answers, shape (items, L)."""
    ease = generator.normal(0, SPREAD, size=(items, 1))
    return (generator.random((items, len(languages))) < logistic(languages + ease)).astype(float)


def estimates(values: Floats) -> Estimates:
    """Return the estimates of a study without missing cells."""
    tags = ("en", *(f"l{j}" for j in range(1, values.shape[1])))
    return from_tables([ItemTable(tags, values, np.ones(values.shape))], (0.0, 1.0), 1, RESAMPLES)


def holds(estimate: Estimate, truth: float) -> bool:
    """Tell whether an interval holds the truth."""
    return estimate.low is not None and estimate.high is not None and estimate.low <= truth <= estimate.high


def macro(items: int) -> Study:
    """The macro mean over languages that share items."""
    truth = float(shares(MIXED).mean())

    def draw(generator: np.random.Generator) -> tuple[bool, bool]:
        values = answers(generator, items, MIXED)
        naive = np.sqrt((values.var(axis=0, ddof=1) / items).sum()) / values.shape[1]
        return holds(estimates(values).macro, truth), bool(abs(values.mean() - truth) <= 1.96 * naive)

    return Study(f"macro mean, 8 languages, {items} items", draw)


def gap(items: int) -> Study:
    """English minus the mean of the others, where the shared ease cancels: naive errors are too wide."""
    truth = float(shares(MIXED)[0] - shares(MIXED)[1:].mean())

    def draw(generator: np.random.Generator) -> tuple[bool, bool]:
        values = answers(generator, items, MIXED)
        weights = np.array([1.0] + [-1 / 7] * 7)
        naive = np.sqrt((weights**2 * values.var(axis=0, ddof=1) / items).sum())
        return holds(estimates(values).gap, truth), bool(abs(values.mean(axis=0) @ weights - truth) <= 1.96 * naive)

    return Study(f"gap to English, {items} items", draw)


def worst(items: int, languages: Floats, name: str) -> Study:
    """The lowest language; naive: its own interval, as if it had been named beforehand."""
    truth = float(shares(languages).min())

    def draw(generator: np.random.Generator) -> tuple[bool, bool]:
        found = estimates(answers(generator, items, languages))
        where, estimate = found.worst
        return holds(estimate, truth), holds(found.each[found.languages.index(str(where))], truth)

    return Study(f"worst language, {name}, {items} items", draw)


def best(items: int) -> Study:
    """The best of equal languages minus the mean of the others, in truth 0; naive: as if that language had been named before."""

    def draw(generator: np.random.Generator) -> tuple[bool, bool]:
        values = answers(generator, items, EQUAL)
        found = estimates(values)
        where, estimate = found.gap_to_best
        j = found.languages.index(str(where))
        own = values[:, j] - np.delete(values, j, axis=1).mean(axis=1)
        naive = own.std(ddof=1) / np.sqrt(items)
        return holds(estimate, 0.0), bool(abs(own.mean()) <= 1.96 * naive)

    return Study(f"gap of the best of 8 equal languages, {items} items", draw)


def difference(items: int, languages: Floats, name: str) -> Study:
    """A paired difference of two models on shared items that suit one model or the other in all languages."""
    lead, taste = 0.3, 0.7
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    # Ease and taste are both normal: the model's ease has their joint spread.
    wide = np.hypot(SPREAD, taste) * nodes
    one, two = ((logistic(languages[:, None] + shift + wide) * weights).sum(axis=1) / weights.sum() for shift in (lead, 0.0))
    truth = float((one - two).mean())

    def draw(generator: np.random.Generator) -> tuple[bool, bool]:
        ease = generator.normal(0, SPREAD, size=(items, 1))
        chances = [logistic(languages + ease + generator.normal(0, taste, size=(items, 1)) + shift) for shift in (lead, 0.0)]
        first, second = ((generator.random(chance.shape) < chance).astype(float) for chance in chances)
        gain = first - second
        naive = gain.std(ddof=1) / np.sqrt(gain.size)
        found = clustered_test(gain, np.ones(gain.shape), 1.0).estimate
        return holds(found, truth), bool(abs(gain.mean() - truth) <= 1.96 * naive)

    return Study(f"paired difference, {name}, {items} items", draw)


def rating(prompts: int, languages: int, bootstrap: bool) -> Study:
    """A Bradley-Terry rating from battles in several languages on shared prompts that suit one model or another.

    The truth is the rating that endless prompts would give: with equal abilities, by symmetry, the mean.
    """
    models, taste = 6, 1.0
    i, j = np.triu_indices(models, 1)

    def draw(generator: np.random.Generator) -> tuple[bool, bool]:
        liking = generator.normal(0, taste, size=(prompts, models))
        chance = logistic(liking[:, i] - liking[:, j])
        won = generator.random((languages, *chance.shape)) < chance
        shape = won.shape
        battles = Battles(
            tuple(f"m{k}" for k in range(models)),
            np.broadcast_to(i, shape).ravel(),
            np.broadcast_to(j, shape).ravel(),
            won.astype(float).ravel(),
            np.broadcast_to(np.arange(prompts)[:, None], shape).ravel(),
        )
        row = next(one for one in ratings(battles, resamples=400 if bootstrap else 0).rows if one.model == "m0")
        # With equal strengths the information is known at 0; its inverse is what independent battles would give.
        bread = np.linalg.inv(information(win_matrix(battles), np.zeros(models)) + 1 / models) - 1 / models
        naive = 1.96 * ELO * np.sqrt(bread[0, 0])
        return holds(Estimate(row.rating, row.low, row.high), 1000.0), bool(abs(row.rating - 1000) <= naive)

    how = "bootstrap" if bootstrap else "sandwich"
    return Study(f"Bradley-Terry rating ({how}), 6 models, {languages} languages, {prompts} prompts", draw)


STUDIES = (
    macro(30),
    macro(100),
    macro(300),
    gap(100),
    worst(200, MIXED, "one clearly worst"),
    worst(200, EQUAL, "all equal"),
    worst(100, np.zeros(23), "23 equal ones"),
    worst(200, STAIRS, "23 close ones"),
    worst(500, STAIRS, "23 close ones"),
    worst(200, HALF, "11 equal ones of 23"),
    best(200),
    difference(20, MIXED[:1], "one language"),
    difference(200, MIXED[:1], "one language"),
    difference(50, MIXED, "mean over 8 languages"),
    difference(200, MIXED, "mean over 8 languages"),
    rating(100, 5, bootstrap=False),
    rating(100, 5, bootstrap=True),
)
