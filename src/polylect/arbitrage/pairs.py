"""Preference pairs: the best against the worst answer to a prompt (Aya Expanse 2.2), with the guards that keep them honest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polylect.arbitrage.routing import Candidate
from polylect.records import Pair, Prompt

__all__ = ["PairRules", "pairs"]


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
        reason = _refuse(scored, rules)
        if reason:
            dropped[reason] += 1
            continue
        best, worst = scored[0], scored[-1]
        rows.append(
            Pair(
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
            )
        )
    return rows, dropped


def _refuse(scored: Sequence[Candidate], rules: PairRules) -> str | None:
    """Return why a pool (best first) gives no pair, or None."""
    if len(scored) < 2:
        return "fewer than two scored answers"
    best, worst = scored[0], scored[-1]
    if best.completion.text == worst.completion.text:
        return "all answers equal"
    if best.value - worst.value < rules.min_margin:
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
