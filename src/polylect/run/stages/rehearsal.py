"""The stage of rehearsal: a model's own answers, which keep it as it is while it learns something else."""

from __future__ import annotations

from collections import Counter

from polylect import tables
from polylect.records import Completion, Example
from polylect.run.context import Context
from polylect.run.stages.common import draw, load_prompts, write_drops
from polylect.run.stages.pool import ask

__all__ = ["rehearse"]

_TRAINED_ON = ("prompt", "preference", "seed")
"""Splits that a run trains on."""

_OWN = "own"
"""Whom the rows are by: the model that they train."""


def rehearse(context: Context) -> None:
    """Let the model answer prompts of its training once more, `prompts` per language, drawn at random; greedy.

    Learnt beside the refusals, right or wrong, its own answers keep it as it is elsewhere (self-synthesized rehearsal, Huang et
    al. 2024, arXiv 2403.01244). An answer that is empty, or was cut off, is none.
    """
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"], _TRAINED_ON, settings["languages"])
    drawn = draw(prompts, settings["prompts"], context.seed, "rehearsal")
    of = {row.id: row for row in drawn}
    rows, dropped = [], Counter[str]()
    for said in ask(context, drawn, _OWN):
        reason = _unfit(said)
        if reason:
            dropped[f"{said.language}: {reason}"] += 1
            continue
        asked = of[said.prompt_id]
        rows.append(
            Example(
                prompt_id=asked.id, item=asked.item, language=asked.language, prompt=asked.text, completion=said.text, model=_OWN,
                score=None, revision=said.revision, licence=asked.licence,
            )
        )  # fmt: skip
    tables.write(context.out / "examples.parquet", rows, Example)
    write_drops(context, dropped)
    context.note(rehearsed=len(rows))


def _unfit(said: Completion) -> str:
    """Return why an answer is not rehearsed; "" where it is."""
    if said.status != "ok":
        return f"{said.status}: {said.reason}"
    return "empty" if not said.text.strip() else "cut off" if said.finish_reason == "length" else ""
