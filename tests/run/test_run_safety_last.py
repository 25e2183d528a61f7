"""Safety learnt after the merges: the model's own answers, the mixture of one last training, and what it makes of the run."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from polylect import tables
from polylect.errors import DataError, RecipeError
from polylect.recipe import load, parse
from polylect.records import Completion, Example, Prompt
from polylect.report import read
from polylect.run import api
from polylect.run.context import Context
from polylect.run.estimate import show
from polylect.run.mix_or_merge_plan import plan_trade_off
from polylect.run.mix_or_merge_wanted import sources
from polylect.run.plan import plan
from polylect.run.stages.rehearsal import rehearse
from polylect.run.stages.safety import mixture
from polylect.run.steps import Step

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from mix_or_merge_example import write_inputs
from run_in_process import carry_out
from safety_recipe import LANGUAGES, REFUSED, TRAINING, recipe_data, teacher, write_files, write_recipe
from scripted_endpoint import Scripted, completion, error

pytestmark = pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing` is deprecated:FutureWarning")
QUIET = Console(file=io.StringIO())
LAST = {"rehearsed": 6, "general": 4, "train": {**TRAINING, "steps": 2}}


@pytest.fixture(scope="module")
def finished(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose last training learns the refusals."""
    folder = tmp_path_factory.mktemp("last")
    safety = {**write_files(folder), "share": 0.2, "last": LAST}
    with teacher() as endpoint:
        path = write_recipe(folder, llama, {**safety, "teacher": f"served:{endpoint.url}#told"}, offline=None)
        carry_out(plan(load(path)), folder / "run")
        api.run(path, out=folder / "run", console=QUIET)
    return folder / "run"


def rows_of(run: Path, step: str) -> list[Example]:
    """Return the rows that a step wrote."""
    return tables.read(run / "steps" / step / "examples.parquet", Example, allow_empty=True)


def notes_of(run: Path, step: str) -> dict[str, Any]:
    """Return the notes in a step's manifest."""
    found: dict[str, Any] = json.loads((run / "steps" / step / "manifest.json").read_text())["notes"]
    return found


def test_the_last_training_alone_has_refusals(finished: Path) -> None:
    """Nothing before it was told of them; its data have the share, the anchors, some of the arbitrage and own answers."""
    assert not [row for row in rows_of(finished, "arbitrage") if row.completion in REFUSED.values()]
    assert not (finished / "steps/mixture").exists()
    rows, notes = rows_of(finished, "safety_mixture"), notes_of(finished, "safety_mixture")
    refusals = [row for row in rows if row.completion in REFUSED.values()]
    assert len(refusals) == notes["safety"] == notes["anchors"] > 0
    assert abs(len(refusals) / len(rows) - 0.2) <= 1 / len(rows)
    general = [row for row in rows if row.model == "one"]
    assert len(general) == notes["arbitrage"] <= 4 * len(LANGUAGES)
    assert len([row for row in rows if row.model == "own"]) == notes["rehearsed"]
    assert notes_of(finished, "safety_sft")["rows"] == len(rows)


def test_it_is_the_stage_that_the_run_hands_over(finished: Path) -> None:
    """It is evaluated like the others, against the stage before it, measured as the final model, and in the report."""
    data = read(finished / "report.json")
    assert data.final_stage == "safety_sft"
    assert {(one.a, one.b) for one in data.comparisons if one.a == "safety_sft"} >= {("safety_sft", "base")}
    assert data.safety is not None
    assert [name for name, _ in data.safety.stages] == ["base", "sft", "final"]
    assert [title for name, title in data.safety.stages if name == "final"] == ["final: safety SFT"]
    assert [(one.training, one.share) for one in data.safety.mixtures] == [("safety_sft", 0.2)]


def prompt(split: str, number: int, tag: str) -> Prompt:
    """Return a prompt of the run."""
    return Prompt(
        item=f"{split} {number}", language=tag, kind="open", split=split, text=f"{tag} {split} {number}?", references=("x",),
        source="here", licence="CC0-1.0",
    )  # fmt: skip


