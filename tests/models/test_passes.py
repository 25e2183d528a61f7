"""Passes side by side: the same results in the same order, whatever the number at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from polylect.models.likelihood import open_likelihood
from polylect.models.passes import in_order

QUESTIONS = [[(f"Question {number}: the answer is", option) for option in (" yes", " no", " never")] for number in range(40)]


def test_results_come_in_the_order_of_the_items() -> None:
    """What is done first may come of a later item; it is still yielded in its place."""

    def slow_when_even(number: int) -> int:
        time.sleep(0.02 if number % 2 == 0 else 0)
        return number

    assert list(in_order(slow_when_even, range(9), 3)) == list(range(9))


def test_as_many_run_at_a_time_as_was_said_and_few_are_taken_ahead() -> None:
    """Two workers meet at a barrier that one alone would never pass; items are not all drawn before the first result."""
    meeting = threading.Barrier(2, timeout=5)
    drawn = 0

    def items() -> object:
        nonlocal drawn
        for number in range(100):
            drawn += 1
            yield number

    results = in_order(lambda number: meeting.wait() * 0 + number, items(), 2)  # type: ignore[arg-type]
    assert next(results) == 0
    assert drawn < 10
    assert list(results) == list(range(1, 100))


def test_a_failure_is_raised_and_the_threads_of_torch_are_as_before() -> None:
    """The first failure ends it; later items are not begun."""
    import torch

    before, begun = torch.get_num_threads(), []

    def fails(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        list(in_order(fails, range(1000), 2))
    assert len(begun) < 20
    assert torch.get_num_threads() == before


def test_scores_do_not_depend_on_how_many_passes_run_at_a_time(make_model: Callable[..., Path]) -> None:
    """One after the other and three at a time give the same bits: every pass has a core of its own."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        likelihood = open_likelihood(str(make_model("gemma")), dtype="float32", batch_tokens=100)
        found = []
        for workers in (1, 3):
            likelihood._workers = workers  # type: ignore[attr-defined]
            found.append(sorted(pair for batch in likelihood.score(QUESTIONS) for pair in batch))
    finally:
        torch.set_num_threads(before)
    assert [index for index, _ in found[0]] == list(range(40))
    assert found[0] == found[1]
