"""Premiums with intervals: tokens of a language over tokens of the reference, on the items that both have.

Petrov et al. 2023, "Language Model Tokenizers Introduce Unfairness Between Languages" (NeurIPS), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from polylect.gap.tokenizers.interface import Ints

if TYPE_CHECKING:
    from polylect.resampling import Estimate

__all__ = ["premiums", "ratio"]


def ratio(amounts: Mapping[str, int], reference: Mapping[str, int]) -> float | None:
    """Return the sum of `amounts` over that of `reference`, on the items of both; None where they share none."""
    common = [item for item in amounts if item in reference]
    base = sum(reference[item] for item in common)
    return sum(amounts[item] for item in common) / base if base else None


def premiums(tokens: Mapping[str, tuple[Sequence[str], Ints]], reference: str, seed: int = 0) -> dict[str, Estimate]:
    """Return each language's premium and its 95 % interval.

    The interval is a bootstrap over items (2,000 resamples, percentiles widened for few items): languages are drawn jointly,
    so that intervals of two languages can be compared. The reference costs 1 by definition.

    Args:
        tokens: language -> (items, tokens of each item); with `reference` among the languages.
        reference: the language that the others are compared with.
        seed: of the draws.
    """
    import numpy as np

    from polylect.resampling import Estimate, percentiles, totals

    items, base = tokens[reference]
    place = {item: row for row, item in enumerate(items)}
    languages = list(tokens)
    cells = np.zeros((len(items), 2 * len(languages)))
    for column, language in enumerate(languages):
        for item, number in zip(tokens[language][0], tokens[language][1].tolist(), strict=True):
            if (row := place.get(item)) is not None:
                cells[row, column], cells[row, len(languages) + column] = number, base[row]
    shared = (cells[:, len(languages) :] > 0).sum(axis=0)
    sums, drawn = cells.sum(axis=0), totals(cells, seed)
    found = {}
    for column, language in enumerate(languages):
        own, other = sums[column], sums[len(languages) + column]
        if language == reference or other == 0:
            found[language] = Estimate(1.0, 1.0, 1.0) if other else Estimate(None, None, None)
            continue
        value, below = float(own / other), drawn[:, len(languages) + column]
        # A resample without any item of a language says nothing of it; percentiles pass over NaN.
        resampled = np.divide(drawn[:, column], below, out=np.full(len(below), np.nan), where=below > 0)
        found[language] = percentiles(resampled, value, int(shared[column]), (0.0, 2 * value), expanded=True)
    return found
