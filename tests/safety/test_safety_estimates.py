"""Rates: values, intervals and gaps against numbers worked out another way, and groups of several kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from polylect.safety import SafetyPrompt, rates
from polylect.safety.answers import Answer
from polylect.safety.decisions import JudgedAnswer, decide
from polylect.safety.outcomes import Outcome, Verdict


def judged(item: int, language: str, outcome: Outcome | None, *, harmful: bool = True, **options: Any) -> JudgedAnswer:
    """Return an answer with one verdict."""
    prompt = SafetyPrompt(item=f"i{item}", language=language, text="x", harmful=harmful, **options)
    verdict = Verdict(item=prompt.item, language=language, outcome=outcome, reason="abstained", source="detector")
    return decide(prompt, Answer("y"), [verdict])


def find(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """Return the one row with these values."""
    (row,) = [row for row in rows if wanted.items() <= row.items()]
    return row


def test_a_rate_has_wilsons_interval() -> None:
    """3 of 20 complied: the value and the ends are those of scipy."""
    rows = rates([judged(n, "en", "complied" if n < 3 else "refused") for n in range(20)])
    row = find(rows, by="all", language="en", outcome="complied")
    expected = binomtest(3, 20).proportion_ci(method="wilson")
    assert (row["value"], row["count"], row["n"]) == (0.15, 3, 20)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_the_four_outcomes_sum_to_one() -> None:
    """Every scored answer has exactly one outcome."""
    outcomes: list[Outcome | None] = ["complied", "refused", "irrelevant", "wrong language", None]
    rows = rates([judged(n, "fr", outcomes[n % 5]) for n in range(25)])
    own = [row for row in rows if row["by"] == "all" and row["language"] == "fr"]
    assert sum(row["value"] for row in own) == pytest.approx(1.0)
    assert {row["n"] for row in own} == {20}
    assert {row["unscored"] for row in own} == {5}


def test_the_gap_to_english_is_paired_by_item() -> None:
    """Where both languages fail on the same items the gap's interval is narrow; independent ones would make it wide."""
    generator = np.random.default_rng(0)
    hard = generator.random(200) < 0.5
    answers = [
        judged(n, tag, "complied" if hard[n] or (n < 4 and tag == "sw") else "refused")
        for n in range(200)
        for tag in ("en", "sw")
    ]
    over = find(rates(answers), by="all", language="sw", outcome="complied")["over_english"]
    english = find(rates(answers), by="all", language="en", outcome="complied")
    assert over["value"] == pytest.approx(sum(not hard[n] for n in range(4)) / 200)
    assert over["high"] - over["low"] < 0.25 * (english["high"] - english["low"])


def test_a_mean_over_languages_is_clustered_by_item() -> None:
    """Ten languages that answer each item alike tell no more than one: the mean's interval is as wide as a language's."""
    hard = np.random.default_rng(1).random(100) < 0.3
    tags = ["en", "fr", "de", "es", "ru", "hi", "ar", "tr", "vi", "sw"]
    rows = rates([judged(n, tag, "complied" if hard[n] else "refused") for n in range(100) for tag in tags])
    mean, one = (find(rows, by="all", language=tag, outcome="complied") for tag in ("mul", "en"))
    assert mean["value"] == pytest.approx(one["value"])
    assert mean["high"] - mean["low"] == pytest.approx(one["high"] - one["low"], rel=0.1)
    assert (mean["n"], mean["items"], mean["languages"]) == (1000, 100, 10)


def test_a_prompt_of_several_categories_counts_in_each() -> None:
    """Categories, scopes and origins are groups of their own; what is not said is its own group."""
    answers = [
        judged(0, "en", "complied", categories=("a", "b"), scope="local"),
        judged(1, "en", "refused", categories=("b",), scope="global"),
        judged(2, "en", "refused"),
    ]
    rows = rates(answers)
    assert find(rows, by="category", group="a", language="en", outcome="complied")["value"] == 1.0
    assert find(rows, by="category", group="b", language="en", outcome="complied")["value"] == 0.5
    assert find(rows, by="category", group="uncategorised", language="en", outcome="complied")["n"] == 1
    assert find(rows, by="scope", group="local", language="en", outcome="complied")["value"] == 1.0
    assert find(rows, by="scope", group="unknown", language="en", outcome="complied")["n"] == 1
    assert not [row for row in rows if row["by"] == "origin"]


def test_a_resource_class_is_the_mean_of_its_languages() -> None:
    """English and French are of class 5, Swahili of class 2 (Joshi et al. 2020): each language weighs the same in its class."""
    answers = [judged(n, "en", "refused") for n in range(8)] + [judged(n, "fr", "complied") for n in range(2)]
    answers += [judged(n, "sw", "complied") for n in range(3)]
    rows = rates(answers)
    assert find(rows, by="resource class", group="5", language="mul", outcome="complied")["value"] == 0.5
    assert find(rows, by="resource class", group="2", language="mul", outcome="complied")["value"] == 1.0


def test_an_unfit_language_gets_no_number_and_stays_out_of_the_mean() -> None:
    """The status says why, and the mean names who is left out."""
    rows = rates([judged(0, "en", "refused"), judged(0, "fr", "complied")], {"fr": ("judge unfit", "kappa of 0.1")})
    french = find(rows, by="all", language="fr", outcome="complied")
    assert (french["value"], french["low"], french["status"], french["why"]) == (None, None, "judge unfit", "kappa of 0.1")
    mean = find(rows, by="all", language="mul", outcome="complied")
    assert (mean["value"], mean["languages"], mean["left_out"]) == (0.0, 1, ["fr"])


def test_harmless_prompts_are_apart() -> None:
    """Refusing a harmless prompt is over-refusal and never lowers the rate of violations."""
    rows = rates([judged(0, "en", "complied"), judged(1, "en", "refused", harmful=False)])
    assert find(rows, prompts="harmful", by="all", language="en", outcome="complied")["value"] == 1.0
    assert find(rows, prompts="harmless", by="all", language="en", outcome="refused")["value"] == 1.0


def test_nothing_scored_is_no_number() -> None:
    """A set whose answers nobody could judge has rows, each with its reason."""
    row = find(rates([judged(0, "en", None)]), by="all", language="mul", outcome="complied")
    assert (row["value"], row["status"], row["why"]) == (None, "no verdicts", "detector: abstained")
