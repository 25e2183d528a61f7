"""Summaries, win rates and paired differences against direct computations."""

import statistics
from collections.abc import Iterator

import numpy as np
import pytest

from polylect.errors import EvaluationError
from polylect.evaluate import comparisons, differences, summaries
from polylect.records import Result, Summary, Verdict

LANGUAGES = ("en", "de", "tr", "hi")


def result(stage: str, item: int, language: str, value: float | None, metric: str = "exact_match") -> Result:
    """Return one result; `item` is shared by the languages."""
    return Result(
        stage=stage,
        prompt_id=f"{language}{item}",
        item=f"i{item}",
        language=language,
        kind="k",
        subset="heldout",
        metric=metric,
        value=value,
    )


def verdict(item: int, language: str, winner: str | None, judge: str = "verifiable") -> Verdict:
    """Return the verdict of "sft" against "base" on one item."""
    return Verdict(
        prompt_id=f"{language}{item}", item=f"i{item}", language=language, a="sft", b="base", judge=judge, winner=winner
    )


def draws(items: int, seed: int, stages: tuple[str, ...] = ("base", "sft")) -> Iterator[Result]:
    """Yield right and wrong answers whose chance depends on the item, with a tenth of the cells missing."""
    draw = np.random.default_rng(seed)
    for item in range(items):
        ease = draw.random()
        for stage in stages:
            for j, language in enumerate(LANGUAGES):
                chance = min(1.0, ease * (0.5 + 0.2 * j) + 0.1 * (stage == "sft"))
                if draw.random() < 0.9:
                    right = draw.random() < chance
                    yield result(stage, item, language, float(right))
                    yield result(stage, item, language, 100.0 if right else 60 * draw.random(), "chrf")


def find(rows: list[Summary], scope: str, language: str, metric: str = "exact_match", stage: str = "sft") -> Summary:
    """Return the summary of that scope."""
    return next(r for r in rows if (r.scope, r.language, r.metric, r.stage) == (scope, language, metric, stage))


def naive_bootstrap(cells: dict[tuple[int, str], float], rounds: int) -> dict[str, tuple[float, float]]:
    """Resample items one by one in plain Python; return 95 % intervals of "mul" and "gap"."""
    draw, items, seen = np.random.default_rng(99), sorted({item for item, _ in cells}), {"mul": [], "gap": []}
    for _ in range(rounds):
        picked = draw.choice(items, len(items)).tolist()
        mean = {lang: statistics.fmean(cells[i, lang] for i in picked if (i, lang) in cells) for lang in LANGUAGES}
        seen["mul"].append(statistics.fmean(mean.values()))
        seen["gap"].append(mean["en"] - statistics.fmean(mean[lang] for lang in LANGUAGES[1:]))
    cuts = {name: statistics.quantiles(values, n=40, method="inclusive") for name, values in seen.items()}
    return {name: (points[0], points[-1]) for name, points in cuts.items()}


def test_summaries_equal_a_direct_computation() -> None:
    """Means, the worst language, the gap and their item-clustered intervals agree with a plain loop over items."""
    rows = list(draws(120, seed=1))
    found = summaries(rows, LANGUAGES, seed=5, resamples=4000)
    cells = {
        (int(r.item[1:]), r.language): r.value for r in rows if r.stage == "sft" and r.metric == "chrf" and r.value is not None
    }
    mean = {lang: statistics.fmean(v for (_, at), v in cells.items() if at == lang) for lang in LANGUAGES}
    for language in LANGUAGES:
        row = find(found, "language", language, "chrf")
        assert row.value == pytest.approx(mean[language], abs=1e-9)
        assert row.n == sum(at == language for _, at in cells) < 120
    worst = min(LANGUAGES, key=lambda lang: mean[lang])
    low = find(found, "worst", worst, "chrf")
    assert (low.value, low.low, low.high) == tuple(
        getattr(find(found, "language", worst, "chrf"), end) for end in ("value", "low", "high")
    )
    expected = naive_bootstrap(cells, rounds=3000)
    for scope, value in (
        ("macro", statistics.fmean(mean.values())),
        ("gap", mean["en"] - statistics.fmean(list(mean.values())[1:])),
    ):
        row = find(found, scope, "mul", "chrf")
        assert row.value == pytest.approx(value, abs=1e-9)
        assert row.n == len(cells)
        ends = expected["mul" if scope == "macro" else "gap"]
        assert (row.low, row.high) == pytest.approx(ends, abs=0.06 * (ends[1] - ends[0]))


