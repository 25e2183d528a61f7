"""What "mix or merge" will take before it runs: steps, tokens, minutes and GB by part, and what is finished already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.run.estimate import Cost, costs
from polylect.run.mix_or_merge_data import chosen
from polylect.run.mix_or_merge_plan import MixOrMerge, TradeOffPlan
from polylect.run.plan import Plan
from polylect.run.why import status

if TYPE_CHECKING:
    from rich.console import Console

    from polylect.safety.prompts import SafetyPrompt

__all__ = ["show"]

_CHARACTERS_PER_TOKEN = 3.0
"""As in `polylect.run.estimate`."""

_PARTS = (
    "the recipe's own steps",
    "mixed data",
    "experts and mixed models",
    "merges",
    "quality of candidates",
    "safety of candidates",
)


def show(planned: TradeOffPlan, wanted: MixOrMerge, run: Path, console: Console | None = None) -> None:
    """Print the plan: parts with their steps, those that are finished, tokens, minutes and GB of what is left."""
    from rich.console import Console
    from rich.table import Table

    from polylect.safety.prompts import read_prompts

    console = console or Console()
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


def _costs(planned: TradeOffPlan, prompts: Sequence[SafetyPrompt], max_tokens: int) -> list[Cost]:
    """Return the costs of all steps, with those of the answers to safety prompts."""
    found, speed, size = costs(Plan(planned.recipe, planned.steps, (), (), ""))
    tokens = sum(len(one.text) / _CHARACTERS_PER_TOKEN + max_tokens for one in prompts)
    seconds = None if speed is None or size is None else tokens * size.body * 2 / speed.generate
    return [
        replace(cost, tokens=tokens, seconds=seconds) if cost.step.function.endswith("mix_or_merge:safety") else cost
        for cost in found
    ]


def _part(name: str) -> str:
    parts = name.split("/")
    if parts[0] != "mix-or-merge":
        return _PARTS[0]
    known = {"data": 1, "merge": 3, "quality": 4, "harm": 5}
    return _PARTS[known.get(parts[1], 2)]


def _sums(found: Sequence[Cost]) -> tuple[str, str, str]:
    seconds, size = [cost.seconds for cost in found], [cost.bytes for cost in found]
    minutes = "-" if None in seconds else f"{sum(one or 0 for one in seconds) / 60:.1f}"
    gigabytes = "-" if None in size else f"{sum(one or 0 for one in size) / 1e9:.2f}"
    return f"{sum(cost.tokens for cost in found):,.0f}", minutes, gigabytes
