"""Agreement of raters beyond chance, for nominal labels: Cohen's kappa, Gwet's AC1, Krippendorff's alpha.

Kappa (Cohen 1960) falls towards 0 where one label is frequent, however often the raters agree; AC1 (Gwet 2008, "Computing
inter-rater reliability and its variance in the presence of high agreement") does not; alpha (Krippendorff 2011, "Computing
Krippendorff's Alpha-Reliability") takes any number of raters and missing labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

__all__ = ["Agreement", "agreement", "cohen_kappa", "gwet_ac1", "krippendorff_alpha"]


@dataclass(frozen=True)
class Agreement:
    """Agreement over `n` units that all have labelled; `share` is the raw one. None where it is not defined."""

    n: int
    share: float | None = None
    kappa: float | None = None
    ac1: float | None = None
    alpha: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def agreement(pairs: Sequence[tuple[str, str]], units: Iterable[Sequence[str]] | None = None) -> Agreement:
    """Return the agreement of two raters, given as pairs of labels; `units` are all labels per unit, for alpha."""
    if not pairs:
        return Agreement(0)
    share = sum(x == y for x, y in pairs) / len(pairs)
    alpha = krippendorff_alpha(list(pairs) if units is None else units)
    return Agreement(len(pairs), share, cohen_kappa(pairs), gwet_ac1(pairs), alpha)


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return kappa of two raters, in [-1, 1]; None without pairs, or where both use one and the same label throughout."""
    n = len(pairs)
    if not n:
        return None
    left, right = Counter(x for x, _ in pairs), Counter(y for _, y in pairs)
    expected = sum(left[label] * right[label] for label in left) / n**2
    return None if expected == 1 else (sum(x == y for x, y in pairs) / n - expected) / (1 - expected)


def gwet_ac1(pairs: Sequence[tuple[str, str]], labels: int = 3) -> float | None:
    """Return AC1 of two raters, in [-1, 1]; None without pairs. `labels` is their number: of verdicts a, b and tie."""
    n = len(pairs)
    if not n:
        return None
    shares = [count / (2 * n) for count in Counter(chain.from_iterable(pairs)).values()]
    expected = sum(share * (1 - share) for share in shares) / (labels - 1)
    return (sum(x == y for x, y in pairs) / n - expected) / (1 - expected)


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Return alpha for nominal labels; each unit holds the labels that it got, one per rater who gave one.

    None where no unit has two labels, or all labels are the same.
    """
    coincidences: Counter[tuple[str, str]] = Counter()
    for unit in units:
        if len(unit) < 2:
            continue
        counts = Counter(unit)
        for one, many in counts.items():
            for other, others in counts.items():
                coincidences[one, other] += many * (others - (one == other)) / (len(unit) - 1)  # type: ignore[assignment]
    totals: Counter[str] = Counter()
    for (one, _), value in coincidences.items():
        totals[one] += value
    n = totals.total()
    expected = n**2 - sum(total**2 for total in totals.values())
    if not n or not expected:
        return None
    observed = sum(value for (one, other), value in coincidences.items() if one != other)
    return 1 - (n - 1) * observed / expected
