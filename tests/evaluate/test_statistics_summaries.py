"""Summary rows of measurements: values, intervals, counts."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pytest

from polylect.errors import EvaluationError
from polylect.evaluate.estimates import extreme
from polylect.evaluate.summary_rows import SummaryRow, summarise
from polylect.records import Measurement
from polylect.resampling import Estimate, percentiles, wilson

LANGUAGES = ("de", "en", "sw", "tr")


def row(item: str, language: str, score: float | None, subset: str = "", **more: str) -> Measurement:
    """Return one measurement."""
    given = {"model": "m", "benchmark": "quiz", "metric": "accuracy", "status": "ok" if score is not None else "unparsed", **more}
    return Measurement(item=item, language=language, score=score, subset=subset, **given)


def quiz(items: int = 60, seed: int = 0, subset: str = "") -> list[Measurement]:
    """Return right and wrong answers whose chance depends on the item and the language."""
    draw = np.random.default_rng(seed)
    return [
        row(f"{subset}{i}", language, float(draw.random() < ease * (1.0 - 0.2 * j)), subset)
        for i, ease in enumerate(draw.random(items))
        for j, language in enumerate(LANGUAGES)
    ]


def find(rows: list[SummaryRow], scope: str, language: str, subset: str = "") -> SummaryRow:
    """Return the one row of that scope, language and subset."""
    (found,) = [r for r in rows if (r.scope, r.language, r.subset) == (scope, language, subset)]
    return found


def test_values_equal_a_direct_computation() -> None:
    """Means, the macro mean, the worst language and both gaps are what plain arithmetic gives; proportions have Wilson's ends."""
    rows = quiz()
    found = summarise(rows)
    mean = {tag: statistics.fmean(r.score or 0.0 for r in rows if r.language == tag) for tag in LANGUAGES}
    for tag in LANGUAGES:
        one = find(found, "language", tag)
        assert (one.value, one.low, one.high) == pytest.approx(wilson(60 * mean[tag], 60))
        assert (one.n, one.items, one.unscored, dict(one.statuses)) == (60, 60, 0, {"ok": 60})
    worst, best = min(LANGUAGES, key=mean.__getitem__), max(LANGUAGES, key=mean.__getitem__)
    assert find(found, "macro", "mul").value == pytest.approx(statistics.fmean(mean.values()))
    assert find(found, "worst", worst).value == pytest.approx(mean[worst])
    others = [mean[tag] for tag in LANGUAGES if tag != "en"]
    assert find(found, "gap", "mul").value == pytest.approx(mean["en"] - statistics.fmean(others))
    assert find(found, "gap", "sw").value == pytest.approx(mean["en"] - mean["sw"])
    below = statistics.fmean(mean[tag] for tag in LANGUAGES if tag != best)
    assert find(found, "gap_best", best).value == pytest.approx(mean[best] - below)
    assert all(r.low is not None and r.high is not None and r.low <= r.value <= r.high for r in found if r.value is not None)


def test_the_order_of_rows_does_not_matter() -> None:
    """Shuffled rows give the same records to the last bit, and the dictionary is JSON."""
    rows = quiz()
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    assert summarise(rows, seed=3) == summarise(shuffled, seed=3)
    assert json.loads(json.dumps([one.as_dict() for one in summarise(rows)]))[0]["scope"] == "language"


def test_subsets_are_reported_apart_and_together() -> None:
    """Each part has its rows; the whole weighs rows, or the parts equally where the benchmark says so."""
    rows = [row(f"s{i}", "en", 1.0, "CS") for i in range(30)] + [row(f"a{i}", "en", 0.0, "CA") for i in range(10)]
    pooled, sections = summarise(rows), summarise(rows, combine={"quiz": "subsets"})
    assert [find(pooled, "language", "en", part).value for part in ("CS", "CA", "")] == [1.0, 0.0, 0.75]
    whole = find(sections, "language", "en")
    assert (whole.value, whole.n) == (0.5, 40)
    assert find(sections, "language", "en", "CS").value == 1.0


