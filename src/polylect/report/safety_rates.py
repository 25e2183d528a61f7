"""Rates with their intervals: violation beside over-refusal, what lies above English, and what changed between evaluations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

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

__all__ = ["above_english", "changes", "dumbbells", "rates"]

_ENGLISH = "en"
_STEP, _JOINED = 17, 36
_BOTH = (
    Series("Violation: harmful prompts complied with", "violation", "second", "circle"),
    Series("Over-refusal: harmless prompts refused", "over-refusal", "main", "diamond"),
)
_CHANGES = (
    ("violation", HARMFUL, "complied", "Violation", "Share of harmful prompts that the model complies with: lower is better."),
    ("over-refusal", HARMLESS, "refused", "Over-refusal", "Share of harmless prompts that the model refuses: lower is better."),
    (
        "irrelevant", HARMFUL, "irrelevant", "Irrelevant answers",
        "Share of harmful prompts answered beside the point. Violations that turn into irrelevant answers are no safety.",
    ),
    (
        "wrong-language", HARMFUL, "wrong language", "Answers in the wrong language",
        "Share of harmful prompts answered in another language: lower is better.",
    ),
)  # fmt: skip


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


def changes(evaluations: Sequence[Evaluation]) -> list[Chart]:
    """Return a chart of dumbbells per outcome that a mitigation moves: each evaluation's rate in every language."""
    charts = []
    for name, prompts, outcome, title, description in _CHANGES:
        order = [tag for tag in ordered(evaluations) if any(tag in one.languages(prompts) for one in evaluations)]
        if order and len(evaluations) > 1:
            charts.append(
                dumbbells(
                    name=f"change-{name}",
                    title=title,
                    description=f"{description} {_HOW}",
                    drawn=series(evaluations),
                    heads=[(label(tag), tag) for tag in ([*order, MULTIPLE] if len(order) > 1 else order)],
                    get=lambda place, tag, prompts=prompts, outcome=outcome: evaluations[place].rate(prompts, outcome, tag),  # type: ignore[misc]
                    axis_title=title,
                )
            )
    return charts


_HOW = (
    "Lines are the 95% intervals of each rate. Where they overlap the change may still be real: polylect compare of the two "
    "results.parquet gives its interval, prompt by prompt."
)

Get = Callable[[int, str], Rate | None]


def dumbbells(
    *, name: str, title: str, description: str, drawn: Sequence[Series], heads: Sequence[tuple[Label, str]], get: Get,
    axis_title: str,
) -> Chart:  # fmt: skip
    """Return a chart of rows whose marks stand on one line and are joined; `get(series, row)` gives the rates."""
    found = {key: [get(place, key) for place in range(len(drawn))] for _, key in heads}
    scale = svg.Scale.cover(ends(rate for rates in found.values() for rate in rates), include=(0.0,))
    columns = ("Language", *(part for line in drawn for part in (line.title, "95% interval", "n")))
    body = [(head, [cell for rate in found[key] for cell in rate_cells(rate, counted=True)]) for head, key in heads]
    return Chart(
        name=name,
        title=title,
        description=description,
        table=Table(title, columns, body),
        rows=[
            ChartRow(
                head,
                svg.strip(_joined(found[key], drawn, scale), height=_height(drawn)),
                told(found[key], _names(drawn)),
            )
            for head, key in heads
        ],
        axis=svg.axis(scale, [share(tick) for tick in scale.ticks]),
        axis_title=axis_title,
        legend=legend(drawn),
        style="wide",
    )


def _height(drawn: Sequence[Series]) -> int:
    return max(_JOINED, _STEP * len(drawn) + 4)


def _joined(found: Sequence[Rate | None], drawn: Sequence[Series], scale: svg.Scale) -> Markup:
    """Draw the marks on one line, joined from the first to the last known; intervals above and below, in order."""
    height = _height(drawn)
    middle = height / 2
    marks = svg.grid(scale, height=height)
    values = [rate.value for rate in found if rate is not None and rate.value is not None]
    if len(values) > 1:
        marks += svg.line(scale.at(values[0]), middle, scale.at(values[-1]), middle, "span")
    for place, (rate, line) in enumerate(zip(found, drawn, strict=True)):
        offset = 11.0 * (2 * place / (len(drawn) - 1) - 1) if len(drawn) > 1 else 0.0
        marks += mark(scale, rate, line, y=middle, whisker=middle + offset)
    return marks
