"""What tells quality in "mix or merge": references, a judge that is a model, or an arbiter; and vocabularies without refusals."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mix_or_merge_example import LANGUAGES, QUESTIONS, finished, inputs, recipe, write_inputs
from rich.console import Console

from polylect import tables
from polylect.errors import EvaluationError, RecipeError
from polylect.evaluate import results
from polylect.recipe import Recipe
from polylect.records import Completion, Prompt, Result
from polylect.run.context import Context
from polylect.run.mix_or_merge import mix_or_merge
from polylect.run.mix_or_merge_choice import Rule
from polylect.run.mix_or_merge_document import collect
from polylect.run.mix_or_merge_plan import plan_trade_off
from polylect.run.mix_or_merge_quality import WIN, HeldOut, held_out, least_tolerance, quality_by
from polylect.run.stages.mix_or_merge import wins
from polylect.run.steps import Step

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from scripted_endpoint import Scripted, completion

JUDGED = {"evaluation": {"judge": "llm", "model": "gemma-3-270m", "shots": 0}}
REWARD = {"arbiter": {"kind": "reward_model", "model": "somewhere"}}
SAID = {"general": "the old town", "better": "the river", "foreign": "река и старый город на берегу", "silent": ""}
"""Candidate -> what it answers; the reference is "the river"."""


def prompts(references: bool = True) -> list[Prompt]:
    """Return held-out questions."""
    return [
        Prompt(
            item=f"q{number}", language="en", kind="open", split="heldout", text=f"What is at the mill {number}?",
            references=("the river",) if references else (), source="here", licence="CC0-1.0",
        )
        for number in range(3)
    ]  # fmt: skip


def from_files(folder: Path, references: bool, **changes: Any) -> Recipe:
    """Return a recipe whose prompts are files."""
    files = {}
    for split in ("seed", "prompt", "preference", "validation", "heldout"):
        rows = [
            replace(row, id="", split=split, language=tag, item=f"{split} {row.item}", text=f"{split}, {tag}: {row.text}")
            for row in prompts(references or split != "heldout")
            for tag in LANGUAGES
        ]
        tables.write(folder / f"{split}.parquet", rows, Prompt)
        files[split] = str(folder / f"{split}.parquet")
    return recipe(prompts={"source": "files", "files": files}, **changes)


def answered(folder: Path, names: tuple[str, ...], settings: dict[str, Any]) -> Context:
    """Write answers of some candidates; return the context of the comparison with "general"."""
    asked = prompts()
    tables.write(folder / "prompts" / "prompts.parquet", asked, Prompt)
    for name in names:
        rows = [
            Completion(
                prompt_id=one.id, item=one.item, language="en", model=name, sample=0, text=SAID[name], finish_reason="stop",
                prompt_tokens=1, completion_tokens=1,
            )
            for one in asked
        ]  # fmt: skip
        tables.write(folder / name / "completions.parquet", rows, Completion)
        tables.write(folder / name / "results.parquet", results(name, asked, rows), Result)
    step = Step(name="wins", function="-", settings={"reference": "general", "candidates": list(names), **settings})
    (folder / "out").mkdir()
    given = {"prompts": folder / "prompts", **{f"answers/{name}": folder / name for name in names}}
    return Context(step=step, inputs=given, out=folder / "out", store=folder)


def won(context: Context) -> dict[str, set[float | None]]:
    """Compare; return candidate -> its values."""
    wins(context)
    found: dict[str, set[float | None]] = {}
    for row in tables.read(context.out / "results.parquet", Result):
        assert row.metric == WIN
        found.setdefault(row.stage, set()).add(row.value)
    return found


def test_scores_of_the_arbiter_say_who_wins(tmp_path: Path) -> None:
    """The higher score wins, a wrong language loses, the general expert ties with itself."""
    context = answered(
        tmp_path, ("general", "better", "foreign"), {"arbiter": {"kind": "verifiable", "model": None, "file": None}}
    )
    assert won(context) == {"general": {50.0}, "better": {100.0}, "foreign": {0.0}}


def test_the_recipes_judge_says_who_wins(tmp_path: Path) -> None:
    """A judge over HTTP that likes one text is asked in both orders; what it cannot be certified for has no value."""
    with Scripted(completion("The first one.\nPreferred: A")) as endpoint:
        how = {"judge": {"model": f"served:{endpoint.url}#judge", "key_env": None, "instructions": "en", "judge_tokens": 32}}
        context = answered(tmp_path, ("general", "better"), how)
        found = won(context)
        assert endpoint.bodies
    assert found["general"] == {50.0}
    assert found["better"] <= {50.0, None}
    assert context.notes["judge"] == "judge"


@pytest.mark.parametrize(
    ("changes", "held", "expected"),
    [
        ({}, HeldOut(10, True), "references"),
        ({}, None, "references"),
        (REWARD, HeldOut(10, True), "references"),
        (REWARD, HeldOut(10, False), "arbiter"),
        (JUDGED, HeldOut(10, True), "judge"),
        (JUDGED, HeldOut(10, False), "judge"),
    ],
)
def test_what_tells_quality(changes: dict[str, Any], held: HeldOut | None, expected: str) -> None:
    """A judge that is a model, where the recipe has one; else references; where there are none, the arbiter."""
    assert quality_by(recipe(**changes), held) == expected


def test_a_recipe_that_cannot_tell_quality_is_refused_before_it_runs(tmp_path: Path) -> None:
    """Without references, judge and arbiter the plan is an error that says what to give."""
    blind = from_files(tmp_path, references=False)
    assert held_out(blind) == HeldOut(3, False)
    with pytest.raises(RecipeError, match=r"no references.*reward_model or file"):
        plan_trade_off(blind, *inputs(tmp_path))
    found = plan_trade_off(from_files(tmp_path, references=False, **REWARD), *inputs(tmp_path))
    assert (found.by, found.wins) == ("arbiter", "mix-or-merge/wins")
    step = next(step for step in found.steps if step.name == found.wins)
    assert step.inputs["answers/general"] == "evaluate/sft"
    assert set(step.settings["candidates"]) == {one.name for one in found.candidates}


def compared(folder: Path, values: dict[str, float | None]) -> None:
    """Write what the comparison says of the made-up candidates."""
    rows = [
        Result(
            stage=name, prompt_id=f"q-{n}-{tag}", item=f"q-{n}", language=tag, kind="town", subset="heldout", metric=WIN,
            value=value if n % 4 else 50.0 if value is not None else None, reason=None if value is not None else "unfit",
        )
        for name, value in values.items()
        for n in range(QUESTIONS)
        for tag in LANGUAGES
    ]  # fmt: skip
    tables.write(folder / "steps" / "mix-or-merge" / "wins" / "results.parquet", rows, Result)


def test_win_rates_stand_for_quality(tmp_path: Path) -> None:
    """The general expert has 50; a merge that loses most comparisons does not keep the rule; the document says what is shown."""
    planned = finished(tmp_path, **JUDGED)
    rates = {"general": 50.0, "safety": 0.0, "mix-0.03": 50.0, "linear-0.5": 100.0, "slerp-0.5": 0.0}
    compared(tmp_path, dict(rates))
    found = collect(planned, tmp_path / "steps", Rule(tolerance=10))
    assert found.summary["recommended"] == "linear-0.5"
    row = next(row for row in found.rows if (row["half"], row["language"], row["candidate"]) == ("report", "mul", "general"))
    assert row["quality"]["value"] == 50.0
    assert "slerp-0.5" not in found.summary["eligible"]
    assert "gemma-3-270m prefers to the general expert's" in found.summary["quality"]
    assert any("prefers" in note for note in found.notes)
    compared(tmp_path, dict.fromkeys(rates))
    with pytest.raises(EvaluationError, match=r"no answer to a held-out item was compared .*wins/drops\.json"):
        collect(planned, tmp_path / "steps", Rule())


def test_few_items_rule_out_no_small_loss() -> None:
    """Half of 400 items, all answered as before, leave about 2 points; half of 48 leave 14."""
    assert least_tolerance(400) == pytest.approx(1.9, abs=0.05)
    assert least_tolerance(48) == pytest.approx(13.8, abs=0.05)
    assert held_out(recipe()) == HeldOut(8, True)


@pytest.mark.slow
def test_the_whole_path_without_references(llama: Path, tmp_path: Path) -> None:
    """Held-out items have no references: a judge over HTTP compares the answers, in one step that a second call uses."""
    wanted = replace(write_inputs(tmp_path), methods=("linear",))
    with Scripted(completion("They are equal.\nPreferred: tie")) as endpoint:
        judge = {"judge": "llm", "model": f"served:{endpoint.url}#judge", "shots": 0}
        own = from_files(tmp_path, references=False, model=str(llama), evaluation=judge)
        report = mix_or_merge(own, wanted, run=tmp_path / "run", console=Console(file=io.StringIO()))
        asked = len(endpoint.bodies)
        mix_or_merge(own, wanted, run=tmp_path / "run", console=Console(file=io.StringIO()))
        assert len(endpoint.bodies) == asked > 0
    assert report.document["summary"]["quality"].startswith("the share of answers to the held-out items that served:")
    values = {row.value for row in tables.read(report.out / "quality.parquet", Result) if row.metric == WIN}
    assert values == {50.0}
