"""Training steps: a table and a checkpoint in, a checkpoint out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.train.reward import RewardReport, train_reward
    from polylect.train.settings import Dpo, Lora, Reward, Sft
    from polylect.train.trainer import TrainReport, dpo, sft
    from polylect.train.vocabulary import TrimReport, trim

__all__ = ["Dpo", "Lora", "Reward", "RewardReport", "Sft", "TrainReport", "TrimReport", "dpo", "sft", "train_reward", "trim"]

_LAZY = {
    "Dpo": "settings",
    "Lora": "settings",
    "Reward": "settings",
    "RewardReport": "reward",
    "Sft": "settings",
    "TrainReport": "trainer",
    "TrimReport": "vocabulary",
    "dpo": "trainer",
    "sft": "trainer",
    "train_reward": "reward",
    "trim": "vocabulary",
}


def __getattr__(name: str) -> Any:
    """Import a part of the package when it is first asked for: the command line stays fast."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
