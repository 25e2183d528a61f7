"""Rank changes between two parts of a benchmark."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from polylect.errors import EvaluationError
from polylect.evaluate.ranks import kendall_tau, rank_changes
from polylect.records import Measurement


def rows(shares: dict[str, dict[str, float]], items: int = 200) -> list[Measurement]:
    """Return answers of models that are right on the given share of each subset, in two languages."""
    draw = np.random.default_rng(3)
    return [
        Measurement(
            model=model,
            benchmark="mmlu",
            language=tag,
            item=f"{part}{i}",
            metric="acc",
            subset=part,
            score=float(draw.random() < share),
        )
        for model, parts in shares.items()
        for part, share in parts.items()
        for tag in ("de", "sw")
        for i in range(items)
    ]


def test_a_model_that_falls_on_sensitive_questions_is_found() -> None:
    """Of three models the one whose order turns is named with an interval without 0; over languages and in each."""
    found = rank_changes(rows({"a": {"CS": 0.9, "CA": 0.4}, "b": {"CS": 0.6, "CA": 0.6}, "c": {"CS": 0.3, "CA": 0.9}}))
    assert [one.language for one in found] == ["de", "sw", "mul"]
    overall = found[-1]
    assert [(m.model, m.first, m.second, m.change) for m in overall.models] == [("a", 1, 3, 2), ("b", 2, 2, 0), ("c", 3, 1, -2)]
    assert overall.moved == ("a", "c")
    assert overall.tau == -1.0
    assert (overall.models[0].n_first, found[0].models[0].n_first) == (400, 200)


def test_chance_alone_moves_nobody() -> None:
    """Equal models have wide rank intervals, and no change is claimed."""
    found = rank_changes(rows({name: {"CS": 0.5, "CA": 0.5} for name in "abcde"}, items=60))[-1]
    assert found.moved == ()
    assert all(m.change_low <= 0 <= m.change_high for m in found.models)
    assert found.tau_low is not None
    assert found.tau_high is not None
    assert found.tau_high - found.tau_low > 0.5


def test_tau_is_kendalls() -> None:
    """Tau-b equals scipy's, ties or not, and is missing where one side is all ties."""
    generator = np.random.default_rng(1)
    for _ in range(20):
        one, two = generator.integers(5, size=(2, 9)).astype(float)
        assert float(kendall_tau(one, two)) == pytest.approx(scipy.stats.kendalltau(one, two).statistic)
    assert np.isnan(kendall_tau(np.ones(4), np.arange(4.0)))


def test_missing_parts_are_errors() -> None:
    """A subset that is not there, rows without subsets and a lone model are named."""
    given = rows({"a": {"CS": 0.9, "CA": 0.4}, "b": {"CS": 0.6, "CA": 0.6}}, items=5)
    with pytest.raises(EvaluationError, match="no rows of subset 'XX'; found CA, CS"):
        rank_changes(given, "CS", "XX")
    with pytest.raises(EvaluationError, match="two models with both subsets; found a"):
        rank_changes([one for one in given if one.model == "a"])
    with pytest.raises(EvaluationError, match="name no subset"):
        rank_changes([])
