"""The stages of a run before one judge: every pair in both orders, one certificate per language over all of them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polylect.errors import EvaluationError
from polylect.evaluate.judging.certificate import Certificate, certify
from polylect.evaluate.judging.contests import Contest, Game, Outcome
from polylect.evaluate.judging.outcomes import by_contest, outcome, sight, winner_of
from polylect.evaluate.judging.playing import Spent, play
from polylect.evaluate.judging.settings import JudgeSettings
from polylect.evaluate.judging.votes import Votes
from polylect.models.interface import Model
from polylect.records import JUDGE_UNFIT, MULTIPLE, Comparison, Completion, Prompt, Verdict

if TYPE_CHECKING:
    from polylect.models.store import Store

__all__ = ["Answers", "StageJudging", "explained", "judge_stages"]

Answers = Mapping[str, Mapping[str, Completion]]
"""Answers by stage and prompt id."""


@dataclass(frozen=True)
class StageJudging:
    """What one judge says of pairs of stages.

    Attributes:
        judge: its name.
        verdicts: per pair and prompt, after the language gate; without a winner where the judge is unfit for the language, or
            where there is none, with the reason.
        ungated: the same without the language gate.
        certificates: one per language, over the contests of all pairs.
        outcomes: of every contest, whatever the judge is worth in its language.
        games: every verdict, raw.
        spent: what they took.
    """

    judge: str
    verdicts: tuple[Verdict, ...]
    ungated: tuple[Verdict, ...]
    certificates: tuple[Certificate, ...]
    outcomes: tuple[Outcome, ...]
    games: tuple[Game, ...]
    spent: Spent


def judge_stages(
    pairs: Sequence[tuple[str, str]],
    prompts: Sequence[Prompt],
    answers: Answers,
    judge: Model,
    store: Store,
    *,
    settings: JudgeSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> StageJudging:
    """Judge each pair of stages on every prompt.

    A certificate per pair would rest on fewer contests, and one judge could be fit for a language in one row of a report and
    not in the next: its verdicts on all pairs are held against the thresholds together.

    Args:
        pairs: (a, b) names of stages; each pair once.
        prompts: what was asked.
        answers: at most one per stage and prompt.
        judge: who judges, best of another family than the stages.
        store: where verdicts go; what it holds is not asked again.
        settings: see `JudgeSettings`.
        progress: is told (pairs done, pairs).

    Raises:
        EvaluationError: no pairs, or no prompts.
        EndpointError: an endpoint refused the key or the model, or nothing works there any more.
    """
    settings = settings or JudgeSettings()
    if not pairs or not prompts:
        raise EvaluationError(f"judge {judge.name}: {len(pairs)} pairs of stages, {len(prompts)} prompts. Give at least one.")
    subsets = _subsets(prompts)
    games: list[Game] = []
    outcomes: list[Outcome] = []
    spent: list[Spent] = []
    for done, (a, b) in enumerate(pairs, start=1):
        contests = [_contest(prompt, subsets[prompt.id], answers[a], answers[b]) for prompt in prompts]
        played = _play(contests, judge, store, a, b, settings)
        games += played[0]
        outcomes += played[1]
        spent += played[2]
        if progress is not None:
            progress(done, len(pairs))
    languages = sorted({prompt.language for prompt in prompts})
    certificates = tuple(certify(judge.name, games, outcomes, Votes(), settings.thresholds, languages))
    ids = [prompt.id for _ in pairs for prompt in prompts]
    gated, ungated = (_verdicts(ids, outcomes, certificates, gated=gated) for gated in (True, False))
    return StageJudging(judge.name, gated, ungated, certificates, tuple(outcomes), tuple(games), _total(judge.name, spent))


def explained(rates: Iterable[Comparison], verdicts: Iterable[Verdict]) -> list[Comparison]:
    """Return the comparisons, those without a win rate with the most frequent reason of their verdicts."""
    reasons: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        if verdict.winner is None:
            for language in (verdict.language, MULTIPLE):
                reasons[verdict.a, verdict.b, language][verdict.reason or "unscored"] += 1
    return [
        row if row.win_rate is not None or not (why := reasons[row.a, row.b, row.language].most_common(1))
        else replace(row, reason=why[0][0])
        for row in rates
    ]  # fmt: skip


def _play(
    contests: Sequence[Contest], judge: Model, store: Store, a: str, b: str, settings: JudgeSettings
) -> tuple[list[Game], list[Outcome], list[Spent]]:
    sights = [sight(contest, settings) for contest in contests]
    asked = [contest for contest, seen in zip(contests, sights, strict=True) if seen.asked]
    games, spent = play(asked, [judge], store, a=a, b=b, settings=settings)
    own = by_contest(games)
    outcomes = [outcome(contest, seen, own, judge.name, a, b) for contest, seen in zip(contests, sights, strict=True)]
    return games, outcomes, spent


def _subsets(prompts: Sequence[Prompt]) -> dict[str, str]:
    """Return a part of the set per prompt id, so that item and part name one prompt in a language."""
    seen: Counter[tuple[str, str, str]] = Counter()
    parts = {}
    for prompt in prompts:
        key = (prompt.language, prompt.item, prompt.kind)
        seen[key] += 1
        parts[prompt.id] = prompt.kind if seen[key] == 1 else f"{prompt.kind} {seen[key]}"
    return parts


def _contest(prompt: Prompt, subset: str, a: Mapping[str, Completion], b: Mapping[str, Completion]) -> Contest:
    (a_text, a_reason), (b_text, b_reason) = (_text(found.get(prompt.id)) for found in (a, b))
    return Contest(
        item=prompt.item,
        language=prompt.language,
        subset=subset,
        text=prompt.text,
        history=tuple((role, content) for role, content in json.loads(prompt.messages or "[]")),
        a=a_text,
        b=b_text,
        a_reason=a_reason,
        b_reason=b_reason,
    )


def _text(completion: Completion | None) -> tuple[str | None, str | None]:
    if completion is None:
        return None, "no completion"
    return (None, f"no answer: {completion.reason}") if completion.status == "failed" else (completion.text, None)


def _verdicts(
    prompt_ids: Sequence[str], outcomes: Sequence[Outcome], certificates: Sequence[Certificate], *, gated: bool
) -> tuple[Verdict, ...]:
    unfit = {one.language: f"{JUDGE_UNFIT}: {'; '.join(one.why)}" for one in certificates if one.status == "unfit"}
    rows = []
    for prompt_id, one in zip(prompt_ids, outcomes, strict=True):
        winner = None if one.language in unfit else winner_of(one.points if gated else one.ungated)
        reason = unfit.get(one.language) or (one.reason or "unscored" if winner is None else None)
        rows.append(
            Verdict(
                prompt_id=prompt_id, item=one.item, language=one.language, a=one.a, b=one.b, judge=one.judge, winner=winner,
                reason=reason,
            )
        )  # fmt: skip
    return tuple(rows)


def _total(judge: str, spent: Sequence[Spent]) -> Spent:
    names = ("games", "asked", "prompt_tokens", "completion_tokens", "cost", "cost_now")
    return Spent(judge, **{name: sum(getattr(one, name) for one in spent) for name in names})
