"""What the learned router learns from, and how well it knows what it says: targets, calibration, held-out rewards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.router_head import Labels

if TYPE_CHECKING:
    import torch

__all__ = ["calibrated", "labelled", "report", "within_prompt_spread"]

_BINS = 10


def within_prompt_spread(rewards: Sequence[Mapping[str, float]]) -> float:
    """Return the standard deviation of rewards around their prompt's mean; 1 where all answers are equally good.

    It makes the target independent of the arbiter's unit: a reward model's logits and a share of right answers alike.
    """
    squares, degrees = 0.0, 0
    for row in rewards:
        mean = sum(row.values()) / len(row)
        squares += sum((value - mean) ** 2 for value in row.values())
        degrees += len(row) - 1
    spread = math.sqrt(squares / degrees) if degrees else 0.0
    return spread if spread > 1e-9 else 1.0


def labelled(rewards: Sequence[Mapping[str, float]], columns: Sequence[str], temperature: float) -> Labels:
    """Return softmax(reward / temperature) over the teachers that were scored, per prompt."""
    import torch

    nan = float("nan")
    values = torch.tensor([[row.get(name, nan) for name in columns] for row in rewards], dtype=torch.float32)
    scored = ~values.isnan()
    return Labels(torch.softmax((values / temperature).masked_fill(~scored, float("-inf")), dim=1), scored)


def calibrated(predicted: torch.Tensor, labels: Labels) -> float:
    """Return the factor on the logits with the least KL (temperature scaling: Guo et al. 2017, arXiv 1706.04599)."""
    import torch

    from polylect.arbitrage.router_head import loss

    factors = torch.logspace(-2, 1, 121).tolist()
    return float(min(factors, key=lambda factor: float(loss(predicted * factor, labels))))


def report(
    predicted: torch.Tensor, labels: Labels, rewards: Sequence[Mapping[str, float]], columns: Sequence[str]
) -> dict[str, Any]:
    """Return how the predictions fare on N prompts: KL, calibration, and the mean reward of what they choose.

    `calibration_error` is the mean gap, over ten bins of equally many prompts, between the probability predicted for the
    preferred teacher and its target; `mean_target` and `mean_predicted` are those of each teacher.
    """
    import torch

    from polylect.arbitrage.router_head import loss

    shares = torch.softmax(predicted.masked_fill(~labels.scored, float("-inf")), dim=1)
    top, column = shares.max(dim=1)
    target = labels.targets.gather(1, column[:, None])[:, 0]
    order = top.argsort()
    gaps = [float((top[part].mean() - target[part].mean()).abs()) * len(part) for part in order.tensor_split(_BINS) if len(part)]
    chosen = [row[columns[c]] for row, c in zip(rewards, column.tolist(), strict=True)]
    return {
        "kl": float(loss(predicted, labels)),
        "calibration_error": sum(gaps) / len(rewards),
        "mean_predicted": dict(zip(columns, shares.mean(dim=0).tolist(), strict=True)),
        "mean_target": dict(zip(columns, labels.targets.mean(dim=0).tolist(), strict=True)),
        "reward_chosen": sum(chosen) / len(rewards),
        "reward_oracle": sum(max(row.values()) for row in rewards) / len(rewards),
        "reward_random": sum(sum(row.values()) / len(row) for row in rewards) / len(rewards),
    }
