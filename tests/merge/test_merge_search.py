"""The search for weights: order, budget, resumption, and how near it comes to known optima."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from polylect.errors import MergeError
from polylect.merge.search import Objective, SearchResult, Weights, search, text
from polylect.merge.search.simplex import PARTS, apart, candidates, rounded

LANGUAGES = 4


class Landscape:
    """Scores of `LANGUAGES` languages over the simplex, each with a peak of its own, plus noise that depends on the weights."""

    def __init__(self, count: int, seed: int, noise: float) -> None:
        rng = np.random.default_rng(seed)
        self.peaks = rng.dirichlet(np.full(count, 1.5), size=LANGUAGES)
        self.heights, self.widths = rng.uniform(40, 60, LANGUAGES), rng.uniform(0.3, 0.8, LANGUAGES)
        self.best = np.max([self.true(tuple(row)) for row in np.eye(count)], axis=0)
        self.seed, self.noise = seed, noise

    def true(self, weights: Weights) -> np.ndarray:
        """Return the scores without noise."""
        distance = ((np.array(weights) - self.peaks) ** 2).sum(axis=1)
        return self.heights - 10 * distance / self.widths**2

    def __call__(self, weights: Weights) -> dict[str, float]:
        """Return the scores with noise, by language."""
        own = int(hashlib.sha256(text(weights).encode()).hexdigest()[:8], 16)
        noise = np.random.default_rng([self.seed, own]).standard_normal(LANGUAGES)
        values = self.true(weights) + self.noise * noise
        return {f"l{number}": float(value) for number, value in enumerate(values)}


def _random(landscape: Landscape, objective: Objective, count: int, budget: int, seed: int) -> Weights:
    """Return the best of `budget` evaluations of random weights, among them the singles and the uniform."""
    points = [tuple(row) for row in np.eye(count)] + [tuple(np.full(count, 1 / count))]
    points += [tuple(row) for row in np.random.default_rng(seed).dirichlet(np.ones(count), size=budget - count - 1)]
    return max(points, key=lambda point: float(objective.of(np.array(list(landscape(point).values())), landscape.best)))


@pytest.mark.parametrize("kind", ["mean", "worst"])
def test_beats_random_search_at_the_same_budget(kind: str) -> None:
    """Over several landscapes the median loss against the true optimum is below that of random search, and small."""
    objective, ours, random = Objective(kind), [], []
    for seed in range(5):
        landscape = Landscape(3, seed, noise=1.0)

        def value(weights: Weights, landscape: Landscape = landscape) -> float:
            return float(objective.of(landscape.true(weights), landscape.best))

        optimum = max(value(tuple(row)) for row in np.random.default_rng(0).dirichlet(np.ones(3), size=2000))
        found = search(landscape, 3, objective=objective, budget=16, seed=seed)
        ours.append(optimum - value(found.recommended.weights))
        random.append(optimum - value(_random(landscape, objective, 3, 16, seed)))
    assert np.median(ours) < np.median(random)
    assert np.median(ours) < 1.0


def test_finds_a_known_optimum_without_noise() -> None:
    """Two checkpoints, one smooth peak at 0.3: the recommendation is within a step or two of it."""
    found = search(lambda w: {"de": 50 - 40 * (w[0] - 0.3) ** 2}, 2, objective=Objective(), budget=12)
    assert abs(found.recommended.weights[0] - 0.3) <= 0.04


def test_order_of_evaluations() -> None:
    """Each checkpoint alone comes first, then the uniform weights, the soup, and what the model proposes."""
    found = search(Landscape(3, 1, 0.0), 3, objective=Objective(), budget=9)
    origins = [one.origin for one in found.evaluations]
    assert origins[:4] == ["single", "single", "single", "uniform"]
    assert origins[-1] == "model"
    assert len({text(one.weights) for one in found.evaluations}) == len(found.evaluations) == 9
    assert found.uniform.weights == (1 / 3, 1 / 3, 1 / 3)
    for one in found.evaluations[4:]:
        assert math.isclose(sum(one.weights), 1.0)
        if one.origin == "model":
            assert all(round(weight * PARTS, 6).is_integer() for weight in one.weights)


def test_greedy_soup_leaves_out_what_harms() -> None:
    """Checkpoints join in the order of their own value, and one that lowers the average stays out."""

    def evaluate(weights: Weights) -> dict[str, float]:
        good, fair, bad = weights
        return {"tr": 10 * good + 9 * fair + 8 * min(good, fair) - 20 * bad}

    found = search(evaluate, 3, objective=Objective(), budget=6)
    assert found.soup.weights == (0.5, 0.5, 0.0)
    assert found.best_single.weights == (1.0, 0.0, 0.0)


def test_the_recommendation_is_not_the_luckiest() -> None:
    """An outlier among smooth scores is taken for noise: other weights are recommended, near the true peak."""

    def evaluate(weights: Weights) -> dict[str, float]:
        lucky = 8.0 if weights == (0.5, 0.5) else 0.0
        wiggle = 0.8 * math.sin(900 * weights[0])
        return {"en": 40 - 60 * (weights[0] - 0.8) ** 2 + lucky + wiggle}

    found = search(evaluate, 2, objective=Objective(), budget=16)
    assert max(found.evaluations, key=lambda one: one.value).weights == (0.5, 0.5)
    assert found.recommended.weights != (0.5, 0.5)
    assert found.recommended.expected == max(one.expected or 0.0 for one in found.evaluations)


def test_the_same_seed_gives_the_same_search() -> None:
    """Nothing but arguments and scores decides: two searches are equal."""
    one, other = (search(Landscape(4, 2, 1.0), 4, objective=Objective("worst"), budget=10, seed=3) for _ in range(2))
    assert one == other


def test_a_killed_search_goes_on() -> None:
    """With the evaluations of a killed search known, the rest is asked for, and the result is that of an unbroken one."""
    landscape = Landscape(3, 4, 1.0)
    whole = search(landscape, 3, objective=Objective("worst"), budget=10)
    known: dict[Weights, Mapping[str, float]] = {}

    def dying(weights: Weights) -> Mapping[str, float]:
        if len(known) == 6:
            raise KeyboardInterrupt
        known[weights] = landscape(weights)
        return known[weights]

    with pytest.raises(KeyboardInterrupt):
        search(dying, 3, objective=Objective("worst"), budget=10)
    asked: list[Weights] = []

    def counting(weights: Weights) -> Mapping[str, float]:
        asked.append(weights)
        return landscape(weights)

    assert search(counting, 3, objective=Objective("worst"), budget=10, known=known) == whole
    assert len(asked) == 4


def test_a_search_ends_when_nothing_is_left() -> None:
    """Two checkpoints have 51 weights: a larger budget is not used up, and none is evaluated twice."""
    asked: list[str] = []

    def evaluate(weights: Weights) -> dict[str, float]:
        asked.append(text(weights))
        return {"en": weights[0]}

    found = search(evaluate, 2, objective=Objective(), budget=60)
    assert len(asked) == len(set(asked)) == len(found.evaluations) == PARTS + 1
    assert found.recommended.weights == (1.0, 0.0)


def test_equal_scores_everywhere() -> None:
    """A landscape without any difference is no error; the first checkpoint is as good as anything."""
    found = search(lambda _: {"en": 1.0, "tr": 0.0}, 3, objective=Objective("worst"), budget=6)
    assert len(found.evaluations) == 6
    assert found.recommended.value == 0.0


def test_floor_counts_what_a_language_loses() -> None:
    """The mean is reduced by the largest shortfall below the best single checkpoint minus the floor."""
    best, scores = np.array([50.0, 40.0]), np.array([60.0, 35.0])
    assert Objective("floor", 2.0).of(scores, best) == 47.5 - 3.0
    assert Objective("floor", 0.0).of(np.array([49.0, 35.0]), best) == 42.0 - 5.0
    assert Objective("floor", 5.0).of(scores, best) == 47.5
    assert Objective("mean").of(scores, best) == 47.5
    assert Objective("worst").of(scores, best) == 35.0


def test_floor_keeps_every_language() -> None:
    """Where the mean would give one language up, the floor finds weights that keep it."""

    def evaluate(weights: Weights) -> dict[str, float]:
        return {"en": 40 + 40 * weights[0], "es": 40 + 40 * weights[0], "tr": 50 - 20 * weights[0] ** 2}

    free = search(evaluate, 2, objective=Objective("mean"), budget=16)
    kept = search(evaluate, 2, objective=Objective("floor", 45.0), budget=16)
    strict = search(lambda w: {**evaluate(w), "es": 60.0, "en": 60.0 + w[0]}, 2, objective=Objective("floor", 1.0), budget=16)
    assert free.recommended.weights[0] > 0.9
    assert kept.recommended.weights[0] > 0.9
    assert strict.recommended.scores["tr"] >= 48.0
    assert strict.singles[0].value == pytest.approx((61 + 60 + 30) / 3 - 19)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: search(lambda _: {"en": 1.0}, 1, objective=Objective(), budget=9), "at least two"),
        (lambda: search(lambda _: {"en": 1.0}, 3, objective=Objective(), budget=3), "need 4 evaluations"),
        (lambda: search(lambda _: {"en": math.nan}, 2, objective=Objective(), budget=9), "one finite score"),
        (lambda: search(lambda _: {}, 2, objective=Objective(), budget=9), "one finite score"),
        (lambda: search(lambda w: {f"l{w[0]}": 1.0}, 2, objective=Objective(), budget=9), "same languages"),
        (lambda: Objective("worse"), "Did you mean 'worst'"),
        (lambda: Objective("floor", -1.0), "floor -1.0"),
    ],
)
def test_mistakes_are_named(call: Callable[[], SearchResult], message: str) -> None:
    """What cannot be searched for says why."""
    with pytest.raises(MergeError, match=message):
        call()


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_candidates_lie_on_the_simplex(count: int) -> None:
    """Candidates are different multiples with sum 1, some of them on faces, and near the best."""
    best = rounded([1 / count] * count)
    points = candidates(count, best, np.random.default_rng(0))
    assert len(set(points)) == len(points) >= 51
    assert all(min(point) >= 0 and math.isclose(sum(point), 1.0) for point in points)
    assert any(0.0 in point for point in points)
    assert any(0 < max(abs(a - b) for a, b in zip(point, best, strict=True)) <= 0.021 for point in points)


def test_points_too_near_to_others_wait() -> None:
    """A point within a step of an evaluated one is left out, one two steps away is not."""
    assert apart([(0.52, 0.48), (0.54, 0.46)], [(0.5, 0.5), (1.0, 0.0)]) == [(0.54, 0.46)]
