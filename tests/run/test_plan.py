"""The plan: the recipe as steps, their order, and what a changed setting makes stale."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from polylect.errors import RecipeError
from polylect.recipe import Recipe, load, parse
from polylect.run import estimate
from polylect.run.estimate import costs, show
from polylect.run.keys import identities
from polylect.run.plan import Plan, plan
from polylect.run.steps import ancestors, checked_plan, select

RECIPES = Path(__file__).parents[2] / "recipes"
SHIPPED = sorted(RECIPES.glob("*.yaml"))
SMALL: dict[str, Any] = {
    "name": "small",
    "languages": ["en", "tr", "ar"],
    "model": {"base": "gemma-3-270m", "trim_vocabulary": True},
    "clusters": {"shared": ["en"], "groups": {"west": ["tr"], "east": ["ar"]}},
    "pool": {
        "west": {"kind": "cluster", "cluster": "west"},
        "shots": {"kind": "local", "model": "base", "shots": 5},
        "other": {"kind": "local", "model": "smollm2-135m-instruct"},
    },
    "baseline": {"steps": 4},
    "online": {"iterations": 2},
}


def small(**change: Any) -> Recipe:
    """Return the small recipe with some sections replaced."""
    return parse({**SMALL, **change})


def by_name(planned: Plan) -> dict[str, Any]:
    """Return the steps by name."""
    return {step.name: step for step in planned.steps}


def keys(recipe: Recipe) -> dict[str, str]:
    """Return the key of every step."""
    return {name: found.key for name, found in identities(checked_plan(plan(recipe).steps)).items()}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipe_is_a_sound_plan(path: Path) -> None:
    """Every shipped recipe gives steps in an order in which inputs come first, with functions that exist."""
    from importlib import import_module

    planned = plan(load(path), check_files=False)
    assert len(checked_plan(planned.steps)) == len(planned.steps)
    seen: set[str] = set()
    for step in planned.steps:
        assert set(step.inputs.values()) <= seen, f"{step.name} comes before its inputs"
        seen.add(step.name)
        module, _, function = step.function.partition(":")
        assert function in import_module(module).__all__
        assert step.title
    for stage in planned.stages:
        assert {stage.model, stage.results} <= seen
    assert planned.final in seen
    assert set(identities(checked_plan(planned.steps))) == seen


def test_stages_of_the_paper_come_in_order() -> None:
    """Base, five-shot, baseline, SFT, offline and online stages, each measured against the one it was trained from."""
    planned = plan(small())
    previous = {stage.name: stage.previous for stage in planned.stages}
    assert previous == {
        "base": "",
        "five_shot": "",
        "baseline": "base",
        "sft": "base",
        "offline_dpo": "sft",
        "online_dpo_1": "offline_dpo",
        "online_dpo_2": "online_dpo_1",
    }
    assert planned.references == ("base", "five_shot", "baseline")
    assert planned.final == "keep/online_dpo_2"
    guarded = ("offline_dpo", "online_dpo_1", "online_dpo_2")
    assert {stage.name: stage.verdict for stage in planned.stages if stage.verdict} == {name: f"keep/{name}" for name in guarded}
    compared = dict(by_name(planned)["compare"].inputs)
    assert compared == {stage.name: stage.results for stage in planned.stages} | {f"keep/{n}": f"keep/{n}" for n in guarded}


def test_parts_can_be_left_out() -> None:
    """Without baseline, few-shot base, offline and online training what remains is the SFT."""
    planned = plan(small(baseline=None, offline=None, online={"iterations": 0}, evaluation={"shots": 0}))
    assert [stage.name for stage in planned.stages] == ["base", "sft"]
    assert planned.references == ("base",)
    assert planned.final == "merge/sft"
    mixed = plan(small(mixed={"steps": 3}))
    assert {stage.name: stage.previous for stage in mixed.stages}["sft"] == "mixed"
    assert "mixed" not in mixed.references


def test_every_cluster_is_trained_and_merged() -> None:
    """Each stage of training has a step per cluster in its languages, and a merge that reads exactly them."""
    steps = by_name(plan(small()))
    for stage in ("sft", "offline_dpo", "online_dpo_1", "online_dpo_2"):
        merged = steps[f"merge/{stage}"]
        models = {role: step for role, step in merged.inputs.items() if role.startswith("model/")}
        assert models == {"model/west": f"{stage}/west", "model/east": f"{stage}/east"}
        assert {steps[step].inputs["model"] for step in models.values()} == {merged.inputs["base"]}
        assert steps[f"{stage}/west"].settings["languages"] == ["en", "tr"]
        assert steps[f"{stage}/east"].settings["languages"] == ["en", "ar"]
    assert steps["sft/baseline"].settings["languages"] == ["en", "tr", "ar"]
    assert steps["sft/baseline"].settings["table"] == "baseline.parquet"
    assert steps["sft/west"].settings["table"] == "examples.parquet"


def test_shared_language_is_sampled_once() -> None:
    """Every language of the recipe is sampled in one step of an iteration, and every cluster trains on all its pairs."""
    for path in SHIPPED:
        recipe = load(path)
        planned = plan(recipe, check_files=False)
        for number in range(1, recipe.online.iterations + 1):
            name = f"online_dpo_{number}"
            samples = [step for step in planned.steps if step.name.startswith(f"sample/{name}/")]
            sampled = [tag for step in samples for tag in step.settings["languages"]]
            assert sorted(sampled) == sorted(recipe.languages)
            for cluster in recipe.cluster_languages():
                inputs = set(by_name(planned)[f"{name}/{cluster}"].inputs.values())
                assert {step.name for step in samples} <= inputs


def test_each_iteration_goes_on_from_what_was_kept() -> None:
    """A preference step samples, trains and is judged against the model that the guard before it let through."""
    steps = by_name(plan(small()))
    assert steps["offline_dpo/west"].inputs["model"] == "merge/sft"
    assert steps["keep/offline_dpo"].inputs["before_results"] == "validate/sft"
    assert steps["sample/online_dpo_1/west"].inputs["model"] == "keep/offline_dpo"
    assert steps["sample/online_dpo_2/west"].inputs["model"] == "keep/online_dpo_1"
    assert steps["online_dpo_2/east"].inputs["model"] == "keep/online_dpo_1"
    assert dict(steps["keep/online_dpo_2"].inputs) == {
        "before": "keep/online_dpo_1",
        "after": "merge/online_dpo_2",
        "before_results": "keep/online_dpo_1",
        "after_results": "validate/online_dpo_2",
    }
    assert steps["keep/online_dpo_1"].inputs["before_results"] == "keep/offline_dpo"


def test_leash_of_online_training() -> None:
    """The reference is the fine-tuned model, or the last iteration's: the model itself, which needs no input."""
    steps = by_name(plan(small()))
    assert steps["online_dpo_2/west"].inputs["reference"] == "merge/sft"
    steps = by_name(plan(small(online={"iterations": 1, "train": {"reference": "previous"}})))
    assert "reference" not in steps["online_dpo_1/west"].inputs
    steps = by_name(plan(small(offline=None)))
    assert "reference" not in steps["online_dpo_1/west"].inputs


