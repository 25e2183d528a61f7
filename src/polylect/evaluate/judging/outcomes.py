"""From games to outcomes: both orders together, with and without the language gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polylect.evaluate.judging.contests import POINTS, Contest, Game, Outcome
from polylect.evaluate.judging.gate import in_right_language
from polylect.evaluate.judging.settings import JudgeSettings

__all__ = ["Sight", "both_orders", "by_contest", "outcome", "sight", "winner_of"]

Games = Mapping[tuple[str, str, str, str], Game]
"""Games of one judge by (subset, language, item, order)."""


@dataclass(frozen=True)
class Sight:
    """What is known of a contest before a judge sees it.

    `decided` is "" where the judge decides alone, else "missing", "empty", "identical" or "gate", with the points of a
    (None for "missing") and the `reason`. `asked` tells whether the judge is asked.
    """

    decided: str
    asked: bool
    points: float | None = None
    reason: str | None = None
    a_language: bool | None = None
    b_language: bool | None = None


def sight(contest: Contest, settings: JudgeSettings) -> Sight:
    """Look at a contest before the judge does.

    No answer on either side leaves it unscored: a failed request says nothing about a model. An empty answer loses to one that is
    not; two of them tie, as equal texts do.
    """
    missing = [
        reason or "no answer" for text, reason in ((contest.a, contest.a_reason), (contest.b, contest.b_reason)) if text is None
    ]
    if contest.a is None or contest.b is None:
        sides = "a" if contest.b is not None else "b" if contest.a is not None else "a and b"
        return Sight("missing", False, reason=f"{sides}: {missing[0]}")
    a_empty, b_empty = not contest.a.strip(), not contest.b.strip()
    if a_empty or b_empty:
        return Sight("empty", False, 0.5 + 0.5 * (b_empty - a_empty), f"empty answer: {_sides(a_empty, b_empty)}")
    a_right, b_right = (None if contest.any_language else in_right_language(text, contest.language, settings.foreign_share)
                        for text in (contest.a, contest.b))  # fmt: skip
    if contest.a == contest.b:
        return Sight("identical", False, 0.5, "identical answers", a_right, b_right)
    a_wrong, b_wrong = a_right is False, b_right is False
    if settings.gate and (a_wrong or b_wrong):
        points = 0.5 + 0.5 * (b_wrong - a_wrong)
        return Sight("gate", settings.ungated, points, f"wrong language: {_sides(a_wrong, b_wrong)}", a_right, b_right)
    return Sight("", True, a_language=a_right, b_language=b_right)


def outcome(contest: Contest, seen: Sight, games: Games, judge: str, a: str, b: str) -> Outcome:
    """Return the outcome of a contest before one judge."""
    points, consistent, reason = both_orders(contest, games) if seen.asked else (None, None, None)
    ungated = points if seen.asked or seen.decided == "gate" else seen.points
    if seen.decided:
        points, reason = seen.points, seen.reason
    return Outcome(
        judge=judge,
        a=a,
        b=b,
        item=contest.item,
        language=contest.language,
        subset=contest.subset,
        points=points,
        winner=winner_of(points),
        ungated=ungated,
        decided=seen.decided or ("judge" if points is not None else "unscored"),
        consistent=consistent,
        reason=reason,
        a_language=seen.a_language,
        b_language=seen.b_language,
    )


def both_orders(contest: Contest, games: Games) -> tuple[float | None, bool | None, str | None]:
    """Return (points of a, whether both orders agree, why there are no points).

    The contest goes to who is ahead in battles after both games. One unreadable verdict leaves it unscored: the other alone would
    carry the judge's liking for a place.
    """
    forth, back = (games[(*contest.key, order)] for order in ("ab", "ba"))
    for game in (forth, back):
        if game.winner is None:
            return None, None, game.reason
    lead = sum(game.battles * (POINTS[str(game.winner)] - 0.5) for game in (forth, back))
    return (1.0 if lead > 0 else 0.0 if lead < 0 else 0.5), forth.winner == back.winner, None


def winner_of(points: float | None) -> str | None:
    """Return "a", "b", "tie" or None for points in [0, 1] or None."""
    if points is None:
        return None
    return "tie" if abs(points - 0.5) < 1e-9 else "a" if points > 0.5 else "b"


def by_contest(games: Sequence[Game]) -> dict[tuple[str, str, str, str], Game]:
    """Return the games of one judge by what they are about."""
    return {(game.subset, game.language, game.item, game.order): game for game in games}


def _sides(a: bool, b: bool) -> str:
    return "a and b" if a and b else "a" if a else "b"
