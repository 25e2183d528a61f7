"""How many tokens the steps of a recipe's safety read and write: from its files where they are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.recipe import Recipe
from polylect.run.plan_safety import LAST
from polylect.run.safety_inputs import preambles_of, prompts_of
from polylect.run.steps import Step

if TYPE_CHECKING:
    from polylect.recipe_safety import LastTraining
    from polylect.safety.prompts import SafetyPrompt

__all__ = ["growth", "remarks", "rows_of_last", "tokens_distilled", "tokens_measured"]

Counted = tuple[float, float]
"""Tokens read and tokens written."""


def tokens_distilled(recipe: Recipe, step: Step, per_token: float) -> Counted:
    """Return the tokens of the distillation; `per_token` characters make a token."""
    safety = recipe.safety
    if safety is None or not _there(safety.prompts) or not _there(safety.preamble):
        return 0.0, 0.0
    preambles = preambles_of(str(safety.preamble), "preamble")
    prompts = [one for one in prompts_of(str(safety.prompts), "prompts") if one.language in step.settings["languages"]]
    asked = [one for one in prompts if not one.lost and preambles.of(one.language) is not None]
    harmful, harmless = ([one for one in asked if one.harmful is wanted] for wanted in (True, False))
    told = sum(len(preambles.of(one.language) or "") for one in harmful)
    if _there(safety.anchor_preamble):
        worked = preambles_of(str(safety.anchor_preamble), "anchor_preamble")
        told += sum(len(worked.of(one.language) or "") for one in harmless)
    read = (told + 2 * _characters(harmful) + _characters(harmless)) / per_token
    written = (len(harmful) * (safety.samples + 1) + len(harmless) * safety.anchor_samples) * safety.max_tokens
    return read, float(written)


def tokens_measured(recipe: Recipe, step: Step, per_token: float) -> Counted:
    """Return the tokens of the measurement of one model, without those of a judge."""
    evaluate = recipe.safety.evaluate if recipe.safety else None
    if evaluate is None or not _there(evaluate.prompts):
        return 0.0, 0.0
    taken: dict[tuple[str, bool], int] = {}
    asked = []
    for one in prompts_of(evaluate.prompts, "evaluate.prompts"):
        place = one.language, one.harmful
        taken[place] = taken.get(place, 0) + 1
        within = evaluate.limit is None or taken[place] <= evaluate.limit
        if one.language in step.settings["languages"] and not one.lost and within:
            asked.append(one)
    return _characters(asked) / per_token, float(len(asked) * evaluate.max_tokens)


def growth(recipe: Recipe, step: Step) -> float:
    """Return by how much the safety rows lengthen a training, were there enough of them for the share."""
    safety = recipe.safety
    sources = set(step.inputs.values())
    if safety is None:
        return 1.0
    if any(name.startswith(("mixture/", "safety_mixture")) for name in sources):
        return 1 / max(0.1, 1 - safety.share * (1 + safety.anchors))
    if any(name.startswith("mixture_pairs/") for name in sources) and safety.pairs < 1:
        return 1 / max(0.1, 1 - safety.pairs)
    return 1.0


def rows_of_last(recipe: Recipe, step: Step, items: int) -> int:
    """Return the rows without safety per language of a training: `items`, and in the one after the merges what it says."""
    last = recipe.safety.last if recipe.safety else None
    if last is None or step.name != LAST:
        return items
    return _without_safety(last, items)


def _without_safety(last: LastTraining, items: int) -> int:
    return (items if last.general is None else min(items, last.general)) + last.rehearsed


def remarks(recipe: Recipe) -> list[str]:
    """Say what the estimate leaves out."""
    safety = recipe.safety
    if safety is None:
        return []
    said = []
    measured = safety.evaluate.prompts if safety.evaluate else None
    named = (safety.prompts, safety.preamble, safety.anchor_preamble, measured)
    missing = [path for path in named if path is not None and not _there(path)]
    if missing:
        said.append(f"Not counted, since these files of `safety` are not there: {', '.join(missing)}.")
    others = [spec for spec in (safety.teacher, safety.anchor_model) if spec is not None and not _own(spec)]
    if safety.prompts is not None and others:
        said.append(f"Safety is distilled at the base's speed here; that of {', '.join(dict.fromkeys(others))} is not known.")
    said += _out_of_reach(recipe)
    if safety.evaluate is not None and safety.evaluate.judge is not None:
        said.append(f"The minutes leave out the judge of safety, {safety.evaluate.judge}: its speed is not known here.")
    return said


def _out_of_reach(recipe: Recipe) -> Iterator[str]:
    """Say of which clusters the prompts cannot give as many refusals as the share asks for, were all of them kept."""
    safety = recipe.safety
    if safety is None or not safety.share or not _there(safety.prompts) or not _there(safety.preamble):
        return
    preambles = preambles_of(str(safety.preamble), "preamble")
    asked = safety.languages or recipe.languages
    harmful = [one for one in prompts_of(str(safety.prompts), "prompts") if one.harmful and not one.lost]
    told = Counter(one.language for one in harmful if one.language in asked and preambles.of(one.language) is not None)
    rest = 1 - safety.share * (1 + safety.anchors)
    items = recipe.prompts.items.prompt
    trainings, everywhere = recipe.cluster_languages(), safety.spread == "all"
    if (last := safety.last) is not None:
        trainings, items = {"the last training": recipe.languages}, _without_safety(last, items)
    for name, languages in trainings.items():
        most = safety.keep * sum(told[tag] for tag in (recipe.languages if everywhere else languages))
        wanted = safety.share * len(languages) * items / rest if rest > 0 else float("inf")
        if most < wanted:
            needed = f"about {wanted:,.0f} refusals" if rest > 0 else "more refusals than other rows"
            yield f"safety.share: {safety.share:g} takes {needed} in {name}; its prompts give at most {most:,}."


def _own(spec: str) -> bool:
    return spec == "base" or spec.startswith("teacher/")


def _there(path: str | None) -> bool:
    return path is not None and Path(path).exists()


def _characters(prompts: Sequence[SafetyPrompt]) -> float:
    return float(sum(len(one.text) for one in prompts))
