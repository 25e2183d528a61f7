"""A teacher drawn at random: the baseline that every other router must beat."""

from __future__ import annotations

from dataclasses import dataclass

from polylect.arbitrage.router_base import BaseRouter
from polylect.arbitrage.routers import register
from polylect.records import Prompt, content_hash

__all__ = ["Random"]


@dataclass(frozen=True)
class RandomSettings:
    """`seed` of the draw."""

    seed: int = 0


@register("random")
class Random(BaseRouter):
    """All teachers that serve the language, in an order drawn by a hash of the prompt: the same in every run."""

    Settings = RandomSettings

    def preferences(self, prompt: Prompt) -> tuple[str, ...]:
        """Return the teachers in random order."""
        names = self.serving(prompt.language)
        return tuple(sorted(names, key=lambda name: content_hash(self.seed, prompt.id, name)))
