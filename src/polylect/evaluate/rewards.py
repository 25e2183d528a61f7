"""M-RewardBench and its like: does a reward model prefer the answer that people prefer."""

from __future__ import annotations

from collections.abc import Sequence

from polylect.evaluate.runs import Outcome
from polylect.evaluate.subject import Subject
from polylect.evaluate.task_types import Item
from polylect.models.reward import RewardScore
from polylect.models.reward_inputs import Dialogue
from polylect.progress import StepProgress
from polylect.records import Measurement

__all__ = ["run_reward"]


def run_reward(items: Sequence[Item], subject: Subject, name: str, progress: StepProgress) -> Outcome:
    """Score both answers of every item; 1 where the right one has the higher reward, 0.5 for a tie.

    Lambert et al. 2024, "RewardBench" (arXiv 2403.13787), section 4; ties as in Gureja et al. 2024 (arXiv 2410.15522).
    """
    reward = subject.reward
    dialogues = [Dialogue((("user", item.text),), option) for item in items for option in item.options]
    scores = iter(reward.score(dialogues, progress))
    rows: list[Measurement] = []
    options: list[dict[str, object]] = []
    for item in items:
        given = [next(scores) for _ in item.options]
        rows.append(_row(item, given, name))
        options += [
            {
                "model": name,
                "benchmark": item.benchmark,
                "language": item.language,
                "item": item.item,
                "subset": item.subset,
                "option": place,
                "reward": score.value,
                "tokens": score.tokens,
                "gold": place == item.answer,
            }
            for place, score in enumerate(given)
        ]
    return Outcome(rows, options, {"reward_model": {"fingerprint": reward.fingerprint, "dtype": reward.dtype}})


def _row(item: Item, scores: Sequence[RewardScore], name: str) -> Measurement:
    values = [score.value for score in scores]
    reason = next((score.reason for score in scores if score.value is None), None)
    points: float | None = None
    if reason is None:
        right = values[item.answer or 0]
        others = [value for place, value in enumerate(values) if place != (item.answer or 0)]
        best = max(value for value in others if value is not None)
        points = 0.5 if right == best else float(right is not None and right > best)
    return Measurement(
        model=name,
        benchmark=item.benchmark,
        language=item.language,
        item=item.item,
        metric="accuracy",
        score=points,
        status="ok" if reason is None else "failed",
        reason=reason,
        subset=item.subset,
        prompt=item.text,
        output="" if reason else ", ".join(f"{value:.4g}" for value in values if value is not None),
        reference=item.options[item.answer or 0],
    )