def test_teachers_answer_with_their_models() -> None:
    """A cluster's teacher is trained first, `base` is the trimmed base, any other model is named in the settings."""
    steps = by_name(plan(small()))
    assert steps["answers/west"].inputs["model"] == "teacher/west"
    assert steps["teacher/west"].settings["languages"] == ["en", "tr"]
    assert steps["answers/shots"].inputs["model"] == "base"
    assert "model" not in steps["answers/other"].inputs
    assert steps["answers/other"].settings["model"] == "smollm2-135m-instruct"
    assert set(steps["arbitrage"].inputs) == {"prompts", "answers/west", "answers/shots", "answers/other"}
    assert steps["base"].inputs == {"prompts": "prompts"}
    assert by_name(plan(small(model={"base": "gemma-3-270m"})))["base"].inputs == {}


def test_branch_and_merge_goes_on_from_each_merge() -> None:
    """Every slice of every cluster's rows is trained once, from the merge of the slices before."""
    planned = plan(small(merge={"weights": {"west": 3}, "branch_and_merge": {"iterations": 2, "branches": 2}}))
    steps = by_name(planned)
    first = {"west-branch-1", "west-branch-2", "east-branch-1", "east-branch-2"}
    for stage, start in (("sft_1", "base"), ("sft", "merge/sft_1")):
        merged = steps[f"merge/{stage}"]
        assert dict(merged.inputs) == {"base": start, **{f"model/{name}": f"{stage}/{name}" for name in first}}
        assert merged.settings["weights"] == {name: 3 if name.startswith("west") else 1 for name in first}
        assert {steps[f"{stage}/{name}"].inputs["model"] for name in first} == {start}
    slices = [tuple(step.settings["slice"]) for step in planned.steps if "west-branch" in step.name]
    assert sorted(slices) == [(number, 4) for number in range(4)]
    assert steps["offline_dpo/west"].inputs["model"] == "merge/sft"
    assert "slice" not in by_name(plan(small()))["sft/west"].settings


def test_weights_can_be_searched_for() -> None:
    """With `merge.search` the merge step reads the prompts and answers them."""
    step = by_name(plan(small(merge={"search": {"objective": "worst", "budget": 9}})))["merge/sft"]
    assert step.function.endswith("merging:search")
    assert step.inputs["prompts"] == "prompts"
    assert step.settings["search"]["budget"] == 9


