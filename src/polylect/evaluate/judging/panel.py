"""Several judges as one: majority or mean, among those that are fit for a language; and how much they disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any, Literal

from polylect.agreement import krippendorff_alpha
from polylect.evaluate.judging.contests import Outcome
from polylect.evaluate.judging.outcomes import winner_of

__all__ = ["PANEL", "Disagreement", "combine", "disagreement"]

PANEL = "panel"


@dataclass(frozen=True)
class Disagreement:
    """How far the judges of a panel agree in a language, over the `contests` that at least two of them decided.

    `unanimous` is the share of these in which all say the same; `alpha` is Krippendorff's. `seats` are the judges whose votes
    count there.
    """

    language: str
    seats: tuple[str, ...]
    contests: int
    unanimous: float | None
    alpha: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def combine(
    outcomes: Mapping[str, Sequence[Outcome]], seats: Mapping[str, Sequence[str]], how: Literal["majority", "mean"]
) -> list[Outcome]:
    """Return the panel's outcomes, in the order of the first judge's.

    A contest needs points from more than half of the judges that have a seat in its language; else it is unscored.

    Args:
        outcomes: by judge, of the same contests in the same order.
        seats: names of the judges that are heard, by language.
        how: "majority" gives the contest to who has more judges on its side, "mean" gives the mean of the points.
    """
    combined = []
    for together in zip(*outcomes.values(), strict=True):
        one = together[0]
        heard = [other for other in together if other.judge in seats[one.language]]
        panel = replace(one, id="", judge=PANEL, consistent=None)
        if one.decided in {"empty", "identical", "missing"}:
            combined.append(panel)
            continue
        ungated = _points([other.ungated for other in heard], how)
        # The gate and a missing answer are the same before every judge.
        fixed = one.decided == "gate"
        points = one.points if fixed else _points([other.points for other in heard], how)
        reason = one.reason if fixed else None if points is not None else _reason(heard)
        decided = "gate" if fixed else "judge" if points is not None else "unscored"
        combined.append(replace(panel, points=points, winner=winner_of(points), ungated=ungated, decided=decided, reason=reason))
    return combined


def _points(points: Sequence[float | None], how: str) -> float | None:
    given = [value for value in points if value is not None]
    if 2 * len(given) <= len(points):
        return None
    if how == "mean":
        return fmean(given)
    ahead = sum(value > 0.5 for value in given) - sum(value < 0.5 for value in given)
    return 1.0 if ahead > 0 else 0.0 if ahead < 0 else 0.5


def _reason(heard: Sequence[Outcome]) -> str:
    first = next((one.reason for one in heard if one.points is None and one.reason), None)
    return f"no majority of judges: {first}" if first else "no judge is fit for this language"


def disagreement(outcomes: Mapping[str, Sequence[Outcome]], seats: Mapping[str, Sequence[str]]) -> list[Disagreement]:
    """Return how far the judges agree, per language, before the language gate."""
    units: dict[str, list[list[str]]] = defaultdict(list)
    for together in zip(*outcomes.values(), strict=True):
        labels = [
            str(winner_of(one.ungated)) for one in together if one.consistent is not None and one.judge in seats[one.language]
        ]
        if len(labels) > 1:
            units[together[0].language].append(labels)
    found = []
    for language, names in seats.items():
        own = units[language]
        unanimous = fmean(len(set(labels)) == 1 for labels in own) if own else None
        found.append(Disagreement(language, tuple(names), len(own), unanimous, krippendorff_alpha(own)))
    return found