def last_steps(folder: Path, last: dict[str, Any], **changes: Any) -> dict[str, Step]:
    """Return the steps of the small recipe by name."""
    safety = {**write_files(folder), "share": 0.2, "last": last, **changes.pop("safety", {})}
    return {step.name: step for step in plan(parse(recipe_data(folder, Path("base"), safety, **changes))).steps}


def test_no_other_training_reads_refusals(tmp_path: Path) -> None:
    """Clusters, the baseline and the mixed run read the arbitrage; pairs stay where `pairs` asks for them."""
    steps = last_steps(tmp_path, {}, baseline={}, mixed={}, sft={**TRAINING, "steps": 3})
    assert {steps[f"sft/{name}"].inputs["data"] for name in ("all", "mixed", "baseline")} == {"arbitrage"}
    assert steps["offline_dpo/all"].inputs["pairs/0"] == "arbitrage"
    assert steps["rehearsal"].inputs["model"] == steps["safety_sft"].inputs["model"] == "keep/offline_dpo"
    assert steps["safety_eval/final"].inputs == {"model": "safety_sft"}
    # Its settings are those of `sft`, but for batches: grouped by length, refusals would come by themselves.
    trained = {name: dict(steps[name].settings["train"]) for name in ("safety_sft", "sft/all")}
    assert [trained[name].pop("group_by_length") for name in trained] == [False, True]
    assert trained["safety_sft"] == trained["sft/all"]
    paired = last_steps(tmp_path, {}, safety={"pairs": 0.5})
    assert paired["offline_dpo/all"].inputs["pairs/0"] == "mixture_pairs/all"


def test_the_general_expert_of_mix_or_merge_is_the_run_s_own(tmp_path: Path) -> None:
    """Where the clusters learn no refusals their merge is the general expert: nothing is trained twice."""
    wanted = write_inputs(tmp_path)
    for last, general in (({}, "merge/sft"), (None, "mix-or-merge/general/merge/sft")):
        data = recipe_data(tmp_path, Path("base"), {**write_files(tmp_path), "last": last})
        recipe = parse(data)
        found = plan_trade_off(recipe, wanted, sources(recipe, wanted))
        assert [one.model for one in found.candidates if one.name == "general"] == [general]


def test_rehearsed_are_whole_answers_to_trained_prompts(tmp_path: Path) -> None:
    """So many per language, drawn from what is trained on; what is empty, cut off or failed is counted with its reason."""
    rows = [
        prompt(split, number, tag) for split in ("prompt", "preference", "heldout") for number in range(4) for tag in LANGUAGES
    ]
    (tmp_path / "prompts").mkdir()
    tables.write(tmp_path / "prompts/prompts.parquet", rows, Prompt)
    replies = [completion("I remember."), completion(" "), completion("It goes on and", "length"), error(400, "no")]
    with Scripted(lambda number: replies[min(number, 5) - 2] if number > 1 else replies[0]) as endpoint:
        settings = {
            "languages": list(LANGUAGES), "prompts": 3, "generation": {"max_tokens": 8}, "kind": "served", "model": "m",
            "url": endpoint.url, "key_env": None,
        }  # fmt: skip
        step = Step(name="rehearsal", function="m:f", settings=settings)
        context = Context(step=step, inputs={"prompts": tmp_path / "prompts"}, out=tmp_path, store=tmp_path)
        rehearse(context)
    asked = tables.read(tmp_path / "completions.parquet", Completion)
    assert sorted(one.language for one in asked) == ["en"] * 3 + ["fr"] * 3
    assert not [one for one in asked if one.item.startswith("heldout")]
    own = tables.read(tmp_path / "examples.parquet", Example)
    dropped = json.loads((tmp_path / "drops.json").read_text())
    assert {one.completion for one in own} == {"I remember."}
    assert {reason.partition(": ")[2][:12] for reason in dropped} == {"empty", "cut off", "failed: HTTP"}
    assert len(own) + sum(dropped.values()) == 6


