"""Splits by item: a deterministic, stratified function of the seed and the fact, the same for every language."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

__all__ = ["FRACTIONS", "SPLITS", "UNSEEN", "assign", "draw"]

FRACTIONS: Mapping[str, float] = {"seed": 0.2, "prompt": 0.35, "preference": 0.2, "heldout": 0.25}
"""Share of each kind's groups per split: human-style seed answers, arbitrage, online preference training, evaluation."""

UNSEEN = "unseen"
"""Split of the kinds that are used for evaluation only."""

SPLITS = (*FRACTIONS, UNSEEN)


def assign(family: str, groups: Iterable[str], seed: int) -> dict[str, str]:
    """Map every group of a family to its split: groups in the order of their hash, cut at the cumulated `FRACTIONS`.

    Cutting an order, unlike comparing each hash with a threshold, gives every split its share of every family.
    """
    ordered = sorted(set(groups), key=lambda group: draw(seed, family, group))
    splits = {}
    start, cumulated = 0, 0.0
    for split, fraction in FRACTIONS.items():
        cumulated += fraction
        end = round(cumulated * len(ordered))
        splits.update(dict.fromkeys(ordered[start:end], split))
        start = end
    return splits


def draw(seed: int, *parts: str) -> int:
    """Return 64 bits that depend only on `seed` and `parts`."""
    text = "\0".join((str(seed), *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
