"""All teachers answer, the best answer wins (reward-based routing; Odumakinde et al. 2024, arXiv 2408.14960)."""

from __future__ import annotations

from polylect.arbitrage.router_base import BaseRouter
from polylect.arbitrage.routers import register

__all__ = ["Reward"]


@register("reward")
class Reward(BaseRouter):
    """Every teacher that serves the language is asked."""

    everyone = True
