"""Win rates per language from outcomes: with the language gate, without it, and at equal length and style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from polylect.evaluate.judging.certificate import Status
from polylect.evaluate.judging.contests import Contest, Outcome
from polylect.evaluate.judging.settings import JudgeSettings
from polylect.evaluate.judging.style import StyleFit, features, fit_style
from polylect.evaluate.paired import PairedComparison, decide
from polylect.records import MULTIPLE, Measurement
from polylect.resampling import Estimate

__all__ = ["METRIC", "UNGATED", "LanguageRate", "Rates", "measurements", "rates"]

METRIC = "win_rate"
UNGATED = "win_rate_ungated"
_NOTHING = Estimate(None, None, None)


@dataclass(frozen=True, kw_only=True)
class LanguageRate:
    """How contestant a did against b in one language ("mul": the mean over the languages that have a win rate).

    Attributes:
        language: canonical tag, or "mul".
        status: of the judge (of a panel: "fit" where one judge is); no number is given where it is "unfit".
        why: what the judge misses there.
        contests: all of them; win + loss + tie + unscored.
        win: contests that a won, by judge or gate.
        loss: those that b won.
        tie: ties.
        unscored: contests without a result.
        rate: (value, low, high) of win + tie / 2 in [0, 1], with a 95 % interval.
        ungated: the same without the language gate.
        style: the win rate at equal length and style, without the gate; and what length and style weigh.
        verdict: "better", "worse" or "undecided" (Holm over the languages), "unfit", "no data".
        p_holm: adjusted p-value.
        a_wrong: answers of a in a wrong language.
        b_wrong: the same of b.
        decided: contests by how they were decided.
        reasons: unscored contests by reason.
    """

    language: str
    status: Status
    why: tuple[str, ...] = ()
    contests: int
    win: int
    loss: int
    tie: int
    unscored: int
    rate: Estimate
    ungated: Estimate
    style: StyleFit | None
    verdict: str
    p_holm: float | None
    a_wrong: int
    b_wrong: int
    decided: Mapping[str, int]
    reasons: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name; estimates as value, low, high."""
        fields = asdict(self)
        return {**fields, "rate": self.rate._asdict(), "ungated": self.ungated._asdict()}


