"""Arbiters: what gives every answer of the pool its score (Odumakinde et al. 2024, arXiv 2408.14960: the arbiter).

Each kind is one file here with one decorated function, found by name:

    @arbiter("length", "the longer answer wins")
    def length(settings: Mapping[str, Any], context: Context) -> Arbiter: ...

`settings` are the keys of ARBITER.yaml but `kind`; `polylect.arbitrage.arbiters.settings.read` turns them into a dataclass. A
score is comparable between answers to one prompt, and between prompts of one language after `normalise`; never between languages.
"""

from __future__ import annotations

from polylect.arbitrage.arbiters.base import Arbiter, TwoPass, scored, unscored, why_unscored
from polylect.arbitrage.arbiters.loading import load_arbiter
from polylect.arbitrage.arbiters.normalising import Normaliser, normalise
from polylect.arbitrage.arbiters.registry import Context, arbiter, get, names

__all__ = [
    "Arbiter",
    "Context",
    "Normaliser",
    "TwoPass",
    "arbiter",
    "get",
    "load_arbiter",
    "names",
    "normalise",
    "scored",
    "unscored",
    "why_unscored",
]
