"""Stages that measure: every stage's answers to the held-out items, and what follows from them."""

from __future__ import annotations

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
    """Answer the held-out, unseen and validation items with one stage's model and score every answer."""
    from polylect.evaluate import results

    stage = context.settings["stage"]
    prompts = load_prompts(context.inputs["prompts"], {"heldout", "unseen", "validation"})
    completions = ask(context, prompts, stage)
    for name, splits in (("results", {"heldout", "unseen"}), ("validation", {"validation"})):
        # Validation items are scored like held-out ones; they lie in a table of their own.
        chosen = {p.id: replace(p, split="heldout") if p.split == "validation" else p for p in prompts if p.split in splits}
        answered = [completion for completion in completions if completion.prompt_id in chosen]
        tables.write(context.out / f"{name}.parquet", results(stage, list(chosen.values()), answered), Result)


def compare(context: Context) -> None:
    """Summarise all stages, compare them pairwise and write the tables of the report."""
    from polylect.evaluate import comparisons, differences, summaries, verdicts

    stages: Sequence[str] = context.settings["stages"]
    rows = [row for stage in stages for row in tables.read(context.inputs[stage] / "results.parquet", Result)]
    judged: list[Verdict] = []
    rates: list[Comparison] = []
    gains: list[Difference] = []
    pairs = list(_pairs(stages, context.settings["references"], context.settings["previous"]))
    for done, (a, b) in enumerate(pairs, start=1):
        verdict = verdicts(a, b, rows)
        judged += verdict
        rates += comparisons(verdict, seed=context.seed)
        gains += differences(rows, a, b, _METRICS, seed=context.seed)
        context.progress(done, len(pairs), "comparisons")
    tables.write(context.out / "summaries.parquet", summaries(rows, context.settings["languages"], seed=context.seed), Summary)
    tables.write(context.out / "verdicts.parquet", judged, Verdict)
    tables.write(context.out / "comparisons.parquet", rates, Comparison)
    tables.write(context.out / "differences.parquet", gains, Difference)
    context.note(stages=len(stages), comparisons=len(pairs), rows=len(rows))


def _pairs(stages: Sequence[str], references: Sequence[str], previous: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (stage, other) for every comparison: with each reference stage, and with the stage it was trained from."""
    for stage in stages:
        others = [*references, *([previous[stage]] if stage in previous else [])]
        yield from ((stage, other) for other in dict.fromkeys(others) if other != stage)