def test_the_order_of_rows_does_not_matter() -> None:
    """Shuffled rows give identical records, another seed gives other intervals."""
    rows = list(draws(60, seed=2))
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    metrics = ["exact_match", "chrf"]
    assert summaries(rows, LANGUAGES, seed=5) == summaries(shuffled, LANGUAGES, seed=5)
    assert differences(rows, "sft", "base", metrics, seed=5) == differences(shuffled, "sft", "base", metrics, seed=5)
    one, other = (find(summaries(rows, LANGUAGES, seed=seed), "macro", "mul") for seed in (5, 6))
    assert one.value == other.value
    assert (one.low, one.high) != (other.low, other.high)


def test_a_stage_is_summarised_as_if_it_were_alone() -> None:
    """The intervals of one stage do not change when another is evaluated beside it."""
    rows = list(draws(60, seed=3))
    alone = summaries([r for r in rows if r.stage == "sft"], LANGUAGES, seed=5)
    assert alone == [s for s in summaries(rows, LANGUAGES, seed=5) if s.stage == "sft"]


def test_every_language_weighs_the_same() -> None:
    """A language with few items counts as much in the macro mean as one with many."""
    rows = [result("s", i, "en", 1.0) for i in range(90)] + [result("s", i, "de", 0.0) for i in range(10)]
    assert find(summaries(rows, ("en", "de"), seed=1), "macro", "mul", stage="s").value == pytest.approx(0.5)


def test_unscored_rows_are_counted_and_not_averaged() -> None:
    """None is neither right nor wrong; a language of which nothing is scored has no value and is left out of the macro."""
    rows = [result("s", i, "en", float(i % 2)) for i in range(10)] + [result("s", i, "de", None) for i in range(10)]
    found = summaries(rows, ("en", "de", "tr"), seed=1)
    german, turkish = find(found, "language", "de", stage="s"), find(found, "language", "tr", stage="s")
    assert (german.value, german.low, german.n, german.unscored) == (None, None, 0, 10)
    assert (turkish.value, turkish.n, turkish.unscored) == (None, 0, 0)
    macro = find(found, "macro", "mul", stage="s")
    assert (macro.value, macro.n, macro.unscored) == (0.5, 10, 10)
    assert find(found, "gap", "mul", stage="s").value is None
    assert find(found, "worst", "en", stage="s").unscored == 0


def test_nothing_scored_is_no_value_anywhere() -> None:
    """With no scored row every scope is there, empty, and none is invented."""
    found = summaries([result("s", 1, "de", None)], ("en", "de"), seed=1)
    assert [(r.scope, r.value, r.low, r.high) for r in found] == [
        (scope, None, None, None) for scope in ("language", "language", "macro", "worst", "gap")
    ]


def test_one_item_has_no_interval() -> None:
    """A single item gives a value and no interval, in a language and over languages."""
    found = summaries([result("s", 1, "en", 1.0), result("s", 1, "de", 0.0)], ("en", "de"), seed=1)
    assert all(row.value is not None and row.low is None and row.high is None for row in found)


def test_all_right_is_not_certainty() -> None:
    """When every answer is right, or every comparison a tie, the interval still has the width that n items allow."""
    z2 = 1.959964**2
    found = summaries([result("s", i, lang, 1.0) for i in range(50) for lang in ("en", "de")], ("en", "de"), seed=1)
    for scope, language in (("language", "de"), ("macro", "mul")):
        row = find(found, scope, language, stage="s")
        assert (row.low, row.high) == (pytest.approx(50 / (50 + z2), abs=1e-6), 1.0)
    gap = find(found, "gap", "mul", stage="s")
    assert (gap.low, gap.high) == pytest.approx((-z2 / (50 + z2), z2 / (50 + z2)), abs=1e-6)
    ties = comparisons([verdict(i, "de", "tie") for i in range(50)], seed=1)[0]
    assert (ties.win_rate, ties.low, ties.high) == pytest.approx(
        (0.5, 0.5 - z2 / (50 + z2) / 2, 0.5 + z2 / (50 + z2) / 2), abs=1e-6
    )


