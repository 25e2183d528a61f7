"""How sure the recommendation of "mix or merge" is, and the experiment on safety data of both kinds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mix_or_merge_example import LANGUAGES, example, finished, inputs, pair, recipe, write_inputs

from polylect import tables
from polylect.errors import DataError, RecipeError
from polylect.recipe import Recipe
from polylect.records import Example, Pair, Result
from polylect.run.keys import identities
from polylect.run.mix_or_merge_choice import Rule
from polylect.run.mix_or_merge_data import kinds_of
from polylect.run.mix_or_merge_document import collect
from polylect.run.mix_or_merge_plan import TradeOffPlan, plan_trade_off
from polylect.run.mix_or_merge_wanted import MixOrMerge, sources
from polylect.run.plan import plan
from polylect.run.steps import checked_plan
from polylect.safety.results import SafetyResult

LOOSE = Rule(tolerance=15)


def answers(planned: TradeOffPlan, steps: Path, name: str) -> tuple[Path, list[SafetyResult]]:
    """Return where the judged answers of a candidate lie, and the answers."""
    path = steps / next(one.safety for one in planned.candidates if one.name == name) / "results.parquet"
    return path, tables.read(path, SafetyResult)


def test_what_can_be_told_from_the_recommended_candidate_is_said(tmp_path: Path) -> None:
    """The next best is named with the difference to it; candidates far behind can be told apart."""
    summary = collect(finished(tmp_path), tmp_path / "steps", LOOSE).summary
    assert (summary["recommended"], summary["next_best"]) == ("linear-0.5", "mix-0.03")
    assert summary["over_next_best"]["violation"]["high"] < 0
    assert (summary["told_apart"], summary["not_told_apart"]) == (["mix-0.03", "general"], [])
    text = "\n".join(summary["verdicts"])
    assert "Next best: linear-0.5 against mix-0.03: violations -" in text
    assert "By violations linear-0.5 can be told from all 2 other candidates" in text
    assert "cannot be told" not in text
    assert "Best of them in 2,000 resamples of the items that the choice was made on: linear-0.5 in 100%" in text


def test_a_lucky_winner_is_not_told_from_its_equal(tmp_path: Path) -> None:
    """A mix that answers like the merge but for one prompt cannot be told from it, and often would have been chosen."""
    planned, steps = finished(tmp_path), tmp_path / "steps"
    _, merged = answers(planned, steps, "linear-0.5")
    path, _ = answers(planned, steps, "mix-0.03")
    rows = [replace(row, id="", model="mix-0.03") for row in merged]
    place = next(n for n, row in enumerate(rows) if row.harmful and row.outcome == "refused")
    rows[place] = replace(rows[place], id="", score=0.0, outcome="complied")
    tables.write(path, rows, SafetyResult)
    summary = collect(planned, steps, LOOSE).summary
    assert summary["not_told_apart"]
    assert "general" in summary["told_apart"]
    text = "\n".join(summary["verdicts"])
    assert "by violations the two cannot be told apart" in text
    assert f"By violations {summary['not_told_apart'][0]} cannot be told from {summary['recommended']}; general can" in text
    assert sum(summary["chosen_in"].values()) == pytest.approx(1)
    assert max(summary["chosen_in"].values()) < 1


def test_a_gain_within_chance_is_not_recommended(tmp_path: Path) -> None:
    """Where the lowest violation rate is the general expert's but for one prompt, that one stays, and why is said."""
    planned, steps = finished(tmp_path), tmp_path / "steps"
    _, general = answers(planned, steps, "general")
    half = {row.item for row in general if row.harmful and row.outcome == "complied"}
    for one in planned.candidates[1:]:
        path, _ = answers(planned, steps, one.name)
        tables.write(path, [replace(row, id="", model=one.name) for row in general], SafetyResult)
    path, rows = answers(planned, steps, "linear-0.5")
    for lucky in sorted(half):
        safer = [
            replace(row, id="", outcome="refused", score=1.0) if (row.item, row.language) == (lucky, "en") else row
            for row in rows
        ]
        tables.write(path, safer, SafetyResult)
        summary = collect(planned, steps, LOOSE).summary
        if summary["eligible"][0] == "linear-0.5":
            break
    assert summary["eligible"][0] == summary["next_best"] == "linear-0.5"
    assert summary["recommended"] == "general"
    assert (
        "linear-0.5 had the lowest violation rate of those that keep the rule, but by no more than chance"
        in summary["verdicts"][0]
    )


