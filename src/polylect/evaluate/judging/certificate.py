"""The judge's certificate: per language, how far its verdicts can be trusted, and whether they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, Literal, TypeAlias

from polylect.agreement import Agreement, agreement, krippendorff_alpha
from polylect.evaluate.judging.contests import Game, Outcome
from polylect.evaluate.judging.outcomes import winner_of
from polylect.evaluate.judging.settings import Thresholds
from polylect.evaluate.judging.votes import Votes

__all__ = ["Certificate", "Status", "certify"]

Status: TypeAlias = Literal["fit", "unfit", "uncertified"]

_ENGLISH = "en"
_PLACE_POINTS = {"first": 1.0, "tie": 0.5, "second": 0.0}


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What one judge is worth in one language.

    Attributes:
        judge: its name.
        language: canonical tag.
        status: "fit", "unfit" (a threshold is missed) or "uncertified" (too few contests to tell).
        why: the thresholds that are missed, or what there is too little of, in words.
        contests: shown to the judge.
        games: verdicts asked for, two per contest.
        unparsed: verdicts that cannot be read.
        failed: requests that failed.
        reasons: unreadable and failed verdicts by reason.
        compared: contests with two readable verdicts.
        consistency: share of these in which both orders give the same verdict, with Wilson's 95 % interval `consistency_low`
            to `consistency_high`.
        first_place: points by which the answer shown first does better than half, from -50 to 50; 0 without a liking for a
            place.
        ties: share of readable verdicts that call a tie.
        people: agreement with the majority of people's votes; alpha is over the judge and every voter.
        people_alpha: Krippendorff's alpha of the voters among themselves: what a judge can be asked to reach.
        english: agreement with its own English verdicts on the same items.
    """

    judge: str
    language: str
    status: Status = "uncertified"
    why: tuple[str, ...] = ()
    contests: int
    games: int
    unparsed: int
    failed: int
    reasons: Mapping[str, int]
    compared: int
    consistency: float | None
    consistency_low: float | None
    consistency_high: float | None
    first_place: float | None
    ties: float | None
    people: Agreement = field(default_factory=lambda: Agreement(0))
    people_alpha: float | None = None
    english: Agreement = field(default_factory=lambda: Agreement(0))

    @property
    def unreadable(self) -> float | None:
        """Share of verdicts that came but cannot be read."""
        came = self.games - self.failed
        return self.unparsed / came if came else None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def certify(
    judge: str, games: Sequence[Game], outcomes: Sequence[Outcome], votes: Votes, thresholds: Thresholds, languages: Iterable[str]
) -> list[Certificate]:
    """Return a certificate per language, from all games and outcomes of one judge.

    Agreement is that of the judge's own verdicts, before the language gate. The games may be of several pairs of contestants;
    `votes` are about one pair.
    """
    by_language: dict[str, list[Game]] = defaultdict(list)
    for game in games:
        by_language[game.language].append(game)
    verdicts = {
        (one.a, one.b, one.subset, one.language, one.item): str(winner_of(one.ungated))
        for one in outcomes
        if one.consistent is not None and one.ungated is not None
    }
    found = []
    for language in languages:
        own = {key: winner for key, winner in verdicts.items() if key[3] == language}
        figures = _figures(by_language[language], [one for one in outcomes if one.language == language])
        figures.update(_with_people(own, votes))
        if language != _ENGLISH:
            english = ((winner, verdicts.get((*key[:3], _ENGLISH, key[4]))) for key, winner in own.items())
            figures["english"] = agreement([(winner, other) for winner, other in english if other is not None])
        draft = Certificate(judge=judge, language=language, **figures)
        status, why = _status(draft, thresholds)
        found.append(
            Certificate(**{**{name: getattr(draft, name) for name in draft.__dataclass_fields__}, "status": status, "why": why})
        )
    return found


def _figures(games: Sequence[Game], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    from polylect.resampling import Estimate, wilson

    status = Counter(game.status for game in games)
    places = [game.shown for game in games if game.shown is not None]
    compared = [one.consistent for one in outcomes if one.consistent is not None]
    share = wilson(sum(compared), len(compared)) if compared else Estimate(None, None, None)
    return {
        "contests": len(games) // 2,
        "games": len(games),
        "unparsed": status["unparsed"],
        "failed": status["failed"],
        "reasons": dict(Counter(str(game.reason) for game in games if game.status != "ok").most_common()),
        "compared": len(compared),
        "consistency": share.value,
        "consistency_low": share.low,
        "consistency_high": share.high,
        "first_place": 100 * (fmean(_PLACE_POINTS[place] for place in places) - 0.5) if places else None,
        "ties": fmean(place == "tie" for place in places) if places else None,
    }


def _with_people(own: Mapping[tuple[str, str, str, str, str], str], votes: Votes) -> dict[str, Any]:
    shared = {key: votes.of(key[2:]) for key in own if votes.of(key[2:])}
    pairs = [(own[key], votes.majority(key[2:])) for key in shared]
    units = [[own[key], *labels] for key, labels in shared.items()]
    return {"people": agreement(pairs, units), "people_alpha": krippendorff_alpha(shared.values())}


def _status(one: Certificate, limits: Thresholds) -> tuple[Status, tuple[str, ...]]:
    """Hold the figures against the thresholds; what rests on too few contests is not held against anything."""
    missed = []
    if one.games - one.failed >= 2 * limits.least and (one.unreadable or 0.0) > limits.unreadable:
        missed.append(f"{one.unreadable:.0%} of its verdicts cannot be read (most {limits.unreadable:.0%})")
    if one.compared >= limits.least and one.consistency is not None and one.consistency < limits.consistency:
        missed.append(f"its two orders agree in {one.consistency:.0%} (least {limits.consistency:.0%})")
    for what, found, least in (("people", one.people, limits.people), ("its own English verdicts", one.english, limits.english)):
        # Without a kappa both give one and the same verdict throughout.
        if (
            found.n >= limits.least
            and (found.kappa if found.kappa is not None else 1.0) < least
            and (found.ac1 or 0.0) < limits.ac1
        ):
            missed.append(f"kappa of {found.kappa:.2f} with {what} (least {least:.2f})")
    if missed:
        return "unfit", tuple(missed)
    if one.compared < limits.least:
        return "uncertified", (f"{one.compared} contests with two readable verdicts (least {limits.least})",)
    return "fit", ()
