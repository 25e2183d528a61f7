"""Stacked bars of counts: what became of all prompts or answers of a language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polylect.report import svg
from polylect.report.numerals import count
from polylect.report.views import Cell, Chart, ChartRow, Key, Label, Reading, Table

__all__ = ["Part", "StackRow", "share_axis", "stacks"]

_BAR = 24


@dataclass(frozen=True)
class Part:
    """One part of all bars: its name in the counts, the letter on it, its colour class ("" is a blank), its meaning in words."""

    name: str
    letter: str
    colour: str
    words: str


@dataclass(frozen=True)
class StackRow:
    """A bar: head, counts by part, what is said beside it, and further cells of the table."""

    label: Label
    counts: Mapping[str, int]
    readings: list[Reading]
    cells: Sequence[Cell] = ()


def stacks(
    *, name: str, title: str, description: str, parts: Sequence[Part], rows: Sequence[StackRow], axis_title: str,
    columns: Sequence[str] = (), first: str = "Language",
) -> Chart:  # fmt: skip
    """Return a chart of bars of one length, with a table of the counts and of `columns`."""
    met = [part for part in parts if any(row.counts.get(part.name) for row in rows)]
    body = [
        (
            row.label,
            [Cell(count(sum(row.counts.values()))), *(Cell(count(row.counts.get(part.name, 0))) for part in met), *row.cells],
        )
        for row in rows
    ]
    return Chart(
        name=name,
        title=title,
        description=description,
        table=Table(title, (first, "All", *(part.words for part in met), *columns), body),
        rows=[ChartRow(row.label, svg.strip(_bar(met, row.counts), height=_BAR), row.readings) for row in rows],
        axis=share_axis(),
        axis_title=axis_title,
        legend=[Key(_sample(part), part.words) for part in met],
        style="wide",
    )


def share_axis() -> Markup:
    """Return the axis of shares from 0 to 100 %."""
    return svg.axis(svg.Scale(0, 1, (0, 0.25, 0.5, 0.75, 1)), ["0%", "25%", "50%", "75%", "100%"])


def _bar(parts: Sequence[Part], counts: Mapping[str, int]) -> Markup:
    whole = sum(counts.values())
    position, marks = 0.0, Markup("")
    for part in parts:
        width = 100 * counts.get(part.name, 0) / whole if whole else 0.0
        if width:
            marks += _segment(position, width, part, _BAR)
        position += width
    return marks


def _segment(start: float, width: float, part: Part, height: int) -> Markup:
    if part.colour:
        return svg.segment(start, width, part.letter, height=height, kind=part.colour)
    return svg.element("rect", x=f"{start:.2f}%", y=3, width=f"{width:.2f}%", height=height - 6, class_="void")


def _sample(part: Part) -> Markup:
    if part.colour:
        drawn = svg.segment(0, 100, part.letter, height=16, kind=part.colour)
    else:
        drawn = svg.element("rect", x=1, y=1, width=16, height=14, class_="void")
    return svg.element("svg", drawn, width=18, height=16, aria_hidden="true")
