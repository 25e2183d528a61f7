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
from polylect.run.mix_or_merge_choice import Choice, Rule, choose, front, told_apart, verdicts
from polylect.run.mix_or_merge_data import also_learnt
from polylect.run.mix_or_merge_plan import Candidate, TradeOffPlan
from polylect.run.mix_or_merge_quality import WIN, quality_words
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
from polylect.run.mix_or_merge_vocabulary import vocabulary_notes
from polylect.run.outputs import MANIFEST
from polylect.safety.results import SafetyResult

if TYPE_CHECKING:
    from polylect.resampling import Estimate

__all__ = ["Found", "TradeOff", "collect"]

_OVER = ("violation", "over_refusal", "quality")
"""Measures whose differences are told."""


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
    metric: str


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
    read = _read(planned, steps)
    found = _scores(planned, read)
    choice = choose(found[VALIDATION], planned.candidates, rule, planned.reference)
    rows = [row for half, scores in found.items() for row in _rows(half, scores, planned.candidates, choice)]
    return Found(
        rows,
        _summary(planned, steps, rule, choice, found[REPORT]),
        [*_undecided(found[VALIDATION], planned.candidates, choice, rule), *_notes(planned, found, read, steps)],
        [one for row in rows for one in _flat(row)],
        [row for part in read.safety.values() for row in part],
        [row for part in read.quality.values() for row in part],
    )


def _summary(planned: TradeOffPlan, steps: Path, rule: Rule, choice: Choice, scores: Scores) -> dict[str, Any]:
    """Return what was chosen, how sure that is on the report half, and how the candidates were made."""
    apart, same = told_apart(scores, choice)
    return {
        "recipe": planned.recipe.name,
        "data": "+".join(planned.data),
        "quality": quality_words(planned.recipe, planned.by),
        "rule": str(rule),
        "tolerance": rule.tolerance,
        "over_refusal_limit": rule.over_refusal,
        "reference": planned.reference,
        "recommended": choice.recommended,
        "eligible": list(choice.eligible),
        "best_mix": choice.mix,
        "best_merge": choice.merge,
        "next_best": choice.next_best,
        "over_next_best": _over_next_best(scores, choice),
        "told_apart": apart,
        "not_told_apart": same,
        "chosen_in": dict(choice.chosen_in),
        "verdicts": verdicts(scores, choice, planned.candidates),
        "candidates": [_described(one, planned, steps) for one in planned.candidates],
        "languages": list(planned.recipe.languages),
    }


def _read(planned: TradeOffPlan, steps: Path) -> _Read:
    """Read the candidates' judged answers, and what is known of their quality."""
    quality = {one.name: _quality(steps / one.quality, one.name) for one in planned.candidates}
    if planned.wins:
        for row in tables.read(steps / planned.wins / "results.parquet", Result):
            quality[row.stage].append(row)
    safety = {one.name: tables.read(steps / one.safety / "results.parquet", SafetyResult) for one in planned.candidates}
    return _Read(safety, quality, WIN if planned.wins else "score")


def _quality(folder: Path, name: str) -> list[Result]:
    return [replace(row, id="", stage=name) for row in tables.read(folder / "results.parquet", Result)]


def _over_next_best(scores: Scores, choice: Choice) -> dict[str, Any] | None:
    """Return the recommended candidate minus the next best, by measure, on the half that it was not chosen on."""
    if choice.next_best is None:
        return None
    return {one: _ends(scores.difference(one, choice.recommended, choice.next_best, MULTIPLE)) for one in _OVER}


def _scores(planned: TradeOffPlan, read: _Read) -> dict[str, Scores]:
    """Return half -> the scores of all candidates there."""
    seed, tags = planned.recipe.seed, planned.recipe.languages
    asked, held = read.safety[planned.reference], read.quality[planned.reference]
    twins = {row.item: row.twin for row in asked if row.twin}
    sides = {
        "safety": halves({row.item: "harmful" if row.harmful else "harmless" for row in asked}, seed, twins),
        "quality": halves({row.item: row.kind for row in held}, seed),
    }
    cut: dict[str, dict[str, dict[str, list[Row]]]] = {half: defaultdict(dict) for half in (VALIDATION, REPORT)}
    for one in planned.candidates:
        measured = {**safety_rows(read.safety[one.name]), "quality": quality_rows(read.quality[one.name], read.metric)}
        for measure, rows in measured.items():
            divided = by_half(rows, sides["quality" if measure == "quality" else "safety"])
            for half, found in cut.items():
                found[measure][one.name] = divided.get(half, [])
    names = [one.name for one in planned.candidates]
    scores = {half: Scores(found, names, tags, seed) for half, found in cut.items()}
    _check(scores, planned)
    return scores


def _check(scores: Mapping[str, Scores], planned: TradeOffPlan) -> None:
    unscored = "held-out items have no references, so that quality cannot be scored. Give held-out items with some"
    if planned.wins:
        unscored = f"no answer to a held-out item was compared ({planned.wins}/drops.json says why). Give a judge that is fit"
    for half, found in scores.items():
        for measure, what in (
            ("quality", unscored),
            ("violation", "harmful prompts have no outcome: the detector does not speak their languages. Give a --judge"),
        ):
            if found.value(measure, planned.reference, MULTIPLE).value is None:
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
            over = {measure: _ends(scores.difference(measure, one.name, choice.reference, tag)) for measure in _OVER}
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
    data = _facts(steps / one.data) if one.data else {}
    return {
        "name": one.name,
        "family": one.family,
        "data": one.kind,
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
    yield from planned.left_out
    if planned.wins:
        yield f"quality is {quality_words(planned.recipe, planned.by)}"
    yield from dict.fromkeys(_shortages(planned, steps))
    for measure in ("violation", "over_refusal", "quality"):
        gone = sorted({tag for found in scores.values() for tag in found.left_out(measure)})
        if gone and all(found.measured(measure) for found in scores.values()):
            yield f"{measure.replace('_', '-')}: {', '.join(gone)} left out of the means: a candidate has no value there"
    if not any(not row.harmful for row in read.safety[planned.reference]):
        yield "the safety prompts have no harmless ones: over-refusal is not known, and the rule cannot watch it"
    if learnt := also_learnt({row.prompt for row in read.safety[planned.reference]}, filter(None, planned.data.values())):
        yield learnt
    yield from _unscored(read.safety)
    yield from vocabulary_notes(planned.recipe, steps / "base", filter(None, planned.data.values()))


def _shortages(planned: TradeOffPlan, steps: Path) -> Iterator[str]:
    """Say where the data have another share of safety rows than was asked for."""
    for one in planned.candidates:
        if one.data and one.share is not None:
            reached = _facts(steps / one.data)["reached"]
            if abs(reached - one.share) > 0.005:
                yield f"mixed data: {one.share:.0%} safety rows were asked for and {reached:.1%} reached; no row is used twice"


def _undecided(scores: Scores, candidates: Sequence[Candidate], choice: Choice, rule: Rule) -> Iterator[str]:
    """Say who is left out only because the items are too few to tell how much quality is lost."""
    names = []
    for one in candidates:
        lost = scores.difference("quality", one.name, choice.reference, MULTIPLE)
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
