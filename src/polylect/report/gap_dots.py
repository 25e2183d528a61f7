"""Dot plots of hundreds of rows: one drawing per group of rows, a few bytes per point.

A drawing is 1,000 units wide and is stretched over its rows; strokes keep their width, so a dot is a stroke without length and
with round ends. Row labels and readings stand beside it as text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from polylect.report import svg
from polylect.report.views import Key, Label, Table

__all__ = ["SERIES", "Dot", "DotGroup", "DotPlot", "DotRow", "drawing", "letter", "series_key"]

SERIES = 8
"""Colours of series; more series repeat them and are told apart by their order in a row and by their letter."""

_WIDTH = 1000


@dataclass(frozen=True)
class Dot:
    """One point of a series: value, ends of its line, and small ticks (values of what it sums up)."""

    value: float | None
    low: float | None = None
    high: float | None = None
    ticks: tuple[float, ...] = ()


@dataclass(frozen=True)
class DotRow:
    """One row: its label, one dot per series, and what is read beside it."""

    label: Label
    dots: tuple[Dot | None, ...]
    reading: str
    ends: str = ""
    count: str = ""


@dataclass(frozen=True)
class DotGroup:
    """Rows under a heading of their own, with their drawing; a folded group is opened by the reader."""

    rows: list[DotRow]
    plot: Markup
    head: str = ""
    folded: bool = False


@dataclass(frozen=True)
class DotPlot:
    """A dot plot: title, description, legend, groups over one axis, and the table of its numbers."""

    name: str
    title: str
    description: str
    groups: list[DotGroup]
    axis: Markup
    axis_title: str
    table: Table | None
    reading_title: str = ""
    legend: list[Key] = field(default_factory=list)
    style: str = ""
    table_note: Markup = field(default_factory=Markup)


def drawing(rows: Sequence[DotRow], scale: svg.Scale, reference: float | None = None) -> Markup:
    """Return the drawing of `rows`, hidden from screen readers: grid, reference line, and per series lines, ticks and dots."""
    series = max((len(row.dots) for row in rows), default=1)
    row_height = series + 1
    height = row_height * max(1, len(rows))
    upright = [f"M{_x(scale, tick)} 0V{height}" for tick in scale.ticks if tick != reference]
    marks = [_path("grid", upright)]
    if reference is not None:
        marks.append(_path("even", [f"M{_x(scale, reference)} 0V{height}"]))
    for number in range(series):
        heights = [(row.dots[number], row_height * place + number + 1) for place, row in enumerate(rows)]
        found = [(dot, y) for dot, y in heights if dot is not None]
        kind = f"s{number % SERIES}"
        marks.append(_path(f"w {kind}", [_line(scale, dot, y) for dot, y in found]))
        marks.append(_path(f"t {kind}", [_tick(scale, tick, y) for dot, y in found for tick in dot.ticks]))
        marks.append(_path(f"d {kind}", [_dot(scale, dot, y) for dot, y in found]))
    return svg.element(
        "svg",
        *marks,
        viewBox=f"0 0 {_WIDTH} {height}",
        preserveAspectRatio="none",
        aria_hidden="true",
        focusable="false",
    )


def letter(number: int) -> str:
    """Return the letter of a series: A for the first."""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def series_key(number: int, text: str, *, alone: bool = False) -> Key:
    """Return the entry of a series in the legend: its dot on a line, its letter unless it is `alone`, its name."""
    marks = [_path(f"w s{number % SERIES}", ["M1 8H27"]), _path(f"d s{number % SERIES}", ["M14 8h.1"])]
    sample = svg.element("svg", *marks, width=28, height=16, viewBox="0 0 28 16", class_="dots-key", aria_hidden="true")
    return Key(sample, text if alone else f"{letter(number)} {text}")


def _path(kind: str, parts: Sequence[str]) -> Markup:
    drawn = "".join(parts)
    return svg.element("path", d=drawn, class_=kind) if drawn else Markup("")


def _line(scale: svg.Scale, dot: Dot, y: int) -> str:
    if not (_there(dot.low) and _there(dot.high)):
        return ""
    return f"M{_x(scale, dot.low)} {y}H{_x(scale, dot.high)}"


def _tick(scale: svg.Scale, value: float, y: int) -> str:
    return f"M{_x(scale, value)} {y - 0.4:g}v.8"


def _dot(scale: svg.Scale, dot: Dot, y: int) -> str:
    return f"M{_x(scale, dot.value)} {y}h.1" if _there(dot.value) else ""


def _there(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _x(scale: svg.Scale, value: float | None) -> int:
    return round(_WIDTH * scale.at(value if value is not None else 0) / 100)
