"""How far a job is: what those who work call, and those who show it provide."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["StageProgress", "StepProgress", "silent"]

StageProgress: TypeAlias = Callable[[str, int, int | None, str], None]
"""Called with the stage, what is done of it, how much there is (None: not known), and a note such as the cost so far."""

StepProgress: TypeAlias = Callable[[int, int, str], None]
"""Called with what is done of one stage, how much there is, and a note."""


def silent(stage: str, done: int, total: int | None, note: str) -> None:
    """Show nothing."""
