"""Style and length control: what the win rate in a language would be between answers of equal length and markdown.

A logistic fit per language on the differences of both answers, as style control on Chatbot Arena has it (T. Li, A. Angelopoulos
and W.-L. Chiang, "Does style matter? Disentangling style and substance in Chatbot Arena", LMSYS blog, 2024): length in
characters as tanh(5 (a - b) / (a + b)); list items, bold spans and headers per 1,000 characters as differences, scaled to a
standard deviation of 1. The intercept is what is left for the answers themselves.

The hyperbolic tangent levels off (as in Dubois et al. 2024, "Length-Controlled AlpacaEval", arXiv 2404.04475): a judge may
prefer whichever answer is longer, by however much. Without it such a judge's liking is read as a slope, of which half is missed,
and what is missed is credited to the contestant who writes more.

The fit tells association, not cause: better answers may happen to be longer. Where people voted on the same contests, their
own effect of length is the yardstick.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FEATURES", "LEAST", "StyleFit", "features", "fit_style"]

FEATURES = ("length", "lists", "bold", "headers")

LEAST = 40
"""Fewest scored contests for a fit: ten per feature."""

_LIST = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
_HEADER = re.compile(r"^#{1,6}\s+\S", re.MULTILINE)
_Z = 1.959963984540054
_STEEP = 5.0
"""Where an answer is half as long again as the other, the feature has reached three quarters of its end."""
_RIDGE = 1e-2
"""Weight of the penalty on standardised coefficients: a language in which the longer answer always wins still has a fit."""


@dataclass(frozen=True)
class StyleFit:
    """A language's fit, over `n` contests.

    Attributes:
        win_rate: of a at equal length and style, in [0, 1], with a 95 % interval `low` to `high` (robust standard errors, delta
            method on the logit scale); None where there is no fit.
        effects: points of win rate that the longer answer gains over an equally long one (and the one with more lists, bold,
            headers), averaged over the contests; with ends of the interval. Features that never differ are left out.
        reason: why there is no fit.
    """

    n: int
    win_rate: float | None = None
    low: float | None = None
    high: float | None = None
    effects: dict[str, tuple[float, float, float]] | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def features(a: str, b: str) -> tuple[float, float, float, float]:
    """Return the differences of two answers in the order of `FEATURES`; positive where `a` has more."""
    left, right = _counts(a), _counts(b)
    longest = left[0] + right[0]
    length = math.tanh(_STEEP * (left[0] - right[0]) / longest) if longest else 0.0
    densities = [1000 * x / max(left[0], 1) - 1000 * y / max(right[0], 1) for x, y in zip(left[1:], right[1:], strict=True)]
    return length, densities[0], densities[1], densities[2]


def _counts(text: str) -> tuple[int, int, int, int]:
    text = unicodedata.normalize("NFC", text)
    return len(text), len(_LIST.findall(text)), len(_BOLD.findall(text)), len(_HEADER.findall(text))


def fit_style(rows: Sequence[tuple[Sequence[float], float]]) -> StyleFit:
    """Fit one language; `rows` are (differences, points of a in [0, 1]) of its scored contests. A tie is half a win."""
    import numpy as np

    n = len(rows)
    if n < LEAST:
        return StyleFit(n, reason=f"fewer than {LEAST} scored contests")
    x = np.array([row for row, _ in rows], dtype=np.float64)
    y = np.array([points for _, points in rows], dtype=np.float64)
    spread = np.sqrt((x**2).mean(axis=0))
    used = [i for i in range(x.shape[1]) if x[:, i].std() > 1e-9]
    if not used:
        return StyleFit(n, reason="answers never differ in length or style")
    # Scaled by the root mean square, not centred: 0 has to stay "equal", where the intercept is read.
    design = np.concatenate([np.ones((n, 1)), x[:, used] / spread[used]], axis=1)
    weights, covariance = _logistic(design, y)
    error = math.sqrt(covariance[0, 0])
    low, value, high = (_sigmoid(float(weights[0]) + shift * error) for shift in (-_Z, 0.0, _Z))
    effects = {FEATURES[i]: _effect(design, weights, covariance, 1 + column) for column, i in enumerate(used)}
    return StyleFit(n, value, low, high, effects)


def _logistic(design: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients (k,) and their sandwich covariance (k, k) of a ridge logistic fit, by Newton steps."""
    import numpy as np

    k = design.shape[1]
    penalty = np.full(k, _RIDGE)
    weights = np.zeros(k)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, design.T @ (y - p) - penalty * weights)
        # Far from the optimum a whole step may overshoot.
        weights = weights + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-10:
            break
    p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
    bread = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty))
    residuals = design * (y - p)[:, None]
    return weights, bread @ (residuals.T @ residuals) @ bread


def _effect(
    design: NDArray[np.float64], weights: NDArray[np.float64], covariance: NDArray[np.float64], column: int
) -> tuple[float, float, float]:
    """Return (points, low, high): how much having more of a feature raises the win rate over having equally much."""
    import numpy as np

    size = np.abs(design[:, column])
    error = math.sqrt(covariance[column, column])

    def points(weight: float) -> float:
        up, down = (1 / (1 + np.exp(-(weights[0] + sign * weight * size))) for sign in (1, -1))
        return float(100 * ((up - down) / 2).mean())

    weight = float(weights[column])
    return points(weight), points(weight - _Z * error), points(weight + _Z * error)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