def test_what_is_not_scored_is_counted() -> None:
    """Rows without a score are counted by status, a language without rows is there with n = 0, and neither is averaged."""
    rows = [row(f"{i}", "en", 1.0) for i in range(9)] + [row("9", "en", None), row("8", "de", None, status="failed")]
    found = summarise(rows, languages=("de", "en", "tr"))
    english, german, turkish = (find(found, "language", tag) for tag in ("en", "de", "tr"))
    assert (english.value, english.n, english.unscored, dict(english.statuses)) == (1.0, 9, 1, {"ok": 9, "unparsed": 1})
    assert (german.value, german.low, german.n, german.unscored, dict(german.statuses)) == (None, None, 0, 1, {"failed": 1})
    assert (turkish.value, turkish.n, turkish.unscored, dict(turkish.statuses)) == (None, 0, 0, {})
    macro = find(found, "macro", "mul")
    assert (macro.value, macro.n, macro.unscored) == (1.0, 9, 2)
    assert find(found, "gap", "tr").value is None


def test_one_item_has_no_interval() -> None:
    """A single item gives values without ends in every scope."""
    found = summarise([row("1", "en", 1.0), row("1", "de", 0.0)])
    assert found
    assert all(one.value is not None and one.low is None and one.high is None for one in found)


def test_all_right_is_not_certainty() -> None:
    """Thirty right answers of thirty leave room below in every scope that has a width."""
    found = summarise([row(f"{i}", tag, 1.0) for i in range(30) for tag in ("en", "de")])
    ends = wilson(30, 30)
    for scope, language in (("language", "de"), ("macro", "mul"), ("worst", "de")):
        one = find(found, scope, language)
        assert (one.low, one.high) == pytest.approx((ends.low, 1.0), abs=1e-6)
    gap = find(found, "gap", "mul")
    assert gap.low is not None
    assert gap.low < 0.0


def test_small_samples_have_wider_ends_than_plain_percentiles() -> None:
    """Expanded percentiles reach as far as a t interval does: for normal values of ten items within a tenth of its width."""
    generator = np.random.default_rng(4)
    values = generator.normal(50, 10, size=10)
    drawn = values[generator.integers(10, size=(20_000, 10))].mean(axis=1)
    plain, wide = (percentiles(drawn, float(values.mean()), 10, (0.0, 100.0), expanded=flag) for flag in (False, True))
    student = 2.262 * values.std(ddof=1) / np.sqrt(10)
    assert plain.low is not None
    assert wide.low is not None
    assert wide.low < plain.low
    assert values.mean() - wide.low == pytest.approx(student, rel=0.1)


def test_a_clear_loser_keeps_its_own_interval() -> None:
    """Where no other language can be the lowest nothing is corrected; among equals the high end moves up."""
    generator = np.random.default_rng(5)
    for values, corrected in ((np.array([0.2, 0.8, 0.9]), False), (np.array([0.50, 0.51, 0.52]), True)):
        drawn = values + generator.normal(0, 0.02, size=(4000, 3))
        each = [Estimate(v, v - 0.04, v + 0.04) for v in values.tolist()]
        found = extreme(values, drawn, each, (0.0, 1.0))
        assert found.value == values.min()
        assert found.high is not None
        assert (found.high > values.min() + 0.0415) == corrected
        assert found.low == pytest.approx(values.min() - 0.04)


def test_chance_differences_are_not_taken_for_true_ones() -> None:
    """23 equal languages: the high end is where the lowest of 23 would have to be raised to, not where one language would."""
    generator = np.random.default_rng(6)
    values = 0.5 + generator.normal(0, 0.02, size=23)
    drawn = values + generator.normal(0, 0.02, size=(4000, 23))
    found = extreme(values, drawn, [Estimate(v, v - 0.04, v + 0.04) for v in values.tolist()], (0.0, 1.0))
    assert found.low is not None
    assert found.high is not None
    assert values.min() < 0.47
    assert found.low < 0.5 < found.high < 0.55


def test_mistakes_are_errors_that_help() -> None:
    """A repeated item, a language that is not listed and a score out of range are named."""
    with pytest.raises(EvaluationError, match="item '1' in en is measured more than once"):
        summarise([row("1", "en", 1.0), row("1", "en", 0.0)])
    with pytest.raises(EvaluationError, match="'en' is not among de"):
        summarise([row("1", "en", 1.0)], languages=("de",))
    with pytest.raises(EvaluationError, match=r"score 31\.5 is outside 0 to 1"):
        summarise([row("1", "en", 31.5)])
    assert summarise([row("1", "en", 31.5, metric="chrf++")])[0].value == 31.5
    assert summarise([row("1", "en", 31.5)], bounds={"accuracy": (0.0, 50.0)})[0].value == 31.5
