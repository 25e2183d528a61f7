"""Stages of "mix or merge": mixed training data, answers to the safety prompts, and who answers held-out items better."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from polylect import tables
from polylect.records import Completion, Example, Pair, Prompt, Result
from polylect.run.context import Context
from polylect.run.mix_or_merge_data import chosen, mixed
from polylect.run.mix_or_merge_quality import WIN
from polylect.run.stages.common import load_prompts, write_drops
from polylect.run.stages.judging import judged, read_answers
from polylect.run.stages.pool import scored

if TYPE_CHECKING:
    from polylect.models.store import Store
    from polylect.safety.answers import Answers
    from polylect.safety.judge import Judge
    from polylect.safety.prompts import SafetyPrompt

__all__ = ["mixture", "safety", "wins"]

R = TypeVar("R", Example, Pair)

_Value = tuple[float | None, str | None]
"""A value, or None with the reason."""


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
    # The user's own table, or the run's distillation, whose tables bear names as these have.
    path = context.paths.get("data") or context.inputs["safety"] / ("sft.parquet" if kind is Example else "pairs.parquet")
    safe = tables.read(path, kind)
    found = mixed(general, safe, settings["share"], settings["languages"], context.seed)
    tables.write(context.out / name, found.rows, kind)
    write_drops(context, found.dropped)
    context.note(rows=len(found.rows), safety_rows=found.safety, general_rows=found.general, reached=found.reached)


def safety(context: Context) -> None:
    """Ask one candidate the safety prompts and judge what it says; results.parquet has a row per answer."""
    from polylect.models import Store
    from polylect.safety.detectors import detector_of
    from polylect.safety.prompts import read_prompts
    from polylect.safety.results import SafetyResult, results
    from polylect.safety.verdicts import judge_answers, unfit_languages

    settings = context.settings
    read = read_prompts(context.paths["prompts"])
    prompts, dropped = chosen(read.prompts, settings["languages"], settings["limit"])
    with Store(context.store / "answers.sqlite") as store:
        got = _ask(context, prompts, store)
        judge = _judge(settings["judge"], settings.get("judge_format"), store)
        detector = detector_of(settings.get("detector_spec"))
        judged = judge_answers(prompts, got.answers, detector=detector, judge=judge)
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
        stop=tuple(settings.get("stop", ())),
        progress=lambda counted: context.progress(counted.done, counted.total, "answers"),
    )
    del model
    gc.collect()
    return found


def _judge(spec: str | None, form: str | None, store: Store) -> Judge | None:
    from polylect.models.spec import open_model
    from polylect.safety.judge import Judge
    from polylect.safety.judge_formats import judge_format_of

    return None if spec is None else Judge(open_model(spec, name=spec), store, form=judge_format_of(form))


def wins(context: Context) -> None:
    """Say on every held-out item whether a candidate's answer is better than the reference's; results.parquet has a row each.

    The recipe's judge compares them, else the scores of its arbiter do, after the rule that an answer found to be in a wrong
    language loses to one that is not. The reference has 50 everywhere.
    """
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"], {"heldout"})
    reference, names = settings["reference"], [name for name in settings["candidates"] if name != settings["reference"]]
    found: dict[tuple[str, str], _Value] = {(reference, prompt.id): (50.0, None) for prompt in prompts}
    found |= (_by_judge if "judge" in settings else _by_arbiter)(context, prompts, names)
    rows = [
        Result(
            stage=name, prompt_id=prompt.id, item=prompt.item, language=prompt.language, kind=prompt.kind, subset="heldout",
            metric=WIN, value=found[name, prompt.id][0], reason=found[name, prompt.id][1],
        )
        for name in settings["candidates"]
        for prompt in prompts
    ]  # fmt: skip
    tables.write(context.out / "results.parquet", rows, Result)
    write_drops(context, Counter(f"not compared: {row.reason}" for row in rows if row.value is None))
    context.note(rows=len(rows))


def _by_judge(context: Context, prompts: Sequence[Prompt], names: Sequence[str]) -> dict[tuple[str, str], _Value]:
    reference = context.settings["reference"]
    answers = {name: read_answers(context.inputs[f"answers/{name}"]) for name in (*names, reference)}
    found = judged(context, [(name, reference) for name in names], prompts, answers)
    unfit = [one.language for one in found.certificates if one.status == "unfit"]
    spent = found.spent
    context.note(
        judge=found.judge, unfit=unfit, asked=spent.asked, tokens=spent.prompt_tokens + spent.completion_tokens, cost=spent.cost
    )
    value = {"a": 100.0, "tie": 50.0, "b": 0.0, None: None}
    return {(one.a, one.prompt_id): (value[one.winner], one.reason) for one in found.verdicts}


def _by_arbiter(context: Context, prompts: Sequence[Prompt], names: Sequence[str]) -> dict[tuple[str, str], _Value]:
    reference = context.settings["reference"]
    ids = {prompt.id for prompt in prompts}
    answers: dict[str, dict[str, Completion]] = {}
    passes: dict[str, dict[str, float]] = {}
    for name in (*names, reference):
        folder = context.inputs[f"answers/{name}"]
        answers[name] = {key: row for key, row in read_answers(folder).items() if key in ids}
        rows = tables.read(folder / "results.parquet", Result)
        passes[name] = {row.prompt_id: row.value or 0.0 for row in rows if row.metric == "language_pass"}
    # One call for all: an arbiter may set its scale by the answers that it is shown.
    scores = scored(context, [row for own in answers.values() for row in own.values()], prompts)
    by_completion = {score.completion_id: (score.value, score.reason) for score in scores}

    def worth(name: str, prompt: Prompt) -> tuple[float, float] | str:
        row = answers[name].get(prompt.id)
        value, why = (None, "no answer") if row is None else by_completion[row.id]
        return f"{name}: {why or 'unscored'}" if value is None else (passes[name].get(prompt.id, 1.0), value)

    return {(name, one.id): _better(worth(name, one), worth(reference, one)) for name in names for one in prompts}


def _better(a: tuple[float, float] | str, b: tuple[float, float] | str) -> _Value:
    """Compare (in the right language, score) of two answers; text is the reason why there is none."""
    if isinstance(a, str) or isinstance(b, str):
        return None, a if isinstance(a, str) else str(b)
    return 50.0 if a == b else 100.0 if a > b else 0.0, None
