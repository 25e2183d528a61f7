"""Stages that measure: every stage's answers to the held-out items, and what follows from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from polylect import tables
from polylect.records import Comparison, Difference, Result, Summary, Verdict
from polylect.run.context import Context
from polylect.run.stages.common import load_prompts
from polylect.run.stages.pool import ask

__all__ = ["compare", "evaluate"]

_METRICS = ("exact_match", "chrf", "exact_match_unseen", "chrf_unseen")


def evaluate(context: Context) -> None:
    """Answer the held-out and unseen items (or, of subset "validation", those) with one stage's model and score every answer."""
    from polylect.evaluate import results

    stage, subset = context.settings["stage"], context.settings["subset"]
    splits = {"validation"} if subset == "validation" else {"heldout", "unseen"}
    prompts = load_prompts(context.inputs["prompts"], splits)
    completions = ask(context, prompts, stage)
    # Validation items are scored like held-out ones; they lie in a table of their own.
    judged = [replace(prompt, split="heldout") if prompt.split == "validation" else prompt for prompt in prompts]
    tables.write(context.out / "results.parquet", results(stage, judged, completions), Result)


def compare(context: Context) -> None:
    """Summarise all stages, compare them pairwise and write the tables of the report."""
    from polylect.evaluate import comparisons, differences, summaries, verdicts

    stages: Sequence[str] = context.settings["stages"]
    rows = [row for stage in stages for row in tables.read(context.inputs[stage] / "results.parquet", Result)]
    measured = {row.metric for row in rows}
    metrics = [metric for metric in _METRICS if metric in measured]
    judged: list[Verdict] = []
    rates: list[Comparison] = []
    gains: list[Difference] = []
    pairs = list(_pairs(stages, context.settings["references"], _previous(context)))
    for done, (a, b) in enumerate(pairs, start=1):
        verdict = verdicts(a, b, rows)
        judged += verdict
        rates += comparisons(verdict, seed=context.seed)
        gains += differences(rows, a, b, metrics, seed=context.seed)
        context.progress(done, len(pairs), "comparisons")
    tables.write(context.out / "summaries.parquet", summaries(rows, context.settings["languages"], seed=context.seed), Summary)
    tables.write(context.out / "verdicts.parquet", judged, Verdict)
    tables.write(context.out / "comparisons.parquet", rates, Comparison)
    tables.write(context.out / "differences.parquet", gains, Difference)
    context.note(stages=len(stages), comparisons=len(pairs), rows=len(rows))


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


def _pairs(stages: Sequence[str], references: Sequence[str], previous: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (stage, other) for every comparison: with each reference stage, and with the stage it was trained from."""
    for stage in stages:
        others = [*references, *([previous[stage]] if stage in previous else [])]
        yield from ((stage, other) for other in dict.fromkeys(others) if other != stage)
