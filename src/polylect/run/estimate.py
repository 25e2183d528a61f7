"""What a plan will cost before it runs: tokens from the prompts, minutes from a short probe on this machine, GB from sizes.

An estimate, shown as such: answers are as long as their references (or as the limit allows), and steps run at the
probe's speed. Where a figure cannot be had (a model that is not on this machine, prompts that do not exist yet),
the table says so instead of guessing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError
from polylect.run.estimate_safety import growth, remarks, rows_of_last, tokens_distilled, tokens_measured
from polylect.run.plan import Plan
from polylect.run.stages.judging import stage_pairs
from polylect.run.steps import Step
from polylect.train.settings import Training

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Cost", "Size", "costs", "probe", "show"]

_STAGES = "polylect.run.stages."
_CHARACTERS_PER_TOKEN = 3.0
"""Rough mean over languages and tokenizers; between 1.5 (Chinese) and 4.5 (English)."""

_JUDGE_TOKENS, _VERDICT_TOKENS = 250.0, 40.0
"""Tokens of the judge's English instructions, and of a verdict of one sentence and one line."""


@dataclass(frozen=True)
class Size:
    """What is known of the trained model without loading it: parameters outside the embedding, and bytes of a checkpoint."""

    body: float
    checkpoint_bytes: float


@dataclass(frozen=True)
class Speed:
    """Useful floating-point operations per second of one step's threads: training (forward and backward) and generation."""

    train: float
    generate: float
    source: str


@dataclass(frozen=True)
class Cost:
    """Estimate of one step; None where it cannot be had. `tokens` is 0 for a step that neither trains nor answers."""

    step: Step
    tokens: float
    seconds: float | None
    bytes: float | None


@dataclass(frozen=True)
class _Lengths:
    """Mean tokens of a prompt and of an answer, and rows per split and language."""

    prompt: float
    answer: float
    items: Mapping[str, int]


def show(plan: Plan, console: Console | None = None) -> None:
    """Print the plan: every step with tokens, minutes and GB, and the totals."""
    from rich.console import Console
    from rich.table import Table

    console = console or Console()
    estimates, speed, size = costs(plan)
    table = Table(title=f"{plan.recipe.name}: {len(plan.steps)} steps, {len(plan.recipe.languages)} languages")
    for heading in ("step", "what", "tokens", "minutes", "GB"):
        table.add_column(heading, justify="left" if heading in ("step", "what") else "right")
    for cost in estimates:
        minutes = "-" if cost.seconds is None else f"{cost.seconds / 60:.1f}"
        size_on_disk = "-" if cost.bytes is None else f"{cost.bytes / 1e9:.2f}"
        table.add_row(cost.step.name, cost.step.title, f"{cost.tokens:,.0f}", minutes, size_on_disk)
    console.print(table)
    console.print(_totals(plan, estimates, speed, size), highlight=False)


def _totals(plan: Plan, estimates: Iterable[Cost], speed: Speed | None, size: Size | None) -> str:
    estimates = list(estimates)
    recipe = plan.recipe
    disk = "" if size is None else f" and {sum(cost.bytes or 0 for cost in estimates) / 1e9:.1f} GB of disk"
    lines = [f"About {sum(cost.tokens for cost in estimates):,.0f} tokens{disk}."]
    if recipe.prompts.source != "world-facts":
        limit = f"{recipe.generation.max_tokens:,} tokens (generation.max_tokens)"
        lines.append(f"The recipe's prompt files are not read: every prompt and every answer is taken to have {limit}.")
    if recipe.evaluation.judge == "llm":
        lines.append(f"The minutes leave out the judge, {recipe.evaluation.model}: its speed is not known here.")
    lines += remarks(recipe)
    if recipe.runtime.executor == "ray":
        lines.append(
            "Models answer on a Ray cluster (runtime.executor: ray): the one at $RAY_ADDRESS, else a new one here; "
            "training, merging and scoring stay here. The minutes are those of this machine alone."
        )
    if size is None:
        lines.append(f"The base model {recipe.model.base} is not on this machine: no time and no disk space can be given.")
        return "\n".join(lines)
    if speed is not None:
        minutes, jobs = sum(cost.seconds or 0 for cost in estimates) / 60, recipe.runtime.jobs
        lines.append(
            f"About {minutes / jobs:.0f} minutes with {jobs} step(s) at a time ({minutes:.0f} step-minutes; {speed.source})."
        )
    return "\n".join(lines)


