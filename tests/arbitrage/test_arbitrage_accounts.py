"""Whether the routing report says what happened: means by hand, intervals by coverage, memory by count."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from polylect.arbitrage.account_report import report, table
from polylect.arbitrage.accounts import GROUPS, Accounts, Outcome, Usage

POOL = ("ada", "bo", "pivot")


def outcome(item: str, language: str, rewards: dict[str, float | None], taken: str | None = "ada", **change: object) -> Outcome:
    """Return an outcome with usage of ten and five tokens per teacher."""
    usage = {name: Usage(10, 5, 0.001) for name in rewards}
    return Outcome(item=item, language=language, rewards=rewards, taken=taken, usage=usage, **{"compare": True, **change})


def accounts(*outcomes: Outcome, writer: str | None = None) -> Accounts:
    """Return the sums of some outcomes."""
    made = Accounts(POOL, translation="pivot", writer=writer)
    made.add(outcomes)
    return made


def test_numbers_by_hand() -> None:
    """Rewards, regret, win rates, shares and costs are those of a calculation on paper."""
    made = accounts(
        outcome("a", "en", {"ada": 1.0, "bo": 0.5, "pivot": 0.0}),
        outcome("b", "en", {"ada": 0.2, "bo": 0.8, "pivot": 0.2}),
        outcome("a", "sw", {"ada": 0.0, "bo": 1.0, "pivot": 0.5}, taken="bo"),
    )
    found = report(made)
    english = found["languages"]["en"]
    assert english["reward"]["value"] == pytest.approx(0.6)
    assert english["oracle"]["value"] == pytest.approx(0.9)
    assert english["random"]["value"] == pytest.approx((0.5 + 0.4) / 2)
    assert english["regret"]["value"] == pytest.approx(0.3)
    # Against a teacher drawn at random: (tie, win, win) and (tie, loss, tie) of three each.
    assert english["win_rate"]["random"]["value"] == pytest.approx((2.5 / 3 + 1 / 3) / 2)
    assert found["best_single"] == "bo"
    assert english["win_rate"]["best_single"]["value"] == pytest.approx(0.5)
    assert english["win_rate"]["translation"]["value"] == pytest.approx(0.75)
    assert english["gain"]["translation"]["value"] == pytest.approx((1.0 + 0.0) / 2)
    assert english["gain"]["random"]["value"] == pytest.approx(0.6 - 0.45)
    assert english["teachers"]["ada"]["share"]["value"] == 1.0
    assert (english["prompt_tokens"], english["completion_tokens"], english["cost"]) == (60, 30, pytest.approx(0.006))
    every = found["languages"]["mul"]
    assert every["reward"]["value"] == pytest.approx((0.6 + 1.0) / 2)
    assert every["regret"]["value"] == pytest.approx((0.3 + 0.0) / 2)
    assert every["teachers"]["bo"]["share"]["value"] == pytest.approx(0.5)
    assert (every["prompts"], every["prompt_tokens"]) == (3, 90)
    assert found["items"] == 2


def test_router_is_compared_where_everyone_answered() -> None:
    """Prompts where one teacher was asked count for reward and cost, and for no comparison with the pool."""
    made = accounts(
        outcome("a", "en", {"ada": 0.1}, compare=False),
        outcome("b", "en", {"ada": 0.5, "bo": 0.9, "pivot": 0.1}, taken="bo", routed="ada"),
    )
    row = report(made)["languages"]["en"]
    assert row["reward"]["value"] == pytest.approx((0.1 + 0.9) / 2)
    assert (row["routed"]["value"], row["oracle"]["value"], row["compared"]) == (0.5, 0.9, 1)
    assert row["teachers"]["bo"]["asked"] == 1


def test_what_is_not_known_is_empty() -> None:
    """Without comparison there is no regret and no win rate, and no number stands for it."""
    row = report(accounts(outcome("a", "en", {"ada": 0.1}, compare=False)))["languages"]["mul"]
    assert row["regret"] == {"value": None, "low": None, "high": None, "n": 0}
    assert row["win_rate"]["best_single"]["value"] is None
    assert row["wrong_language"]["value"] is None


def test_unscored_answers_enter_no_mean_and_are_counted() -> None:
    """A failed answer is asked and not scored; a prompt where nothing is taken has its reason."""
    made = accounts(
        outcome("a", "en", {"ada": None, "bo": 0.4}, taken="bo"),
        outcome("b", "en", {"ada": None, "bo": None}, taken=None, reason="over the budget of en"),
    )
    row = report(made)["languages"]["en"]
    assert (row["prompts"], row["taken"], row["compared"]) == (2, 1, 1)
    assert row["not_taken"] == {"over the budget of en": 1}
    assert (row["teachers"]["ada"]["asked"], row["teachers"]["ada"]["scored"]) == (2, 0)
    assert row["teachers"]["ada"]["reward"]["value"] is None
    assert row["random"]["value"] == pytest.approx(0.4)


def test_gains_are_of_the_same_prompts() -> None:
    """The router gains over a teacher where both answers have a score; where its own has none it is counted as not compared."""
    made = accounts(
        outcome("a", "en", {"ada": 0.9, "bo": 0.8}),
        outcome("b", "en", {"ada": 0.1, "bo": None}),
        outcome("c", "en", {"ada": None, "bo": 0.9}, taken="bo", routed="ada"),
        outcome("d", "en", {"ada": 0.3}, compare=False),
    )
    found = report(made)
    row = found["languages"]["en"]
    assert found["best_single"] == "bo"
    assert (row["best_single"]["value"], row["routed"]["value"]) == (0.8, 0.5)
    assert (row["gain"]["best_single"]["value"], row["gain"]["best_single"]["n"]) == (pytest.approx(0.1), 1)
    assert (row["compared"], row["uncompared"]) == (2, 1)
    assert row["gain"]["translation"]["value"] is None


def test_wrong_language_is_a_rate_of_what_was_checked() -> None:
    """Answers whose language was not found out count neither way."""
    made = accounts(
        outcome("a", "en", {"ada": 1.0, "bo": 0.1}, wrong_language={"ada": True, "bo": False}),
        outcome("b", "en", {"ada": 1.0}, wrong_language={"ada": False}),
        outcome("c", "en", {"ada": 1.0}),
    )
    row = report(made)["languages"]["en"]
    assert (row["wrong_language"]["value"], row["wrong_language"]["n"]) == (0.5, 2)
    assert row["teachers"]["bo"]["wrong_language"]["value"] == 0.0


def test_fused_answers_may_beat_the_pool() -> None:
    """The writer's answers have a share of their own, are no part of the oracle, and regret may be below 0."""
    made = accounts(outcome("a", "en", {"ada": 0.5, "bo": 0.2, "fused": 0.9}, taken="fused"), writer="fused")
    row = report(made)["languages"]["en"]
    assert row["oracle"]["value"] == 0.5
    assert row["regret"]["value"] == pytest.approx(-0.4)
    assert row["teachers"]["fused"]["share"]["value"] == 1.0


