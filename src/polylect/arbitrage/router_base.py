"""What a router is, and what all routers share: who serves a language, probe items, how the best answer is found."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from polylect.arbitrage.routing import Candidate
from polylect.errors import DataError, RecipeError
from polylect.models.requests import Request
from polylect.records import Prompt, content_hash

__all__ = ["BaseRouter", "NoSettings", "Router", "Teacher", "best", "serving", "uniform"]

SCHEMA = 1
"""Version of router.json."""


class Teacher(Protocol):
    """Who may be asked: a member of the pool, as far as routers care. `languages` None: all."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def languages(self) -> Collection[str] | None:
        """The languages it serves, canonical tags."""


class Router(Protocol):
    """Who is asked, and whose answer is taken.

    Attributes:
        name: as on the command line.
        probe: share of the items whose prompts all teachers answer first, for `learn`; 0 for routers that need none.
        everyone: all teachers answer every prompt, and `choose` decides.
        writer: the spec of a model that writes one more answer from all others (see `second`); None for most routers.
    """

    name: str
    probe: float
    everyone: bool
    writer: str | None

    def probed(self, item: str) -> bool:
        """Tell whether an item belongs to the probe share; the same in every run of one seed."""

    def learned_from(self, item: str) -> bool:
        """Tell whether rewards of this item went into `learn`: what is measured on it flatters the router."""

    def learn(self, prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]]) -> None:
        """Learn from answered prompts; rewards[i] maps teacher -> score, without those that failed or are unscored."""

    def plan(self, prompts: Sequence[Prompt]) -> list[tuple[str, ...]]:
        """Return for each prompt the teachers in order of preference: the first is asked, the next ones serve re-routing."""

    def explored(self, prompt: Prompt) -> bool:
        """Tell whether the first teacher of the plan was drawn at random, to keep learning possible."""

    def second(self, prompt: Prompt, candidates: Sequence[Candidate]) -> Request | None:
        """Return what `writer` is to be asked about the scored answers; None: nothing to write."""

    def choose(self, prompt: Prompt, candidates: Sequence[Candidate]) -> Candidate | None:
        """Return the answer to take; None where no candidate has a score."""

    def account(self) -> dict[str, Any]:
        """Return what the router learned and how sure it is, as JSON, for the routing report."""

    def save(self, folder: Path) -> None:
        """Write the router into `folder`, to be read by `polylect.arbitrage.routers.load`."""


def serving(teachers: Sequence[Teacher], language: str) -> tuple[str, ...]:
    """Return the names of the teachers that serve a language, in the order of the pool."""
    return tuple(t.name for t in teachers if t.languages is None or language in t.languages)


def uniform(*parts: Any) -> float:
    """Return a number in [0, 1) that depends on `parts` alone."""
    return int(content_hash(*parts)[:13], 16) / 16**13


def best(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the best scored answer; ties are drawn by a hash of prompt and model, so that no teacher's name wins more."""
    scored = [c for c in candidates if c.score.value is not None and c.completion.status == "ok"]
    if not scored:
        return None
    return min(scored, key=lambda c: (-c.value, content_hash(c.completion.prompt_id, c.completion.model), c.completion.sample))


@dataclass(frozen=True)
class NoSettings:
    """A router without settings."""


class BaseRouter:
    """A router over `teachers`: subclasses fill in `preferences`, and what they learn.

    The probe share, where there is one, is cut by item, so that translations of one item never lie on both sides. A share
    of the probe items (`held_out`) is not learned from: it measures the router.

    Raises:
        RecipeError: no teachers, or two of one name.
    """

    name: str = ""
    everyone: bool = False
    writer: str | None = None
    held_out: float = 0.25
    Settings: ClassVar[type[Any]] = NoSettings

    def __init__(self, teachers: Sequence[Teacher], settings: Any) -> None:
        names = [teacher.name for teacher in teachers]
        if not names:
            raise RecipeError(f"router {self.name}: the pool is empty. Give at least one teacher.")
        if len(set(names)) < len(names):
            raise RecipeError(f"router {self.name}: two teachers have the same name among {', '.join(names)}. Rename one.")
        self.teachers = tuple(teachers)
        self.settings = settings
        self.seed: int = getattr(settings, "seed", 0)
        self.probe: float = getattr(settings, "probe", 0.0)
        self._serving: dict[str, tuple[str, ...]] = {}

    def serving(self, language: str) -> tuple[str, ...]:
        """Return the names of the teachers that serve a language."""
        if language not in self._serving:
            self._serving[language] = serving(self.teachers, language)
        return self._serving[language]

    def probed(self, item: str) -> bool:
        """Tell whether an item belongs to the probe share."""
        return self.probe > 0 and uniform("probe", self.seed, item) < self.probe

    def learned_from(self, item: str) -> bool:
        """Tell whether the item is one of the probe items that are learned from."""
        return self.probed(item) and not self.holds_out(item)

    def holds_out(self, item: str) -> bool:
        """Tell whether a probe item is kept from learning."""
        return uniform("held out", self.seed, item) < self.held_out

    def learn(self, prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]]) -> None:
        """Learn nothing: most routers know what they do from the start."""

    def preferences(self, prompt: Prompt) -> tuple[str, ...]:
        """Return the teachers for one prompt in order of preference."""
        return self.serving(prompt.language)

    def plan(self, prompts: Sequence[Prompt]) -> list[tuple[str, ...]]:
        """Return the teachers for each prompt in order of preference; empty where no teacher serves its language."""
        return [self.preferences(prompt) for prompt in prompts]

    def explored(self, prompt: Prompt) -> bool:
        """Tell that nothing is drawn at random."""
        return False

    def second(self, prompt: Prompt, candidates: Sequence[Candidate]) -> Request | None:
        """Return nothing to write."""
        return None

    def choose(self, prompt: Prompt, candidates: Sequence[Candidate]) -> Candidate | None:
        """Return the best scored answer."""
        return best(candidates)

    def account(self) -> dict[str, Any]:
        """Return nothing to tell."""
        return {}

    def save(self, folder: Path) -> None:
        """Write router.json (and what a subclass adds) into `folder`, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        saved = {
            "schema": SCHEMA,
            "router": self.name,
            "settings": asdict(self.settings),
            "teachers": [teacher.name for teacher in self.teachers],
            "state": self.state(folder),
            "account": self.account(),
        }
        (folder / "router.json").write_text(json.dumps(saved, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def state(self, folder: Path) -> dict[str, Any]:
        """Return what was learned as JSON; large arrays are written into `folder`."""
        return {}

    def restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""

    def unlearned(self) -> DataError:
        """Return the error for a router that is asked before it has learned."""
        return DataError(f"router {self.name}: asked for a plan before it learned. Give it scored answers to probe items.")
