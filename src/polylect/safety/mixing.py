"""The share of safety rows in a training set.

Fine-tuning: 3 % (Üstün et al. 2024, "Aya Model", section 6). Preferences: 0, 15 and 100 % are compared (Aakanksha et al. 2024,
"The Multilingual Alignment Prism", arXiv 2406.18682).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

from polylect.errors import DataError
from polylect.records import Example, Pair

__all__ = ["DPO_SHARES", "SFT_SHARE", "mix"]

Row = TypeVar("Row", bound="Example | Pair")

SFT_SHARE = 0.03
"""Share of safety rows in a fine-tuning mixture."""

DPO_SHARES = (0.0, 0.15, 1.0)
"""Shares of safety pairs in preference training that are compared."""


def mix(general: Sequence[Row], safety: Sequence[Row], share: float = SFT_SHARE, *, seed: int = 0) -> list[Row]:
    """Return a set of which `share` are safety rows, shuffled.

    All general rows are kept and as many safety rows are drawn as give the share, from the languages in turn. Where there are
    too few, general rows are left out, in turn from the languages, until the share is met: nothing is repeated. A share of 0
    gives the general rows, 1 the safety rows.

    Raises:
        DataError: the share is outside [0, 1], or there are no rows of a kind that it asks for.
    """
    if not 0 <= share <= 1:
        raise DataError(f"share {share}: give a part of the mixture, from 0 to 1.")
    for rows, wanted, name in ((safety, share > 0, "safety"), (general, share < 1, "general")):
        if wanted and not rows:
            raise DataError(f"share {share}: there are no {name} rows to mix. Give some, or another share.")
    if share in (0.0, 1.0):
        return _drawn(safety if share else general, len(safety if share else general), seed)
    fitting = round(len(general) * share / (1 - share))
    kept = list(general) if fitting <= len(safety) else _drawn(general, round(len(safety) * (1 - share) / share), seed)
    kept += _drawn(safety, max(1, min(fitting, len(safety))), seed)
    random.Random(f"mix/{seed}").shuffle(kept)  # noqa: S311 - no secret
    return kept


def _drawn(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """Return `count` rows: languages in turn, rows of a language in random order."""
    by_language: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_language[row.language].append(row)
    generator = random.Random(f"draw/{seed}")  # noqa: S311 - no secret
    for own in by_language.values():
        generator.shuffle(own)
    drawn: list[Row] = []
    while len(drawn) < count and any(by_language.values()):
        for tag in sorted(by_language):
            if by_language[tag] and len(drawn) < count:
                drawn.append(by_language[tag].pop())
    return drawn