def many(items: int, languages: int, seed: int) -> Iterator[Outcome]:
    """Yield outcomes whose rewards share an effect of the item between languages."""
    drawn = np.random.default_rng(seed)
    for item in range(items):
        effect = drawn.normal()
        for language in ("en", "sw", "hi", "tr")[:languages]:
            rewards = {name: effect + place + drawn.normal() for place, name in enumerate(POOL)}
            yield outcome(f"item {item} {seed}", language, rewards, taken="bo")


def test_intervals_hold_what_they_promise() -> None:
    """In 95 % of samples the interval of the macro mean covers the truth, though translations share their item's effect."""
    covered, rows = 0, 200
    for seed in range(rows):
        made = Accounts(POOL)
        made.add(many(60, 4, seed))
        from polylect.arbitrage.account_report import _Numbers

        interval = _Numbers(made, 0)._ratio("mul", ("taken_reward",), "taken_scored", (-9.0, 9.0))
        covered += interval["low"] <= 1.0 <= interval["high"]
    # Binomial(200, 0.95) is below 181 with probability 0.5 %; an interval over rows would cover about 75 %.
    assert 181 <= covered <= 199, covered


def test_many_items_are_put_into_groups() -> None:
    """Beyond 1024 items the sums stay the same, in any order of arrival, and intervals change little."""
    outcomes = list(many(1500, 2, 7))
    whole, shuffled = Accounts(POOL), Accounts(POOL)
    for start in range(0, len(outcomes), 400):
        whole.add(outcomes[start : start + 400])
    shuffled.add([outcomes[i] for i in np.random.default_rng(1).permutation(len(outcomes))])
    assert whole.items is None
    first, second = report(whole)["languages"]["mul"], report(shuffled)["languages"]["mul"]
    assert first["reward"]["value"] == pytest.approx(np.mean([o.rewards["bo"] for o in outcomes]))
    assert first["reward"] == {key: pytest.approx(value) for key, value in second["reward"].items()}
    width = first["reward"]["high"] - first["reward"]["low"]
    # The standard error of a macro mean over 1,500 items: the item's variance 1 and half the noise's.
    assert width == pytest.approx(2 * 1.96 * np.sqrt(1.5 / 1500), rel=0.1)


def test_memory_does_not_grow_with_the_prompts() -> None:
    """Twenty times as many prompts take no more memory once the items are in groups."""
    tracemalloc.start()
    try:
        made = Accounts(POOL)
        made.add(many(GROUPS + 500, 2, 0))
        before = tracemalloc.get_traced_memory()[0]
        for seed in range(1, 6):
            made.add(many(GROUPS, 2, seed))
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 100_000, grown


def test_report_is_json_and_a_table() -> None:
    """The report survives JSON, and each language is one line of the table, all languages the last."""
    made = accounts(*many(30, 2, 3))
    found = report(made, router={"name": "reward"})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["router"] == {"name": "reward"}
    header, rows = table(found)
    assert [row[0] for row in rows] == ["en", "sw", "mul"]
    assert all(len(row) == len(header) for row in rows)
    assert rows[0][header.index("most taken")] == "bo 100 %"
    assert " to " in rows[0][header.index("regret")]