def test_resamples_that_lack_a_language_do_not_vote(tmp_path: Path) -> None:
    """With a handful of harmful prompts in French some resamples have none: the others' shares still sum to one."""
    planned, steps = finished(tmp_path), tmp_path / "steps"
    few = {f"harm-{number}" for number in range(6)}
    for one in planned.candidates:
        path, rows = answers(planned, steps, one.name)
        tables.write(path, [row for row in rows if not row.harmful or row.language == "en" or row.item in few], SafetyResult)
    summary = collect(planned, steps, LOOSE).summary
    assert sum(summary["chosen_in"].values()) == pytest.approx(1)
    assert summary["verdicts"][-1].startswith(
        "Best of them in 2,000 resamples of the items that the choice was made on: linear-0.5"
    )


def test_mixes_and_merges_are_compared_whatever_the_rule(tmp_path: Path) -> None:
    """Where neither keeps the rule it is still said who has less harm and more quality; equals beat nobody."""
    planned, steps = finished(tmp_path), tmp_path / "steps"
    equal = "In both harm and quality, whatever the rule: no mix beats any of the merges; no merge beats any of the mixes"
    assert equal in collect(planned, steps, Rule()).summary["verdicts"]
    path = steps / next(one.quality for one in planned.candidates if one.name == "mix-0.03") / "results.parquet"
    tables.write(path, [replace(row, value=0.0) for row in tables.read(path, Result)], Result)
    found = collect(planned, steps, Rule()).summary["verdicts"]
    assert any("linear-0.5 beats 1 of 1 mixes (1 beyond doubt)" in text for text in found)


def test_nothing_else_to_recommend_is_said(tmp_path: Path) -> None:
    """Where only the general expert keeps the rule there is no next best."""
    planned, steps = finished(tmp_path), tmp_path / "steps"
    for one in planned.candidates:
        if one.name != "general":
            path = steps / one.quality / "results.parquet"
            tables.write(path, [replace(row, value=0.0) for row in tables.read(path, Result)], Result)
    summary = collect(planned, steps, Rule()).summary
    assert (summary["next_best"], summary["over_next_best"]) == (None, None)
    assert "No candidate but general keeps the rule" in summary["verdicts"][-1]
    assert summary["chosen_in"] == {"general": 1.0}


def both(folder: Path) -> TradeOffPlan:
    """Return a plan on fine-tuning rows and preference pairs together."""
    tables.write(folder / "pairs.parquet", [pair(n, tag) for n in range(4) for tag in LANGUAGES], Pair)
    wanted = write_inputs(folder)
    wanted = replace(wanted, data=(*wanted.tables, folder / "pairs.parquet"), methods=("linear",))
    return plan_trade_off(recipe(), wanted, sources(recipe(), wanted))


def test_both_kinds_of_safety_data_make_one_experiment(tmp_path: Path) -> None:
    """Fine-tuned and preference-trained candidates stand side by side, held against the preference-trained general expert."""
    found = both(tmp_path)
    names = ["general", "safety", "mix-0.03", "linear-0.5"], ["general", "safety", "mix-0.15", "linear-0.5"]
    assert [one.name for one in found.candidates] == [f"sft-{name}" for name in names[0]] + [f"dpo-{name}" for name in names[1]]
    assert found.reference == "dpo-general"
    models = {one.name: one.model for one in found.candidates}
    assert (models["sft-general"], models["dpo-general"]) == ("merge/sft", "merge/offline_dpo")
    steps = {step.name: step for step in checked_plan(found.steps)}
    assert steps[models["dpo-linear-0.5"]].inputs["base"] == "merge/sft"
    assert len(steps) == len(found.steps)


def test_checkpoints_of_one_kind_are_used_with_both(tmp_path: Path) -> None:
    """The steps that make models have the keys that they have in an experiment on fine-tuning rows alone."""
    alone = identities(checked_plan(plan_trade_off(recipe(), *inputs(tmp_path)).steps))
    together = both(tmp_path)
    keys = identities(checked_plan(together.steps))
    made = {one.model for one in together.candidates if one.kind == "sft"}
    assert {name: keys[name].key for name in made} == {name: alone[name].key for name in made}


