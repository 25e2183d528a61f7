"""Ratings of many models from battles: Bradley-Terry strengths on the Elo scale, with intervals clustered by prompt.

The battles of one prompt (its languages, its judges' games, its pairs of models) go up and down together, so prompts are what is
resampled. Resampling battles makes intervals too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polylect.errors import EvaluationError
from polylect.evaluate.bradley_terry import Battles, check_connected, components, fit, information, win_matrix
from polylect.resampling import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["ELO", "RatingRow", "Ratings", "ratings", "resampled", "sandwich"]

ELO = 400 / math.log(10)
"""Points per unit of log-odds: 400 points are odds of ten to one."""

_CENTRE = 1000.0
_Z = 1.959963984540054
_NUMBERS_AT_ONCE = 4_000_000
_STEPS = 30
_TOLERANCE = 1e-9
_UNFITTED = 0.01
"""Share of resamples without finite ratings beyond which a percentile interval would be a guess."""


@dataclass(frozen=True, kw_only=True)
class RatingRow:
    """One model: its rating (Elo points, mean of all models 1000) with a 95 % interval, and its rank (1 is best) with one.

    `error` is the sandwich standard error in points, clustered by prompt. `low` and `high` are bootstrap percentiles over
    prompts; where no bootstrap was asked for they are rating +- 1.96 errors and the ranks have no interval. `battles`
    counts the scored battles of the model, `wins`, `ties` and `losses` them by result.
    """

    model: str
    rating: float
    low: float | None
    high: float | None
    error: float | None
    rank: int
    rank_low: int | None
    rank_high: int | None
    battles: int
    wins: int
    ties: int
    losses: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Ratings:
    """All models, best first; `n` scored battles on `prompts` prompts, `unscored` left out.

    `unfitted` counts bootstrap resamples whose battles did not connect all models: they have no finite ratings and are left
    out; when they are more than 1 % there are no bootstrap intervals, and `low` and `high` are None.
    """

    rows: tuple[RatingRow, ...]
    n: int
    prompts: int
    unscored: int
    resamples: int
    unfitted: int


def ratings(battles: Battles, *, seed: int = 0, resamples: int = 1000) -> Ratings:
    """Rate the models of `battles`.

    Args:
        battles: see `Battles.of`.
        seed: of the draws.
        resamples: number of bootstrap resamples of prompts; 0: intervals by the sandwich errors.

    Raises:
        EvaluationError: the battles do not connect all models; the message names the groups.
    """
    wins = win_matrix(battles)
    check_connected(wins, battles.models)
    strengths = fit(wins)
    errors = np.sqrt(np.diag(sandwich(battles, strengths)))
    prompts = _prompts(battles)
    drawn = resampled(battles, strengths, seed, resamples) if resamples and prompts > 1 else np.empty((0, len(strengths)))
    unfitted = int(np.isnan(drawn[:, 0]).sum()) if len(drawn) else 0
    # At one prompt a cluster error is 0 by construction, which is no knowledge.
    ends = _ends(strengths, errors, drawn, unfitted) if prompts > 1 else np.full((2, len(strengths)), np.nan)
    ranks = _rank_ends(drawn, unfitted, len(strengths))
    rows = _rows(battles, strengths, errors if prompts > 1 else None, ends, ranks)
    return Ratings(rows, len(battles), prompts, battles.unscored, resamples, unfitted)


def _rows(
    battles: Battles, strengths: Floats, errors: Floats | None, ends: Floats, ranks: NDArray[np.int64]
) -> tuple[RatingRow, ...]:
    """Return a row per model, best first; `ends` and `ranks` have shape (2, M), lower end first."""
    tallies = _tallies(battles)
    order = sorted(range(len(strengths)), key=lambda i: (-strengths[i], battles.models[i]))
    return tuple(
        RatingRow(
            model=battles.models[i],
            rating=_CENTRE + ELO * float(strengths[i]),
            low=_points(ends[0, i]),
            high=_points(ends[1, i]),
            error=None if errors is None else ELO * float(errors[i]),
            rank=place,
            rank_low=int(ranks[0, i]) or None,
            rank_high=int(ranks[1, i]) or None,
            battles=int(tallies[:, i].sum()),
            wins=int(tallies[0, i]),
            ties=int(tallies[1, i]),
            losses=int(tallies[2, i]),
        )
        for place, i in enumerate(order, start=1)
    )


def sandwich(battles: Battles, strengths: Floats) -> Floats:
    """Return the covariance of the strengths (log-odds, mean 0), shape (M, M), robust and clustered by prompt.

    H^+ (sum over prompts of g g') H^+ times P / (P - 1), with g the prompt's gradient (Liang and Zeger 1986, Biometrika 73).
    Unlike the inverse of the information H it also holds where ties and judges make points less variable than wins.
    """
    from scipy.sparse import csr_matrix

    size, prompts = len(strengths), _prompts(battles)
    chance = 1 / (1 + np.exp(strengths[battles.b] - strengths[battles.a]))
    residual = battles.points - chance
    where = (np.concatenate([battles.prompt, battles.prompt]), np.concatenate([battles.a, battles.b]))
    slopes = csr_matrix((np.concatenate([residual, -residual]), where), shape=(prompts, size))
    meat = (slopes.T @ slopes).toarray()
    bread = np.linalg.inv(information(win_matrix(battles), strengths) + 1 / size) - 1 / size
    return np.asarray(bread @ meat @ bread * (prompts / max(prompts - 1, 1)))


def resampled(battles: Battles, strengths: Floats, seed: int, resamples: int) -> Floats:
    """Return strengths fitted to resampled prompts, shape (resamples, M); rows of NaN where the battles do not connect all."""
    size, prompts = len(strengths), _prompts(battles)
    cells = _cells_by_prompt(battles)
    generator = np.random.default_rng([seed, prompts])
    block = max(1, min(_NUMBERS_AT_ONCE // size**2, _NUMBERS_AT_ONCE // prompts, resamples))
    found = []
    for start in range(0, resamples, block):
        number = min(block, resamples - start)
        drawn = np.stack(list(_draws(generator, prompts, number)), axis=1)
        wins = np.asarray((cells @ drawn).T.reshape(number, size, size))
        found.append(_fit_many(wins, strengths))
    return np.concatenate(found)


def _draws(generator: np.random.Generator, prompts: int, number: int) -> Iterator[Floats]:
    for _ in range(number):
        picks = generator.integers(prompts, size=prompts, dtype=np.int32)
        yield np.bincount(picks, minlength=prompts).astype(np.float64)


def _cells_by_prompt(battles: Battles) -> csr_matrix:
    """Return the wins (ties half) in each cell of the win matrix by prompt, shape (M * M, P), sparse."""
    from scipy.sparse import csr_matrix

    size = len(battles.models)
    cell = np.concatenate([battles.a * size + battles.b, battles.b * size + battles.a])
    won = np.concatenate([battles.points, 1 - battles.points])
    kept = won > 0
    where = (cell[kept], np.concatenate([battles.prompt, battles.prompt])[kept])
    return csr_matrix((won[kept], where), shape=(size**2, _prompts(battles)))


def _fit_many(wins: Floats, start: Floats) -> Floats:
    """Fit many win matrices, shape (R, M, M), by Newton's method from one start; NaN where there is no finite answer."""
    found = np.full((len(wins), len(start)), np.nan)
    connected = np.flatnonzero(_connected(wins))
    part = wins[connected]
    games, earned = part + part.transpose(0, 2, 1), part.sum(axis=2)
    strengths = np.tile(start, (len(part), 1))
    active = np.arange(len(part))
    for _ in range(_STEPS):
        if not len(active):
            break
        step = _steps(games[active], earned[active], strengths[active])
        strengths[active] += step
        active = active[np.abs(step).max(axis=1) >= _TOLERANCE]
    strengths[active] = np.nan
    for i in active:
        # Full steps can overshoot for few battles; the careful fit is slower and always arrives.
        try:
            strengths[i] = fit(part[i])
        except EvaluationError:
            continue
    found[connected] = strengths - strengths.mean(axis=1, keepdims=True)
    return found


def _steps(games: Floats, earned: Floats, strengths: Floats) -> Floats:
    """Return one Newton step for each of R fits, shape (R, M), a far one cut back to length 2."""
    from scipy.special import expit

    size = strengths.shape[1]
    chance = expit(strengths[:, :, None] - strengths[:, None, :])
    slope = earned - np.einsum("rij,rij->ri", games, chance)
    weight = games * chance * (1 - chance)
    hessian = 1 / size - weight
    diagonal = np.arange(size)
    hessian[:, diagonal, diagonal] += weight.sum(axis=2)
    step = np.linalg.solve(hessian, slope[:, :, None])[:, :, 0]
    longest = np.abs(step).max(axis=1, keepdims=True)
    return np.asarray(step * np.minimum(1.0, 2.0 / np.maximum(longest, 1e-300)))


def _connected(wins: Floats) -> NDArray[np.bool_]:
    """Tell for each win matrix whether it is strongly connected, shape (R,)."""
    positive = wins > 0
    both = positive & positive.transpose(0, 2, 1)
    size = wins.shape[1]
    # Whoever has beaten and lost to all others connects them: the usual case, and cheap to see.
    result = ((both.sum(axis=2)) >= size - 1).any(axis=1)
    for i in np.flatnonzero(~result):
        result[i] = len(components(wins[i])) == 1
    return np.asarray(result)


def _ends(strengths: Floats, errors: Floats, drawn: Floats, unfitted: int) -> Floats:
    if not len(drawn):
        return np.stack([strengths - _Z * errors, strengths + _Z * errors])
    if unfitted > _UNFITTED * len(drawn):
        return np.full((2, len(strengths)), np.nan)
    return np.nanpercentile(drawn, (2.5, 97.5), axis=0)


def _rank_ends(drawn: Floats, unfitted: int, size: int) -> NDArray[np.int64]:
    if not len(drawn) or unfitted > _UNFITTED * len(drawn):
        return np.zeros((2, size), dtype=np.int64)
    kept = drawn[~np.isnan(drawn[:, 0])]
    ranks = np.argsort(np.argsort(-kept, axis=1, kind="stable"), axis=1) + 1
    return np.percentile(ranks, (2.5, 97.5), axis=0, method="inverted_cdf").astype(np.int64)


def _tallies(battles: Battles) -> NDArray[np.int64]:
    """Return wins, ties and losses by model, shape (3, M)."""
    size = len(battles.models)
    left = [np.bincount(battles.a[battles.points == point], minlength=size) for point in (1.0, 0.5, 0.0)]
    right = [np.bincount(battles.b[battles.points == point], minlength=size) for point in (0.0, 0.5, 1.0)]
    return np.stack(left) + np.stack(right)


def _prompts(battles: Battles) -> int:
    return int(battles.prompt.max()) + 1


def _points(strength: float) -> float | None:
    return None if math.isnan(strength) else _CENTRE + ELO * float(strength)
