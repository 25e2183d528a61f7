"""Preference pairs: the best against the worst answer to a prompt (Aya Expanse 2.2), with the guards that keep them honest.

A second kind sets an answer written in the language against one that was translated from English (Dang et al. 2024, arXiv
2407.02552): preferring the first steers a model away from translationese.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from polylect.arbitrage.routing import Candidate
from polylect.records import Pair, Prompt

__all__ = ["PairRules", "pairs", "translated_pairs"]


@dataclass(frozen=True)
class PairRules:
    """When a best/worst pair is worth training on.

    Attributes:
        min_margin: least difference of scores; ties and near ties teach noise.
        min_chosen: least score of the chosen answer: the lesser of two bad answers is no example.
        max_length_ratio: most the chosen answer may be longer than the rejected one, in characters, beyond 20;
            length is the first thing that preference training exploits.
    """

    min_margin: float = 0.3
    min_chosen: float = 0.0
    max_length_ratio: float = 4.0


def pairs(
    prompts: Sequence[Prompt], pools: Mapping[str, Sequence[Candidate]], rules: PairRules
) -> tuple[list[Pair], Counter[str]]:
    """Pair the best with the worst scored answer of each prompt; return the pairs and what was dropped, by reason."""
    rows: list[Pair] = []
    dropped: Counter[str] = Counter()
    for prompt in prompts:
        scored = [c for c in pools.get(prompt.id, []) if c.score.value is not None]
        reason = "fewer than two scored answers" if len(scored) < 2 else _refuse(scored[0], scored[-1], rules)
        if reason:
            dropped[reason] += 1
        else:
            rows.append(_pair(prompt, scored[0], scored[-1]))
    return rows, dropped


def translated_pairs(
    prompts: Sequence[Prompt], pools: Mapping[str, Sequence[Candidate]], rules: PairRules, translated: Collection[str]
) -> tuple[list[Pair], Counter[str]]:
    """Pair the best answer written in the language with a translated one; return the pairs and what was dropped, by reason.

    Of the translated answers the best one is rejected: what is left of the difference is more the translation's than the model's.

    Args:
        prompts: of any language; those in English have no translated answer and give no pair.
        pools: scored candidates by prompt, best first.
        rules: the guards.
        translated: names of the teachers whose answers are translations from English.
    """
    rows: list[Pair] = []
    dropped: Counter[str] = Counter()
    for prompt in prompts:
        scored = [c for c in pools.get(prompt.id, []) if c.score.value is not None]
        own = next((c for c in scored if c.completion.model not in translated), None)
        other = next((c for c in scored if c.completion.model in translated), None)
        if prompt.language == "en":
            dropped["English prompt"] += 1
        elif own is None or other is None:
            dropped["no scored answer in the language" if own is None else "no scored translated answer"] += 1
        elif reason := _refuse(own, other, rules):
            dropped[reason] += 1
        else:
            rows.append(_pair(prompt, own, other))
    return rows, dropped


def _pair(prompt: Prompt, best: Candidate, worst: Candidate) -> Pair:
    return Pair(
        prompt_id=prompt.id,
        item=prompt.item,
        language=prompt.language,
        prompt=prompt.text,
        chosen=best.completion.text,
        rejected=worst.completion.text,
        chosen_score=best.value,
        rejected_score=worst.value,
        chosen_model=best.completion.model,
        rejected_model=worst.completion.model,
        messages=prompt.messages,
        chosen_revision=best.completion.revision,
        rejected_revision=worst.completion.revision,
        translator=prompt.translator,
    )


def _refuse(best: Candidate, worst: Candidate, rules: PairRules) -> str | None:
    """Return why two answers are no pair, or None."""
    if best.completion.text == worst.completion.text:
        return "all answers equal"
    if best.value <= worst.value or best.value - worst.value < rules.min_margin:
        return "margin too small"
    if best.value < rules.min_chosen:
        return "chosen answer under the minimum score"
    if best.completion.finish_reason == "length":
        return "chosen answer unfinished"
    if best.score.language_ok is False:
        return "chosen answer in the wrong language"
    if not worst.completion.text:
        return "rejected answer empty"
    if len(best.completion.text) > 20 + rules.max_length_ratio * len(worst.completion.text):
        return "chosen answer much longer"
    return None
