"""What "mix or merge" found, as the document, the tables and the notes that are written."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import tables
from polylect.errors import EvaluationError
from polylect.records import MULTIPLE, Record, Result
from polylect.run.mix_or_merge_choice import Choice, Rule, choose, front, verdicts
from polylect.run.mix_or_merge_plan import GENERAL, Candidate, TradeOffPlan
from polylect.run.mix_or_merge_scores import (
    MEASURES,
    REPORT,
    VALIDATION,
    Row,
    Scores,
    by_half,
    halves,
    quality_rows,
    safety_rows,
)
from polylect.run.outputs import MANIFEST
from polylect.safety.results import SafetyResult

if TYPE_CHECKING:
    from polylect.resampling import Estimate

__all__ = ["Found", "TradeOff", "collect"]

_OVER_GENERAL = ("violation", "over_refusal", "quality")


@dataclass(frozen=True, kw_only=True)
class TradeOff(Record):
    """One measure of one candidate on one half of the items in one language ("mul": the mean over languages).

    `over_general` is the candidate minus the general expert on the same items, with its ends; `front` says whether no other
    candidate has as little harm and as much quality there.
    """

    identity = ("half", "language", "candidate", "measure")
    half: str
    language: str
    candidate: str
    measure: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    over_general: float | None
    over_general_low: float | None
    over_general_high: float | None
    front: bool
    recommended: bool


@dataclass(frozen=True)
class Found:
    """Rows and summary of the document, its notes, and the tables beside it."""

    rows: list[dict[str, Any]]
    summary: dict[str, Any]
    notes: list[str]
    candidates: list[TradeOff]
    results: list[SafetyResult]
    quality: list[Result]


@dataclass(frozen=True)
class _Read:
    """The answers of all candidates, judged."""

    safety: Mapping[str, list[SafetyResult]]
    quality: Mapping[str, list[Result]]


def collect(planned: TradeOffPlan, steps: Path, rule: Rule) -> Found:
    """Compare the candidates from the outputs of their steps.

    Args:
        planned: what was planned, and carried out.
        steps: folder of the outputs.
        rule: of the choice.

    Raises:
        EvaluationError: the held-out items have no references, or no answer has an outcome: there is nothing to weigh.
        DataError: a table is broken.
    """
    read = _Read(
        {one.name: tables.read(steps / one.safety / "results.parquet", SafetyResult) for one in planned.candidates},
        {one.name: _quality(steps / one.quality, one.name) for one in planned.candidates},
    )
    found = _scores(planned, read)
    choice = choose(found[VALIDATION], planned.candidates, rule)
    rows = [row for half, scores in found.items() for row in _rows(half, scores, planned.candidates, choice)]
    summary = {
        "recipe": planned.recipe.name,
        "data": planned.kind,
        "rule": str(rule),
        "tolerance": rule.tolerance,
        "over_refusal_limit": rule.over_refusal,
        "recommended": choice.recommended,
        "eligible": list(choice.eligible),
        "best_mix": choice.mix,
        "best_merge": choice.merge,
        "verdicts": verdicts(found[REPORT], choice),
        "candidates": [_described(one, planned, steps) for one in planned.candidates],
        "languages": list(planned.recipe.languages),
    }
    return Found(
        rows,
        summary,
        [*_undecided(found[VALIDATION], planned.candidates, choice, rule), *_notes(planned, found, read, steps)],
        [one for row in rows for one in _flat(row)],
        [row for part in read.safety.values() for row in part],
        [row for part in read.quality.values() for row in part],
    )


def _quality(folder: Path, name: str) -> list[Result]:
    return [replace(row, id="", stage=name) for row in tables.read(folder / "results.parquet", Result)]


def _scores(planned: TradeOffPlan, read: _Read) -> dict[str, Scores]:
    """Return half -> the scores of all candidates there."""
    seed, tags = planned.recipe.seed, planned.recipe.languages
    asked, held = read.safety[GENERAL], read.quality[GENERAL]
    twins = {row.item: row.twin for row in asked if row.twin}
    sides = {
        "safety": halves({row.item: "harmful" if row.harmful else "harmless" for row in asked}, seed, twins),
        "quality": halves({row.item: row.kind for row in held}, seed),
    }
    cut: dict[str, dict[str, dict[str, list[Row]]]] = {half: defaultdict(dict) for half in (VALIDATION, REPORT)}
    for one in planned.candidates:
        measured = {**safety_rows(read.safety[one.name]), "quality": quality_rows(read.quality[one.name])}
        for measure, rows in measured.items():
            divided = by_half(rows, sides["quality" if measure == "quality" else "safety"])
            for half, found in cut.items():
                found[measure][one.name] = divided.get(half, [])
    names = [one.name for one in planned.candidates]
    scores = {half: Scores(found, names, tags, seed) for half, found in cut.items()}
    _check(scores)
    return scores


def _check(scores: Mapping[str, Scores]) -> None:
    for half, found in scores.items():
        for measure, what in (
            ("quality", "held-out items have no references, so that quality cannot be scored. Give held-out items with some"),
            ("violation", "harmful prompts have no outcome: the detector does not speak their languages. Give a --judge"),
        ):
            if found.value(measure, GENERAL, MULTIPLE).value is None:
                raise EvaluationError(f"{half} half: {what}, or more items. What was trained and answered is kept.")


def _rows(half: str, scores: Scores, candidates: Sequence[Candidate], choice: Choice) -> Iterator[dict[str, Any]]:
    """Yield a row per language and candidate, the mean over languages last."""
    for tag in (*scores.languages, MULTIPLE):
        points = {}
        for one in candidates:
            harm, quality = (scores.value(measure, one.name, tag).value for measure in ("violation", "quality"))
            if harm is not None and quality is not None:
                points[one.name] = (harm, quality)
        best = front(points)
        for one in candidates:
            measured = {
                measure: {**_ends(scores.value(measure, one.name, tag)), "n": scores.count(measure, one.name, tag)}
                for measure in MEASURES
            }
            over = {measure: _ends(scores.difference(measure, one.name, GENERAL, tag)) for measure in _OVER_GENERAL}
            yield {
                "half": half,
                "language": tag,
                "candidate": one.name,
                "family": one.family,
                **measured,
                "over_general": over,
                "front": one.name in best,
                "recommended": one.name == choice.recommended,
            }


def _ends(estimate: Estimate) -> dict[str, float | None]:
    return dict(zip(("value", "low", "high"), estimate, strict=True))


def _flat(row: Mapping[str, Any]) -> Iterator[TradeOff]:
    for measure in MEASURES:
        over = row["over_general"].get(measure) or dict.fromkeys(("value", "low", "high"))
        yield TradeOff(
            half=row["half"],
            language=row["language"],
            candidate=row["candidate"],
            measure=measure,
            **row[measure],
            over_general=over["value"],
            over_general_low=over["low"],
            over_general_high=over["high"],
            front=row["front"],
            recommended=row["recommended"],
        )


def _described(one: Candidate, planned: TradeOffPlan, steps: Path) -> dict[str, Any]:
    """Return what a reader must know of a candidate: how it was made, and where its checkpoint is."""
    data = {} if one.share is None else _facts(steps / planned.data[one.share])
    return {
        "name": one.name,
        "family": one.family,
        "method": one.method,
        "share": one.share,
        "share_reached": data.get("reached"),
        "rows": data.get("rows"),
        "weight": one.weight,
        "checkpoint": str(steps / one.model),
    }


def _facts(folder: Path) -> dict[str, Any]:
    notes: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["notes"]
    return notes


def _notes(planned: TradeOffPlan, scores: Mapping[str, Scores], read: _Read, steps: Path) -> Iterator[str]:
    """Yield what a reader should know beside the numbers."""
    yield from dict.fromkeys(note for one in planned.candidates for note in _facts(steps / one.safety).get("notes", []))
    for share, step in planned.data.items():
        reached = _facts(steps / step)["reached"]
        if abs(reached - share) > 0.005:
            yield f"mixed data: {share:.0%} safety rows were asked for and {reached:.1%} are reached; no row is used twice"
    for measure in ("violation", "over_refusal", "quality"):
        gone = sorted({tag for found in scores.values() for tag in found.left_out(measure)})
        if gone and all(found.measured(measure) for found in scores.values()):
            yield f"{measure.replace('_', '-')}: {', '.join(gone)} left out of the means: a candidate has no value there"
    if not any(not row.harmful for row in read.safety[GENERAL]):
        yield "the safety prompts have no harmless ones: over-refusal is not known, and the rule cannot watch it"
    yield from _unscored(read.safety)
    if planned.recipe.model.trim_vocabulary:
        yield (
            "model.trim_vocabulary keeps the tokens of the recipe's own texts: words that only safety texts have are spelt in "
            "smaller pieces, alike for all candidates"
        )


def _undecided(scores: Scores, candidates: Sequence[Candidate], choice: Choice, rule: Rule) -> Iterator[str]:
    """Say who is left out only because the items are too few to tell how much quality is lost."""
    names = []
    for one in candidates:
        lost = scores.difference("quality", one.name, GENERAL, MULTIPLE)
        if one.name not in choice.eligible and lost.value is not None and lost.value >= -rule.tolerance:
            names += [one.name] if lost.low is None or lost.low < -rule.tolerance else []
    if names:
        yield (
            f"{', '.join(names)}: quality is within {rule.tolerance:g} points of the general expert's, but its interval is too "
            "wide to be sure. Give more held-out items, or a larger --tolerance"
        )


def _unscored(results: Mapping[str, Iterable[SafetyResult]]) -> Iterator[str]:
    for name, rows in results.items():
        reasons: dict[str, int] = defaultdict(int)
        for row in rows:
            if row.score is None:
                reasons[f"{row.status}: {row.reason}"] += 1
        for reason, number in reasons.items():
            yield f"{name}: {number:,} answers without an outcome: {reason}"
