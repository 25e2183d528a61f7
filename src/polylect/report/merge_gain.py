"""Gain and loss of a merge per language, against the input that serves the language best or against another merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from markupsafe import Markup

from polylect.records import MULTIPLE, Difference
from polylect.report import svg
from polylect.report.marks import box
from polylect.report.numerals import METRIC_TITLES, MISSING, count, interval, is_number, metric, points
from polylect.report.views import Cell, Chart, ChartRow, Key, Label, Reading, Table, language_label

__all__ = ["Names", "Values", "best_inputs", "gains", "turned"]

Values = Mapping[tuple[str, str, str], float | None]
"""(stage, metric, language) -> value: what a difference is the difference of, where that is known."""

_ROW = 30
_FULL_SHADE = 0.10
"""Regret (share) at which the shade of a cell is strongest."""


@dataclass(frozen=True)
class Names:
    """How a chart of gains is called: its id, title and description, what it is against, and titles of stages.

    `each`: say beside every row what it is against.
    """

    name: str
    title: str
    description: str
    against: str
    titles: Mapping[str, str] = field(default_factory=dict)
    each: bool = True

    def of(self, stage: str) -> str:
        """The title of a stage, or its name."""
        return self.titles.get(stage, stage)


def best_inputs(differences: Sequence[Difference], merged: str, name: str) -> tuple[list[Difference], bool]:
    """Return per language the difference between `merged` and its best input in metric `name`, and whether there was a choice.

    The best input has the highest value, and so the lowest difference, on the items of the comparison.
    """
    own: dict[str, list[Difference]] = {}
    for row in differences:
        if row.a == merged and row.metric == name and is_number(row.value):
            own.setdefault(row.language, []).append(row)
    best = [min(rows, key=lambda row: (row.value, row.b)) for rows in own.values()]
    return best, any(len(rows) > 1 for rows in own.values())


def turned(row: Difference) -> Difference:
    """Return the same difference as `b` minus `a`."""
    value, low, high = (None if end is None else -end for end in (row.value, row.high, row.low))
    return replace(row, id="", a=row.b, b=row.a, value=value, low=low, high=high)


def gains(rows: Sequence[Difference], names: Names, values: Values | None = None) -> Chart | None:
    """Draw differences of one metric, one per language, largest gain first; None where there are none.

    The table beside the bars says how much is lost (the regret) where a language loses.
    """
    if not rows:
        return None
    overall = [row for row in rows if row.language == MULTIPLE]
    rows = [*sorted((row for row in rows if row.language != MULTIPLE), key=lambda row: -(row.value or 0.0)), *overall]
    scale = svg.Scale.cover([end for row in rows for end in (row.value, row.low, row.high)], include=(0.0,))
    name = rows[0].metric
    title = METRIC_TITLES.get(name, name)
    return Chart(
        name=names.name,
        title=names.title,
        description=(
            f"{names.description} Differences in {title}, in points, on the same items, largest gain first. Lines are 95% "
            "intervals; a grey bar's interval includes zero."
        ),
        table=_table(rows, names, values or {}),
        rows=[ChartRow(_language(row.language), _bar(scale, row), _readings(row, names)) for row in rows],
        axis=svg.axis(scale, [points(tick, name=name).removesuffix(".0") for tick in scale.ticks]),
        axis_title=f"{title}, points",
        legend=_legend(rows),
    )


def _kind(row: Difference) -> str:
    """Colour class: "main" gains, "second" loses, "reference" where the interval does not tell."""
    if row.low is None or row.high is None or row.low <= 0 <= row.high:
        return "reference"
    return "main" if row.low > 0 else "second"


def _bar(scale: svg.Scale, row: Difference) -> Markup:
    marks = svg.grid(scale, height=_ROW, reference=0.0)
    if row.value is not None:
        marks += svg.bar(scale, 0.0, row.value, y=_ROW / 2, height=14, kind=f"bar {_kind(row)}")
    return svg.strip(marks, svg.interval(scale, row.low, row.high, y=_ROW / 2, kind=_kind(row)), height=_ROW)


def _readings(row: Difference, names: Names) -> list[Reading]:
    shown = Reading(points(row.value, name=row.metric), interval(row.low, row.high, name=row.metric), kind=_kind(row))
    against = names.of(row.b)
    return [shown] if not names.each else [shown, Reading("", name=f"vs {against}", spoken=f"against {against}")]


def _legend(rows: Sequence[Difference]) -> list[Key]:
    words = {"main": "Gains", "second": "Loses", "reference": "The interval includes zero"}
    present = {_kind(row) for row in rows}
    return [box(kind, text) for kind, text in words.items() if kind in present]


def _table(rows: Sequence[Difference], names: Names, values: Values) -> Table:
    columns = ("Language", names.against, "Its value", "Merged", "Gain", "95% interval", "Regret", "n")
    body = []
    for row in rows:
        cells = [
            Cell(names.of(row.b), numeric=False),
            Cell(metric(row.metric, values.get((row.b, row.metric, row.language)))),
            Cell(metric(row.metric, values.get((row.a, row.metric, row.language)))),
            Cell(points(row.value, name=row.metric)),
            Cell(interval(row.low, row.high, name=row.metric) or MISSING),
            _regret(row),
            Cell(count(row.n)),
        ]
        body.append((_language(row.language), cells))
    title = METRIC_TITLES.get(rows[0].metric, rows[0].metric)
    return Table(f"{title} of the merge, its gain and its regret per language", columns, body)


def _regret(row: Difference) -> Cell:
    """What a language loses, 0 where it gains; shaded by its size, marked where the interval lies below zero."""
    if row.value is None:
        return Cell(MISSING)
    regret = max(0.0, -row.value)
    written = points(regret, name=row.metric).lstrip("+")
    # Of a metric in hundreds the written number is the value itself, of a share it is a hundred times that.
    strength = min(1.0, float(written) / 100 / _FULL_SHADE)
    mark, spoken = ("▼", "the interval lies below zero") if _kind(row) == "second" else ("", "")
    return Cell(written, shade=f"rgba(213, 94, 0, {0.42 * strength:.2f})" if strength else "", mark=mark, spoken=spoken)


def _language(tag: str) -> Label:
    return Label("All languages") if tag == MULTIPLE else language_label(tag)
