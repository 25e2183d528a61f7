"""Stages that change weights: teachers, fine-tuning, preference training, and the guard of the preference steps."""

from __future__ import annotations

import json

import polylect.arbitrage as routing
from polylect import tables
from polylect.records import MULTIPLE, Completion, Example, Pair, Prompt, Result, Score, Verdict
from polylect.run.context import Context
from polylect.run.stages.common import first, load_prompts, order, progress, write_drops
from polylect.run.stages.judging import judged, rates_of, read_answers
from polylect.run.stages.pool import ask, scored

__all__ = ["dpo", "keep", "sample", "sft", "teacher"]


def teacher(context: Context) -> None:
    """Train a teacher of the pool on the human-style seed answers of its cluster."""
    seeds = load_prompts(context.inputs["prompts"], {"seed"}, context.settings["languages"])
    _sft(context, [_seed_example(row) for row in seeds])


def _seed_example(row: Prompt) -> Example:
    return Example(
        prompt_id=row.id,
        item=row.item,
        language=row.language,
        prompt=row.text,
        completion=row.references[0],
        model="human",
        score=None,
    )


def sft(context: Context) -> None:
    """Fine-tune on the arbitrage's (or the baseline's) rows in the step's languages, or on one slice of them."""
    rows = tables.read(context.inputs["data"] / context.settings["table"], Example)
    part, parts = context.settings.get("slice", (0, 1))
    _sft(context, [row for row in rows if row.language in _languages(context) and _slice(context, row, parts) == part])


def _languages(context: Context) -> set[str]:
    """Return the languages that are trained on: the cluster's, and those whose safety rows every cluster has."""
    return {*context.settings["languages"], *context.settings.get("safety_languages", ())}


def _slice(context: Context, row: Example, parts: int) -> int:
    """Return the slice of a row: all translations of an item lie in one (branch-and-merge, Alexandrov et al. 2024)."""
    return int(order(context.seed, "slice", row.item), 16) % parts


def _sft(context: Context, rows: list[Example]) -> None:
    from polylect.train.settings import Sft
    from polylect.train.trainer import sft

    settings = Sft.model_validate(context.settings["train"])
    report = sft(context.inputs["model"], rows, settings, context.out, seed=context.seed, progress=progress(context, "steps"))
    context.note(rows=report.rows, steps=report.steps, tokens=report.tokens, loss=report.loss, **_prefixed(report.metrics))


def sample(context: Context) -> None:
    """Sample several answers per prompt from the current model, score them and pair best with worst (Aya Expanse 2.2)."""
    settings = context.settings
    prompts = _draw(context)
    completions = ask(
        context,
        prompts,
        settings["stage"],
        samples=settings["samples"],
        temperature=settings["temperature"],
        top_p=settings["top_p"],
    )
    scores = scored(context, completions, prompts)
    rules = routing.PairRules(min_margin=settings["min_margin"], min_chosen=settings["min_chosen"])
    pairs, dropped = routing.pairs(prompts, routing.candidates(completions, scores), rules)
    tables.write(context.out / "scores.parquet", scores, Score)
    tables.write(context.out / "pairs.parquet", pairs, Pair)
    write_drops(context, dropped)
    context.note(pairs=len(pairs))


def _draw(context: Context) -> list[Prompt]:
    """Draw the iteration's prompts per language: those of the preference split first, each iteration in another order."""
    rows = load_prompts(context.inputs["prompts"], {"prompt", "preference"}, context.settings["languages"])
    rows.sort(key=lambda row: (row.split != "preference", order(context.seed, context.settings["stage"], row.item)))
    return first(rows, context.settings["prompts"])


def dpo(context: Context) -> None:
    """Train on preference pairs in the step's languages, on the leash of the input "reference"."""
    from polylect.train.settings import Dpo
    from polylect.train.trainer import dpo

    pools = [folder for role, folder in sorted(context.inputs.items()) if role.startswith("pairs")]
    pairs = [row for folder in pools for row in tables.read(folder / "pairs.parquet", Pair, allow_empty=True)]
    pairs = [row for row in pairs if row.language in _languages(context)]
    report = dpo(
        context.inputs["model"],
        pairs,
        Dpo.model_validate(context.settings["train"]),
        context.out,
        reference=context.inputs.get("reference"),
        seed=context.seed,
        progress=progress(context, "steps"),
    )
    lengths = [(len(row.chosen), len(row.rejected)) for row in pairs]
    context.note(
        rows=report.rows,
        steps=report.steps,
        tokens=report.tokens,
        loss=report.loss,
        chosen_characters=sum(chosen for chosen, _ in lengths) / len(lengths),
        rejected_characters=sum(rejected for _, rejected in lengths) / len(lengths),
        **_prefixed(report.metrics),
    )


def _prefixed(metrics: dict[str, float]) -> dict[str, float]:
    return {f"last/{name}": value for name, value in metrics.items()}


def keep(context: Context) -> None:
    """Keep a preference step unless it loses to the stage before on the validation items.

    Writes the verdict, the checkpoint that goes on, and its validation results (the next iteration is held against them).
    """
    from polylect.models import link_checkpoint

    folders = {role: context.inputs[f"{role}_results"] for role in ("before", "after")}
    tables_of = {role: tables.read(folder / "results.parquet", Result) for role, folder in folders.items()}
    before, after = (rows[0].stage for rows in tables_of.values())
    rates = rates_of(_verdicts(context, before, after, [row for rows in tables_of.values() for row in rows]), context.seed)
    overall = next(row for row in rates if row.language == MULTIPLE)
    kept = not context.settings["unless_worse"] or overall.win_rate is None or overall.win_rate >= 0.5
    winner = "after" if kept else "before"
    link_checkpoint(context.inputs[winner], context.out)
    tables.write(context.out / "results.parquet", tables_of[winner], Result)
    if "judge" in context.settings:
        tables.write(context.out / "completions.parquet", read_answers(folders[winner]).values(), Completion)
    figures = {name: getattr(overall, name) for name in ("win_rate", "low", "high", "n")}
    verdict = {"stage": after, "against": before, "kept": kept, **figures, "reason": overall.reason}
    (context.out / "verdict.json").write_text(json.dumps(verdict, ensure_ascii=False, indent=1) + "\n")
    context.note(**verdict)


def _verdicts(context: Context, before: str, after: str, rows: list[Result]) -> list[Verdict]:
    """Return who is better on each validation item: by rule, or by the recipe's judge."""
    from polylect.evaluate import verdicts

    if "judge" not in context.settings:
        return verdicts(after, before, rows)
    prompts = load_prompts(context.inputs["prompts"], {"validation"})
    answers = {before: read_answers(context.inputs["before_results"]), after: read_answers(context.inputs["after_results"])}
    return list(judged(context, [(after, before)], prompts, answers).verdicts)