def mixed(
    finished: Path, folder: Path, rows: list[Example], own: list[Example], most_general: int | None
) -> tuple[list[Example], dict[str, Any]]:
    """Mix rows of the arbitrage and own answers with the run's refusals; return the rows and what was noted."""
    inputs = {"safety": finished / "steps/safety"}
    for role, table in (("general", rows), ("rehearsal", own)):
        inputs[role] = folder / role
        tables.write(inputs[role] / "examples.parquet", table, Example)
    settings = {
        "kind": "sft", "table": "examples.parquet", "languages": list(LANGUAGES), "share": 0.2, "anchors": 1,
        "keep_general": True, "most_general": most_general,
    }  # fmt: skip
    context = Context(step=Step(name="mix", function="m:f", settings=settings), inputs=inputs, out=folder, store=folder)
    mixture(context)
    return tables.read(folder / "examples.parquet", Example), context.notes


def test_an_own_answer_does_not_stand_beside_the_arbitrage_s(finished: Path, tmp_path: Path) -> None:
    """Of a prompt that is there already the own answer is left out, and counted; without a limit all the arbitrage is there."""
    rows = [
        Example(prompt_id=f"{tag}{i}", item=str(i), language=tag, prompt=f"{i}?", completion=f"{i}", model="one", score=1.0)
        for i in range(8)
        for tag in LANGUAGES
    ]
    own = [replace(row, completion="mine", model="own") for row in rows]
    found, notes = mixed(finished, tmp_path / "some", rows, own, 3)
    assert (notes["arbitrage"], notes["rehearsed"], notes["rehearsed_elsewhere"]) == (6, 10, 6)
    assert sorted(row.prompt_id for row in found if row.model in ("one", "own")) == sorted(row.prompt_id for row in rows)
    assert {tag: sum(row.model == "one" and row.language == tag for row in found) for tag in LANGUAGES} == {"en": 3, "fr": 3}
    _, notes = mixed(finished, tmp_path / "all", rows, own, None)
    assert (notes["arbitrage"], notes["rehearsed"], notes["general"]) == (16, 0, 16)


def test_a_model_that_only_refuses_is_not_learnt(finished: Path, tmp_path: Path) -> None:
    """Where nothing but refusals is left the run ends and says where to look."""
    with pytest.raises(DataError, match=r"safety\.last: neither .* `arbitrage` and `rehearsal`"):
        mixed(finished, tmp_path / "none", [], [], None)


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"share": 0, "pairs": 0.5}, "`last` is a training on refusals, and `share` is 0"),
    ({"last": {"general": 0, "rehearsed": 0}}, r"safety\.last|neither `general` nor `rehearsed`"),
    ({"last": {"rehearsed": -1}}, r"safety\.last\.rehearsed: .*greater than or equal to 0"),
    ({"last": {"rehearse": 3}}, r"unknown key 'safety\.last\.rehearse'.*rehearsed"),
    ({"last": {"train": {"epoch": 3}}}, r"unknown key 'safety\.last\.train\.epoch'.*epochs"),
    ({"teacher": "safety_sft"}, r"safety\.teacher: 'safety_sft' is made after the distillation"),
    ({"prompts": None, "preamble": None, "share": 0.03}, "`last` is of the distillation, which needs `prompts`"),
)


@pytest.mark.parametrize(("change", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_keys_that_make_no_sense(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """The key, the value and the rule are named before anything runs."""
    with pytest.raises(RecipeError, match=message):
        last_steps(tmp_path, LAST, safety=change)


def test_the_dry_run_counts_it(tmp_path: Path) -> None:
    """Its steps have tokens, and the refusals that the share takes are counted against its rows."""
    text = io.StringIO()
    safety = {**write_files(tmp_path), "share": 0.2, "last": {"rehearsed": 40, "general": 10, "train": TRAINING}}
    show(plan(parse(recipe_data(tmp_path, Path("base"), safety)), check_files=False), Console(file=text, width=160))
    lines = text.getvalue().splitlines()
    cells = {
        name: next(line for line in lines if line.startswith(f"│ {name} ")).split("│") for name in ("rehearsal", "safety_sft")
    }
    tokens = {name: int(cell[3].strip().replace(",", "")) for name, cell in cells.items()}
    assert tokens["safety_sft"] > tokens["rehearsal"] > 0
    assert "safety.share: 0.2 takes about 33 refusals in the last training; its prompts give at most 12." in text.getvalue()
