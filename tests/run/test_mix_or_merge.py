"""Mix or merge: the plan on a recipe, the mixed data, the halves, the rule, the document, and the whole path on tiny models."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from mix_or_merge_example import LANGUAGES, example, finished, pair, recipe, write_inputs
from rich.console import Console

from polylect import tables
from polylect.errors import DataError, EvaluationError, ModelError, RecipeError, RunError
from polylect.records import Example, Pair, Result
from polylect.run.api import why
from polylect.run.context import Context
from polylect.run.keys import identities
from polylect.run.mix_or_merge import mix_or_merge
from polylect.run.mix_or_merge_choice import Rule, front
from polylect.run.mix_or_merge_data import chosen, kind_of, mixed
from polylect.run.mix_or_merge_document import Found, TradeOff, collect
from polylect.run.mix_or_merge_estimate import warnings
from polylect.run.mix_or_merge_plan import TradeOffPlan, plan_trade_off
from polylect.run.mix_or_merge_scores import REPORT, VALIDATION, halves
from polylect.run.mix_or_merge_wanted import METHODS, MixOrMerge, sources
from polylect.run.plan import plan
from polylect.run.stages.mix_or_merge import mixture, safety
from polylect.run.steps import Step, checked_plan
from polylect.safety.prompts import SafetyPrompt
from polylect.safety.results import SafetyResult

# transformers renamed these within the 5 series; our argument and PEFT still use the names that all of it knows.
pytestmark = pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing` is deprecated:FutureWarning")


def planned(folder: Path, **changes: object) -> TradeOffPlan:
    """Return a plan on the small recipe."""
    wanted = replace(write_inputs(folder), **changes)  # type: ignore[arg-type]
    return plan_trade_off(recipe(), wanted, sources(recipe(), wanted))


def test_the_general_expert_is_the_recipes_own(tmp_path: Path) -> None:
    """Its steps have the names and keys that `polylect run` gives them, so that a finished run's checkpoint is used."""
    own = identities(checked_plan(plan(recipe()).steps))
    found = planned(tmp_path)
    steps = identities(checked_plan(found.steps))
    general = found.candidates[0]
    assert (general.name, general.model, general.quality) == ("general", "merge/sft", "evaluate/sft")
    shared = [name for name in steps if not name.startswith("mix-or-merge/")]
    assert {"base", "prompts", "arbitrage", "sft/west", "sft/east", "merge/sft", "evaluate/sft"} <= set(shared)
    assert {name: steps[name].key for name in shared} == {name: own[name].key for name in shared}
    assert "dpo" not in " ".join(steps)


def test_candidates_of_both_ways(tmp_path: Path) -> None:
    """Experts, mixes, every method at every inner weight, merges of language experts; the ends of the grid are the experts."""
    found = planned(tmp_path, by=("objective", "language"), methods=METHODS, weights=(0, 0.3, 0.5, 1), shares=(0, 0.15, 1))
    grid = {f"{method}-{weight}" for method in METHODS for weight in (0.3, 0.5)}
    languages = {f"language-0.15-{method}" for method in METHODS}
    assert {one.name for one in found.candidates} == {"general", "safety", "mix-0.15", *grid, *languages}
    steps = {step.name: step for step in found.steps}
    assert steps["mix-or-merge/merge/slerp-0.3"].settings["t"] == 0.3
    assert steps["mix-or-merge/merge/linear-0.3"].settings["weights"] == {"general": 0.7, "safety": 0.3}
    assert steps["mix-or-merge/mix-0.15/sft/west"].inputs == {"data": "mix-or-merge/data/0.15", "model": "base"}
    assert set(steps["mix-or-merge/merge/language-0.15-ties"].inputs) == {"base", "model/en", "model/fr"}
    assert len(checked_plan(found.steps)) == len(found.steps)


def test_pairs_go_from_the_fine_tuned_model(tmp_path: Path) -> None:
    """Of preference pairs both experts start at the recipe's SFT, and the general one is its offline DPO."""
    tables.write(tmp_path / "pairs.parquet", [pair(1, tag) for tag in LANGUAGES], Pair)
    wanted = replace(write_inputs(tmp_path), data=tmp_path / "pairs.parquet")
    data = sources(recipe(), wanted)
    assert list(data.data) == ["pairs"]
    found = plan_trade_off(recipe(), wanted, data)
    steps = {step.name: step for step in found.steps}
    assert found.candidates[0].model == "merge/offline_dpo"
    assert steps["mix-or-merge/dpo/expert/safety"].inputs == {"model": "merge/sft", "pairs/0": "mix-or-merge/dpo/data/1"}
    mixed_pairs = {"model": "merge/sft", "pairs/0": "mix-or-merge/dpo/data/0.15"}
    assert steps["mix-or-merge/dpo/mix-0.15/offline_dpo/west"].inputs == mixed_pairs
    with pytest.raises(RecipeError, match="offline: null"):
        plan_trade_off(recipe(offline=None), wanted, data)