CHANGES: tuple[tuple[dict[str, Any], set[str]], ...] = (
    ({"online": {"iterations": 2, "train": {"beta": 0.3}}}, {"online_dpo_1/west", "online_dpo_1/east"}),
    ({"online": {"iterations": 2, "temperature": 0.7}}, {"sample/online_dpo_1/west", "sample/online_dpo_1/east"}),
    ({"keep_unless_worse": False}, {"keep/offline_dpo"}),
    ({"offline": {"beta": 0.3}}, {"offline_dpo/west", "offline_dpo/east"}),
    ({"sft": {"steps": 9}}, {"sft/west", "sft/east"}),
    ({"baseline": {"steps": 5}}, {"sft/baseline"}),
    ({"teacher": {"steps": 9}}, {"teacher/west"}),
    ({"merge": {"weights": {"west": 2.0}}}, {"merge/sft"}),
    ({"merge": {"method": "ties", "density": 0.2}}, {"merge/sft"}),
    ({"arbitrage": {"min_score": 0.1}}, {"arbitrage"}),
    ({"prompts": {"items": {"seed": 10}}}, {"prompts"}),
    ({"model": {"base": "gemma-3-270m", "trim_vocabulary": True, "chat_template": "x"}}, {"base"}),
    ({"evaluation": {"shots": 5, "samples": 1}}, set()),
    ({"runtime": {"jobs": 2, "threads": 1}}, set()),
    ({"description": "another"}, set()),
)


@pytest.mark.parametrize(("change", "roots"), CHANGES, ids=[str(change)[:60] for change, _ in CHANGES])
def test_changed_setting_makes_stale_what_depends_on_it(change: dict[str, Any], roots: set[str]) -> None:
    """A step's key changes when the setting is its own or an ancestor's, and never otherwise."""
    before, after = keys(small()), keys(small(**change))
    steps = plan(small()).steps
    stale = {name for name in before if before[name] != after[name]}
    expected = {step.name for step in steps if ancestors([step.name], steps) & roots}
    # Settings that several steps share: the later steps that have them are stale through their inputs anyway.
    assert stale == expected
    assert before.keys() == after.keys()


def test_seed_is_part_of_every_key() -> None:
    """Another seed is another run."""
    before, after = keys(small()), keys(small(seed=1))
    assert all(before[name] != after[name] for name in before)


def test_changed_file_of_prompts_makes_its_step_stale(tmp_path: Path) -> None:
    """The content of the user's own files is part of the key, their place is not; a missing file is named."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.jsonl").write_text("{}")

    def recipe(folder: str) -> Recipe:
        return small(
            prompts={"source": "files", "files": dict.fromkeys(("seed", "prompt", "heldout"), f"{tmp_path}/{folder}/p.jsonl")}
        )

    first = keys(recipe("a"))
    assert keys(recipe("b")) == first
    (tmp_path / "b" / "p.jsonl").write_text("{ }")
    assert keys(recipe("b"))["prompts"] != first["prompts"]
    shutil.rmtree(tmp_path / "b")
    with pytest.raises(RecipeError, match=r"prompts\.files\.seed: .*p\.jsonl does not exist"):
        plan(recipe("b"))
    assert plan(recipe("b"), check_files=False).steps


def test_until_needs_only_what_leads_there() -> None:
    """Up to the arbitrage nothing is fine-tuned; a group's name stands for its steps."""
    steps = plan(small()).steps
    needed = ancestors(["arbitrage"], steps)
    assert "teacher/west" in needed
    assert not any(name.startswith(("sft/", "merge/", "evaluate/")) for name in needed)
    assert select("answers", [step.name for step in steps], "--until") == ["answers/west", "answers/shots", "answers/other"]


def shown(recipe: Recipe) -> str:
    """Return what a dry run prints."""
    page = io.StringIO()
    show(plan(recipe, check_files=False), Console(file=page, width=160))
    return page.getvalue()


def test_dry_run_of_the_paper_s_recipe_needs_nothing() -> None:
    """Without the 8B model and the prompt files the plan is printed, with what cannot be known said."""
    recipe = load(RECIPES / "aya-expanse-8b.yaml")
    text = shown(recipe)
    for step in plan(recipe, check_files=False).steps:
        assert step.name in text
    assert "24 languages" in text
    assert "The base model Qwen/Qwen3-8B-Base is not on this machine: no time and no disk space can be given." in text
    assert "The recipe's prompt files are not read" in text
    assert "0.0 GB" not in text


def test_dry_run_of_the_quickstart_gives_time_and_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the model on this machine every training and answering step has tokens, minutes and GB."""
    recipe = load(RECIPES / "quickstart.yaml")
    estimates, speed, size = costs(plan(recipe))
    assert speed is not None
    assert speed.train > 1e9
    assert size is not None
    assert 90e6 < size.body < 110e6
    for cost in estimates:
        if cost.step.name.startswith(("teacher/", "answers/", "sft/", "sample/", "online_dpo", "evaluate/")):
            assert cost.tokens
            assert cost.seconds
            assert cost.tokens > 1000
    assert sum(cost.bytes or 0 for cost in estimates) > 1e9
    monkeypatch.setattr(estimate, "probe", lambda threads: speed)
    text = shown(recipe)
    assert "minutes with 2 step(s) at a time" in text
    assert "GB of disk" in text
