"""Slopes from English to every language, a panel per model: a flat line is a language that is served as well as English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from polylect.report import svg
from polylect.report.gap_labels import label_of, language, measured
from polylect.report.gap_units import Unit
from polylect.report.views import Cell, Chart, Key, Label, Panel, Reading, Table

__all__ = ["slopes"]

_WIDTH, _HEIGHT = 320, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 214, 12, 206
_NAMED = 14
_LETTERS = 15
_COLUMNS, _STEP = 5, 6
"""Ends of lines stand in columns, so that the intervals of neighbours do not hide each other."""
_EACH_END = 3
_APART = 14.0

_Row = Mapping[str, Any]


def slopes(rows: Sequence[_Row], groups: Sequence[_Row], unit: Unit, name: str, reference: str) -> Chart:
    """Return one panel per model of a benchmark: English on the left, every language on the right, with intervals."""
    own = {group["model"]: _scored(rows, group["model"], reference) for group in groups}
    english = {group["model"]: group["english"] for group in groups if group["english"]}
    values = [row[end] for found in own.values() for row in found for end in ("score", "low", "high")]
    scale = svg.Scale.cover([*values, *(one[end] for one in english.values() for end in ("value", "low", "high"))])
    panels, body = [], []
    for group in groups:
        model = group["model"]
        if model not in english:
            continue
        drawn = _panel(own[model], english[model], scale, unit, set(group["worst_k"]["languages"]), language(reference).text)
        gap = group["gap_english"]
        ends = unit.difference_ends(gap["low"], gap["high"])
        panels.append(Panel(Label(model), drawn, Reading(unit.difference(gap["value"]), ends, "points behind, mean")))
        body += _table_rows(model, own[model], english[model], unit)
    title = measured(groups[0])
    columns = ("Language", "Model", language(reference).text, "Language's score", "95% interval", "Behind", "95% interval")
    return Chart(
        name=name,
        title=f"{title}: from {language(reference).text} to every language",
        description=(
            f"On the left the score of {language(reference).text}, on the right that of each language; upright lines are 95% "
            "intervals. A line that falls is a language that is served worse; the worst are orange and named."
        ),
        table=Table(f"{title}: scores against {language(reference).text}", columns, body),
        panels=panels,
        legend=[_key("", "a language"), _key("low", "the worst languages")],
        style="slopes",
    )


def _scored(rows: Sequence[_Row], model: str, reference: str) -> list[_Row]:
    own = [row for row in rows if row["model"] == model and row["score"] is not None and row["language"] != reference]
    return sorted(own, key=lambda row: (-row["score"], row["language"]))


def _panel(rows: Sequence[_Row], english: _Row, scale: svg.Scale, unit: Unit, worst: set[str], reference: str) -> Markup:
    ordered = [row for row in rows if row["language"] not in worst] + [row for row in rows if row["language"] in worst]
    marks = [_grid(scale, unit)]
    start = _y(scale, english["value"])
    places = {row["language"]: float(_RIGHT - _STEP * (number % _COLUMNS)) for number, row in enumerate(rows)}
    for row in ordered:
        marks.append(_slope(row, start, places[row["language"]], scale, "low" if row["language"] in worst else ""))
    marks += [_whisker(_LEFT, english, scale, "start"), svg.element("circle", cx=_LEFT, cy=start, r=4.5, class_="end start")]
    marks += _names(rows, worst, places, scale)
    marks.append(svg.element("text", reference, x=_LEFT, y=_HEIGHT - 6, text_anchor="middle", class_="tick"))
    marks.append(svg.element("text", "languages", x=_RIGHT - 12, y=_HEIGHT - 6, text_anchor="middle", class_="tick"))
    size = f"0 0 {_WIDTH} {_HEIGHT}"
    return svg.element("svg", *marks, viewBox=size, class_="slope", aria_hidden="true", focusable="false")


def _grid(scale: svg.Scale, unit: Unit) -> Markup:
    marks = []
    for tick in scale.ticks:
        y = _y(scale, tick)
        marks.append(svg.element("line", x1=40, x2=_RIGHT, y1=y, y2=y, class_="grid"))
        marks.append(svg.element("text", unit.tick(tick), x=36, y=y + 4, text_anchor="end", class_="tick"))
    return Markup("").join(marks)


def _slope(row: _Row, start: float, x: float, scale: svg.Scale, kind: str) -> Markup:
    y = _y(scale, row["score"])
    marks = [svg.element("line", x1=_LEFT, y1=start, x2=x, y2=y, class_=f"fall {kind}".strip())]
    marks += [_whisker(x, row, scale, kind), svg.element("circle", cx=x, cy=y, r=3.0, class_=f"end {kind}".strip())]
    return Markup("").join(marks)


def _whisker(x: float, one: _Row, scale: svg.Scale, kind: str) -> Markup:
    if one["low"] is None or one["high"] is None:
        return Markup("")
    ends = {"y1": _y(scale, one["low"]), "y2": _y(scale, one["high"])}
    return svg.element("line", x1=float(x), x2=float(x), **ends, class_=f"spread {kind}".strip())


def _names(rows: Sequence[_Row], worst: set[str], ends: Mapping[str, float], scale: svg.Scale) -> list[Markup]:
    """Names on the right, moved apart where they would touch; of many languages the best and the worst are named."""
    named = list(rows) if len(rows) <= _NAMED else [*rows[:_EACH_END], *rows[-_EACH_END:]]
    places = _apart([_y(scale, row["score"]) for row in named])
    marks = []
    for row, y in zip(named, places, strict=True):
        own = _y(scale, row["score"])
        kind = "low" if row["language"] in worst else ""
        marks.append(svg.element("line", x1=ends[row["language"]] + 5, y1=own, x2=_RIGHT + 13, y2=y, class_="leader"))
        text = label_of(row).text
        short = text if len(text) <= _LETTERS else str(row["language"])
        marks.append(svg.element("text", short, x=_RIGHT + 16, y=y + 4, class_=f"name {kind}".strip()))
    return marks


def _apart(heights: Sequence[float]) -> list[float]:
    """Move ascending heights apart by at least `_APART`, then back up where they would leave the drawing."""
    places: list[float] = []
    for height in heights:
        places.append(height if not places else max(height, places[-1] + _APART))
    limit = float(_BOTTOM + 2)
    for number in range(len(places) - 1, -1, -1):
        places[number] = min(places[number], limit)
        limit = places[number] - _APART
    return places


def _y(scale: svg.Scale, value: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * scale.at(value) / 100


def _table_rows(model: str, rows: Sequence[_Row], english: _Row, unit: Unit) -> list[tuple[Label, list[Cell]]]:
    return [
        (
            label_of(row),
            [
                Cell(model, numeric=False),
                Cell(unit.value(english["value"])),
                Cell(unit.value(row["score"])),
                Cell(unit.ends(row["low"], row["high"])),
                Cell(unit.difference(row["gap_english"])),
                Cell(unit.difference_ends(row["gap_english_low"], row["gap_english_high"])),
            ],
        )
        for row in rows
    ]


def _key(kind: str, text: str) -> Key:
    marks = [
        svg.element("line", x1=1, y1=4, x2=22, y2=11, class_=f"fall {kind}".strip()),
        svg.element("circle", cx=22, cy=11, r=3.5, class_=f"end {kind}".strip()),
    ]
    return Key(svg.element("svg", *marks, width=28, height=16, viewBox="0 0 28 16", aria_hidden="true"), text)
