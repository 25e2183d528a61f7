"""Dumbbells: the rates of several evaluations, or of two scopes, joined on one line per language; of evaluations what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from markupsafe import Markup

from polylect.records import MULTIPLE
from polylect.report import svg
from polylect.report.marks import share
from polylect.report.safety_changes import UNSURE, Change, Changes, change_cells, change_readings
from polylect.report.safety_data import HARMFUL, HARMLESS, Evaluation, Rate
from polylect.report.safety_marks import (
    Series,
    ends,
    label,
    legend,
    mark,
    ordered,
    rate_cells,
    series,
    told,
)
from polylect.report.views import Chart, ChartRow, Key, Label, Table

__all__ = ["changes", "dumbbells"]

_STEP, _JOINED = 17, 36
_MOVED = (
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
_PAIRED = (
    "Lines are the 95% intervals of each rate; the change is over the prompts that both have an outcome for, in points, with its "
    "own paired interval, and may be certain where the lines overlap."
)
_UNPAIRED = "Lines are the 95% intervals of each rate. Where they overlap the change may still be real."

GetRate = Callable[[int, str], Rate | None]
GetChanges = Callable[[str], Sequence[Change | None]]


def changes(evaluations: Sequence[Evaluation], found: Changes | None) -> list[Chart]:
    """Return a chart of dumbbells per outcome that a mitigation moves: each evaluation's rate in every language."""
    charts = []
    for name, prompts, outcome, title, description in _MOVED:
        order = [tag for tag in ordered(evaluations) if any(tag in one.languages(prompts) for one in evaluations)]
        order += [tag for tag in ordered(evaluations, prompts) if tag not in order]
        if order and len(evaluations) > 1:
            charts.append(
                dumbbells(
                    name=f"change-{name}",
                    title=title,
                    description=f"{description} {_PAIRED if found else _UNPAIRED}",
                    drawn=series(evaluations),
                    heads=[(label(tag), tag) for tag in ([*order, MULTIPLE] if len(order) > 1 else order)],
                    get=partial(_rate, evaluations, prompts, outcome),
                    axis_title=title,
                    moved=partial(_moved, found, len(evaluations), prompts, outcome) if found else None,
                )
            )
    return charts


def _rate(evaluations: Sequence[Evaluation], prompts: str, outcome: str, place: int, tag: str) -> Rate | None:
    return evaluations[place].rate(prompts, outcome, tag)


def _moved(found: Changes, evaluations: int, prompts: str, outcome: str, tag: str) -> list[Change | None]:
    return [found.of(place, prompts, tag, outcome) for place in range(1, evaluations)]


def dumbbells(
    *, name: str, title: str, description: str, drawn: Sequence[Series], heads: Sequence[tuple[Label, str]], get: GetRate,
    axis_title: str, moved: GetChanges | None = None,
) -> Chart:  # fmt: skip
    """Return a chart of rows whose marks stand on one line and are joined.

    Args:
        name: anchor.
        title: of the chart.
        description: below it.
        drawn: the series.
        heads: label and key of each row.
        get: gives the rate of a series (by place) in a row (by key).
        axis_title: below the axis.
        moved: gives what changed in a row, from the first series to each other.
    """
    found = {key: [get(place, key) for place in range(len(drawn))] for _, key in heads}
    steps = {key: list(moved(key)) if moved else [] for _, key in heads}
    scale = svg.Scale.cover(ends(rate for rates in found.values() for rate in rates), include=(0.0,))
    names = [f"change of {line.short}" if len(drawn) > 2 else "change" for line in drawn[1:]]
    rows = [
        ChartRow(
            head,
            svg.strip(_joined(found[key], steps[key], drawn, scale), height=_height(drawn)),
            [
                *told(found[key], [(line.short, line.kind) for line in drawn]),
                *change_readings(dict(zip(names, steps[key], strict=False)) if _any_known(found[key]) else {}),
            ],
        )
        for head, key in heads
    ]
    return Chart(
        name=name,
        title=title,
        description=description,
        table=_table(title, drawn, heads, found, steps if moved else None),
        rows=rows,
        axis=svg.axis(scale, [share(tick) for tick in scale.ticks]),
        axis_title=axis_title,
        legend=[*legend(drawn), *(_join_keys() if moved and len(drawn) == 2 else [])],
        style="wide",
    )


def _any_known(found: Sequence[Rate | None]) -> bool:
    """Tell whether a row has a number: if not, it says why already."""
    return any(rate is not None and rate.value is not None for rate in found)


def _table(
    title: str, drawn: Sequence[Series], heads: Sequence[tuple[Label, str]], found: dict[str, list[Rate | None]],
    steps: dict[str, list[Change | None]] | None,
) -> Table:  # fmt: skip
    columns = ["Language", *(part for line in drawn for part in (line.title, "95% interval", "n"))]
    for line in drawn[1:] if steps else ():
        of = f", {line.short}" if len(drawn) > 2 else ""
        columns += [f"Change in points{of}", "95% interval", "Pairs", "Left out", "Remark"]
    body = []
    for head, key in heads:
        cells = [cell for rate in found[key] for cell in rate_cells(rate, counted=True)]
        cells += [cell for step in (steps[key] if steps else ()) for cell in change_cells(step)]
        body.append((head, cells))
    return Table(title, tuple(columns), body)


def _height(drawn: Sequence[Series]) -> int:
    return max(_JOINED, _STEP * len(drawn) + 4)


def _joined(found: Sequence[Rate | None], steps: Sequence[Change | None], drawn: Sequence[Series], scale: svg.Scale) -> Markup:
    """Draw the marks on one line, joined from the first to the last known; intervals above and below, in order."""
    height = _height(drawn)
    middle = height / 2
    marks = svg.grid(scale, height=height)
    values = [rate.value for rate in found if rate is not None and rate.value is not None]
    if len(values) > 1:
        unsure = len(steps) == 1 and not (steps[0] is not None and steps[0].sure)
        marks += svg.line(scale.at(values[0]), middle, scale.at(values[-1]), middle, "span unsure" if unsure else "span")
    for place, (rate, line) in enumerate(zip(found, drawn, strict=True)):
        offset = 11.0 * (2 * place / (len(drawn) - 1) - 1) if len(drawn) > 1 else 0.0
        marks += mark(scale, rate, line, y=middle, whisker=middle + offset)
    return marks


def _join_keys() -> list[Key]:
    """Return the entries of the two kinds of joins."""
    said = (("span", "The interval of the change excludes 0"), ("span unsure", f"The change {UNSURE}"))
    return [
        Key(svg.element("svg", svg.line(0, 8, 100, 8, kind), width=24, height=16, aria_hidden="true"), words)
        for kind, words in said
    ]
