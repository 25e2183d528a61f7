"""Paired differences: tests, adjustments, verdicts in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from polylect.errors import EvaluationError
from polylect.evaluate.clustered import clustered_test
from polylect.evaluate.multiplicity import benjamini_hochberg, holm
from polylect.evaluate.paired import PairedComparison, compare, decide
from polylect.records import Measurement


def row(model: str, item: int, language: str, score: float | None, metric: str = "accuracy") -> Measurement:
    """Return one measurement."""
    status = "ok" if score is not None else "failed"
    return Measurement(
        model=model, benchmark="quiz", language=language, item=f"{item}", metric=metric, score=score, status=status
    )


def sides(chances: dict[str, tuple[float, float]], items: int = 300) -> tuple[list[Measurement], list[Measurement]]:
    """Return answers of models a and b with the given chances of being right per language."""
    draw = np.random.default_rng(8)
    found: tuple[list[Measurement], list[Measurement]] = ([], [])
    for language, pair in chances.items():
        for item in range(items):
            for side, chance in zip((0, 1), pair, strict=True):
                found[side].append(row("ab"[side], item, language, float(draw.random() < chance)))
    return found


def by_language(comparison: PairedComparison) -> dict[str, str]:
    """Return the verdict of each language."""
    return {one.language: one.verdict for one in comparison.languages}


def test_the_verdict_is_told_in_words() -> None:
    """Better, worse and undecided languages are counted, the worse ones named with their interval in points."""
    a, b = sides({"de": (0.8, 0.5), "en": (0.9, 0.6), "sw": (0.3, 0.5), "tr": (0.5, 0.5)})
    (found,) = compare(a, b)
    assert by_language(found) == {"de": "better", "en": "better", "sw": "worse", "tr": "undecided"}
    sw = found.languages[0]
    assert (sw.language, sw.n, sw.items) == ("sw", 300, 300)
    told = f"sw, {100 * sw.value:+.1f} [{100 * sw.low:+.1f}, {100 * sw.high:+.1f}]"
    assert found.words == f"better in 2, worse in 1 ({told}), undecided in 1"
    macro, worst = (next(one for one in found.rows if one.scope == scope) for scope in ("macro", "worst"))
    assert macro.value == pytest.approx(np.mean([one.value for one in found.languages]))
    assert (worst.language, worst.value, worst.verdict) == ("sw", sw.value, "worse")


def test_swapping_the_models_mirrors_everything() -> None:
    """Values, ends and verdicts of b against a are those of a against b with the sign turned; order of rows does not matter."""
    a, b = sides({"de": (0.8, 0.5), "tr": (0.5, 0.55)})
    (one,), (other,) = compare(a, b), compare(b[::-1], a[::-1])
    mirror = {"better": "worse", "worse": "better", "undecided": "undecided"}
    for left, right in zip(one.rows, other.rows, strict=True):
        if left.scope != "worst":
            assert (left.value, left.low, left.high) == pytest.approx((-right.value, -right.high, -right.low))
            assert (left.p, left.verdict) == (pytest.approx(right.p), mirror[right.verdict])
    assert compare(a[::-1], b[::-1]) == compare(a, b)


def test_only_shared_items_count() -> None:
    """Items that one side has not scored are counted on their side and left out; a language without pairs has no data."""
    a = [row("a", i, "de", 1.0) for i in range(20)] + [row("a", 20, "de", None), row("a", 1, "yo", 1.0)]
    b = [row("b", i, "de", float(i % 2)) for i in range(5, 21)]
    (found,) = compare(a, b)
    german, yoruba = found.languages
    assert (german.n, german.only_a, german.only_b) == (15, 5, 1)
    assert (yoruba.verdict, yoruba.value, yoruba.only_a) == ("no data", None, 1)
    assert found.words.endswith("no data in 1 (yo)")


def test_holm_keeps_a_claim_back_that_one_test_would_make() -> None:
    """With forty equal languages a raw p below 5 % appears by chance; no claim is made."""
    a, b = sides({f"l{j}": (0.5, 0.5) for j in range(40)}, items=100)
    (found,) = compare(a, b)
    raw = [one.p for one in found.languages if one.p is not None]
    assert min(raw) < 0.05
    assert set(by_language(found).values()) == {"undecided"}


def test_win_points_are_decided_against_a_half() -> None:
    """Pairwise judging: scores of 1, 1/2 and 0 are compared with 1/2, per language and over them."""
    rows = [row("a", i, "de", (1.0, 1.0, 0.5, 0.0)[i % 4], "win") for i in range(400)]
    rows += [row("a", i, "tr", (1.0, 0.5, 0.5, 0.0)[i % 4], "win") for i in range(400)]
    (found,) = decide(rows, names=("new", "old"))
    assert by_language(found) == {"de": "better", "tr": "undecided"}
    german = next(one for one in found.languages if one.language == "de")
    assert (german.a, german.b, german.value) == ("new", "old", pytest.approx(0.125))


def test_what_cannot_be_compared_is_an_error() -> None:
    """Several models on one side, and nothing in common, are named."""
    with pytest.raises(EvaluationError, match=r"first table holds several models \(a, b\)"):
        compare([row("a", 1, "de", 1.0), row("b", 1, "de", 1.0)], [row("c", 1, "de", 1.0)])
    with pytest.raises(EvaluationError, match=r"quiz \(accuracy\), the second quiz \(chrf\)"):
        compare([row("a", 1, "de", 1.0)], [row("b", 1, "de", 1.0, "chrf")])


def test_one_language_is_a_paired_t_test() -> None:
    """For values of one language the interval and the p-value are scipy's."""
    values = np.random.default_rng(2).normal(0.5, 2, size=(40, 1))
    found, expected = clustered_test(values, np.ones((40, 1)), 100.0), scipy.stats.ttest_1samp(values[:, 0], 0)
    ends = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((ends.low, ends.high))


