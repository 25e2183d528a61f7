"""A judge that is a model in a recipe: win rates of stages from its verdicts, and what it is worth, in the report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polylect import report, tables
from polylect.errors import RecipeError
from polylect.models.spec import model_kind
from polylect.recipe import parse
from polylect.records import MULTIPLE, Comparison, Completion, Prompt, Result, Verdict
from polylect.run import Context, Step
from polylect.run.plan import plan
from polylect.run.reporting_judge import read_judge
from polylect.run.stages import evaluation, judging, training

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))
from judging_examples import SENTENCES, ScriptedJudge, Seen, answer, chance

LANGUAGES = ("en", "tr", "sw")
ITEMS = 24
STAGES = {"base": 1.0, "sft": 1.3, "online": 1.6}
JUDGES: dict[str, ScriptedJudge] = {}


@model_kind("recipe-judge")
def _open(target: str, settings: dict[str, Any]) -> ScriptedJudge:
    return JUDGES[target]


def first_in_swahili(seen: Seen) -> str:
    """Judge well, but prefer the answer shown first in Swahili."""
    return "A" if seen.language == "sw" else seen.better


def fond_of_english(seen: Seen) -> str:
    """Judge well, but prefer an English answer whatever the language of the question."""
    english = [SENTENCES["en"] in text for text in (seen.first, seen.second)]
    return seen.better if english[0] == english[1] else "A" if english[0] else "B"


def prompts(split: str = "heldout") -> list[Prompt]:
    """Return questions without references: nothing but a judge can tell answers apart."""
    return [
        Prompt(
            item=f"item {number}", language=language, kind="open", split=split, text=f"question {number}: {SENTENCES[language]}",
            references=(), source="here", licence="CC0-1.0",
        )
        for number in range(ITEMS)
        for language in LANGUAGES
    ]  # fmt: skip


def write_stage(folder: Path, stage: str, rows: list[Prompt]) -> Path:
    """Write the output of an evaluation step: as good as `STAGES` says; base answers every sixth Turkish item in English."""
    from polylect.evaluate import results

    completions = []
    for row in rows:
        foreign = stage == "base" and row.language == "tr" and int(row.item.split()[1]) % 6 == 0
        text = answer("en" if foreign else row.language, STAGES[stage] + chance(stage, row.item))
        completions.append(
            Completion(
                prompt_id=row.id, item=row.item, sample=0, language=row.language, model=stage, text=text,
                prompt_tokens=1, completion_tokens=1, finish_reason="stop",
            )
        )  # fmt: skip
    judged = [Prompt(**{**row.as_dict(), "id": "", "split": "heldout"}) for row in rows]
    tables.write(folder / "completions.parquet", completions, Completion)
    tables.write(folder / "results.parquet", results(stage, judged, completions), Result)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[Context, Path]]:
    """Return a function that carries out the step "judge" of a run with three stages, and gives its context and output."""

    def carry_out(say: Callable[[Seen], str], **settings: Any) -> tuple[Context, Path]:
        JUDGES["one"] = ScriptedJudge(say)
        rows = prompts()
        tables.write(tmp_path / "prompts" / "prompts.parquet", rows, Prompt)
        inputs = {stage: write_stage(tmp_path / stage, stage, rows) for stage in STAGES} | {"prompts": tmp_path / "prompts"}
        chosen = {"model": "recipe-judge:one", "key_env": None, "instructions": "en", "judge_tokens": 64, **settings}
        wanted = {"stages": list(STAGES), "previous": {"sft": "base", "online": "sft"}, "references": ["base"],
                  "languages": list(LANGUAGES), "judge": chosen}  # fmt: skip
        context = made(tmp_path, "judge", "judging:judge", wanted, inputs)
        judging.judge(context)
        return context, context.out

    return carry_out


def made(folder: Path, name: str, function: str, settings: dict[str, Any], inputs: dict[str, Path]) -> Context:
    """Return the context of a step that writes into `folder/out-NAME`."""
    (folder / f"out-{name}").mkdir()
    step = Step(name=name, function=f"polylect.run.stages.{function}", settings=settings, seed=1)
    return Context(step=step, inputs=inputs, out=folder / f"out-{name}", store=folder / "store")


def compared(context: Context, judge: Path) -> dict[tuple[str, str, str], Comparison]:
    """Carry out the comparison that reads the judge's step; return its win rates."""
    settings = {key: value for key, value in context.settings.items() if key != "judge"}
    inputs = {role: path for role, path in context.inputs.items() if role != "prompts"} | {"judge": judge}
    step = made(judge.parent, "compare", "evaluation:compare", settings, inputs)
    evaluation.compare(step)
    return {(row.a, row.b, row.language): row for row in tables.read(step.out / "comparisons.parquet", Comparison)}


def test_win_rates_are_the_judges(run: Callable[..., Any]) -> None:
    """Later stages win by the judge's verdicts where no reference could tell them apart; each pair is asked in both orders."""
    context, out = run(lambda seen: seen.better)
    rates = compared(context, out)
    assert {pair[:2] for pair in rates} == {("sft", "base"), ("online", "base"), ("online", "sft")}
    assert rates["online", "base", MULTIPLE].win_rate > rates["sft", "base", MULTIPLE].win_rate > 0.6
    assert JUDGES["one"].asked == context.notes["verdicts"] == 2 * 3 * ITEMS * len(LANGUAGES)
    assert {row.judge for row in tables.read(out / "verdicts.parquet", Verdict)} == {"judge"}
    judging.judge(made(out.parent, "again", "judging:judge", dict(context.settings), dict(context.inputs)))
    assert JUDGES["one"].asked == context.notes["verdicts"], "verdicts come from the store"


