"""Planning: the formula against simulation, its table, and the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from polylect.cli.power import command
from polylect.errors import EvaluationError
from polylect.evaluate.clustered import clustered_test
from polylect.evaluate.power import DESIGNS, JudgeCost, design_effect, detectable, items_needed, plan


@pytest.mark.parametrize(
    ("benchmark", "points"),
    [("m-arenahard", 5.3), ("dolly-human-edited", 8.3), ("mgsm", 8.9), ("global-mmlu-lite-cs", 8.9)],
)
def test_the_table_of_detectable_differences(benchmark: str, points: float) -> None:
    """One language, the benchmark's own items, 80 % power."""
    design = DESIGNS[benchmark]
    assert round(100 * detectable(design.spread, design.items), 1) == points


def test_the_design_effect_is_the_measured_one() -> None:
    """Eleven languages: a clustered error 1.9 times the naive one."""
    assert np.sqrt(design_effect(11)) == pytest.approx(1.9, abs=0.01)
    assert design_effect(1) == 1


@pytest.mark.parametrize(("languages", "tests"), [(1, 1), (6, 1), (1, 23)])
def test_planned_studies_find_the_difference(languages: int, tests: int) -> None:
    """Of 1,500 simulated studies of the planned size, correlated between languages as assumed, 80 % find the difference."""
    draw, gain, tie, correlation = np.random.default_rng(6), 0.08, 0.29, 0.26
    # Win points minus 1/2: their standard deviation is what the plan is given.
    chances = np.array([(1 - tie) / 2 - gain, tie, (1 - tie) / 2 + gain])
    spread = float(np.sqrt(0.25 * (1 - tie) - gain**2))
    items = items_needed(spread, gain, languages, correlation=correlation, tests=tests)
    found = 0
    for _ in range(1500):
        common, own = (draw.choice((-0.5, 0.0, 0.5), p=chances, size=(items, width)) for width in (1, languages))
        # Each language takes the item's common outcome with chance sqrt(r): two languages then correlate by r.
        points = np.where(draw.random((items, languages)) < np.sqrt(correlation), common, own)
        tested = clustered_test(points, np.ones(points.shape), 0.5)
        found += tested.p is not None and tested.p < 0.05 / tests and (tested.estimate.value or 0.0) > 0
    assert found / 1500 == pytest.approx(0.80, abs=0.035)


def test_needed_and_detectable_are_inverse() -> None:
    """With the items needed for a difference, that difference is detectable, and with one item less it is not."""
    for languages in (1, 5, 23):
        items = items_needed(0.42, 0.03, languages)
        assert detectable(0.42, items, languages) <= 0.03 < detectable(0.42, items - 1, languages)


def test_judging_is_counted_in_both_orders() -> None:
    """Calls are prompts times languages times two orders times judges; the price follows, and without one there is none."""
    (judged,) = plan(23, 3, ["m-arenahard"], judge=JudgeCost(judges=2, price_in=2.0, price_out=10.0))
    macro = judged.claims[0]
    assert (macro.kind, macro.calls, macro.answers) == ("macro", macro.items * 23 * 4, macro.items * 23)
    assert macro.cost == pytest.approx(macro.calls * (1800 * 2 + 100 * 10) / 1e6)
    assert plan(23, 3, ["m-arenahard"])[0].claims[0].cost is None
    assert plan(23, 3, ["mgsm"])[0].claims[0].calls == 0


def test_the_command_prints_a_plan() -> None:
    """The table, the assumptions, and the same as JSON."""
    run = CliRunner().invoke(command, ["--languages", "23", "--difference", "3", "--benchmark", "m-arenahard"])
    assert run.exit_code == 0, run.output
    assert "mean over 23 languages" in run.output
    assert "5.3 points (too few)" in run.output
    assert "spread 0.420" in run.output
    every = CliRunner().invoke(command, ["--languages", "23", "--difference", "3"])
    assert all(name in every.output for name in DESIGNS)
    found = CliRunner().invoke(command, ["--languages", "23", "--difference", "3", "--benchmark", "m-arenahard,mgsm", "--json"])
    plans = json.loads(found.output)
    assert [(one["benchmark"], one["claims"][0]["kind"], one["claims"][0]["enough"]) for one in plans] == [
        ("m-arenahard", "macro", True),
        ("mgsm", "macro", False),
    ]


def test_one_language_makes_one_claim() -> None:
    """There is no mean over one language."""
    (found,) = plan(1, 5, ["mgsm"])
    assert [claim.kind for claim in found.claims] == ["one"]


def test_numbers_out_of_range_are_errors() -> None:
    """What is wrong and what would be right is said; a misspelt benchmark gets the nearest name."""
    with pytest.raises(EvaluationError, match="difference 0 is out of range"):
        plan(23, 0)
    with pytest.raises(EvaluationError, match="correlation 2 is out of range: 0 to 1"):
        plan(23, 3, correlation=2)
    with pytest.raises(EvaluationError, match=r"'m-arena-hard': its spread is not known.*Did you mean 'm-arenahard'"):
        plan(23, 3, ["m-arena-hard"])