def test_shared_items_widen_the_mean_over_languages() -> None:
    """Four languages that say the same of each item are no more evidence than one."""
    one = np.random.default_rng(2).normal(0.5, 2, size=(40, 1))
    single, copied = (clustered_test(values, np.ones(values.shape), 100.0) for values in (one, np.repeat(one, 4, axis=1)))
    assert copied.p == pytest.approx(single.p)
    assert copied.estimate == pytest.approx(single.estimate)


def test_right_or_wrong_has_the_adjusted_interval() -> None:
    """Bonett and Price's interval: with 12 gains and 4 losses of 100 items, two thought-in items and a normal quantile."""
    gains = np.array([1.0] * 12 + [-1.0] * 4 + [0.0] * 84)[:, None]
    found = clustered_test(gains, np.ones((100, 1)), 1.0)
    one, other = 13 / 102, 5 / 102
    half = 1.959964 * math.sqrt((one + other - (one - other) ** 2) / 102)
    assert found.estimate.value == pytest.approx(0.08)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((one - other - half, one - other + half), abs=1e-6)


def test_no_difference_anywhere_is_not_certainty() -> None:
    """Models that agree on all of 20 items may still differ: the interval has a width, p is 1, and one item has neither."""
    for shape in ((20, 1), (20, 3)):
        found = clustered_test(np.zeros(shape), np.ones(shape), 1.0)
        assert found.p == 1.0
        assert found.estimate.high == pytest.approx(-(found.estimate.low or 0.0))
        assert (found.estimate.high or 0.0) > 0.1
    alone = clustered_test(np.ones((1, 1)), np.ones((1, 1)), 1.0)
    assert (alone.estimate.low, alone.p) == (None, None)


def test_adjusted_p_values() -> None:
    """Holm's are those of the textbook procedure, Benjamini and Hochberg's are scipy's; NaN is no test."""
    raw = [0.01, 0.04, 0.03, 0.005]
    assert holm(raw).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(raw).tolist() == pytest.approx(scipy.stats.false_discovery_control(raw).tolist())
    some = holm([*raw, np.nan])
    assert some[:4].tolist() == pytest.approx(holm(raw).tolist())
    assert np.isnan(some[4])
    assert holm([0.6, 0.9]).max() == 1.0
