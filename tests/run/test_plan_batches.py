"""Batches of a run's trainings: rows of like length together, but not where refusals are among them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from mix_or_merge_example import recipe, write_inputs

from polylect.recipe import Recipe
from polylect.run.mix_or_merge_plan import plan_trade_off
from polylect.run.mix_or_merge_wanted import sources
from polylect.run.plan import plan
from polylect.run.steps import Step
from polylect.train.settings import Sft

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

from safety_recipe import recipe_data, write_files


def grouped(steps: Iterable[Step]) -> dict[str, bool]:
    """Return for every training whether its batches are of like length."""
    found: dict[str, Any] = {step.name: step.settings.get("train") for step in steps}
    return {name: train["group_by_length"] for name, train in found.items() if train is not None}


def of_recipe(folder: Path, pairs: float = 0.5, **changes: Any) -> dict[str, bool]:
    """Return it for a small recipe with safety."""
    safety = {**write_files(folder), "pairs": pairs}
    return grouped(plan(Recipe.model_validate(recipe_data(folder, folder, safety, **changes))).steps)


def test_where_refusals_are_mixed_in_batches_are_at_random(tmp_path: Path) -> None:
    """Refusals are longer than answers: grouped, each kind would come by itself. Trainings without them stay grouped."""
    found = of_recipe(tmp_path, baseline={}, mixed={})
    refusing = ("sft/baseline", "sft/mixed", "sft/all", "offline_dpo/all")
    assert found == {"teacher/one": True, **dict.fromkeys(refusing, False)}
    assert of_recipe(tmp_path, pairs=0.0)["offline_dpo/all"] is True


@pytest.mark.parametrize("chosen", [True, False])
def test_what_the_recipe_says_of_batches_holds(tmp_path: Path, chosen: bool) -> None:
    """A value in the recipe is for rows with refusals and without."""
    found = of_recipe(tmp_path, sft={"steps": 2, "group_by_length": chosen})
    assert found["sft/all"] is chosen
    assert Sft(group_by_length=chosen).of_step()["group_by_length"] is chosen


def test_without_safety_all_batches_are_grouped() -> None:
    """A recipe that mixes nothing in trains as before."""
    found = grouped(plan(recipe()).steps)
    assert len(found) > 3
    assert all(found.values())


def test_candidates_of_mix_or_merge_with_refusals_have_batches_at_random(tmp_path: Path) -> None:
    """The general expert has none; the safety expert, the mixes and the experts by language have."""
    wanted = write_inputs(tmp_path)
    found = grouped(plan_trade_off(recipe(), wanted, sources(recipe(), wanted)).steps)
    assert {name: one for name, one in found.items() if one is name.startswith("mix-or-merge/")} == {}
    assert any(name.startswith("mix-or-merge/mix-") for name in found)
