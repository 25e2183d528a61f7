"""Arbitrage between teachers: who answers best in which language, and what follows from it.

The package itself can be called: `polylect.arbitrage(prompts, pool, arbiter, router, out=...)`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from polylect.arbitrage.generating import generate
from polylect.arbitrage.pairs import PairRules, pairs, translated_pairs
from polylect.arbitrage.pipeline import arbitrate
from polylect.arbitrage.routing import Candidate, best_single, candidates, examples, routes, single_examples
from polylect.arbitrage.settings import Settings
from polylect.arbitrage.starting import Summary

__all__ = [
    "Candidate",
    "PairRules",
    "Settings",
    "Summary",
    "arbitrate",
    "best_single",
    "candidates",
    "examples",
    "generate",
    "pairs",
    "routes",
    "single_examples",
    "translated_pairs",
]


class _Package(ModuleType):
    """This package as a module that can be called, as `polylect arbitrage` is on the command line."""

    def __call__(self, *arguments: Any, **settings: Any) -> Summary:
        """Let a pool of teachers answer prompts: see `arbitrate`."""
        return arbitrate(*arguments, **settings)


sys.modules[__name__].__class__ = _Package
