"""One teacher per language: a table given by the user, or learned on the probe items (fixed routing, arXiv 2408.14960)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polylect.arbitrage.router_base import BaseRouter, Teacher
from polylect.arbitrage.router_settings import share
from polylect.arbitrage.router_tables import check_teacher, language_means
from polylect.arbitrage.routers import register
from polylect.errors import RecipeError
from polylect.languages import canonical
from polylect.records import Prompt

__all__ = ["Fixed"]


@dataclass(frozen=True)
class FixedSettings:
    """Who answers in which language.

    Attributes:
        table: language -> teacher, or a list of teachers in order of preference; "default" is for languages not named.
            Empty: learned on the probe items.
        probe: share of the items that all teachers answer first, where there is no table.
        seed: of the draw of probe items.
    """

    table: Mapping[str, Any] = field(default_factory=dict)
    probe: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        share("probe", self.probe)


@register("fixed")
class Fixed(BaseRouter):
    """The teachers of a language in the order of the table; a language without a row falls back to the mean over languages."""

    Settings = FixedSettings

    def __init__(self, teachers: Sequence[Teacher], settings: FixedSettings) -> None:
        super().__init__(teachers, settings)
        self.table = {self._tag(key): self._row(key, value) for key, value in settings.table.items()}
        self.means: dict[str, dict[str, float]] = {}
        if self.table:
            self.probe = 0.0

    def _tag(self, key: str) -> str:
        return key if key == "default" else canonical(key)

    def _row(self, key: str, value: Any) -> tuple[str, ...]:
        row = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else ()
        where = f"router fixed, table, {key}"
        if not row or not all(isinstance(name, str) for name in row):
            raise RecipeError(f"{where}: {value!r} is neither a teacher nor a list of teachers. Name who answers.")
        for name in row:
            check_teacher(where, name, self.teachers)
            if key != "default" and name not in self.serving(self._tag(key)):
                raise RecipeError(f"{where}: {name!r} does not serve this language by the pool file. Name another teacher.")
        return row

    def learn(self, prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]]) -> None:
        """Rank the teachers of each language by mean reward, unless a table is given."""
        if self.settings.table:
            return
        learned = [(p.language, r) for p, r in zip(prompts, rewards, strict=True) if not self.holds_out(p.item)]
        self.means = language_means(learned)
        overall: dict[str, list[float]] = {}
        for by in self.means.values():
            for name, mean in by.items():
                overall.setdefault(name, []).append(mean)
        means = {name: sum(values) / len(values) for name, values in overall.items()}
        self.table = {language: _ranked(by) for language, by in self.means.items()} | {"default": _ranked(means)}

    def preferences(self, prompt: Prompt) -> tuple[str, ...]:
        """Return the language's row, without teachers that do not serve it; nobody where the table says nothing."""
        if not self.table:
            raise self.unlearned()
        able = self.serving(prompt.language)
        return tuple(name for name in self.table.get(prompt.language, self.table.get("default", ())) if name in able)

    def account(self) -> dict[str, Any]:
        """Return the table and the means it comes from."""
        return {"table": {key: list(row) for key, row in self.table.items()}, "means": self.means}

    def state(self, folder: Path) -> dict[str, Any]:
        """Return the table and the means."""
        return self.account()

    def restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Take over the table and the means; teachers that are gone are left out."""
        known = {teacher.name for teacher in self.teachers}
        self.table = {key: tuple(name for name in row if name in known) for key, row in state["table"].items()}
        self.means = {key: dict(row) for key, row in state["means"].items()}


def _ranked(means: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(sorted(means, key=lambda name: (-means[name], name)))
