"""Differences around zero: one row per language or attack, marks with their intervals, both sides in words beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from polylect.report import svg
from polylect.report.numerals import MISSING, count
from polylect.report.safety_changes import SHARES, UNSURE, Change, Unit
from polylect.report.safety_marks import Series, ends, legend, mark
from polylect.report.views import Cell, Chart, ChartRow, Label, Reading, Table

__all__ = ["Forest", "forest", "shared_scale"]

_STEP = 17


@dataclass(frozen=True)
class Forest:
    """What a chart of differences shows.

    Attributes:
        name: anchor.
        title: of the chart and its table.
        description: below it.
        axis_title: below the axis.
        first: head of the table's first column.
        sides: what the two values are of that the difference is between.
        drawn: series of marks.
        unit: of values and differences.
        counted: what `Change.n` counts.
        unsure: what is said where the interval includes 0.
        scale: of the axis, where several charts share one; None: that of the chart's own values.
    """

    name: str
    title: str
    description: str
    axis_title: str
    sides: tuple[str, str]
    drawn: Sequence[Series]
    first: str = "Language"
    unit: Unit = SHARES
    counted: str = "Pairs"
    unsure: str = UNSURE
    scale: svg.Scale | None = None


def forest(what: Forest, heads: Sequence[tuple[Label, str]], get: Callable[[int, str], Change | None]) -> Chart:
    """Return the chart; `heads` are label and key of each row, `get(series, key)` gives the difference."""
    found = {key: [get(place, key) for place in range(len(what.drawn))] for _, key in heads}
    scale = what.scale or shared_scale(one for own in found.values() for one in own)
    return Chart(
        name=what.name,
        title=what.title,
        description=what.description,
        table=_table(what, heads, found),
        rows=[_row(what, head, found[key], scale) for head, key in heads],
        axis=svg.axis(scale, [_tick(what.unit.change(tick)) for tick in scale.ticks]),
        axis_title=what.axis_title,
        legend=legend(what.drawn) if len(what.drawn) > 1 else [],
        style="wide",
    )


def shared_scale(found: Iterable[Change | None]) -> svg.Scale:
    """Return an axis that holds differences with their intervals, and 0."""
    return svg.Scale.cover(ends(found), include=(0.0,))


def _tick(text: str) -> str:
    return text.removesuffix(".0")


def _row(what: Forest, head: Label, found: Sequence[Change | None], scale: svg.Scale) -> ChartRow:
    height = _STEP * len(what.drawn) + 12
    marks = svg.grid(scale, height=height, reference=0.0)
    readings: list[Reading] = []
    for place, (one, line) in enumerate(zip(found, what.drawn, strict=True)):
        marks += mark(scale, one, line, y=_STEP * place + 14)
        readings += _readings(what, one, line)
    unsure = [line.short for one, line in zip(found, what.drawn, strict=True) if one and one.low is not None and not one.sure]
    if unsure:
        of = f"{unsure[0]}: " if len(unsure) == 1 < len(what.drawn) else ""
        readings.append(Reading(f"{of}{what.unsure}", kind="remark"))
    return ChartRow(head, svg.strip(marks, height=height), readings)


def _readings(what: Forest, one: Change | None, line: Series) -> list[Reading]:
    """Write a difference, and where it stands alone the two values that it is between."""
    if one is None:
        return [Reading(MISSING, name=line.short)]
    if one.value is None:
        return [Reading(f"no number: {one.status}", kind="remark")]
    unit = what.unit
    told = f"{unit.value(one.before)} {what.sides[0]}, {unit.value(one.after)} {what.sides[1]}"
    found = [Reading(unit.change(one.value), unit.ends(one.low, one.high), line.short, line.kind)]
    if len(what.drawn) == 1:
        found.append(Reading(told, kind="sides"))
    return found if one.low is not None else [*found, Reading("too few for an interval", kind="remark")]


def _table(what: Forest, heads: Sequence[tuple[Label, str]], found: Mapping[str, Sequence[Change | None]]) -> Table:
    columns = [what.first]
    for line in what.drawn:
        of = f", {line.short}" if len(what.drawn) > 1 else ""
        columns += [f"{side.capitalize()}{of}" for side in what.sides]
        columns += ["Difference", "95% interval", what.counted, "Remark"]
    body = [(head, [cell for one in found[key] for cell in _cells(what, one)]) for head, key in heads]
    return Table(f"{what.title}, in {what.unit.name}", tuple(columns), body)


def _cells(what: Forest, one: Change | None) -> list[Cell]:
    if one is None:
        return [*(Cell(MISSING) for _ in range(5)), Cell("", numeric=False)]
    unit = what.unit
    ends_of_it = unit.ends(one.low, one.high) or MISSING
    remark = f"no number: {one.status}" if one.value is None else "" if one.sure else what.unsure
    values = [unit.value(one.before), unit.value(one.after), unit.change(one.value), ends_of_it, count(one.n)]
    return [*map(Cell, values), Cell(remark, numeric=False)]
