"""Pairwise judging from end to end: contests and judges in, win rates with the judge's certificate out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polylect.errors import EvaluationError
from polylect.evaluate.judging.battles import battle_rates
from polylect.evaluate.judging.certificate import Certificate, Status, certify
from polylect.evaluate.judging.contests import Contest, Game, Outcome
from polylect.evaluate.judging.instructions import has_native
from polylect.evaluate.judging.outcomes import Sight, by_contest, outcome, sight
from polylect.evaluate.judging.panel import Disagreement, combine, disagreement
from polylect.evaluate.judging.playing import Spent, play
from polylect.evaluate.judging.rates import Rates, rates
from polylect.evaluate.judging.settings import JudgeSettings
from polylect.evaluate.judging.votes import Votes
from polylect.models.interface import Model
from polylect.resampling import Estimate

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.store import Store

__all__ = ["Judging", "judge"]


@dataclass(frozen=True)
class Judging:
    """What came of contests between `a` and `b`.

    Attributes:
        a: name of the first contestant.
        b: name of the second.
        judges: names of the judges.
        rates: win rates of a; with several judges, those of the panel.
        certificates: one per judge and language.
        outcomes: per judge, then (with several) the panel's.
        games: every verdict, raw.
        panel: how far the judges agree, per language; empty for one judge.
        spent: tokens and cost by judge.
        battles: of verdicts of the form "arena-hard", the win rate over battles by language and for "mul"; else empty.
        instructions: languages by the language of the instructions that they were judged with: "native", "en" or "template".
        notes: what a reader should know beside the numbers.
        settings: as given.
    """

    a: str
    b: str
    judges: tuple[str, ...]
    rates: Rates
    certificates: tuple[Certificate, ...]
    outcomes: tuple[Outcome, ...]
    games: tuple[Game, ...]
    panel: tuple[Disagreement, ...]
    spent: tuple[Spent, ...]
    instructions: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    settings: JudgeSettings
    battles: Mapping[str, Estimate] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but outcomes and games as JSON values."""
        from dataclasses import asdict

        return {
            "a": self.a,
            "b": self.b,
            "judges": list(self.judges),
            **self.rates.as_dict(),
            "certificates": [one.as_dict() for one in self.certificates],
            "panel": [one.as_dict() for one in self.panel],
            "spent": [asdict(one) for one in self.spent],
            "instructions": {name: list(tags) for name, tags in self.instructions.items()},
            "notes": list(self.notes),
            "battles": {tag: one._asdict() for tag, one in self.battles.items()},
            "settings": self.settings.as_dict(),
        }


def judge(
    contests: Sequence[Contest],
    judges: Sequence[Model],
    store: Store,
    *,
    a: str = "a",
    b: str = "b",
    settings: JudgeSettings | None = None,
    votes: Votes | None = None,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: Callable[[Counts], None] | None = None,
) -> Judging:
    """Judge contests in both orders, certify the judges, and return win rates per language.

    Args:
        contests: one per item and language (and subset).
        judges: models; best of other families than both contestants.
        store: where verdicts go; what it holds is not asked again.
        a: name of the first contestant.
        b: name of the second.
        settings: see `JudgeSettings`.
        votes: of people, for the certificate.
        limits: of the engine.
        retries: of the engine.
        progress: of the engine.

    Raises:
        EvaluationError: no contests, no judge, one name for two judges or contestants, or a contest given twice.
        EndpointError: an endpoint refused the key or the model, or nothing works there any more.
    """
    settings, votes = settings or JudgeSettings(), votes or Votes()
    _check(contests, judges, a, b)
    sights = [sight(contest, settings) for contest in contests]
    asked = [contest for contest, seen in zip(contests, sights, strict=True) if seen.asked]
    games, spent = play(asked, judges, store, a=a, b=b, settings=settings, limits=limits, retries=retries, progress=progress)
    languages = sorted({contest.language for contest in contests})
    outcomes: dict[str, list[Outcome]] = {}
    certificates: list[Certificate] = []
    for model in judges:
        own = [game for game in games if game.judge == model.name]
        outcomes[model.name] = _outcomes(contests, sights, own, model.name, a, b)
        certificates += certify(model.name, own, outcomes[model.name], votes, settings.thresholds, languages)
    seats = {tag: [one.judge for one in certificates if one.language == tag and one.status != "unfit"] for tag in languages}
    several = len(judges) > 1
    statuses = _statuses(certificates, languages)
    each = [one for rows in outcomes.values() for one in rows]
    final = combine(outcomes, seats, settings.panel) if several else outcomes[judges[0].name]
    return Judging(
        a=a,
        b=b,
        judges=tuple(model.name for model in judges),
        rates=rates(contests, final, statuses, settings),
        certificates=tuple(certificates),
        outcomes=(*each, *(final if several else [])),
        games=tuple(games),
        panel=tuple(disagreement(outcomes, seats)) if several else (),
        spent=tuple(spent),
        instructions=_instructions(languages, settings),
        notes=tuple(_notes(judges, a, b, sights, votes)),
        settings=settings,
        battles=battle_rates(each, games, statuses, settings) if settings.verdicts == "arena-hard" else {},
    )


