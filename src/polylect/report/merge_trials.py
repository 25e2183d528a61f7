"""The charts of a search for weights: what each evaluation came to, and the weights that are recommended."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from polylect.records import MULTIPLE, Trial
from polylect.report import svg
from polylect.report.marks import box
from polylect.report.numerals import METRIC_TITLES, MISSING, percent
from polylect.report.views import Cell, Chart, ChartRow, Key, Label, Reading, Table

__all__ = ["evaluations", "recommended", "shares", "trials", "weights"]

_HEIGHT, _TOP, _BOTTOM = 240, 12, 26
_ROW = 30
_SHAPES = {
    "single": ("reference", "ring", "One input alone"),
    "uniform": ("limit", "tick", "All inputs alike"),
    "soup": ("second", "diamond", "Greedy soup"),
    "model": ("main", "circle", "Proposed by the search"),
}
"""Who asked for an evaluation -> colour class, shape and words; what is not listed is drawn as the search's own."""


def evaluations(rows: Sequence[Trial]) -> list[Trial]:
    """The objective of each evaluation, in their order: the rows over all languages."""
    return sorted((row for row in rows if row.language == MULTIPLE), key=lambda row: row.number)


def recommended(rows: Sequence[Trial]) -> Trial | None:
    """The evaluation that the search expects most of, the first of equals; None where the search has not ended."""
    ended = [row for row in evaluations(rows) if row.expected is not None]
    return max(ended, key=lambda row: row.expected or 0.0, default=None)


def shares(row: Trial) -> dict[str, float]:
    """Map the inputs of an evaluation to their weights."""
    return {name: float(weight) for name, weight in zip(row.models, row.weights, strict=True)}


def trials(rows: Sequence[Trial], *, prefix: str) -> Chart | None:
    """Objective over the number of the evaluation, its kind as shape and colour; None where nothing was evaluated."""
    own, chosen = evaluations(rows), recommended(rows)
    if not own:
        return None
    scale = svg.Scale.cover([row.value for row in own])
    last = own[-1].number
    drawn = [_grid(scale, last), *(_point(scale, row, last, chosen=row is chosen) for row in own)]
    kinds = [kind for kind in _SHAPES if any(_known(row.origin) == kind for row in own)]
    legend = [_sample(kind) for kind in kinds]
    if chosen is not None:
        legend.append(Key(svg.element("svg", _ring(9, 8, 7), width=18, height=16, aria_hidden="true"), "Recommended"))
    return Chart(
        name=f"{prefix}-trials",
        title="What each evaluation came to",
        description=(
            f"Objective “{own[0].objective}” of {METRIC_TITLES.get(own[0].metric, own[0].metric)} on the validation items, for "
            "every set of weights that was tried, in order. The highest point is partly luck; recommended is what the search "
            "expects most of, all evaluations considered."
        ),
        table=_table(own, chosen),
        drawing=svg.strip(*drawn, height=_HEIGHT),
        axis_title="Number of the evaluation",
        legend=legend,
    )


def weights(rows: Sequence[Trial], *, prefix: str) -> Chart | None:
    """The recommended weights, one bar per input; None where nothing is recommended."""
    chosen = recommended(rows)
    if chosen is None:
        return None
    given = shares(chosen)
    scale = svg.Scale.cover(given.values(), include=(0.0,))
    even = 1 / len(given)
    drawn = []
    for name, value in given.items():
        marks = svg.grid(scale, height=_ROW) + svg.bar(scale, 0.0, value, y=_ROW / 2, height=16, kind="bar main")
        marks += svg.line(scale.at(even), 0, scale.at(even), _ROW, "even dashed")
        drawn.append(ChartRow(Label(name), svg.strip(marks, height=_ROW), [Reading(percent(value), kind="main")]))
    body = [(Label(name), [Cell(percent(value))]) for name, value in given.items()]
    return Chart(
        name=f"{prefix}-weights",
        title="Recommended weights",
        description=f"Share of each input in the recommended merge. The dashed line is the uniform weight, {percent(even)}.",
        table=Table("Recommended weights", ("Input", "Weight"), body),
        rows=drawn,
        axis=svg.axis(scale, [percent(tick).replace(".0%", "%") for tick in scale.ticks]),
        axis_title="Weight",
        legend=[box("main", "Weight in the recommended merge")],
    )


def _known(kind: str) -> str:
    return kind if kind in _SHAPES else "model"


def _x(number: int, last: int) -> float:
    """Position in percent: room on the left for the numbers of the scale."""
    return 9 + 88 * ((number - 1) / (last - 1) if last > 1 else 0.5)


def _y(scale: svg.Scale, value: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * scale.at(value) / 100


def _grid(scale: svg.Scale, last: int) -> Markup:
    marks = []
    for tick in scale.ticks:
        y = _y(scale, tick)
        marks.append(svg.line(7, y, 100, y, "grid"))
        marks.append(svg.element("text", _value(tick, short=True), x="5.5%", y=y + 4, text_anchor="end", class_="tick"))
    step = next((step for step in (1, 2, 5, 10, 20, 50, 100) if last / step <= 8), last)
    for number in sorted({1, *range(step, last + 1, step)}):
        x = f"{_x(number, last):.2f}%"
        marks.append(svg.element("text", str(number), x=x, y=_HEIGHT - 6, text_anchor="middle", class_="tick"))
    return Markup("").join(marks)


def _point(scale: svg.Scale, row: Trial, last: int, *, chosen: bool) -> Markup:
    """The mark of one evaluation; the chosen one is ringed and has a line down to the axis."""
    x, y = _x(row.number, last), _y(scale, row.value)
    around = svg.line(x, y, x, _HEIGHT - _BOTTOM, "even dashed") + _ring(f"{x:.2f}%", y, 9) if chosen else Markup("")
    return around + _mark(_known(row.origin), x, y)


def _mark(kind: str, x: float, y: float) -> Markup:
    """A mark at `x` percent; a tick lies across, because the axis of the values stands upright."""
    colour, shape, _ = _SHAPES[kind]
    if shape != "tick":
        return svg.dot(svg.Scale(0, 100, ()), x, y=y, kind=colour, shape=shape)
    stroke = svg.element("path", d="M-8 0H8", class_=f"mark {colour}")
    return svg.element("svg", stroke, x=f"{x:.2f}%", y=y, overflow="visible")


def _sample(kind: str) -> Key:
    return Key(svg.element("svg", _mark(kind, 50, 8), width=18, height=16, aria_hidden="true"), _SHAPES[kind][2])


def _ring(x: float | str, y: float, radius: float) -> Markup:
    return svg.element("circle", cx=x, cy=y, r=radius, class_="chosen")


def _table(rows: Sequence[Trial], chosen: Trial | None) -> Table:
    models = rows[0].models
    body = []
    for row in rows:
        label = Label(str(row.number), badge="recommended" if row is chosen else "")
        cells = [Cell(_SHAPES[_known(row.origin)][2], numeric=False), Cell(_value(row.value)), Cell(_value(row.expected))]
        body.append((label, cells + [Cell(percent(shares(row).get(name))) for name in models]))
    return Table("Evaluations of the search, in order", ("Evaluation", "Kind", "Objective", "Expected", *models), body)


def _value(value: float | None, *, short: bool = False) -> str:
    if value is None:
        return MISSING
    return (f"{value:.4g}" if short else f"{value:.4f}").replace("-", "\u2212")