def test_two_tables_of_one_kind_are_refused(tmp_path: Path) -> None:
    """The second one is named, and what to do."""
    first, second = write_inputs(tmp_path).tables[0], tmp_path / "more.parquet"
    tables.write(second, [example(1, "en")], Example)
    with pytest.raises(DataError, match=r"more\.parquet: rows of fine-tuning, as .*sft\.parquet"):
        kinds_of((first, second))
    with pytest.raises(DataError, match="no table"):
        kinds_of(())


def test_a_path_that_does_not_exist_for_several_languages_is_told(tmp_path: Path) -> None:
    """SLERP of three experts is left out with a sentence; one language has no experts of one language each."""
    wanted, data = inputs(tmp_path)
    wanted = replace(wanted, by=("language",))
    three = recipe(languages=["en", "fr", "de"], clusters={"shared": [], "groups": {"west": ["en", "de"], "east": ["fr"]}})
    found = plan_trade_off(three, wanted, data)
    assert found.left_out == ("--by language: slerp is a path between two models, and there are 3 experts",)
    assert "language-0.03-linear" in {one.name for one in found.candidates}
    single = recipe(
        languages=["en"],
        clusters={"shared": [], "groups": {"west": ["en"]}},
        pool={"one": {"kind": "cluster", "cluster": "west"}},
    )
    assert "the recipe has one language" in plan_trade_off(single, wanted, data).left_out[0]


def distilling(folder: Path, **changes: object) -> Recipe:
    """Return a recipe that distils safety itself."""
    (folder / "preamble.txt").write_text("Do not talk of lanterns.")
    prompts = str(folder / "prompts.jsonl")
    return recipe(
        safety={
            "prompts": prompts,
            "preamble": str(folder / "preamble.txt"),
            "share": 0.1,
            "evaluate": {"prompts": prompts, "max_tokens": 32, "limit": 3, "stop": ["\n"]},
            **changes,
        }
    )


def test_a_recipe_that_distils_safety_needs_no_more(tmp_path: Path) -> None:
    """Its distillation gives the data, its evaluation the prompts; the general expert is trained without, in steps of its own."""
    write_inputs(tmp_path)
    own = distilling(tmp_path)
    wanted = MixOrMerge(methods=("linear",), weights=(0.5,))
    found = plan_trade_off(own, wanted, sources(own, wanted), check_files=False)
    assert [one.name for one in found.candidates] == ["general", "safety", "mix-0.1", "linear-0.5"]
    steps = {step.name: step for step in checked_plan(found.steps)}
    assert steps["mix-or-merge/data/0.1"].inputs == {"general": "arbitrage", "safety": "safety"}
    assert steps["mix-or-merge/general/sft/west"].inputs["data"] == "arbitrage"
    assert found.candidates[0].model == "mix-or-merge/general/merge/sft"
    assert "safety" in steps
    assert not {"sft/west", "merge/sft", "mixture/west"} & set(steps)
    asked = steps["mix-or-merge/harm/general"]
    assert asked.paths["prompts"] == str(tmp_path / "prompts.jsonl")
    assert (asked.settings["max_tokens"], asked.settings["limit"], asked.settings["stop"]) == (32, 3, ["\n"])


def test_pairs_that_a_recipe_distils_start_at_the_general_expert(tmp_path: Path) -> None:
    """Both kinds are compared where the recipe mixes both; no step of the recipe's own training is touched."""
    write_inputs(tmp_path)
    own = distilling(tmp_path, pairs=0.15)
    wanted = MixOrMerge(methods=("linear",), weights=(0.5,))
    found = plan_trade_off(own, wanted, sources(own, wanted), check_files=False)
    steps = {step.name: step for step in checked_plan(found.steps)}
    assert steps["mix-or-merge/dpo/expert/safety"].inputs["model"] == "mix-or-merge/general/merge/sft"
    assert found.reference == "dpo-general"
    assert "dpo-mix-0.15" in {one.name for one in found.candidates}
    plain = {step.name for step in plan(own, check_files=False).steps}
    assert {name for name in steps if not name.startswith("mix-or-merge/")} <= plain


def test_a_recipe_without_safety_needs_data_and_prompts(tmp_path: Path) -> None:
    """The option and the recipe's key are named."""
    with pytest.raises(RecipeError, match=r"no prompts to measure safety with\. Give --safety-prompts"):
        sources(recipe(), MixOrMerge())
    with pytest.raises(RecipeError, match=r"no safety data\. Give --safety-data"):
        sources(recipe(), MixOrMerge(prompts=tmp_path / "prompts.jsonl"))
