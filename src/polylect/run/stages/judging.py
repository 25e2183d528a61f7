"""The stage in which a language model judges: pairs of stages, and what the judge is worth in each language."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import tables
from polylect.records import Comparison, Completion, Prompt, Verdict
from polylect.run.context import Context
from polylect.run.stages.common import load_prompts, write_drops

if TYPE_CHECKING:
    from polylect.evaluate.judging import StageJudging

__all__ = ["SUMMARY", "judge", "judged", "pairs_of", "rates_of", "read_answers", "stage_pairs"]

SUMMARY = "judge.json"
"""File of the step's output with the judge's certificates, its cost, and the win rates without the language gate."""


def judge(context: Context) -> None:
    """Judge every pair of stages that is compared, in both orders, on the held-out items."""
    from polylect.evaluate.judging import Game, Outcome

    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"], {"heldout"})
    answers = {stage: read_answers(context.inputs[stage]) for stage in settings["stages"]}
    found = judged(context, pairs_of(context), prompts, answers)
    tables.write(context.out / "verdicts.parquet", found.verdicts, Verdict)
    tables.write(context.out / "games.parquet", found.games, Game)
    tables.write(context.out / "outcomes.parquet", found.outcomes, Outcome)
    summary = json.dumps(_summary(found, context.seed, settings["judge"]), ensure_ascii=False, indent=1)
    (context.out / SUMMARY).write_text(summary + "\n", encoding="utf-8")
    write_drops(context, _reasons(found))
    spent = found.spent
    context.note(
        rows=len(found.verdicts),
        tokens=spent.prompt_tokens + spent.completion_tokens,
        cost=spent.cost,
        verdicts=spent.games,
        asked=spent.asked,
        unfit=[one.language for one in found.certificates if one.status == "unfit"],
    )


def judged(
    context: Context,
    pairs: Sequence[tuple[str, str]],
    prompts: Sequence[Prompt],
    answers: Mapping[str, Mapping[str, Completion]],
) -> StageJudging:
    """Let the judge of the step's settings judge pairs of stages; verdicts are kept in the run's store."""
    from polylect.evaluate.judging import JudgeSettings, judge_stages
    from polylect.models import Store
    from polylect.models.spec import open_model

    chosen = context.settings["judge"]
    model = open_model(chosen["model"], key_env=chosen["key_env"])
    settings = JudgeSettings(instructions=chosen["instructions"], max_tokens=chosen["judge_tokens"], seed=context.seed)
    with Store(context.store / "answers.sqlite") as store:
        return judge_stages(
            pairs,
            prompts,
            answers,
            model,
            store,
            settings=settings,
            progress=lambda done, total: context.progress(done, total, "comparisons"),
        )


def rates_of(verdicts: Sequence[Verdict], seed: int) -> list[Comparison]:
    """Return the win rates of a judge's verdicts; where there is none, with the reason."""
    from polylect.evaluate import comparisons
    from polylect.evaluate.judging import explained

    return explained(comparisons(verdicts, seed=seed), verdicts)


def read_answers(folder: Path) -> dict[str, Completion]:
    """Return the answers of one stage by prompt id."""
    return {row.prompt_id: row for row in tables.read(folder / "completions.parquet", Completion)}


def pairs_of(context: Context) -> list[tuple[str, str]]:
    """Return (stage, other) for every comparison: with each reference stage, and with the stage it was trained from."""
    return list(stage_pairs(context.settings["stages"], context.settings["references"], _previous(context)))


def stage_pairs(stages: Sequence[str], references: Sequence[str], previous: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs, given the stage that each stage was trained from."""
    for stage in stages:
        others = [*references, *([previous[stage]] if stage in previous else [])]
        yield from ((stage, other) for other in dict.fromkeys(others) if other != stage)


def _previous(context: Context) -> dict[str, str]:
    """Return the stage that each stage was trained from: the last one before it that was kept."""
    previous: dict[str, str] = dict(context.settings["previous"])
    dropped = {
        role.removeprefix("keep/")
        for role, folder in context.inputs.items()
        if role.startswith("keep/") and not json.loads((folder / "verdict.json").read_text())["kept"]
    }
    for stage, before in previous.items():
        while before in dropped:
            before = previous[before]
        previous[stage] = before
    return previous


def _summary(found: StageJudging, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    certificates = [{**one.as_dict(), "unreadable": one.unreadable} for one in found.certificates]
    ungated = [row.as_dict() for row in rates_of(found.ungated, seed)]
    wrong: dict[tuple[str, str, str], list[int]] = {}
    for one in found.outcomes:
        count = wrong.setdefault((one.a, one.b, one.language), [0, 0])
        count[0] += one.a_language is False
        count[1] += one.b_language is False
    return {
        "judge": found.judge,
        "settings": dict(settings),
        "spent": asdict(found.spent),
        "certificates": certificates,
        "ungated": ungated,
        "wrong_language": [
            {"a": a, "b": b, "language": tag, "a_wrong": x, "b_wrong": y} for (a, b, tag), (x, y) in wrong.items()
        ],
    }


def _reasons(found: StageJudging) -> dict[str, int]:
    return Counter(f"no verdict: {one.reason}" for one in found.verdicts if one.winner is None)
