"""The search: fixed points first, then a greedy soup, then what a Gaussian process proposes, within a budget.

A search is a pure function of its arguments and of what `evaluate` returns. One that was killed is therefore resumed by
running it again with what is known: it asks in the same order, and known answers cost no call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from polylect.errors import MergeError
from polylect.merge.search.objectives import Floats, Objective
from polylect.merge.search.simplex import Weights, apart, average, candidates, text
from polylect.merge.search.surrogate import Surrogate

__all__ = ["Evaluation", "SearchResult", "search"]

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Weights that were evaluated.

    Attributes:
        weights: one per checkpoint.
        origin: who asked: "single", "uniform", "soup" or "model".
        scores: score per language, higher is better.
        value: the objective of these scores.
        expected: the objective of the scores that the Gaussian processes give these weights; None before the search ends.
        expected_scores: those scores.
    """

    weights: Weights
    origin: str
    scores: Scores
    value: float
    expected: float | None = None
    expected_scores: Scores = field(default_factory=dict)


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        evaluations: all of them, in the order in which they were made; the single checkpoints come first.
        recommended: of all evaluated weights those with the highest `expected`. The highest `value` would mostly be luck:
            of forty noisy scores the best one is too good.
        uniform: the evaluation of equal weights.
        soup: the evaluation of the greedy soup.
    """

    evaluations: tuple[Evaluation, ...]
    recommended: Evaluation
    uniform: Evaluation
    soup: Evaluation

    @property
    def singles(self) -> tuple[Evaluation, ...]:
        """The evaluations of the checkpoints alone, in their order."""
        return tuple(one for one in self.evaluations if one.origin == "single")

    @property
    def best_single(self) -> Evaluation:
        """The checkpoint that serves the objective best alone; the first of equals."""
        return max(self.singles, key=lambda one: one.value)


def search(
    evaluate: Callable[[Weights], Scores],
    count: int,
    *,
    objective: Objective,
    budget: int,
    seed: int = 0,
    known: Mapping[Weights, Scores] | None = None,
    on_evaluation: Callable[[Sequence[Evaluation]], None] | None = None,
) -> SearchResult:
    """Look for the weights of `count` checkpoints that serve `objective` best.

    Args:
        evaluate: returns the score of each language for some weights; the same languages every time.
        count: number of checkpoints, at least 2.
        objective: what to maximise.
        budget: number of different weights that are evaluated, those in `known` included when the search comes to them.
        seed: of the candidates and the draws.
        known: evaluations of an earlier, unfinished search; taken instead of a call.
        on_evaluation: told of all evaluations so far whenever one was made.

    Raises:
        MergeError: fewer than two checkpoints, a budget below `count` + 1, or scores that are empty, not finite or of
            other languages than before.
    """
    if count < 2:
        raise MergeError(f"{count} checkpoint: a search for weights needs at least two.")
    if budget < count + 1:
        raise MergeError(
            f"budget {budget}: the {count} single checkpoints and their uniform average alone need {count + 1} evaluations."
        )
    work = _Search(evaluate, count, objective, budget, seed, known or {}, on_evaluation)
    for index in range(count):
        work.evaluate(average(count, [index]), "single")
    work.settle()
    uniform = work.evaluate(average(count, range(count)), "uniform")
    soup = _greedy_soup(work)
    while work.left and (proposal := work.propose()) is not None:
        work.evaluate(proposal, "model")
    return work.result(uniform.weights, soup.weights)


class _Search:
    """The evaluations so far and what follows from them."""

    def __init__(
        self,
        evaluate: Callable[[Weights], Scores],
        count: int,
        objective: Objective,
        budget: int,
        seed: int,
        known: Mapping[Weights, Scores],
        on_evaluation: Callable[[Sequence[Evaluation]], None] | None,
    ) -> None:
        self.count, self.objective, self.seed = count, objective, seed
        self._evaluate, self._budget, self._tell = evaluate, budget, on_evaluation
        self._known = {text(weights): scores for weights, scores in known.items()}
        self._done: dict[str, Evaluation] = {}

    @property
    def left(self) -> int:
        """Evaluations that the budget still holds."""
        return self._budget - len(self._done)

    @property
    def done(self) -> list[Evaluation]:
        """All evaluations, in their order."""
        return list(self._done.values())

    def evaluate(self, weights: Weights, origin: str) -> Evaluation:
        """Return the evaluation of `weights`, made now unless it was made before."""
        key = text(weights)
        if key not in self._done:
            scores = self._known[key] if key in self._known else self._evaluate(weights)
            self._check(weights, scores)
            self._done[key] = Evaluation(weights, origin, dict(scores), self._value(scores))
            if self._tell is not None:
                self._tell(self.done)
        return self._done[key]

    def settle(self) -> None:
        """Hold the single checkpoints against the best of them, now that all are evaluated (objective "floor")."""
        self._done = {key: replace(one, value=self._value(one.scores)) for key, one in self._done.items()}

    def known(self, weights: Weights) -> bool:
        """Tell whether `weights` have been evaluated."""
        return text(weights) in self._done

    def propose(self) -> Weights | None:
        """Return the candidate of highest expected improvement, or None when all candidates have been evaluated.

        The improvement is over the highest objective that the processes expect of evaluated weights, not over the highest
        that was seen, which noise has raised (Picheny, Wagner and Ginsbourger 2013).
        """
        surrogate = self._surrogate()
        _, best, expected = self._expected(surrogate)
        incumbent = self.done[int(np.argmax(expected))].weights
        seed = self.seed + 1_000_003 * len(self._done)
        pool = [point for point in candidates(self.count, incumbent, np.random.default_rng(seed)) if not self.known(point)]
        if not pool:
            return None
        pool = apart(pool, [one.weights for one in self.done]) or pool
        gains = surrogate.gains(pool, self.objective, best, float(expected.max()), seed)
        return pool[int(np.argmax(gains))]

    def result(self, uniform: Weights, soup: Weights) -> SearchResult:
        """Return the evaluations with what the processes expect of them, and the recommendation."""
        scores, _, values = self._expected(self._surrogate())
        for one, row, value in zip(self.done, scores, values, strict=True):
            means = dict(zip(self._languages, row.tolist(), strict=True))
            self._done[text(one.weights)] = replace(one, expected=float(value), expected_scores=means)
        recommended = self.done[int(np.argmax(values))]
        return SearchResult(tuple(self.done), recommended, self._done[text(uniform)], self._done[text(soup)])

    @property
    def _languages(self) -> list[str]:
        return sorted(self.done[0].scores)

    def _matrix(self, rows: list[Scores]) -> Floats:
        return np.array([[row[language] for language in sorted(row)] for row in rows], dtype=np.float64)

    def _surrogate(self) -> Surrogate:
        return Surrogate([one.weights for one in self.done], self._matrix([one.scores for one in self.done]))

    def _expected(self, surrogate: Surrogate) -> tuple[Floats, Floats, Floats]:
        """Return what is expected of the evaluated weights: scores (n, languages), best singles (languages,), objective (n,).

        The best singles are those of the expected scores: the best of noisy ones would set the floors too high.
        """
        scores = surrogate.expected([one.weights for one in self.done])
        best = scores[: self.count].max(axis=0)
        return scores, best, self.objective.of(scores, best)

    def _best(self) -> Floats:
        """Return the score of each language's best single checkpoint so far."""
        return np.asarray(self._matrix([one.scores for one in self.done[: self.count]]).max(axis=0))

    def _value(self, scores: Scores) -> float:
        row = self._matrix([scores])[0]
        # Until `settle`, a single checkpoint can only be held against itself.
        return float(self.objective.of(row, self._best() if len(self._done) >= self.count else row))

    def _check(self, weights: Weights, scores: Scores) -> None:
        bad = [language for language, score in scores.items() if not math.isfinite(score)]
        if not scores or bad or (self._done and sorted(scores) != self._languages):
            raise MergeError(
                f"weights {text(weights)}: the evaluation returned {dict(scores)}; one finite score per language is needed, "
                "for the same languages every time."
            )


def _greedy_soup(work: _Search) -> Evaluation:
    """Return the greedy soup (Wortsman et al. 2022, "Model soups", section 2, recipe 1).

    The checkpoints are taken in the order of their own objective; each joins the average when that does not lower it.
    """
    order = sorted(range(work.count), key=lambda index: -work.done[index].value)
    members = order[:1]
    soup = work.done[order[0]]
    for index in order[1:]:
        weights = average(work.count, [*members, index])
        if not work.left and not work.known(weights):
            break
        trial = work.evaluate(weights, "soup")
        if trial.value >= soup.value:
            members, soup = [*members, index], trial
    return soup
