"""Weights that are not negative and sum to 1, and the finite set of them that a search chooses from.

Proposed weights are multiples of 0.02: scores of some hundred answers cannot tell finer steps apart, and what is printed is
exactly what was evaluated. Uniform weights and soups of m checkpoints are exactly 1/m.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import TypeAlias

import numpy as np

__all__ = ["PARTS", "Weights", "apart", "average", "candidates", "rounded", "text"]

Weights: TypeAlias = tuple[float, ...]

PARTS = 50
"""Proposed weights are multiples of 1 / PARTS."""

_APART = 0.03
"""Difference of a weight below which the answers of two merges are nearly the same."""

_LARGEST_LATTICE = 1500
"""Up to 3 checkpoints (1,326 points) all multiples are candidates, from 4 on (23,426) a sample of them."""


def text(weights: Weights) -> str:
    """Return the weights as they are printed and given to a command: "0.34,0.66". Equal texts are one evaluation."""
    return ",".join(f"{weight:.6g}" for weight in weights)


def average(count: int, members: Iterable[int]) -> Weights:
    """Return equal weights on some of `count` checkpoints and 0 on the others."""
    chosen = frozenset(members)
    return tuple(1 / len(chosen) if index in chosen else 0.0 for index in range(count))


def rounded(weights: Sequence[float]) -> Weights:
    """Return the nearest multiples of 1 / PARTS with sum 1: the largest remainders are rounded up."""
    exact = [weight * PARTS for weight in weights]
    parts = [math.floor(value) for value in exact]
    order = sorted(range(len(exact)), key=lambda index: (parts[index] - exact[index], index))
    for index in order[: PARTS - sum(parts)]:
        parts[index] += 1
    return _from_parts(parts)


def candidates(count: int, best: Weights, rng: np.random.Generator) -> list[Weights]:
    """Return what may be evaluated next, each once and in a fixed order.

    All multiples where they are few. Else a sample of the simplex and of its faces (a Dirichlet distribution over a random
    subset of the checkpoints, all sizes of subset alike: the inside of a large simplex has next to no points near its
    faces), and the neighbours of `best`: up to 5 parts moved from one checkpoint to another.
    """
    if math.comb(PARTS + count - 1, count - 1) <= _LARGEST_LATTICE:
        return list(_lattice(count))
    found = dict.fromkeys(_neighbours(rounded(best)))
    for _ in range(_LARGEST_LATTICE):
        members = rng.permutation(count)[: rng.integers(2, count + 1)]
        weights = np.zeros(count)
        weights[members] = rng.dirichlet(np.ones(len(members)))
        found[rounded(weights.tolist())] = None
    return list(found)


def apart(points: Sequence[Weights], taken: Sequence[Weights]) -> list[Weights]:
    """Return the points that differ enough from all `taken` ones to be worth an evaluation of their own."""
    distances = np.abs(np.array(points)[:, None, :] - np.array(taken)[None, :, :]).max(axis=2).min(axis=1)
    return [point for point, distance in zip(points, distances.tolist(), strict=True) if distance >= _APART]


def _lattice(count: int) -> Iterator[Weights]:
    """Yield all multiples: where `count` - 1 bars lie in a row of parts and bars."""
    for bars in combinations(range(PARTS + count - 1), count - 1):
        ends = (-1, *bars, PARTS + count - 1)
        yield _from_parts([after - before - 1 for before, after in pairwise(ends)])


def _neighbours(weights: Weights) -> Iterator[Weights]:
    parts = [round(weight * PARTS) for weight in weights]
    for giver in range(len(parts)):
        for taker in range(len(parts)):
            for moved in (1, 2, 5):
                if giver != taker and moved <= parts[giver]:
                    other = list(parts)
                    other[giver] -= moved
                    other[taker] += moved
                    yield _from_parts(other)


def _from_parts(parts: Sequence[int]) -> Weights:
    return tuple(round(part / PARTS, 2) for part in parts)
