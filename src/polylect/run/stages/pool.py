"""Stages of the arbitrage: the teachers answer, the arbiter scores, the router chooses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polylect.arbitrage as routing
from polylect import tables
from polylect.records import Completion, Example, Pair, Prompt, Route, Score
from polylect.run.context import Context
from polylect.run.stages.common import about, few_shots, load_prompts, order, progress, sampling, write_drops

if TYPE_CHECKING:
    from polylect.models import Store
    from polylect.models.interface import Price

__all__ = ["answers", "arbitrage", "ask", "scored"]

_Answers: TypeAlias = "tuple[list[Completion], Price]"


def answers(context: Context) -> None:
    """Let one teacher answer every prompt of the arbitrage in its languages; greedy."""
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"], {"prompt"}, settings["languages"])
    ask(context, prompts, settings["teacher"])


def ask(context: Context, prompts: Sequence[Prompt], name: str, **changes: object) -> list[Completion]:
    """Answer `prompts` with the model of the input "model" (or a resolved name) and write completions.parquet."""
    from polylect.models import Store

    languages = {prompt.language for prompt in prompts}
    shots = few_shots(context.inputs["prompts"], languages, context.settings.get("shots", 0), context.seed)
    asking = {"name": name, "shots": shots, "sampling": sampling(context, **changes), "progress": progress(context, "answers")}
    with Store(context.store / "answers.sqlite") as store:
        completions, price = (_answered if context.cluster is None else _answered_far)(context, prompts, store, asking)
    tables.write(context.out / "completions.parquet", completions, Completion)
    tokens = sum(c.prompt_tokens + c.completion_tokens for c in completions)
    cost = sum(price.of(c.prompt_tokens, c.completion_tokens) for c in completions)
    context.note(rows=len(completions), tokens=tokens, cost=cost)
    failed = Counter(f"failed: {c.reason}" for c in completions if c.status == "failed")
    if failed:
        write_drops(context, failed)
    return completions


def _answered(context: Context, prompts: Sequence[Prompt], store: Store, asking: dict[str, Any]) -> _Answers:
    """Let a model in this process, or an endpoint that it calls, answer."""
    from polylect.models import answer
    from polylect.models.spec import open_model

    spec, settings = _spec(context)
    model = open_model(spec, **settings)
    return answer(prompts, model, key=model.fingerprint, store=store, **asking), model.price


def _answered_far(context: Context, prompts: Sequence[Prompt], store: Store, asking: dict[str, Any]) -> _Answers:
    """Let actors on the Ray cluster answer; the answers come to this process's store, under the same keys."""
    from polylect.models.answers import answer_on_ray

    assert context.cluster is not None
    spec, settings = _spec(context)
    # Who calls an endpoint needs no more than a core.
    needs: dict[str, Any] = {} if context.settings.get("kind") == "served" else vars(context.cluster)
    return answer_on_ray(prompts, spec, settings={**settings, "name": asking["name"]}, store=store, **needs, **asking)


def _spec(context: Context) -> tuple[str, dict[str, Any]]:
    """Return what `open_model` opens: a checkpoint of another step, or what the recipe names."""
    from polylect.models import resolve

    settings = context.settings
    if settings.get("kind") == "served":
        return f"served:{settings['url']}#{settings['model']}", {"key_env": settings["key_env"]}
    if settings.get("kind") == "vllm":
        return f"vllm:{settings['model']}", {}
    if "model" in context.inputs:
        path = context.inputs["model"]
    else:
        path = resolve(settings["model"])
        context.note(model=about(settings["model"], path))
    return str(path), {"batch_size": settings["generation"]["batch_size"]}


def scored(context: Context, completions: Sequence[Completion], prompts: Sequence[Prompt]) -> list[Score]:
    """Score every completion with the recipe's arbiter."""
    from polylect.arbitrage.arbiters import TwoPass, load_arbiter
    from polylect.models import Store

    settings = context.settings["arbiter"]
    source = settings["file"] or {key: settings[key] for key in ("kind", "model") if settings[key] is not None}
    by_id = {prompt.id: prompt for prompt in prompts}
    with Store(context.store / "answers.sqlite") as store:
        arbiter = load_arbiter(source, store=store)
        if hasattr(arbiter, "prepare"):
            arbiter.prepare(sorted({prompt.language for prompt in prompts}))
        if isinstance(arbiter, TwoPass):
            arbiter.observe(by_id, completions)
        scores = arbiter.score(by_id, completions)
    if hasattr(arbiter, "notes"):
        context.note(arbiter=arbiter.notes())
    return scores


def arbitrage(context: Context) -> None:
    """Score all candidates, route each prompt to its best answer, and derive SFT rows, pairs and the routing table."""
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"], {"prompt"})
    answered = [folder for role, folder in sorted(context.inputs.items()) if role.startswith("answers/")]
    completions = [row for folder in answered for row in tables.read(folder / "completions.parquet", Completion)]
    scores = scored(context, completions, prompts)
    pools = routing.candidates(completions, scores)
    rules = routing.PairRules(min_margin=settings["min_margin"], min_chosen=settings["min_chosen"])
    rows, dropped = routing.examples(prompts, pools, min_score=settings["min_score"])
    single = routing.best_single(pools)
    alone, alone_dropped = routing.single_examples(prompts, pools, single)
    pairs, pairs_dropped = routing.pairs(prompts, pools, rules)
    rows, alone, cut = _same_number(rows, alone, context.seed)
    _write(context.out, completions, scores, rows, alone, pairs, routing.routes(pools))
    unscored = Counter(f"unscored: {score.reason}" for score in scores if score.value is None)
    write_drops(
        context,
        _named(dropped, "sft") + _named(alone_dropped, f"baseline ({single})") + _named(pairs_dropped, "pairs") + cut + unscored,
    )
    context.note(candidates=len(completions), rows=len(rows), pairs=len(pairs), best_single=single)


def _same_number(rows: list[Example], alone: list[Example], seed: int) -> tuple[list[Example], list[Example], Counter[str]]:
    """Cut the longer of two training sets at random, so that arbitrage and its baseline learn from equally many rows."""
    count = min(len(rows), len(alone))
    kept = [sorted(part, key=lambda row: order(seed, row.id))[:count] for part in (rows, alone)]
    cut = Counter(
        {
            "sft: cut to the baseline's number of rows": len(rows) - count,
            "baseline: cut to the arbitrage's number of rows": len(alone) - count,
        }
    )
    return kept[0], kept[1], +cut


def _named(counts: Counter[str], what: str) -> Counter[str]:
    return Counter({f"{what}: {reason}": count for reason, count in counts.items()})


def _write(
    out: Path,
    completions: Sequence[Completion],
    scores: Sequence[Score],
    rows: Sequence[Example],
    alone: Sequence[Example],
    pairs: Sequence[Pair],
    routes: Sequence[Route],
) -> None:
    tables.write(out / "completions.parquet", completions, Completion)
    tables.write(out / "scores.parquet", scores, Score)
    tables.write(out / "examples.parquet", rows, Example)
    tables.write(out / "baseline.parquet", alone, Example)
    tables.write(out / "pairs.parquet", pairs, Pair)
    tables.write(out / "routes.parquet", routes, Route)
