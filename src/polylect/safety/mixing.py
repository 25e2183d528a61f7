"""The share of safety rows in a training set.

Fine-tuning: 3 % (Üstün et al. 2024, "Aya Model", section 6). Preferences: 0, 15 and 100 % are compared (Aakanksha et al. 2024,
"The Multilingual Alignment Prism", arXiv 2406.18682).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

from polylect.errors import DataError
from polylect.records import Example, Pair, content_hash

__all__ = ["DPO_SHARES", "SFT_SHARE", "mix"]

Row = TypeVar("Row", bound="Example | Pair")

SFT_SHARE = 0.03
"""Share of safety rows in a fine-tuning mixture."""

DPO_SHARES = (0.0, 0.15, 1.0)
"""Shares of safety pairs in preference training that are compared."""


def mix(
    general: Sequence[Row], safety: Sequence[Row], share: float = SFT_SHARE, *, seed: int = 0, fixed_size: bool = False
) -> list[Row]:
    """Return a set of which `share` are safety rows, shuffled. No row is repeated; translations of one item are drawn together.

    A share of 0 gives the general rows, 1 the safety rows. Between them one of two things is kept:

    - the share: all general rows stay and as many safety rows are added as give it, from the languages in turn. Where there are
      too few, general rows are left out, in turn from the languages, until it is met.
    - the size (`fixed_size`), in every language of the general rows: safety rows take the place of general ones, at least one,
      so that a model of the mixture is trained neither longer nor on less than one of the general rows alone. Where a language
      has too few, all of them are taken, and the share is smaller than asked.

    Args:
        general: rows without safety.
        safety: rows that teach safety.
        share: of safety rows in the result.
        seed: of the draw and the order; the order in which rows are given does not matter.
        fixed_size: keep the size and not the share, where both cannot be kept.

    Raises:
        DataError: the share is outside [0, 1], or there are no rows of a kind that it asks for.
    """
    if not 0 <= share <= 1:
        raise DataError(f"share {share}: give a part of the mixture, from 0 to 1.")
    for rows, wanted, name in ((safety, share > 0, "safety"), (general, share < 1, "general")):
        if wanted and not rows:
            raise DataError(f"share {share}: there are no {name} rows to mix. Give some, or another share.")
    ours, theirs = _by_language(general, seed), _by_language(safety, seed)
    if share in (0.0, 1.0):
        mixed = _in_turn(theirs if share else ours)
    else:
        mixed = _replaced(ours, theirs, share) if fixed_size else _added(_in_turn(ours), _in_turn(theirs), share)
    random.Random(f"mix/{seed}").shuffle(mixed)  # noqa: S311 - no secret
    return mixed


def _added(general: list[Row], safety: list[Row], share: float) -> list[Row]:
    """Return the first general rows and the first safety rows, as many of each as keep the share."""
    fitting = round(len(general) * share / (1 - share))
    kept = len(general) if fitting <= len(safety) else round(len(safety) * (1 - share) / share)
    return general[:kept] + safety[: max(1, fitting)]


def _replaced(general: Mapping[str, list[Row]], safety: Mapping[str, list[Row]], share: float) -> list[Row]:
    """Return as many rows per language as the general ones are."""
    mixed: list[Row] = []
    for tag, own in general.items():
        # A mixture without a safety row would be the general rows under another name.
        taken = safety.get(tag, [])[: max(1, round(share * len(own)))]
        mixed += own[: len(own) - len(taken)] + taken
    return mixed


def _by_language(rows: Sequence[Row], seed: int) -> dict[str, list[Row]]:
    """Return language -> its rows by chance, the same way on every machine and for the translations of one item."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (content_hash(seed, "mixture", row.item), row.id)):
        found[row.language].append(row)
    return {tag: found[tag] for tag in sorted(found)}


def _in_turn(rows: Mapping[str, list[Row]]) -> list[Row]:
    """Return the rows, languages in turn."""
    return [row for turn in zip_longest(*rows.values()) for row in turn if row is not None]