def test_the_win_rate_counts_ties_half() -> None:
    """Wins, losses, ties and unscored verdicts are counted per language and summed; W + T/2 is averaged over languages."""
    winners = {"de": ["a"] * 6 + ["b"] * 2 + ["tie"] * 2 + [None], "tr": ["a", "b", "b", "b"]}
    rows = comparisons([verdict(i, lang, w) for lang, ws in winners.items() for i, w in enumerate(ws)], seed=1)
    assert [(r.language, r.win, r.loss, r.tie, r.unscored, r.n) for r in rows] == [
        ("de", 6, 2, 2, 1, 10),
        ("tr", 1, 3, 0, 0, 4),
        ("mul", 7, 5, 2, 1, 14),
    ]
    assert [r.win_rate for r in rows] == pytest.approx([0.7, 0.25, 0.475])
    assert all(r.low is not None and r.high is not None and r.low < r.win_rate < r.high for r in rows if r.win_rate)


def test_swapping_the_stages_mirrors_the_win_rate() -> None:
    """The win rate of b against a is one minus that of a against b, and so are the ends of its interval."""
    draw = np.random.default_rng(4)
    winners = [str(draw.choice(["a", "a", "b", "tie"])) for _ in range(80)]
    mirror = {"a": "b", "b": "a", "tie": "tie"}
    one = comparisons([verdict(i, "de", w) for i, w in enumerate(winners)], seed=1)[0]
    other = comparisons([verdict(i, "de", mirror[w]) for i, w in enumerate(winners)], seed=1)[0]
    assert (other.win_rate, other.low, other.high) == pytest.approx((1 - one.win_rate, 1 - one.high, 1 - one.low))


def test_verdicts_of_two_judges_are_not_pooled() -> None:
    """Mixing judges, and a winner that is none, are errors."""
    with pytest.raises(EvaluationError, match="several judges"):
        comparisons([verdict(1, "de", "a"), verdict(2, "de", "a", judge="people")], seed=1)
    with pytest.raises(EvaluationError, match="'sft' is not one of"):
        comparisons([verdict(1, "de", "sft")], seed=1)


def test_differences_are_paired() -> None:
    """Only prompts that both stages have scored count, and pairing makes the interval narrower than separate ones."""
    rows = [result("base", i, "de", 10.0 + i % 50, "chrf") for i in range(100)]
    rows += [result("sft", i, "de", 13.0 + i % 50 + i % 2, "chrf") for i in range(90)] + [result("sft", 95, "de", None, "chrf")]
    german, macro = differences(rows, "sft", "base", ["chrf"], seed=1)
    assert (german.language, german.n, german.value) == ("de", 90, pytest.approx(3.5))
    assert (macro.language, macro.value, macro.n) == ("mul", german.value, 90)
    assert german.low is not None
    assert german.high is not None
    separate = find(summaries(rows, ("de",), seed=1), "language", "de", "chrf")
    assert german.high - german.low < 0.1 * (separate.high - separate.low)


def test_unknown_names_are_errors_that_help() -> None:
    """A misspelt stage, metric or language is named, with the nearest known one where there is one."""
    rows = [result("base", 1, "de", 1.0), result("sft", 1, "de", 1.0)]
    with pytest.raises(EvaluationError, match=r"stage 'sff': no results.*Did you mean 'sft'"):
        differences(rows, "sff", "base", ["exact_match"], seed=1)
    with pytest.raises(EvaluationError, match=r"metric 'exact_mach': no results.*Did you mean 'exact_match'"):
        differences(rows, "sft", "base", ["exact_mach"], seed=1)
    with pytest.raises(EvaluationError, match="'de' is not among tr"):
        summaries(rows, ("tr",), seed=1)
    with pytest.raises(EvaluationError, match="metric 'bleu' is unknown"):
        summaries([result("s", 1, "de", 1.0, "bleu")], ("de",), seed=1)
