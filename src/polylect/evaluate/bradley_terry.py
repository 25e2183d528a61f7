"""The Bradley-Terry model of many players: strengths from battles, and whether the battles can tell them at all.

The chance that i beats j is 1 / (1 + exp(s_j - s_i)) (Bradley and Terry 1952, Biometrika 39). A tie counts as half a win for
each. Only the matrix of wins matters, so that a million battles cost no more than their counting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polylect.errors import EvaluationError
from polylect.resampling import Floats

__all__ = ["POINTS", "Battles", "check_connected", "components", "fit", "information", "win_matrix"]

POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}
"""What player a earns."""

_STEPS = 100
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Battles:
    """Battles as arrays, one entry each.

    Attributes:
        models: names, sorted; `a` and `b` index them.
        a: shape (n,), the player on the left.
        b: shape (n,), the one on the right.
        points: shape (n,), what `a` earned: 1, 0.5 or 0.
        prompt: shape (n,), the prompt (or parallel item) as a number from 0, none left out: what is resampled.
        unscored: battles without a winner, which were left out.
    """

    models: tuple[str, ...]
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    points: Floats
    prompt: NDArray[np.int64]
    unscored: int = 0

    @staticmethod
    def of(rows: Iterable[tuple[str, str, str, str | None]]) -> Battles:
        """Return battles from rows of (prompt, model a, model b, winner "a", "b", "tie" or None for unscored).

        The order of the rows does not matter.

        Raises:
            EvaluationError: an unknown winner, a model against itself, no scored battle.
        """
        given = list(rows)
        for prompt, a, b, winner in given:
            if winner is not None and winner not in POINTS:
                raise EvaluationError(f"battle on {prompt!r}: winner {winner!r} is not one of a, b, tie or empty (unscored).")
            if a == b:
                raise EvaluationError(f"battle on {prompt!r}: {a!r} fights itself. Remove the row or correct a name.")
        scored = sorted((prompt, a, b, POINTS[winner]) for prompt, a, b, winner in given if winner is not None)
        if not scored:
            raise EvaluationError(f"no battle has a winner ({len(given)} rows, all unscored); nothing can be rated.")
        prompts, lefts, rights, points = zip(*scored, strict=True)
        models = sorted({*lefts, *rights})
        place = {model: i for i, model in enumerate(models)}
        number = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        return Battles(
            tuple(models),
            np.array([place[name] for name in lefts]),
            np.array([place[name] for name in rights]),
            np.array(points, dtype=np.float64),
            np.array([number[prompt] for prompt in prompts]),
            len(given) - len(scored),
        )

    def __len__(self) -> int:
        return len(self.a)


def win_matrix(battles: Battles) -> Floats:
    """Return the wins of each model (row) against each other (column), ties half, shape (M, M)."""
    size = len(battles.models)
    won = np.bincount(battles.a * size + battles.b, weights=battles.points, minlength=size**2)
    lost = np.bincount(battles.b * size + battles.a, weights=1 - battles.points, minlength=size**2)
    return np.asarray((won + lost).reshape(size, size), dtype=np.float64)


def components(wins: Floats) -> list[list[int]]:
    """Return the strongly connected components of "has won or tied against", strongest first where they can be ordered."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    number, labels = connected_components(csr_matrix(wins > 0), directed=True, connection="strong")
    found = [np.flatnonzero(labels == label).tolist() for label in range(number)]
    # Between two components all wins go one way: sort by the share of outside battles won.
    return sorted(found, key=lambda part: (-_share_won_outside(wins, part), part))


def check_connected(wins: Floats, models: Sequence[str]) -> None:
    """Check that every model can be reached from every other by a chain of wins or ties, or no finite rating exists.

    Ford 1957, "Solution of a Ranking Problem from Binary Comparisons", American Mathematical Monthly 64.

    Raises:
        EvaluationError: it cannot; the message names the groups and how they stand to each other.
    """
    parts = components(wins)
    if len(parts) == 1:
        return
    told = "; ".join(f"[{_listed([models[i] for i in part])}] {_standing(wins, part)}" for part in parts[:4])
    more = f"; and {len(parts) - 4} more" if len(parts) > 4 else ""
    raise EvaluationError(
        f"the battles split {len(models)} models into {len(parts)} groups that cannot be put on one scale (Ford 1957): "
        f"{told}{more}. Add battles between the groups until each has won or tied and lost or tied against another, or rate "
        "the groups apart."
    )


def fit(wins: Floats, start: Floats | None = None) -> Floats:
    """Return the maximum-likelihood strengths (natural log-odds, mean 0), shape (M,), by Newton's method.

    The likelihood is concave; each step is halved until it does not fall. The battles must be connected (`check_connected`).

    Raises:
        EvaluationError: no convergence, as for battles that are not connected.
    """
    games = wins + wins.T
    earned = wins.sum(axis=1)
    size = len(wins)
    strengths = np.zeros(size) if start is None else start.copy()
    value = _log_likelihood(wins, strengths)
    for _ in range(_STEPS):
        chance = _chances(strengths)
        slope = earned - (games * chance).sum(axis=1)
        step = np.linalg.solve(_curvature(games, chance) + 1.0 / size, slope)
        # Rounding can leave the likelihood unchanged near the top, where the step is tiny anyway.
        for _ in range(40):
            tried = _log_likelihood(wins, strengths + step)
            if tried >= value - 1e-12 * abs(value):
                break
            step /= 2
        strengths, value = strengths + step, tried
        if np.abs(step).max() < _TOLERANCE:
            return np.asarray(strengths - strengths.mean())
        if np.abs(strengths).max() > 60:
            break
    raise EvaluationError(
        "Bradley-Terry strengths do not converge: some model has no finite rating; check that the battles connect all."
    )


def information(wins: Floats, strengths: Floats) -> Floats:
    """Return the Hessian of the negative log-likelihood, shape (M, M); it is singular along a common shift."""
    return _curvature(wins + wins.T, _chances(strengths))


def _chances(strengths: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(strengths[:, None] - strengths[None, :]))


def _curvature(games: Floats, chance: Floats) -> Floats:
    weight = games * chance * (1 - chance)
    return np.asarray(np.diag(weight.sum(axis=1)) - weight)


def _log_likelihood(wins: Floats, strengths: Floats) -> float:
    return -float((wins * np.logaddexp(0.0, strengths[None, :] - strengths[:, None])).sum())


def _share_won_outside(wins: Floats, part: Sequence[int]) -> float:
    won, lost = _outside(wins, part)
    return float(won / (won + lost)) if won + lost else 0.5


def _outside(wins: Floats, part: Sequence[int]) -> tuple[float, float]:
    """Return what a group won from the others and lost to them."""
    inside = np.isin(np.arange(len(wins)), part)
    return float(wins[inside][:, ~inside].sum()), float(wins[~inside][:, inside].sum())


def _standing(wins: Floats, part: Sequence[int]) -> str:
    won, lost = _outside(wins, part)
    if not won and not lost:
        return "never met the others"
    if not lost:
        return "never lost to the others"
    return "never won against the others" if not won else "won against some groups and lost to others, always one way"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