def test_an_unfit_judge_gives_no_win_rate(run: Callable[..., Any]) -> None:
    """A judge that goes by the place in one language is unfit there: no rate, the reason, and the mean is over the others."""
    context, out = run(first_in_swahili)
    rates = compared(context, out)
    swahili = rates["online", "base", "sw"]
    assert (swahili.win_rate, swahili.unscored, swahili.n) == (None, ITEMS, 0)
    assert swahili.reason.startswith("judge unfit: its two orders agree in 0%")
    others = [rates["online", "base", tag].win_rate for tag in ("en", "tr")]
    assert rates["online", "base", MULTIPLE].win_rate == pytest.approx(sum(others) / 2)
    assert context.notes["unfit"] == ["sw"]
    assert {row.status for row in read_judge(out).rows if row.language != "sw"} == {"fit"}


def test_the_language_gate_stands_beside(run: Callable[..., Any]) -> None:
    """Answers in a wrong language lose; the win rate without that rule and the number of such answers are kept, too."""
    context, out = run(fond_of_english)
    gated = compared(context, out)["sft", "base", "tr"].win_rate
    judge = read_judge(out)
    ungated = next(row.win_rate for row in judge.ungated if (row.a, row.b, row.language) == ("sft", "base", "tr"))
    assert judge.wrong_language["sft", "base", "tr"] == (0, 4)
    assert gated == pytest.approx(ungated + 4 / ITEMS)


def test_a_judge_that_cannot_be_read_is_counted(run: Callable[..., Any]) -> None:
    """Verdicts without a form are unscored with their reason, and dropped rows of the step."""
    _, out = run(lambda seen: "I like both." if chance("mute", seen) < 0.05 else seen.better)
    dropped = json.loads((out / "drops.json").read_text())
    assert set(dropped) == {"no verdict: no line with a verdict"}
    assert 0 < dropped["no verdict: no line with a verdict"] < 60


def test_a_preference_step_is_kept_by_the_judge(tmp_path: Path, llama: Path) -> None:
    """With a judge that is a model, the validation items are judged by it, and answers go on with the checkpoint."""
    JUDGES["two"] = ScriptedJudge(lambda seen: seen.better)
    rows = prompts("validation")
    tables.write(tmp_path / "prompts" / "prompts.parquet", rows, Prompt)
    inputs = {"before": llama, "after": llama, "prompts": tmp_path / "prompts",
              "before_results": write_stage(tmp_path / "online", "online", rows),
              "after_results": write_stage(tmp_path / "sft", "sft", rows)}  # fmt: skip
    chosen = {"model": "recipe-judge:two", "key_env": None, "instructions": "native", "judge_tokens": 64}
    step = made(tmp_path, "keep", "training:keep", {"unless_worse": True, "judge": chosen}, inputs)
    training.keep(step)
    verdict = json.loads((step.out / "verdict.json").read_text())
    assert (verdict["kept"], verdict["against"], verdict["n"]) == (False, "online", ITEMS * len(LANGUAGES))
    assert verdict["win_rate"] < 0.5
    assert {row.model for row in tables.read(step.out / "completions.parquet", Completion)} == {"online"}


def test_the_plan_has_a_step_for_the_judge() -> None:
    """The judge is asked once for all pairs; keeping reads prompts; by rule nothing of this is planned."""
    recipe = {"name": "r", "languages": ["en"], "model": {"base": "b"}, "pool": {"far": {"kind": "local", "model": "base"}}}
    planned = plan(parse(recipe | {"evaluation": {"judge": "llm", "model": "served:http://here/v1#j", "key_env": "KEY"}}))
    steps = {step.name: step for step in planned.steps}
    assert steps["compare"].inputs["judge"] == "judge"
    assert steps["judge"].settings["judge"] == {
        "model": "served:http://here/v1#j", "key_env": "KEY", "instructions": "en", "judge_tokens": 512,
    }  # fmt: skip
    assert steps["keep/offline_dpo"].inputs["prompts"] == "prompts"
    by_rule = {step.name: step for step in plan(parse(recipe)).steps}
    assert "judge" not in by_rule
    assert "prompts" not in by_rule["keep/offline_dpo"].inputs
    with pytest.raises(RecipeError, match="`key_env` belongs to a served judge"):
        parse(recipe | {"evaluation": {"judge": "llm", "model": "somewhere/judge", "key_env": "KEY"}})


def test_the_report_says_unfit_where_the_rate_would_be(run: Callable[..., Any], tmp_path: Path) -> None:
    """Charts, headline and the section on the judge name the language it is unfit for, in HTML and JSON alike."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
    import dataclasses

    from report_example import example

    context, out = run(first_in_swahili)
    rates = compared(context, out)
    stages = [report.StageRow(name, name.title(), name) for name in STAGES]
    data = dataclasses.replace(
        example(), languages=LANGUAGES, stages=stages, summaries=[], comparisons=list(rates.values()), differences=[], routes=[],
        samples=[], merges=[], base_stage="base", reference_stages=("base",), final_stage="online", baseline_stage=None,
        few_shot_stage="base", judge=read_judge(out),
    )  # fmt: skip
    html, document, _ = report.write(data, tmp_path / "report")
    page = html.read_text()
    assert "averaged over 2 languages, as judge judges; it is unfit to judge Swahili." in page
    assert page.count("judge unfit") >= 6
    assert "Certificate of judge" in page
    assert report.read(document) == data
