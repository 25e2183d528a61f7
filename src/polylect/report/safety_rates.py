"""Rates with their intervals: violation beside over-refusal, and what lies above English."""

from __future__ import annotations

from collections.abc import Sequence

from polylect.records import MULTIPLE
from polylect.report import svg
from polylect.report.marks import share
from polylect.report.numerals import interval, points
from polylect.report.safety_data import HARMFUL, HARMLESS, Ends, Evaluation, Rate
from polylect.report.safety_marks import (
    Series,
    ends,
    gap_cells,
    label,
    legend,
    mark,
    ordered,
    rate_cells,
    series,
    suffix,
    told,
)
from polylect.report.views import Cell, Chart, ChartRow, Label, Reading, Table

__all__ = ["above_english", "rates"]

_ENGLISH = "en"
_STEP = 17
_BOTH = (
    Series("Violation: harmful prompts complied with", "violation", "second", "circle"),
    Series("Over-refusal: harmless prompts refused", "over-refusal", "main", "diamond"),
)


def rates(evaluations: Sequence[Evaluation]) -> list[Chart]:
    """Return, per evaluation, violation and over-refusal side by side with their intervals."""
    charts = []
    for place, one in enumerate(evaluations):
        asked = {*one.languages(HARMFUL), *one.languages(HARMLESS)}
        order = [tag for tag in _everything(evaluations) if tag in asked]
        drawn = [line for line in _BOTH if one.languages(_PROMPTS[line.short])]
        if order:
            charts.append(_rates(one, order, drawn, suffix(evaluations, place), several=len(evaluations) > 1))
    return charts


_PROMPTS = {"violation": HARMFUL, "over-refusal": HARMLESS}
_OUTCOME = {"violation": "complied", "over-refusal": "refused"}


def _everything(evaluations: Sequence[Evaluation]) -> list[str]:
    return list(dict.fromkeys([*ordered(evaluations), *ordered(evaluations, HARMLESS)]))


def _rates(one: Evaluation, order: Sequence[str], drawn: Sequence[Series], ending: str, *, several: bool) -> Chart:
    rows = [*order, MULTIPLE] if len(order) > 1 else list(order)
    at = {(line.short, tag): one.rate(_PROMPTS[line.short], _OUTCOME[line.short], tag) for line in _BOTH for tag in rows}
    scale = svg.Scale.cover(ends(at.values()), include=(0.0,))
    body = [(label(tag), _rate_cells(at["violation", tag], at["over-refusal", tag])) for tag in rows]
    title = "Violation and over-refusal"
    return Chart(
        name=f"rates{ending}",
        title=f"{title}: {one.title}" if several else title,
        description=(
            "Fewer violations are no merit by themselves: a model that refuses everything has none. Lines are 95% intervals, the "
            "upright line is the violation rate of English. Languages stand in the order of their violations."
        ),
        table=Table(f"Violation, the same above English in points, and over-refusal: {one.title}", _RATE_COLUMNS, body),
        rows=[_rate_row(at, tag, drawn, scale) for tag in rows],
        axis=svg.axis(scale, [share(tick) for tick in scale.ticks]),
        axis_title="Rate",
        legend=legend(drawn),
        style="wide",
    )


_RATE_COLUMNS = (
    "Language", "Violation", "95% interval", "n", "Above English", "95% interval", "Over-refusal", "95% interval", "n",
    "Above English", "95% interval",
)  # fmt: skip


def _rate_cells(violation: Rate | None, refusal: Rate | None) -> list[Cell]:
    cells = [*rate_cells(violation, counted=True), *gap_cells(violation.over if violation else None)]
    return [*cells, *rate_cells(refusal, counted=True), *gap_cells(refusal.over if refusal else None)]


def _rate_row(at: dict[tuple[str, str], Rate | None], tag: str, drawn: Sequence[Series], scale: svg.Scale) -> ChartRow:
    height = _STEP * len(drawn) + 8
    english = at.get(("violation", _ENGLISH))
    marks = svg.grid(scale, height=height, reference=english.value if english else None)
    for place, line in enumerate(drawn):
        marks += mark(scale, at[line.short, tag], line, y=_STEP * place + 12)
    found = [at[line.short, tag] for line in drawn]
    return ChartRow(label(tag), svg.strip(marks, height=height), told(found, _names(drawn)))


def _names(drawn: Sequence[Series]) -> list[tuple[str, str]]:
    return [(line.short, line.kind) for line in drawn]


def above_english(evaluations: Sequence[Evaluation]) -> Chart | None:
    """Return the violation rates minus that in English, in points; None where English has no rate."""
    order = [tag for tag in ordered(evaluations) if any(_gap(one, tag) for one in evaluations)]
    if not order:
        return None
    rows, drawn = [*order, MULTIPLE], series(evaluations)
    gaps = {(place, tag): _gap(one, tag) for place, one in enumerate(evaluations) for tag in rows}
    scale = svg.Scale.cover(ends(gaps.values()), include=(0.0,))
    heads = {tag: label(tag) if tag != MULTIPLE else Label("Mean of the others") for tag in rows}
    columns = ("Language", *(part for line in drawn for part in (line.title, "95% interval")))
    places = range(len(evaluations))
    return Chart(
        name="above-english",
        title="Violations above English",
        description=(
            "Violation rate of a language minus that in English, in percentage points: right of 0 the language is less safe. "
            "Lines are 95% intervals; the translations of a prompt are resampled together."
        ),
        table=Table("Violation rate minus that in English, in points", columns, [
            (heads[tag], [cell for place in places for cell in gap_cells(gaps[place, tag])]) for tag in rows
        ]),
        rows=[_gap_row(heads[tag], [gaps[place, tag] for place in places], drawn, scale) for tag in rows],
        axis=svg.axis(scale, [points(tick).removesuffix(".0") for tick in scale.ticks]),
        axis_title="Points above English",
        legend=legend(drawn) if len(drawn) > 1 else [],
        style="wide",
    )  # fmt: skip


def _gap(one: Evaluation, tag: str) -> Ends | None:
    rate = one.rate(HARMFUL, "complied", tag)
    return rate.over if rate else None


def _gap_row(head: Label, gaps: Sequence[Ends | None], drawn: Sequence[Series], scale: svg.Scale) -> ChartRow:
    height = _STEP * len(drawn) + 10
    marks, readings = svg.grid(scale, height=height, reference=0.0), []
    for place, (gap, line) in enumerate(zip(gaps, drawn, strict=True)):
        marks += mark(scale, gap, line, y=_STEP * place + 13)
        readings.append(
            Reading(points(gap.value if gap else None), interval(gap.low, gap.high) if gap else "", line.short, line.kind)
        )
    return ChartRow(head, svg.strip(marks, height=height), readings)
