"""Ratings from battles against evalica, direct maximisation and simulation."""

from __future__ import annotations

import evalica
import numpy as np
import pytest

from polylect.errors import EvaluationError
from polylect.evaluate.bradley_terry import Battles, check_connected, components, fit, win_matrix
from polylect.evaluate.ratings import ELO, ratings, resampled, sandwich

Row = tuple[str, str, str, str | None]


def battles(models: int = 8, prompts: int = 80, seed: int = 0) -> list[Row]:
    """Return one battle per prompt and pair, a fifth of them ties, with strengths that grow with the name."""
    draw = np.random.default_rng(seed)
    rows: list[Row] = []
    for prompt in range(prompts):
        for i in range(models):
            for j in range(i):
                won = draw.random() < 1 / (1 + np.exp(0.4 * (j - i)))
                winner = "tie" if draw.random() < 0.2 else "a" if won else "b"
                rows.append((f"p{prompt}", f"m{i}", f"m{j}", winner))
    return rows


def test_strengths_equal_evalica() -> None:
    """Log strengths are those of evalica within 1e-4 (to 1e-8, in fact), with ties as half a win for each."""
    rows = battles()
    given = Battles.of(rows)
    winners = {"a": evalica.Winner.X, "b": evalica.Winner.Y, "tie": evalica.Winner.Draw}
    found = evalica.bradley_terry(
        [row[1] for row in rows], [row[2] for row in rows], [winners[str(row[3])] for row in rows], tolerance=1e-12, limit=10_000
    )
    expected = np.log(found.scores.reindex(list(given.models)).to_numpy())
    assert fit(win_matrix(given)) == pytest.approx(expected - expected.mean(), abs=1e-8)


def test_the_fit_is_a_maximum() -> None:
    """Expected wins equal earned wins for each model (the score equations), from any start."""
    wins = win_matrix(Battles.of(battles(seed=3)))
    strengths = fit(wins, np.linspace(-5, 5, 8))
    chance = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
    assert ((wins + wins.T) * chance).sum(axis=1) - np.diag(wins) == pytest.approx(wins.sum(axis=1), abs=1e-7)
    assert strengths == pytest.approx(fit(wins), abs=1e-8)


def test_two_models_have_the_closed_form() -> None:
    """75 % of the points are log 3, on the Elo scale 190.8 points; the order of rows and of names does not matter."""
    rows: list[Row] = [
        ("1", "x", "y", "a"),
        ("2", "y", "x", "b"),
        ("3", "x", "y", "tie"),
        ("4", "x", "y", "tie"),
        ("5", "y", "x", None),
    ]
    found = ratings(Battles.of(rows), resamples=0)
    assert found == ratings(Battles.of(rows[::-1]), resamples=0)
    first, second = found.rows
    assert (first.model, first.rank, first.wins, first.ties, first.losses) == ("x", 1, 2, 2, 0)
    assert first.rating - second.rating == pytest.approx(ELO * np.log(3))
    assert (found.n, found.prompts, found.unscored) == (4, 4, 1)


def test_intervals_are_clustered_by_prompt() -> None:
    """Copying each battle into five languages changes no interval; taking the copies for prompts of their own narrows it."""
    rows = battles(prompts=60)
    single, copied = Battles.of(rows), Battles.of(rows * 5)
    apart = Battles.of([(f"{row[0]}/{k}", *row[1:]) for k in range(5) for row in rows])
    errors = [np.sqrt(np.diag(sandwich(given, fit(win_matrix(given))))) for given in (single, copied, apart)]
    assert errors[0] == pytest.approx(errors[1])
    assert errors[0] == pytest.approx(errors[2] * np.sqrt(5), rel=0.02)
    one, other = (ratings(given, resamples=200) for given in (single, copied))
    assert [(r.low, r.high) for r in one.rows] == [pytest.approx((r.low, r.high)) for r in other.rows]


def test_bootstrap_and_sandwich_agree() -> None:
    """The spread of resampled strengths is the sandwich error, and each refit is the careful fit of its own battles."""
    given = Battles.of(battles(prompts=150, seed=5))
    strengths = fit(win_matrix(given))
    drawn = resampled(given, strengths, 1, 600)
    assert drawn.std(axis=0) == pytest.approx(np.sqrt(np.diag(sandwich(given, strengths))), rel=0.12)
    assert (drawn == resampled(given, strengths, 1, 600)).all()
    found = ratings(given, seed=1, resamples=600)
    assert found.unfitted == 0
    assert all(row.low < row.rating < row.high for row in found.rows if row.low is not None and row.high is not None)
    assert all(row.rank_low <= row.rank <= row.rank_high for row in found.rows if row.rank_low and row.rank_high)
    best = found.rows[0]
    assert (best.model, best.rank, best.rank_low) == ("m7", 1, 1)


def test_unconnected_battles_are_an_error_that_names_the_groups() -> None:
    """Islands that never met, and a model that never lost, are told apart and named."""
    islands = Battles.of([("1", "a", "b", "tie"), ("2", "c", "d", "tie")])
    with pytest.raises(EvaluationError, match=r"2 groups.*\[a, b\] never met the others; \[c, d\] never met the others"):
        ratings(islands)
    unbeaten = Battles.of([("1", "a", "b", "tie"), ("2", "king", "a", "a"), ("3", "king", "b", "a")])
    with pytest.raises(EvaluationError, match=r"\[king\] never lost to the others; \[a, b\] never won against the others"):
        ratings(unbeaten)
    chain = Battles.of([("1", "a", "b", "a"), ("2", "b", "c", "a")])
    assert components(win_matrix(chain)) == [[0], [1], [2]]
    ring = Battles.of([("1", "a", "b", "a"), ("2", "b", "c", "a"), ("3", "c", "a", "a")])
    check_connected(win_matrix(ring), ring.models)
    assert fit(win_matrix(ring)) == pytest.approx(np.zeros(3), abs=1e-9)


def test_resamples_without_ratings_are_counted_not_hidden() -> None:
    """A model that lost a single time is unbeaten in a third of the resamples: no bootstrap interval is pretended."""
    rows: list[Row] = [(f"p{i}", "king", "a", "a" if i else "b") for i in range(30)]
    rows += [(f"p{i}", "a", "b", "ab"[i % 2]) for i in range(30)]
    found = ratings(Battles.of(rows), resamples=300)
    assert 0.25 < found.unfitted / 300 < 0.5
    assert {(row.low, row.high, row.rank_low) for row in found.rows} == {(None, None, None)}
    assert all(row.error is not None and row.error > 0 for row in found.rows)


def test_bad_battles_are_errors() -> None:
    """An unknown winner, a model against itself and nothing scored are named."""
    with pytest.raises(EvaluationError, match="winner 'left' is not one of a, b, tie"):
        Battles.of([("1", "a", "b", "left")])
    with pytest.raises(EvaluationError, match="'a' fights itself"):
        Battles.of([("1", "a", "a", "tie")])
    with pytest.raises(EvaluationError, match=r"no battle has a winner \(1 rows, all unscored\)"):
        Battles.of([("1", "a", "b", None)])
