"""Stages of "mix or merge": the mixed training data, and the answers of a candidate to the safety prompts."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from polylect import tables
from polylect.records import Example, Pair
from polylect.run.context import Context
from polylect.run.mix_or_merge_data import chosen, mixed
from polylect.run.stages.common import write_drops

if TYPE_CHECKING:
    from polylect.models.store import Store
    from polylect.safety.answers import Answers
    from polylect.safety.judge import Judge
    from polylect.safety.prompts import SafetyPrompt

__all__ = ["mixture", "safety"]

R = TypeVar("R", Example, Pair)


def mixture(context: Context) -> None:
    """Write the arbitrage's rows (or pairs) with a share of them replaced by safety rows, or the safety rows alone."""
    settings = context.settings
    if settings["kind"] == "sft":
        _write_mixture(context, "examples.parquet", Example)
    else:
        _write_mixture(context, "pairs.parquet", Pair)


def _write_mixture(context: Context, name: str, kind: type[R]) -> None:
    settings = context.settings
    general = tables.read(context.inputs["general"] / name, kind, allow_empty=True)
    safe = tables.read(context.paths["data"], kind)
    found = mixed(general, safe, settings["share"], settings["languages"], context.seed)
    tables.write(context.out / name, found.rows, kind)
    write_drops(context, found.dropped)
    context.note(rows=len(found.rows), safety_rows=found.safety, general_rows=found.general, reached=found.reached)


def safety(context: Context) -> None:
    """Ask one candidate the safety prompts and judge what it says; results.parquet has a row per answer."""
    from polylect.models import Store
    from polylect.safety.detectors import default_detector
    from polylect.safety.prompts import read_prompts
    from polylect.safety.results import SafetyResult, results
    from polylect.safety.verdicts import judge_answers, unfit_languages

    settings = context.settings
    read = read_prompts(context.paths["prompts"])
    prompts, dropped = chosen(read.prompts, settings["languages"], settings["limit"])
    with Store(context.store / "answers.sqlite") as store:
        got = _ask(context, prompts, store)
        judge = _judge(settings["judge"], store)
        judged = judge_answers(prompts, got.answers, detector=default_detector(), judge=judge)
    rows = results(judged.answers, settings["stage"], read.name, unfit_languages(judged))
    tables.write(context.out / "results.parquet", rows, SafetyResult)
    write_drops(context, dropped)
    context.note(rows=len(rows), notes=[*read.notes, *judged.notes], **got.notes)


def _ask(context: Context, prompts: Sequence[SafetyPrompt], store: Store) -> Answers:
    """Return the candidate's answers; its memory is free afterwards, for a judge may need it."""
    from polylect.models.spec import open_model
    from polylect.safety.answers import ask_model

    settings = context.settings
    folder: Path = context.inputs["model"]
    model = open_model(str(folder), name=settings["stage"], batch_size=settings["batch_size"])
    found = ask_model(
        prompts,
        model,
        store,
        max_tokens=settings["max_tokens"],
        progress=lambda counted: context.progress(counted.done, counted.total, "answers"),
    )
    del model
    gc.collect()
    return found


def _judge(spec: str | None, store: Store) -> Judge | None:
    from polylect.models.spec import open_model
    from polylect.safety.judge import Judge

    return None if spec is None else Judge(open_model(spec, name=spec), store)