def costs(plan: Plan) -> tuple[list[Cost], Speed | None, Size | None]:
    """Estimate every step of a plan; the speed is measured here, which takes a few seconds."""
    size = _size(plan)
    speed = _speed(plan, size)
    lengths = _lengths(plan)
    return [_cost(plan, step, lengths, size, speed) for step in plan.steps], speed, size


def _cost(plan: Plan, step: Step, lengths: _Lengths, size: Size | None, speed: Speed | None) -> Cost:
    stage = step.function.rpartition(":")[2]
    count = _COUNTERS.get(step.function.removeprefix(_STAGES), _COUNTERS.get(stage))
    prompt, answer = count(plan, step, lengths) if count else (0.0, 0.0)
    seconds: float | None = None
    # A judge is another model, whose speed is not known here.
    if size is not None and speed is not None and stage != "judge":
        if stage in ("teacher", "sft", "dpo"):
            # Forward and backward through frozen weights cost 4 operations per weight and token; DPO adds the reference's 2.
            passes = 6 if stage == "dpo" else 4
            seconds = (prompt + answer) * size.body * passes / speed.train
        else:
            seconds = (prompt + answer) * size.body * 2 / speed.generate
    makes_model = stage in ("teacher", "sft", "dpo", "merge", "search", "base")
    written = 0.0 if not makes_model else size.checkpoint_bytes if size is not None else None
    return Cost(step, prompt + answer, seconds, written)


