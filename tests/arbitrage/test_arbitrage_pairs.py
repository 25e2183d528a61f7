"""Preference pairs: best against worst, and each guard refuses its own case."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from arbitrage_examples import completion, joined, pools, prompt, score

from polylect.arbitrage import PairRules, candidates, pairs
from polylect.records import Prompt

ONE, TWO = prompt("one"), prompt("two", "tr")
RULES = PairRules(min_margin=0.3, min_chosen=0.5, max_length_ratio=2.0)


def pair_of(best: dict[str, Any], worst: dict[str, Any], rules: PairRules = RULES) -> tuple[int, Counter[str]]:
    """Pair two answers, each given by changes to a good one; return the number of pairs and the drops."""
    rows = []
    for model, change in (("good", best), ("bad", worst)):
        value, language_ok = change.pop("value"), change.pop("language_ok", True)
        answer = completion(ONE, model, change.pop("text", f"{model} answer"), **change)
        rows.append((answer, score(answer, value, language_ok)))
    made, dropped = pairs([ONE], candidates([a for a, _ in rows], [s for _, s in rows]), rules)
    return len(made), dropped


def test_best_is_paired_with_worst() -> None:
    """A pair holds both texts, scores and models, and the prompt's item and language; the middle is left out."""
    (row, other), dropped = pairs([ONE, TWO], pools({p: {"a": 0.6, "b": 1.0, "c": 0.1} for p in (ONE, TWO)}), RULES)
    assert (row.chosen, row.chosen_model, row.chosen_score) == ("b says", "b", 1.0)
    assert (row.rejected, row.rejected_model, row.rejected_score) == ("c says", "c", 0.1)
    assert (row.prompt_id, row.item, row.language, row.prompt) == (ONE.id, "one", "en", ONE.text)
    assert other.language == "tr"
    assert not dropped


@pytest.mark.parametrize(
    ("best", "worst", "reason"),
    [
        ({"value": 0.9}, {"value": 0.1}, None),
        ({"value": 0.9}, {"value": None}, "fewer than two scored answers"),
        ({"value": 0.9, "text": "same"}, {"value": 0.1, "text": "same"}, "all answers equal"),
        ({"value": 0.9}, {"value": 0.61}, "margin too small"),
        ({"value": 1.0}, {"value": 0.5}, None),
        ({"value": 0.49}, {"value": 0.0}, "chosen answer under the minimum score"),
        ({"value": 0.9, "finish_reason": "length"}, {"value": 0.1}, "chosen answer unfinished"),
        ({"value": 0.9}, {"value": 0.1, "finish_reason": "length"}, None),
        ({"value": 0.9, "language_ok": False}, {"value": 0.1}, "chosen answer in the wrong language"),
        ({"value": 0.9, "language_ok": None}, {"value": 0.1}, None),
        ({"value": 0.9}, {"value": 0.1, "language_ok": False}, None),
        ({"value": 0.9}, {"value": 0.1, "text": ""}, "rejected answer empty"),
        ({"value": 0.9, "text": "x" * 31}, {"value": 0.1, "text": "y" * 5}, "chosen answer much longer"),
        ({"value": 0.9, "text": "x" * 30}, {"value": 0.1, "text": "y" * 5}, None),
        ({"value": 0.9, "text": "x"}, {"value": 0.1, "text": "y" * 500}, None),
    ],
)
def test_guard(best: dict[str, Any], worst: dict[str, Any], reason: str | None) -> None:
    """Each guard drops its own case, counted by its reason, and lets its neighbour through."""
    made, dropped = pair_of(dict(best), dict(worst))
    assert dropped == (Counter({reason: 1}) if reason else Counter())
    assert made == (reason is None)


def test_every_prompt_is_a_pair_or_a_drop() -> None:
    """A prompt without answers is counted too; pairs and drops sum to the prompts."""
    prompts: list[Prompt] = [ONE, TWO, prompt("three")]
    made, dropped = pairs(prompts, pools({ONE: {"a": 1.0, "b": 0.0}, TWO: {"a": 1.0, "b": 0.9}}), RULES)
    assert len(made) + sum(dropped.values()) == 3
    assert dropped == Counter({"margin too small": 1, "fewer than two scored answers": 1})


def test_samples_of_one_model_make_a_pair() -> None:
    """Online, both answers are samples of one model; unscored samples are passed over, not taken as the worst."""
    rows = [
        (completion(ONE, "m", "right", sample=0), 1.0),
        (completion(ONE, "m", "wrong", sample=1), 0.2),
        (completion(ONE, "m", "", sample=2, status="failed", reason="timeout"), None),
    ]
    (row,), _ = pairs([ONE], joined(rows), RULES)
    assert (row.chosen, row.rejected, row.chosen_model, row.rejected_model) == ("right", "wrong", "m", "m")
