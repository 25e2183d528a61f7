"""M-RewardBench and its like by a language model: does a judge prefer the answer that people prefer, whichever comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.evaluate.judging.certificate import certify
from polylect.evaluate.judging.contests import Contest, Game
from polylect.evaluate.judging.outcomes import Sight, both_orders, by_contest, outcome
from polylect.evaluate.judging.playing import Spent, play
from polylect.evaluate.judging.settings import JudgeSettings
from polylect.evaluate.judging.votes import Votes
from polylect.evaluate.runs import Outcome
from polylect.evaluate.task_types import Item
from polylect.models.interface import Model
from polylect.progress import StepProgress
from polylect.records import Measurement

if TYPE_CHECKING:
    from polylect.models.engine import Limits, Retries

__all__ = ["run_judge"]

CHOSEN, REJECTED = "chosen", "rejected"
DISAGREE = "the two orders disagree"


def run_judge(
    items: Sequence[Item],
    judge: Model,
    name: str,
    *,
    folder: Path,
    settings: JudgeSettings,
    progress: StepProgress,
    limits: Limits | None = None,
    retries: Retries | None = None,
) -> Outcome:
    """Show both answers of every item in both orders; 1 where the right one is preferred, 0.5 for a tie.

    A judge that contradicts itself has called a tie, and so has one that cannot be read, as the set's authors count it (Gureja et
    al. 2024, arXiv 2410.15522); both are counted, the latter with status "unparsed". A request that failed leaves the item
    unscored. The answers are compared as they are: no language gate.

    Args:
        items: with the options (right, wrong) in the order that `answer` tells.
        judge: who is examined.
        name: what the results call it.
        folder: where verdicts are kept.
        settings: language of the instructions, form and length of a verdict.
        progress: called with (done, total, note).
        limits: of the engine.
        retries: of the engine.
    """
    from polylect.models.store import Store

    contests = [_contest(item) for item in items]
    with Store(folder / "answers.sqlite") as store:
        games, spent = play(
            contests, [judge], store, a=CHOSEN, b=REJECTED, settings=settings, limits=limits, retries=retries,
            progress=lambda counts: progress(counts.done, counts.total or 0, counts.paid),
        )  # fmt: skip
    found = by_contest(games)
    rows = [_row(item, contest, found, name) for item, contest in zip(items, contests, strict=True)]
    return Outcome(rows, [_game(game, name) for game in games], _notes(contests, games, judge.name, settings, spent[0]))


def _contest(item: Item) -> Contest:
    right = item.answer or 0
    return Contest(
        item=item.item,
        language=item.language,
        subset=item.subset,
        text=item.text,
        a=item.options[right],
        b=item.options[1 - right],
        any_language=True,
    )


def _row(item: Item, contest: Contest, games: Mapping[tuple[str, str, str, str], Game], name: str) -> Measurement:
    played = [games[(*contest.key, order)] for order in ("ab", "ba")]
    points, agree, reason = both_orders(contest, games)
    status = next((game.status for word in ("failed", "unparsed") for game in played if game.status == word), "ok")
    if status == "unparsed":
        points = 0.5
    elif agree is False:
        reason = DISAGREE
    return Measurement(
        model=name,
        benchmark=item.benchmark,
        language=item.language,
        item=item.item,
        metric="accuracy",
        score=points,
        status=status,
        reason=reason,
        subset=item.subset,
        prompt=item.text,
        output=", ".join({"a": CHOSEN, "b": REJECTED, "tie": "tie"}.get(str(game.winner), "none") for game in played),
        reference=str(contest.a),
    )


def _game(game: Game, name: str) -> dict[str, object]:
    kept = ("language", "item", "subset", "order", "raw", "shown", "status", "reason")
    return {"model": name, **{field: getattr(game, field) for field in kept}, "gold": game.winner == "a"}


def _notes(
    contests: Sequence[Contest], games: Sequence[Game], judge: str, settings: JudgeSettings, spent: Spent
) -> dict[str, Any]:
    """Return how the judge was asked, what it cost, and what it is worth per language."""
    found = by_contest(games)
    outcomes = [outcome(contest, Sight("", True), found, judge, CHOSEN, REJECTED) for contest in contests]
    languages = sorted({contest.language for contest in contests})
    certificates = certify(judge, games, outcomes, Votes(), settings.thresholds, languages)
    inconsistent = Counter(one.language for one in outcomes if one.consistent is False)
    return {
        "judge": {
            "instructions": settings.instructions,
            "verdicts": settings.verdicts,
            "orders": 2,
            "inconsistent": {tag: inconsistent[tag] for tag in languages},
            "certificates": [one.as_dict() for one in certificates],
            "spent": asdict(spent),
        }
    }