def _answers(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    rows = len(step.settings["languages"]) * lengths.items["prompt"]
    return rows * lengths.prompt, rows * lengths.answer


def _sample(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    rows = len(step.settings["languages"]) * step.settings["prompts"] * step.settings["samples"]
    return rows * lengths.prompt, rows * lengths.answer


def _evaluate(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    splits = ("validation",) if step.settings["subset"] == "validation" else ("heldout", "unseen")
    rows = len(plan.recipe.languages) * sum(lengths.items[split] for split in splits)
    return rows * lengths.prompt, rows * lengths.answer


def _judge(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    """Each pair of answers is shown twice, with the judge's instructions around them."""
    settings = step.settings
    pairs = len(list(stage_pairs(settings["stages"], settings["references"], settings["previous"])))
    games = 2 * pairs * len(plan.recipe.languages) * lengths.items["heldout"]
    return games * (_JUDGE_TOKENS + lengths.prompt + 2 * lengths.answer), games * _VERDICT_TOKENS


def _train(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    settings = Training.model_validate({k: v for k, v in step.settings["train"].items() if k in Training.model_fields})
    split = "seed" if step.name.startswith("teacher/") else "prompt"
    items = rows_of_last(plan.recipe, step, lengths.items[split])
    rows = len(step.settings["languages"]) * items * settings.epochs / step.settings.get("slice", (0, 1))[1]
    rows = settings.steps * settings.batch_size if settings.steps else rows * growth(plan.recipe, step)
    return rows * lengths.prompt, rows * lengths.answer


def _search(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    search = step.settings["search"]
    items = min(search["items"] or lengths.items["validation"], lengths.items["validation"])
    # Half of the items steer the search; the other half judges at most four of its results.
    rows = len(plan.recipe.languages) * items * (search["budget"] + 4) / 2
    return rows * lengths.prompt, rows * lengths.answer


def _prefer(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    prompt, answer = _train(plan, step, lengths)
    return 2 * prompt, 2 * answer


def _distil(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    return tokens_distilled(plan.recipe, step, _CHARACTERS_PER_TOKEN)


def _rehearse(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    rows = len(step.settings["languages"]) * step.settings["prompts"]
    return rows * lengths.prompt, rows * lengths.answer


def _measure(plan: Plan, step: Step, lengths: _Lengths) -> tuple[float, float]:
    return tokens_measured(plan.recipe, step, _CHARACTERS_PER_TOKEN)


_COUNTERS: dict[str, Callable[[Plan, Step, _Lengths], tuple[float, float]]] = {
    "safety:distil": _distil,
    "safety:evaluate": _measure,
    "rehearsal:rehearse": _rehearse,
    "answers": _answers,
    "sample": _sample,
    "evaluate": _evaluate,
    "teacher": _train,
    "sft": _train,
    "dpo": _prefer,
    "search": _search,
    "judge": _judge,
}


def _lengths(plan: Plan) -> _Lengths:
    """Return mean lengths: of the drawn world facts, or of the recipe's limits where the prompts are the user's own."""
    prompts = plan.recipe.prompts
    items = prompts.items.model_dump()
    if prompts.source != "world-facts":
        limit = float(plan.recipe.generation.max_tokens)
        return _Lengths(limit, limit, items)
    from polylect.prompts import world_facts

    rows = world_facts(plan.recipe.languages, seed=plan.recipe.seed).prompts
    asked = sum(len(row.text) for row in rows) / len(rows) / _CHARACTERS_PER_TOKEN
    replied = sum(len(row.references[0]) for row in rows) / len(rows) / _CHARACTERS_PER_TOKEN
    return _Lengths(asked + 2, replied + 1, items)


def _size(plan: Plan) -> Size | None:
    """Return the model's size from its headers, or None when it is not on this machine and not bundled."""
    from polylect.models import describe, resolve
    from polylect.models.bundled import BUNDLED

    name = plan.recipe.model.base
    if name not in BUNDLED and not Path(name).is_dir():
        return None
    try:
        about = describe(resolve(name))
    except ModelError:
        return None
    embedding = about["vocabulary"] * _hidden_size(Path(resolve(name)))
    body = about["parameters"] - embedding * (1 if about["tied_embeddings"] else 2)
    kept = 0.05 if plan.recipe.model.trim_vocabulary else 1.0
    return Size(float(body), 2.0 * (body + kept * embedding))


def _hidden_size(folder: Path) -> int:
    import json

    config = json.loads((folder / "config.json").read_text())
    return int((config.get("text_config") or config)["hidden_size"])


def _speed(plan: Plan, size: Size | None) -> Speed | None:
    runtime = plan.recipe.runtime
    if runtime.gpus and runtime.gpu_tflops:
        rate = runtime.gpus * runtime.gpu_tflops * 1e12
        return Speed(
            0.4 * rate, 0.2 * rate, f"{runtime.gpus} GPUs at {runtime.gpu_tflops:.0f} TFLOP/s as the recipe says, not measured"
        )
    if size is None:
        return None
    return probe(runtime.threads or 1)


def probe(threads: int) -> Speed:
    """Measure training and generation of a two-layer model of random weights for about two seconds.

    The layers have the shape of a small model's (width 640, as Gemma 3 270M), so that overheads weigh as they will.
    """
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from polylect.models.local import best_dtype

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        config = LlamaConfig(
            hidden_size=640,
            intermediate_size=2048,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=1,
            vocab_size=1024,
        )
        model: Any = AutoModelForCausalLM.from_config(config, dtype=best_dtype())
        body = sum(
            parameter.numel() for name, parameter in model.named_parameters() if "embed" not in name and "lm_head" not in name
        )
        ids = torch.randint(0, 1024, (32, 24))
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("norm" in name)
        train = _rate(lambda: model(input_ids=ids).logits.float().mean().backward(), ids.numel() * body * 4)
        with torch.inference_mode():
            generate = _rate(lambda: model(input_ids=ids), ids.numel() * body * 2)
    finally:
        torch.set_num_threads(before)
    # Adapters, the output head and padding take about half of a training step's time, single-token steps most of generation's.
    return Speed(0.5 * train, 0.5 * generate, f"measured by a short probe with {threads} thread(s) per step")


def _rate(call: Callable[[], object], operations: float) -> float:
    """Return operations per second of `call`: the best of repeated calls over half a second, after one to warm up."""
    call()
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < 0.5:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return operations / best