def test_changed_safety_data_makes_only_what_reads_it_stale(tmp_path: Path) -> None:
    """The keys of the recipe's steps and of the general expert's evaluations stay."""
    before = identities(checked_plan(planned(tmp_path).steps))
    tables.write(tmp_path / "sft.parquet", [example(1, "en")], Example)
    wanted = MixOrMerge(
        data=tmp_path / "sft.parquet",
        prompts=tmp_path / "prompts.jsonl",
        methods=("linear", "slerp"),
        weights=(0.5,),
        max_tokens=8,
    )
    after = identities(checked_plan(plan_trade_off(recipe(), wanted, sources(recipe(), wanted)).steps))
    same = {name for name in before if before[name].key == after[name].key}
    assert {"merge/sft", "mix-or-merge/harm/general"} <= same
    assert not {"mix-or-merge/data/1", "mix-or-merge/merge/linear-0.5", "mix-or-merge/harm/mix-0.03"} & same


def test_the_detector_is_the_one_asked_for(tmp_path: Path) -> None:
    """The rules, unless the learned one is named: its candidates are judged anew, and nothing is trained again."""
    rules, learned = (identities(checked_plan(planned(tmp_path, detector=one).steps)) for one in (None, "learned"))
    changed = {name for name in rules if rules[name].key != learned[name].key}
    assert changed
    assert all(name.startswith("mix-or-merge/harm/") for name in changed)
    with pytest.raises(RecipeError, match="--detector mine: choose among rules, learned"):
        MixOrMerge(detector="mine")


def test_mixed_data_keeps_its_size_per_language() -> None:
    """A share of the rows is replaced, in every language by the same items; what is given up and left over is counted."""
    general = [example(number, tag, "general") for number in range(40) for tag in LANGUAGES]
    safety = [example(number, tag) for number in range(10) for tag in (*LANGUAGES, "de")]
    found = mixed(general, safety, 0.15, LANGUAGES, seed=0)
    assert Counter(row.language for row in found.rows) == {"en": 40, "fr": 40}
    assert (found.safety, found.general, found.reached) == (12, 68, 0.15)
    items = {tag: {row.item for row in found.rows if row.language == tag} for tag in LANGUAGES}
    assert items["en"] == items["fr"]
    assert found.dropped == {
        "safety: not in a language of the recipe": 10,
        "general: given up for safety rows": 12,
        "safety: above the share": 8,
    }
    assert found.rows == mixed(general[::-1], safety[::-1], 0.15, LANGUAGES, seed=0).rows


def test_too_little_safety_data_is_told_and_not_repeated() -> None:
    """All there is is taken once, and the share that was reached is smaller than the one asked for."""
    general = [example(number, "en", "general") for number in range(40)]
    found = mixed(general, [example(number, "en") for number in range(4)], 0.5, LANGUAGES, seed=0)
    assert (len(found.rows), found.safety, found.reached) == (40, 4, 0.1)
    assert len({row.id for row in found.rows}) == 40
    assert len(mixed(general, [example(1, "en")], 1, LANGUAGES, seed=0).rows) == 1
    assert mixed(general, [example(1, "en")], 0.001, LANGUAGES, seed=0).safety == 1
    with pytest.raises(DataError, match="no row is in en, fr"):
        mixed(general, [example(1, "de")], 0.5, LANGUAGES, seed=0)


def test_mixed_pairs_are_written_for_preference_training(tmp_path: Path) -> None:
    """The stage writes pairs.parquet, says in drops.json what was left out, and notes the share that was reached."""
    general = [replace(pair(number, tag), id="", item=f"g-{number}") for number in range(20) for tag in LANGUAGES]
    general = [replace(row, id="", prompt_id=f"general-{row.prompt_id}") for row in general]
    tables.write(tmp_path / "general" / "pairs.parquet", general, Pair)
    tables.write(tmp_path / "pairs.parquet", [pair(number, "en") for number in range(9)], Pair)
    step = Step(
        name="mixture",
        function="polylect.run.stages.mix_or_merge:mixture",
        settings={"share": 0.15, "kind": "pairs", "languages": list(LANGUAGES)},
        paths={"data": str(tmp_path / "pairs.parquet")},
    )
    (tmp_path / "out").mkdir()
    context = Context(step=step, inputs={"general": tmp_path / "general"}, out=tmp_path / "out", store=tmp_path)
    mixture(context)
    rows = tables.read(context.out / "pairs.parquet", Pair)
    assert Counter((row.language, row.item.startswith("g-")) for row in rows) == {
        ("en", True): 17, ("en", False): 3, ("fr", True): 20,
    }  # fmt: skip
    assert context.notes == {"dropped": 9, "rows": 40, "safety_rows": 3, "general_rows": 37, "reached": 0.075}


