"""How far a job is: what those who work call, and those who show it provide."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["StageProgress", "StepProgress", "duration", "silent"]

StageProgress: TypeAlias = Callable[[str, int, int | None, str], None]
"""Called with the stage, what is done of it, how much there is (None: not known), and a note such as the cost so far."""

StepProgress: TypeAlias = Callable[[int, int, str], None]
"""Called with what is done of one stage, how much there is, and a note."""


def silent(stage: str, done: int, total: int | None, note: str) -> None:
    """Show nothing."""


def duration(seconds: float, places: int = 1) -> str:
    """Return a time span for people: "4.2 s" (with decimal places below a minute), "3:05", "2:10:00"."""
    if seconds < 60:
        return f"{seconds:.{places}f} s"
    hours, rest = divmod(round(seconds), 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"
