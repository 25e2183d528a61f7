"""Whether the intervals hold what they promise."""

import numpy as np
import pytest
import scipy.stats

from polylect.resampling import ItemTable, means, percentiles, replicates, tabulate, wilson

MU = np.array([-1.5, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 2.0])
"""Log-odds of a right answer to an item of average difficulty, for eight languages."""

SPREAD = 1.5
"""Standard deviation of the items' difficulty, which all translations of an item share."""


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the logistic function."""
    return 1 / (1 + np.exp(-x))


def answers(generator: np.random.Generator, items: int) -> np.ndarray:
    """Draw right (1) and wrong (0) answers, shape (items, languages), with an item effect common to all languages."""
    difficulty = generator.normal(0, SPREAD, size=(items, 1))
    return (generator.random((items, len(MU))) < sigmoid(MU + difficulty)).astype(float)


def true_macro() -> float:
    """Return the expected macro mean, by Gauss-Hermite quadrature over the item effect."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((sigmoid(MU[:, None] + SPREAD * nodes) * weights).sum(axis=1).mean() / weights.sum())


def table(values: np.ndarray) -> ItemTable:
    """Return one row per item and language."""
    return ItemTable(tuple(f"l{j}" for j in range(values.shape[1])), values, np.ones(values.shape))


def test_clustered_intervals_cover_and_naive_ones_do_not() -> None:
    """Where translations share an item's difficulty, about 95 % of the clustered intervals of the macro mean hold the truth.

    Intervals that take the rows for independent are much too narrow.
    """
    truth, generator, clustered, naive = true_macro(), np.random.default_rng(11), 0, 0
    for _ in range(500):
        values = answers(generator, 100)
        found = percentiles(replicates(table(values), 1, 600).mean(axis=1), float(values.mean()), 100, (0.0, 1.0))
        clustered += found.low <= truth <= found.high
        error = np.sqrt((values.var(axis=0, ddof=1) / 100).sum()) / len(MU)
        naive += abs(values.mean() - truth) <= 1.96 * error
    assert 0.92 <= clustered / 500 <= 0.975
    assert naive / 500 < 0.80


def test_paired_intervals_of_the_gap_cover() -> None:
    """The interval of one language minus the mean of the others, whose common item effect cancels, covers about 95 %."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    by_language = (sigmoid(MU[:, None] + SPREAD * nodes) * weights).sum(axis=1) / weights.sum()
    truth, generator, covered = by_language[-1] - by_language[:-1].mean(), np.random.default_rng(12), 0
    for _ in range(500):
        values = answers(generator, 100)
        drawn = replicates(table(values), 1, 600)
        estimate = float(values[:, -1].mean() - values[:, :-1].mean())
        found = percentiles(drawn[:, -1] - drawn[:, :-1].mean(axis=1), estimate, 100, (-1.0, 1.0))
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 500 <= 0.975


def test_wilson_covers_rare_successes_where_the_bootstrap_does_not() -> None:
    """For 200 items and a true share of 1 % the exact coverage of Wilson's interval is near 95 %; percentiles miss it."""
    n, truth = 200, 0.01
    k = np.arange(n + 1)
    chance = scipy.stats.binom.pmf(k, n, truth)
    ends = np.array([wilson(float(successes), n)[1:] for successes in k])
    # The bootstrap of a proportion k/n is Binomial(n, k/n)/n: its percentiles are known without resampling.
    boot = np.stack([scipy.stats.binom.ppf(q, n, k / n) / n for q in (0.025, 0.975)], axis=1)
    inside = [(pair[:, 0] <= truth) & (truth <= pair[:, 1]) for pair in (ends, boot)]
    wilson_covers, bootstrap_covers = (chance[i].sum() for i in inside)
    assert 0.93 <= wilson_covers <= 0.99
    assert bootstrap_covers < 0.88


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (1, 20), (7, 20), (20, 20), (150, 300)])
def test_wilson_equals_scipy(successes: int, n: int) -> None:
    """The score interval is scipy's, and at 0 and n it is what `percentiles` gives when nothing varies."""
    expected = scipy.stats.binomtest(successes, n).proportion_ci(method="wilson")
    found = wilson(float(successes), n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    if successes in (0, n):
        same = percentiles(np.full(50, successes / n), successes / n, n, (0.0, 1.0))
        assert (same.low, same.high) == pytest.approx((found.low, found.high), abs=1e-12)


def test_the_bootstrap_equals_scipy() -> None:
    """The percentile interval of a macro mean agrees with scipy's paired bootstrap over items."""
    values = answers(np.random.default_rng(5), 150)
    found = percentiles(replicates(table(values), 1, 8000).mean(axis=1), float(values.mean()), 150, (0.0, 1.0))
    expected = scipy.stats.bootstrap(
        tuple(values.T),
        lambda *columns, axis: np.mean([column.mean(axis=axis) for column in columns], axis=0),
        paired=True,
        method="percentile",
        n_resamples=8000,
        rng=np.random.default_rng(6),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.06 * (expected.high - expected.low))


def test_missing_cells_change_the_weight_of_their_language_only() -> None:
    """A replicate averages a language over the drawn items that have it, and is empty when none has."""
    rows = [("i1", "en", 1.0), ("i2", "en", 0.0), ("i1", "de", 1.0)]
    found = tabulate(rows, ("en", "de", "tr"))
    assert means(found).tolist()[:2] == [0.5, 1.0]
    drawn = replicates(found, seed=1, resamples=400)
    assert set(np.unique(drawn[:, 0])) == {0.0, 0.5, 1.0}
    only_second = drawn[:, 0] == 0.0
    assert np.isnan(drawn[only_second, 1]).all()
    assert (drawn[~only_second, 1] == 1.0).all()
    assert np.isnan(drawn[:, 2]).all()


def test_several_rows_of_one_item_are_drawn_together() -> None:
    """Two questions of one item in one language are one cluster: drawing the item draws both."""
    rows = [(f"i{i}", "en", value) for i in range(3) for value in (0.0, 1.0)]
    drawn = replicates(tabulate(rows, ("en",)), seed=1, resamples=200)
    assert (drawn == 0.5).all()


def test_draws_are_fair_and_repeatable() -> None:
    """Every item is drawn about once per resample, the same seed draws the same, blocks or not."""
    one_hot = table(np.eye(40))
    drawn = replicates(one_hot, seed=3, resamples=3000)
    assert drawn.sum(axis=1) == pytest.approx(np.ones(3000))
    assert drawn.mean(axis=0) == pytest.approx(np.full(40, 1 / 40), rel=0.15)
    assert (drawn == replicates(one_hot, seed=3, resamples=3000)).all()