def _outcomes(
    contests: Sequence[Contest], sights: Sequence[Sight], games: Sequence[Game], judge: str, a: str, b: str
) -> list[Outcome]:
    by_key = by_contest(games)
    return [outcome(contest, seen, by_key, judge, a, b) for contest, seen in zip(contests, sights, strict=True)]


def _check(contests: Sequence[Contest], judges: Sequence[Model], a: str, b: str) -> None:
    if not contests:
        raise EvaluationError(f"{a} against {b}: no contests. Give answers of both to the same items.")
    if not judges:
        raise EvaluationError(f"{a} against {b}: no judge. Name at least one model that judges.")
    if a == b:
        raise EvaluationError(f"both contestants are called {a!r}. Give them different names.")
    for name, count in Counter(model.name for model in judges).items():
        if count > 1:
            raise EvaluationError(f"{count} judges are called {name!r}. Give each a name of its own.")
    for key, count in Counter(contest.key for contest in contests).items():
        if count > 1:
            raise EvaluationError(
                f"item {key[2]!r} in {key[1]}: {count} contests; an item counts once. Remove the repeated ones."
            )


def _statuses(certificates: Sequence[Certificate], languages: Sequence[str]) -> dict[str, tuple[Status, tuple[str, ...]]]:
    """Return status and reasons per language; a panel is as fit as its fittest judge."""
    found: dict[str, tuple[Status, tuple[str, ...]]] = {}
    for tag in languages:
        own = [one for one in certificates if one.language == tag]
        best = min(own, key=lambda one: ("fit", "uncertified", "unfit").index(one.status))
        names = {one.judge for one in own}
        why = [f"{one.judge}: {reason}" if len(names) > 1 else reason for one in own for reason in one.why]
        found[tag] = best.status, tuple(why) if best.status == "unfit" or len(names) > 1 else best.why
    return found


def _instructions(languages: Sequence[str], settings: JudgeSettings) -> dict[str, tuple[str, ...]]:
    if settings.template is not None:
        return {"template": tuple(languages)}
    native = tuple(tag for tag in languages if settings.instructions == "native" and has_native(tag))
    return {name: tags for name, tags in (("native", native), ("en", tuple(t for t in languages if t not in native))) if tags}


def _notes(judges: Sequence[Model], a: str, b: str, sights: Sequence[Any], votes: Votes) -> list[str]:
    notes = [
        f"judge {model.name} is a contestant, too: models favour their own answers (Panickssery et al. 2024, arXiv 2404.13076)"
        for model in judges
        if model.name in {a, b}
    ]
    missing = Counter(seen.reason for seen in sights if seen.decided == "missing")
    notes += [f"{count:,} contests without a result: {reason}" for reason, count in missing.most_common()]
    notes += [f"{count:,} votes left out: {reason}" for reason, count in votes.left_out.items()]
    return notes
