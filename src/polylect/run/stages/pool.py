"""Stages of the arbitrage: the teachers answer, the arbiter scores, the router chooses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from polylect import arbitrage as routing
from polylect import tables
from polylect.records import Completion, Example, Pair, Prompt, Route, Score
from polylect.run.context import Context
from polylect.run.stages.common import about, few_shots, load_prompts, order, progress, sampling, write_drops

__all__ = ["answers", "arbitrage", "ask", "scored"]


def answers(context: Context) -> None:
    """Let one teacher answer every prompt of the arbitrage in its languages; greedy."""
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"], {"prompt"}, settings["languages"])
    ask(context, prompts, settings["teacher"])


def ask(context: Context, prompts: Sequence[Prompt], name: str, **changes: object) -> list[Completion]:
    """Answer `prompts` with the model of the input "model" (or a resolved name) and write completions.parquet."""
    from polylect.models import Store, answer, fingerprint, resolve
    from polylect.models.local import LocalModel

    settings = context.settings
    if "model" in context.inputs:
        path = context.inputs["model"]
    else:
        path = resolve(settings["model"])
        context.note(model=about(settings["model"], path))
    shots = few_shots(context.inputs["prompts"], {p.language for p in prompts}, settings.get("shots", 0), context.seed)
    model = LocalModel(path, batch_size=settings["generation"]["batch_size"])
    with Store(context.store / "answers.sqlite") as store:
        completions = answer(
            prompts,
            model,
            name=name,
            key=fingerprint(path),
            sampling=sampling(context, **changes),
            store=store,
            shots=shots,
            progress=progress(context, "answers"),
        )
    tables.write(context.out / "completions.parquet", completions, Completion)
    context.note(rows=len(completions), tokens=sum(c.prompt_tokens + c.completion_tokens for c in completions))
    return completions


def scored(completions: Sequence[Completion], prompts: Sequence[Prompt]) -> list[Score]:
    """Score every completion with the verifiable arbiter."""
    from polylect.verifiable import score

    by_id = {prompt.id: prompt for prompt in prompts}
    return [score(completion, by_id[completion.prompt_id]) for completion in completions]


def arbitrage(context: Context) -> None:
    """Score all candidates, route each prompt to its best answer, and derive SFT rows, pairs and the routing table."""
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"], {"prompt"})
    answered = [folder for role, folder in sorted(context.inputs.items()) if role.startswith("answers/")]
    completions = [row for folder in answered for row in tables.read(folder / "completions.parquet", Completion)]
    scores = scored(completions, prompts)
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