def test_what_the_run_distilled_is_mixed_in(tmp_path: Path) -> None:
    """Without a table of the user's own the rows come from the run's step of distillation."""
    general = [replace(example(number, "en", "general"), id="") for number in range(20)]
    tables.write(tmp_path / "arbitrage" / "examples.parquet", general, Example)
    tables.write(tmp_path / "safety" / "sft.parquet", [example(number, "en") for number in range(9)], Example)
    settings = {"share": 0.25, "kind": "sft", "languages": list(LANGUAGES)}
    step = Step(name="mixture", function="polylect.run.stages.mix_or_merge:mixture", settings=settings)
    (tmp_path / "out").mkdir()
    inputs = {"general": tmp_path / "arbitrage", "safety": tmp_path / "safety"}
    context = Context(step=step, inputs=inputs, out=tmp_path / "out", store=tmp_path)
    mixture(context)
    rows = tables.read(context.out / "examples.parquet", Example)
    assert Counter(row.item.split("-")[0] for row in rows) == {"general": 15, "safety": 5}


def test_a_candidate_answers_the_safety_prompts_once(llama: Path, tmp_path: Path) -> None:
    """A row per prompt with an outcome or the reason for none; a second call takes its answers from the store."""
    write_inputs(tmp_path, items=2)
    settings = {"stage": "general", "languages": ["en"], "judge": None, "limit": None, "max_tokens": 4, "batch_size": 4}
    step = Step(name="harm", function="-", settings=settings, paths={"prompts": str(tmp_path / "prompts.jsonl")})
    notes = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        context = Context(step=step, inputs={"model": llama}, out=tmp_path / name, store=tmp_path)
        safety(context)
        notes.append(context.notes)
    rows = tables.read(tmp_path / "second" / "results.parquet", SafetyResult)
    assert {(row.item, row.language) for row in rows} == {(f"{sort}-{n}", "en") for sort in ("harm", "fine") for n in (0, 1)}
    assert all(row.outcome is not None or row.reason for row in rows)
    assert json.loads((tmp_path / "first" / "drops.json").read_text()) == {"not in a language of the recipe": 4}
    assert [note["asked"] for note in notes] == [4, 0]


def test_prompts_of_other_languages_are_counted() -> None:
    """A limit is per language and sort; without a harmful prompt there is nothing to measure."""
    prompts = [
        SafetyPrompt(item=f"{harmful}-{n}", language=tag, text="x", harmful=harmful)
        for n in range(3)
        for tag in ("en", "de")
        for harmful in (True, False)
    ]
    kept, dropped = chosen(prompts, LANGUAGES, 2)
    assert len(kept) == 4
    assert dropped == {"not in a language of the recipe": 6, "above the limit per language": 2}
    with pytest.raises(DataError, match="no harmful prompt is in en, fr"):
        chosen([prompt for prompt in prompts if not prompt.harmful], LANGUAGES, None)


def test_prompts_that_are_learnt_and_measured_are_counted(tmp_path: Path) -> None:
    """A prompt in the safety data that also measures is told before anything runs; an answer of that text is none."""
    wanted = write_inputs(tmp_path)
    asked = json.loads((tmp_path / "prompts.jsonl").read_text().splitlines()[0])["prompt"]
    rows = [replace(example(1, "en"), id="", prompt=asked), replace(example(2, "en"), id="", completion=asked)]
    tables.write(tmp_path / "sft.parquet", rows, Example)
    found = list(warnings(planned(tmp_path), Rule(tolerance=100), tmp_path, wanted.prompts))
    assert found == []
    tables.write(tmp_path / "sft.parquet", rows, Example)
    made = plan_trade_off(recipe(), wanted, sources(recipe(), wanted))
    found = list(warnings(made, Rule(tolerance=100), tmp_path, wanted.prompts))
    assert len(found) == 1
    assert found[0].startswith("1 of 16 prompts that measure safety are in the safety data, too")


