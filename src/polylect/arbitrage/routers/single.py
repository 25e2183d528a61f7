"""One teacher for everything: a named one, or the one with the best answers on the probe items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.arbitrage.router_base import BaseRouter, Teacher
from polylect.arbitrage.router_settings import share
from polylect.arbitrage.router_tables import check_teacher, language_means, macro
from polylect.arbitrage.routers import register
from polylect.errors import DataError
from polylect.records import Prompt

__all__ = ["Single"]


@dataclass(frozen=True)
class SingleSettings:
    """Which teacher.

    Attributes:
        teacher: its name; empty: the best one on the probe items.
        probe: share of the items that all teachers answer first, where no teacher is named.
        seed: of the draw of probe items.
    """

    teacher: str | None = None
    probe: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        share("probe", self.probe)


@register("single")
class Single(BaseRouter):
    """The best teacher is the one with the highest mean over languages, among those with answers in the most languages."""

    Settings = SingleSettings

    def __init__(self, teachers: Sequence[Teacher], settings: SingleSettings) -> None:
        super().__init__(teachers, settings)
        self.teacher = settings.teacher
        self.means: dict[str, float] = {}
        if self.teacher is not None:
            check_teacher("router single, teacher", self.teacher, teachers)
            self.probe = 0.0

    def learn(self, prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]]) -> None:
        """Find the best teacher, unless one is named.

        Raises:
            DataError: no answer has a score.
        """
        if self.settings.teacher is not None:
            return
        learned = [(p.language, r) for p, r in zip(prompts, rewards, strict=True) if not self.holds_out(p.item)]
        self.means = macro(language_means(learned))
        if not self.means:
            raise DataError("router single: no answer to a probe item has a score, so none is the best. See scores.parquet.")
        self.teacher = next(iter(self.means))

    def preferences(self, prompt: Prompt) -> tuple[str, ...]:
        """Return the one teacher; nobody where it does not serve the language."""
        if self.teacher is None:
            raise self.unlearned()
        return (self.teacher,) if self.teacher in self.serving(prompt.language) else ()

    def account(self) -> dict[str, Any]:
        """Return the teacher and the means it was chosen by."""
        return {"teacher": self.teacher, "means": self.means}

    def state(self, folder: Path) -> dict[str, Any]:
        """Return the teacher and the means."""
        return self.account()

    def restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Take over the teacher and the means."""
        check_teacher(f"{folder / 'router.json'}, teacher", state["teacher"], self.teachers)
        self.teacher, self.means = state["teacher"], dict(state["means"])