@dataclass(frozen=True)
class Rates:
    """The languages in which a does worst first, those without a number last; the mean over languages; the verdict in words."""

    languages: tuple[LanguageRate, ...]
    macro: LanguageRate
    words: str

    @property
    def alone(self) -> dict[str, tuple[str, ...]]:
        """Languages left undecided whose own interval leaves out 1/2, as "better" and "worse": leads, not claims."""
        rows = [(row.language, row.rate) for row in self.languages if row.verdict == "undecided"]
        return {
            "better": tuple(language for language, (_, low, _high) in rows if low is not None and low > 0.5),
            "worse": tuple(language for language, (_, _low, high) in rows if high is not None and high < 0.5),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {
            "words": self.words,
            "macro": self.macro.as_dict(),
            "languages": [rate.as_dict() for rate in self.languages],
        }


def measurements(outcomes: Sequence[Outcome], benchmark: str, *, gated: bool = True) -> list[Measurement]:
    """Return the outcomes as rows for statistics: the score is what the contest was worth to a."""
    return [
        Measurement(
            model=one.a,
            benchmark=benchmark,
            language=one.language,
            item=one.item,
            subset=one.subset,
            metric=METRIC if gated else UNGATED,
            score=score,
            status="ok" if score is not None else "skipped" if one.decided == "missing" else "unparsed",
            reason=one.reason,
        )
        for one in outcomes
        for score in [one.points if gated else one.ungated]
    ]


def rates(
    contests: Sequence[Contest],
    outcomes: Sequence[Outcome],
    statuses: Mapping[str, tuple[Status, tuple[str, ...]]],
    settings: JudgeSettings,
) -> Rates:
    """Return the win rates of all languages in `statuses`; `outcomes` are those of `contests`, in their order.

    An unfit judge's verdicts enter no win rate, mean or claim; they stay in the outcomes.
    """
    fit = [one for one in outcomes if statuses[one.language][0] != "unfit"]
    gated, ungated = (_decided(fit, settings, gated=gated) for gated in (True, False))
    own: dict[str, list[tuple[Contest, Outcome]]] = {language: [] for language in statuses}
    for contest, one in zip(contests, outcomes, strict=True):
        own[one.language].append((contest, one))
    rows = [_language(language, statuses[language], pairs, gated, ungated) for language, pairs in own.items()]
    rows.sort(key=lambda row: (row.rate.value is None, row.rate.value or 0.0, row.language))
    macro = _row(MULTIPLE, ("fit", ()), fit, gated, ungated, None)
    return Rates(tuple(rows), macro, _words(gated, rows))


def _decided(outcomes: Sequence[Outcome], settings: JudgeSettings, *, gated: bool) -> PairedComparison | None:
    rows = measurements(outcomes, "", gated=gated)
    if not any(row.score is not None for row in rows):
        return None
    found = decide(rows, names=(outcomes[0].a, outcomes[0].b), seed=settings.seed, resamples=settings.resamples)
    return next(one for one in found if one.rows[0].subset == "")


def _language(
    language: str,
    status: tuple[Status, tuple[str, ...]],
    pairs: Sequence[tuple[Contest, Outcome]],
    gated: PairedComparison | None,
    ungated: PairedComparison | None,
) -> LanguageRate:
    style = None
    if status[0] != "unfit":
        style = fit_style(
            [
                (features(contest.a, contest.b), one.ungated)
                for contest, one in pairs
                if one.ungated is not None
                and contest.a is not None
                and contest.b is not None
                and one.decided in {"judge", "gate"}
            ]
        )
    return _row(language, status, [one for _, one in pairs], gated, ungated, style)


def _row(
    language: str,
    status: tuple[Status, tuple[str, ...]],
    outcomes: Sequence[Outcome],
    gated: PairedComparison | None,
    ungated: PairedComparison | None,
    style: StyleFit | None,
) -> LanguageRate:
    winners = Counter(one.winner for one in outcomes)
    rate, verdict, p_holm = _rate(gated, language)
    return LanguageRate(
        language=language,
        status=status[0],
        why=status[1],
        contests=len(outcomes),
        win=winners["a"],
        loss=winners["b"],
        tie=winners["tie"],
        unscored=winners[None],
        rate=rate,
        ungated=_rate(ungated, language)[0],
        style=style,
        verdict="unfit" if status[0] == "unfit" else verdict,
        p_holm=p_holm,
        a_wrong=sum(one.a_language is False for one in outcomes),
        b_wrong=sum(one.b_language is False for one in outcomes),
        decided=dict(Counter(one.decided for one in outcomes)),
        reasons=dict(Counter(one.reason or "unscored" for one in outcomes if one.winner is None).most_common()),
    )


def _rate(found: PairedComparison | None, language: str) -> tuple[Estimate, str, float | None]:
    scope = "macro" if language == MULTIPLE else "language"
    row = next((row for row in found.rows if (row.scope, row.language) == (scope, language)), None) if found else None
    if row is None or row.value is None:
        return _NOTHING, "no data", None
    low, high = (None if end is None else min(max(0.5 + end, 0.0), 1.0) for end in (row.low, row.high))
    return Estimate(0.5 + row.value, low, high), row.verdict, row.p_holm


def _words(found: PairedComparison | None, rows: Sequence[LanguageRate]) -> str:
    parts = [found.words] if found else []
    unfit = [row.language for row in rows if row.status == "unfit"]
    if unfit:
        parts.append(f"judge unfit in {len(unfit)} ({', '.join(unfit)})")
    return ", ".join(parts) or "nothing to compare"
