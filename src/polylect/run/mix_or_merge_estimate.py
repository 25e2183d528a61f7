"""What "mix or merge" will take before it runs: steps, tokens, minutes and GB by part, and what is finished already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.run.estimate import Cost, costs
from polylect.run.mix_or_merge_choice import Rule
from polylect.run.mix_or_merge_data import also_learnt, chosen, trained_texts
from polylect.run.mix_or_merge_plan import TradeOffPlan
from polylect.run.mix_or_merge_quality import held_out, least_tolerance
from polylect.run.mix_or_merge_vocabulary import vocabulary_notes
from polylect.run.mix_or_merge_wanted import MixOrMerge
from polylect.run.plan import Plan
from polylect.run.why import status
from polylect.safety.prompts import read_prompts

if TYPE_CHECKING:
    from rich.console import Console

    from polylect.recipe import Recipe
    from polylect.safety.prompts import SafetyPrompt

__all__ = ["show", "warnings"]

_CHARACTERS_PER_TOKEN = 3.0
"""As in `polylect.run.estimate`."""

_PARTS = (
    "the recipe's own steps",
    "mixed data",
    "experts and mixed models",
    "merges",
    "quality of candidates",
    "safety of candidates",
    "comparison of answers",
)


def warnings(planned: TradeOffPlan, rule: Rule, run: Path, prompts: Path | None) -> Iterator[str]:
    """Yield what is known before anything runs: what is left out, too few items for the rule, words that are spelt in pieces."""
    yield from planned.left_out
    held = held_out(planned.recipe)
    if held is not None and (least := least_tolerance(held.items)) > rule.tolerance:
        yield (
            f"{held.items:,} held-out items, half of which choose, cannot rule out a loss of quality of less than about "
            f"{least:.1f} points: with --tolerance {rule.tolerance:g} candidates may fail by the width of the interval alone. "
            "Give more items (prompts.items.heldout) or a larger --tolerance"
        )
    paths = [path for path in planned.data.values() if path is not None]
    if prompts is not None and (learnt := also_learnt({one.text for one in read_prompts(prompts).prompts}, paths)):
        yield learnt
    yield from vocabulary_notes(planned.recipe, run / "steps" / "base", paths)


def show(planned: TradeOffPlan, wanted: MixOrMerge, rule: Rule, run: Path, console: Console | None = None) -> None:
    """Print the plan: parts with their steps, those that are finished, tokens, minutes and GB of what is left.

    `wanted` names prompts and the most tokens of an answer (`polylect.run.mix_or_merge_wanted.completed`).
    """
    from rich.console import Console
    from rich.table import Table

    console = console or Console()
    assert wanted.prompts is not None
    assert wanted.max_tokens is not None
    prompts, _ = chosen(read_prompts(wanted.prompts).prompts, planned.recipe.languages, wanted.limit)
    found = _costs(planned, prompts, wanted.max_tokens)
    states = status(planned.steps, run)
    groups: dict[str, list[Cost]] = defaultdict(list)
    for cost in found:
        groups[_part(cost.step.name)].append(cost)
    names = ", ".join(one.name for one in planned.candidates)
    table = Table(title=f"{planned.recipe.name}: {len(planned.candidates)} candidates, {len(prompts):,} safety prompts each")
    for heading in ("part", "steps", "finished", "tokens", "minutes", "GB"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for part in (part for part in _PARTS if part in groups):
        left = [cost for cost in groups[part] if states[cost.step.name] != "current"]
        table.add_row(part, str(len(groups[part])), str(len(groups[part]) - len(left)), *_sums(left))
    left = [cost for cost in found if states[cost.step.name] != "current"]
    table.add_row("all", str(len(found)), str(len(found) - len(left)), *_sums(left))
    console.print(table)
    console.print(f"Candidates: {names}.", highlight=False)
    console.print("Tokens, minutes and GB are of what is left; answers are taken to be as long as allowed.", highlight=False)
    if planned.wins:
        console.print("Minutes leave out what compares the answers: its speed is not known here.", highlight=False)
    for line in warnings(planned, rule, run, wanted.prompts):
        console.print(f"note: {line}", highlight=False, soft_wrap=True, markup=False)


def _costs(planned: TradeOffPlan, prompts: Sequence[SafetyPrompt], max_tokens: int) -> list[Cost]:
    """Return the costs of all steps, with those of the answers to safety prompts and of the safety experts."""
    found, speed, size = costs(Plan(planned.recipe, planned.steps, (), (), ""))
    tokens = sum(len(one.text) / _CHARACTERS_PER_TOKEN + max_tokens for one in prompts)
    seconds = None if speed is None or size is None else tokens * size.body * 2 / speed.generate
    experts = {one.model: one.kind for one in planned.candidates if one.share == 1}
    made = []
    for cost in found:
        if cost.step.function.endswith("mix_or_merge:safety"):
            cost = replace(cost, tokens=tokens, seconds=seconds)
        elif cost.step.name in experts:
            cost = _expert(cost, planned.recipe, planned.data[experts[cost.step.name]])
        made.append(cost)
    return made


def _expert(cost: Cost, recipe: Recipe, table: Path | None) -> Cost:
    """Return the cost of training on all safety rows of the recipe's languages; of a distillation to come they are not known."""
    if table is None or cost.step.settings["train"]["steps"] or not cost.tokens:
        return cost
    per_epoch = sum(sum(map(len, texts)) for tag, texts in trained_texts(table) if tag in recipe.languages)
    tokens = cost.step.settings["train"]["epochs"] * per_epoch / _CHARACTERS_PER_TOKEN
    return replace(cost, tokens=tokens, seconds=None if cost.seconds is None else cost.seconds * tokens / cost.tokens)


def _part(name: str) -> str:
    parts = name.split("/")
    if parts[0] != "mix-or-merge":
        return _PARTS[0]
    known = {"data": 1, "merge": 3, "quality": 4, "harm": 5, "wins": 6}
    return _PARTS[known.get(parts[2 if parts[1] == "dpo" else 1], 2)]


def _sums(found: Sequence[Cost]) -> tuple[str, str, str]:
    seconds, size = [cost.seconds for cost in found], [cost.bytes for cost in found]
    minutes = "-" if None in seconds else f"{sum(one or 0 for one in seconds) / 60:.1f}"
    gigabytes = "-" if None in size else f"{sum(one or 0 for one in size) / 1e9:.2f}"
    return f"{sum(cost.tokens for cost in found):,.0f}", minutes, gigabytes
