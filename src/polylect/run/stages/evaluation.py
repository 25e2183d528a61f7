"""Stages that measure: every stage's answers to the held-out items, and what follows from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from polylect import tables
from polylect.records import Comparison, Difference, Result, Summary, Verdict
from polylect.run.context import Context
from polylect.run.stages.common import load_prompts
from polylect.run.stages.judging import pairs_of, rates_of
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
    """Summarise all stages, compare them pairwise and write the tables of the report.

    Verdicts are those of the step "judge" where there is one, else they are made here by rule.
    """
    from polylect.evaluate import differences, summaries, verdicts

    stages: Sequence[str] = context.settings["stages"]
    rows = [row for stage in stages for row in tables.read(context.inputs[stage] / "results.parquet", Result)]
    measured = {row.metric for row in rows}
    metrics = [metric for metric in _METRICS if metric in measured]
    by_model = _by_model(context)
    judged: list[Verdict] = []
    rates: list[Comparison] = []
    gains: list[Difference] = []
    pairs = pairs_of(context)
    for done, (a, b) in enumerate(pairs, start=1):
        verdict = by_model[a, b] if by_model else verdicts(a, b, rows)
        judged += verdict
        rates += rates_of(verdict, context.seed)
        gains += differences(rows, a, b, metrics, seed=context.seed)
        context.progress(done, len(pairs), "comparisons")
    tables.write(context.out / "summaries.parquet", summaries(rows, context.settings["languages"], seed=context.seed), Summary)
    tables.write(context.out / "verdicts.parquet", judged, Verdict)
    tables.write(context.out / "comparisons.parquet", rates, Comparison)
    tables.write(context.out / "differences.parquet", gains, Difference)
    context.note(stages=len(stages), comparisons=len(pairs), rows=len(rows))


def _by_model(context: Context) -> dict[tuple[str, str], list[Verdict]]:
    """Return the verdicts of a judge that is a model, by pair of stages; none where there is no such judge."""
    found: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    if "judge" in context.inputs:
        for verdict in tables.read(context.inputs["judge"] / "verdicts.parquet", Verdict):
            found[verdict.a, verdict.b].append(verdict)
    return found