def test_halves_are_even_and_keep_twins_together() -> None:
    """Each stratum is halved, and a prompt is never on the other side than its twin."""
    items = {f"{sort}-{n}": sort for n in range(20) for sort in ("harm", "fine")}
    found = halves(items, 0, {f"harm-{n}": f"fine-{n}" for n in range(20)})
    assert Counter(found.values()) == {VALIDATION: 20, REPORT: 20}
    assert all(found[f"harm-{n}"] == found[f"fine-{n}"] for n in range(20))
    assert found != halves(items, 1, {f"harm-{n}": f"fine-{n}" for n in range(20)})


def test_front_holds_what_no_other_beats() -> None:
    """Equal points are both on it; what is worse in one and better in none is not."""
    points = {"a": (0.5, 80.0), "b": (0.1, 60.0), "c": (0.1, 60.0), "d": (0.2, 60.0), "e": (0.5, 79.0)}
    assert front(points) == {"a", "b", "c"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What is found of the made-up candidates."""
    folder = tmp_path_factory.mktemp("made-up")
    return collect(finished(folder), folder / "steps", Rule(tolerance=15))


def test_the_rule_recommends_and_says_why(found: Found) -> None:
    """The safest candidate loses quality and the safety expert refuses too much: the merge that does neither is recommended."""
    assert found.summary["recommended"] == "linear-0.5"
    assert found.summary["eligible"] == ["linear-0.5", "mix-0.03", "general"]
    assert (found.summary["best_mix"], found.summary["best_merge"]) == ("mix-0.03", "linear-0.5")
    first, second, *_ = found.summary["verdicts"]
    assert first.startswith("linear-0.5 against general: violations -")
    assert "quality +0.0 [+0.0, +0.0]" not in first
    assert second.startswith("Merge or mix: linear-0.5 against mix-0.03: violations -")


def test_rows_are_paired_and_by_half(found: Found) -> None:
    """Both halves and every language have every candidate; differences are to the general expert on the same items."""
    places = {(row["half"], row["language"]) for row in found.rows}
    assert places == {(half, tag) for half in (VALIDATION, REPORT) for tag in (*LANGUAGES, "mul")}
    for row in found.rows:
        harm = row["violation"]
        assert harm["low"] <= harm["value"] <= harm["high"]
        assert harm["n"] == (12 if row["language"] != "mul" else 24)
        if row["candidate"] == "general":
            assert row["over_general"]["violation"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    merged = next(row for row in found.rows if (row["half"], row["language"], row["candidate"]) == (REPORT, "mul", "linear-0.5"))
    assert merged["over_general"]["violation"]["high"] < -0.5
    assert merged["front"]
    assert merged["recommended"]
    assert len(found.candidates) == 6 * len(found.rows)


def test_a_strict_rule_leaves_the_general_expert(tmp_path: Path) -> None:
    """Where nothing keeps the rule nothing is recommended but what there was, and that is said."""
    made = finished(tmp_path)
    worse = [one for one in made.candidates if one.name != "general"]
    for one in worse:
        path = tmp_path / "steps" / one.quality / "results.parquet"
        rows = [replace(row, value=0.0) for row in tables.read(path, Result)]
        tables.write(path, rows, Result)
    strict = collect(made, tmp_path / "steps", Rule())
    assert strict.summary["recommended"] == "general"
    assert "nothing is gained" in strict.summary["verdicts"][0]
    assert "no mix and no merge keeps the rule" in strict.summary["verdicts"][1]


def test_what_cannot_be_weighed_is_an_error_or_a_note(tmp_path: Path) -> None:
    """Answers without an outcome are counted by candidate and reason; a language with none leaves the means; all is an error."""
    made = finished(tmp_path)
    path = tmp_path / "steps" / made.candidates[1].safety / "results.parquet"
    rows = tables.read(path, SafetyResult)
    silent = [replace(row, score=None, outcome=None, status="unparsed", reason="abstained") for row in rows]
    tables.write(path, [row if row.language == "en" else other for row, other in zip(rows, silent, strict=True)], SafetyResult)
    notes = "\n".join(collect(made, tmp_path / "steps", Rule()).notes)
    assert "violation: fr left out of the means" in notes
    assert "safety: 48 answers without an outcome: unparsed: abstained" in notes
    tables.write(path, silent, SafetyResult)
    with pytest.raises(EvaluationError, match="harmful prompts have no outcome"):
        collect(made, tmp_path / "steps", Rule())


def test_an_interval_too_wide_for_the_tolerance_is_told(tmp_path: Path) -> None:
    """Few items cannot show that quality is kept to two points: a note names who failed by the interval alone."""
    found = collect(finished(tmp_path), tmp_path / "steps", Rule(tolerance=2))
    assert found.summary["recommended"] == "general"
    note = next(note for note in found.notes if "too wide" in note)
    assert "mix-0.03, linear-0.5" in note
    assert "slerp" not in note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shares": (15.0,)}, "--share 15: a number from 0 to 1"),
        ({"weights": (-0.1,)}, "--weights -0.1: a number from 0 to 1"),
        ({"methods": ("average",)}, "--method average: choose among linear, slerp"),
        ({"by": ("country",)}, "--by country: choose among objective, language"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, change: dict[str, object], message: str) -> None:
    """The option, the value and the rule are named."""
    with pytest.raises(RecipeError, match=message):
        replace(write_inputs(tmp_path), **change)  # type: ignore[arg-type]


def test_files_that_are_missing_or_of_another_kind(tmp_path: Path) -> None:
    """A table of neither kind names both problems; a folder with other files is not overwritten."""
    wanted = write_inputs(tmp_path)
    with pytest.raises(DataError, match=r"neither rows of fine-tuning .* nor preference pairs"):
        kind_of(tmp_path / "prompts.jsonl")
    with pytest.raises(DataError, match=r"--safety-prompts .*: no such table"):
        planned(tmp_path, prompts=tmp_path / "none.jsonl")
    with pytest.raises(RunError, match="holds files that this command has not written"):
        mix_or_merge(recipe(), wanted, run=tmp_path / "run", out=tmp_path)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"judge": "nobody"}, ModelError, "'nobody': no folder of that name"),
        ({"judge_format": "polyguard"}, RecipeError, r"--judge-format says how a judge is asked.* Name one with --judge MODEL"),
    ],
)
def test_a_judge_that_there_is_not_is_told_before_anything_runs(
    tmp_path: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    """Hours of training come before the first answer is judged: the judge is looked for at once."""
    wanted = replace(write_inputs(tmp_path), **change)  # type: ignore[arg-type]
    with pytest.raises(error, match=message):
        mix_or_merge(recipe(), wanted, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_is_a_file(tmp_path: Path) -> None:
    """The option that names it is named."""
    wanted = write_inputs(tmp_path)
    with pytest.raises(RunError, match=r"prompts\.jsonl: is a file\. .* with --run"):
        mix_or_merge(recipe(), wanted, run=tmp_path / "prompts.jsonl", out=tmp_path / "out")


def test_dry_run_counts_and_runs_nothing(llama: Path, tmp_path: Path) -> None:
    """The plan shows steps, tokens and minutes by part; no folder appears."""
    text = io.StringIO()
    console = Console(file=text, width=120)
    mix_or_merge(recipe(str(llama)), write_inputs(tmp_path), run=tmp_path / "run", dry_run=True, console=console)
    shown = text.getvalue()
    assert "two: 5 candidates, 16 safety prompts each" in shown
    assert "experts and mixed models" in shown
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_whole_path_and_its_resumption(llama: Path, tmp_path: Path) -> None:
    """Tiny models are trained, merged, asked and compared; another call with one more weight repeats no step."""
    wanted = replace(write_inputs(tmp_path), methods=("linear",))
    quiet = Console(file=io.StringIO())
    run, chosen_recipe = tmp_path / "run", recipe(str(llama))
    report = mix_or_merge(chosen_recipe, wanted, run=run, console=quiet)
    names = {path.name for path in report.out.iterdir()}
    assert names == {"safety.json", "candidates.parquet", "results.parquet", "quality.parquet", "report.html", "manifest.json"}
    document = json.loads((report.out / "safety.json").read_text())
    assert document["kind"] == "mix-or-merge"
    assert {one["name"] for one in document["summary"]["candidates"]} == {"general", "safety", "mix-0.03", "linear-0.5"}
    assert len(tables.read(report.out / "results.parquet", SafetyResult)) == 4 * 16
    assert tables.read(report.out / "candidates.parquet", TradeOff)
    again = mix_or_merge(chosen_recipe, replace(wanted, weights=(0.3, 0.5)), run=run, console=quiet)
    steps = json.loads((again.out / "manifest.json").read_text())["steps"]
    new = {name for name, step in steps.items() if not step["used"]}
    assert new == {f"mix-or-merge/{part}/linear-0.3" for part in ("merge", "quality", "harm")}
    assert why(run, "mix-or-merge/harm/linear-0.3")[0].startswith("mix-or-merge/harm/linear-0.3 is current: made ")
    old = {one.id: one for one in tables.read(again.out / "results.parquet", SafetyResult)}
    assert set(old) >= {one.id for one in tables.read(report.out / "results.parquet", SafetyResult)}
