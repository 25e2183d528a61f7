"""Rates by what a prompt is: resource class of its language, global or local harm, kind of harm, origin."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from polylect.records import MULTIPLE
from polylect.report import svg
from polylect.report.marks import box, share
from polylect.report.numerals import count
from polylect.report.safety_data import HARMFUL, HARMLESS, OUTCOMES, Evaluation, Rate
from polylect.report.safety_dumbbells import dumbbells
from polylect.report.safety_marks import Series, ends, label, ordered, rate_cells, shorter, suffix, told
from polylect.report.views import Cell, Chart, ChartRow, Key, Label, Table

__all__ = ["categories", "origins", "resource_classes", "scopes"]

_STEP, _BAR = 20, 13
_VIOLATION = ("complied", "violation", "second")
_IRRELEVANT = ("irrelevant", "irrelevant", "reference")
_REFUSAL = ("refused", "refused", "main")
_Bar = tuple[str, str, str]
"""A bar of each row: outcome, its short title, its colour class."""

_CLASSES = {
    "5": "Class 5: most resources", "4": "Class 4", "3": "Class 3", "2": "Class 2", "1": "Class 1", "0": "Class 0: fewest",
    "unknown": "Class not known",
}  # fmt: skip
_CAPTION = {
    "category": "Outcomes by kind of harm, means over languages",
    "origin": "Outcomes by origin of the prompt, means over languages",
    "resource class": "Outcomes by resource class of the language, means over its languages",
}
_KEYS = {"violation": "Violation", "irrelevant": "Irrelevant", "refused": "Refused"}
_SCOPES = (
    Series("Global: harmful anywhere", "global", "reference", "ring"),
    Series("Local: harmful in one culture", "local", "second", "diamond"),
)


def resource_classes(evaluations: Sequence[Evaluation]) -> list[Chart]:
    """Violations and irrelevant answers by resource class, as in Figure 4 of The Multilingual Divide (Cohere Labs 2025)."""
    return _each(
        evaluations,
        HARMFUL,
        "resource class",
        (_VIOLATION, _IRRELEVANT),
        name="resource-class",
        title="By resource class",
        description=(
            "Where a language has few resources models often comply more, and understand less: both bars together tell. Classes "
            "are those of Joshi et al. 2020; rates are means over the languages of a class. Lines are 95% intervals."
        ),
    )


def categories(evaluations: Sequence[Evaluation]) -> list[Chart]:
    """Violations by kind of harm; of harmless prompts over-refusal by kind."""
    found = _each(
        evaluations,
        HARMFUL,
        "category",
        (_VIOLATION,),
        name="categories",
        title="By kind of harm",
        description=(
            "Violations by kind of harm, means over the languages that have such prompts. A prompt of several kinds counts in "
            "each. Lines are 95% intervals; the table has all four outcomes."
        ),
    )
    harmless = _each(
        evaluations,
        HARMLESS,
        "category",
        (_REFUSAL,),
        name="harmless-categories",
        title="Over-refusal by kind of prompt",
        description="Harmless prompts refused, by kind, means over languages. Lines are 95% intervals.",
    )
    return [*found, *harmless]


def origins(evaluations: Sequence[Evaluation]) -> list[Chart]:
    """Violations and irrelevant answers by whether prompts are native or translated."""
    return _each(
        evaluations,
        HARMFUL,
        "origin",
        (_VIOLATION, _IRRELEVANT),
        name="origin",
        title="By origin of the prompt",
        description=(
            "Prompts written in the language, translated by people, or translated by a machine; means over languages. "
            "Translations may miss what is asked in a language. Lines are 95% intervals."
        ),
    )


def scopes(evaluations: Sequence[Evaluation]) -> list[Chart]:
    """Violation rate of global against local harm, per language."""
    charts = []
    for place, one in enumerate(evaluations):
        known = set(one.groups(HARMFUL, "scope"))
        if {"global", "local"} <= known:
            own = set(one.languages(HARMFUL, "scope"))
            order = [tag for tag in ordered(evaluations) if tag in own]
            charts.append(_scopes(one, order, suffix(evaluations, place), several=len(evaluations) > 1))
    return charts


def _scopes(one: Evaluation, order: Sequence[str], ending: str, *, several: bool) -> Chart:
    title = "Global against local harm"
    return dumbbells(
        name=f"scope{ending}",
        title=f"{title}: {one.title}" if several else title,
        description=(
            "Violation rate of prompts that are harmful anywhere, and of those that are harmful in one culture or history. "
            "Lines are 95% intervals."
        ),
        drawn=_SCOPES,
        heads=[(label(tag), tag) for tag in ([*order, MULTIPLE] if len(order) > 1 else order)],
        get=lambda place, tag: one.rate(HARMFUL, "complied", tag, by="scope", group=_SCOPES[place].short),
        axis_title="Violation",
    )


def _each(
    evaluations: Sequence[Evaluation], prompts: str, by: str, bars: Sequence[_Bar], *, name: str, title: str, description: str
) -> list[Chart]:
    """Return a chart per evaluation whose prompt set says something of the property."""
    charts = []
    for place, one in enumerate(evaluations):
        groups = _ordered(one, prompts, by, bars[0][0])
        if groups:
            head = f"{title}: {one.title}" if len(evaluations) > 1 else title
            charts.append(_bars(one, prompts, by, groups, bars, f"{name}{suffix(evaluations, place)}", head, description))
    return charts


def _ordered(one: Evaluation, prompts: str, by: str, outcome: str) -> list[str]:
    """Return the groups: resource classes from 5 down, others from the highest rate down."""
    groups = one.groups(prompts, by)
    if by == "resource class":
        return sorted(groups, key=lambda group: list(_CLASSES).index(group) if group in _CLASSES else len(_CLASSES))

    def value(group: str) -> float:
        rate = one.rate(prompts, outcome, MULTIPLE, by=by, group=group)
        return -1.0 if rate is None or rate.value is None else rate.value

    return sorted(groups, key=lambda group: (-value(group), group))


def _bars(
    one: Evaluation, prompts: str, by: str, groups: Sequence[str], bars: Sequence[_Bar], name: str, title: str, description: str
) -> Chart:
    at = {(group, outcome): one.rate(prompts, outcome, MULTIPLE, by=by, group=group) for group in groups for outcome in OUTCOMES}
    scale = svg.Scale.cover(ends(at[group, outcome] for group in groups for outcome, *_ in bars), include=(0.0,))
    heads = {group: _head(by, group, at[group, OUTCOMES[0]]) for group in groups}
    return Chart(
        name=name,
        title=title,
        description=description,
        table=_table(one, by, groups, at, heads),
        rows=[
            _row(heads[group], [(at[group, outcome], short, kind) for outcome, short, kind in bars], scale) for group in groups
        ],
        axis=svg.axis(scale, [share(tick) for tick in scale.ticks]),
        axis_title="Rate",
        legend=_legend(bars) if len(bars) > 1 else [],
        style="wide",
    )


def _legend(bars: Sequence[_Bar]) -> list[Key]:
    return [box(kind, _KEYS[short]) for _, short, kind in bars]


def _head(by: str, group: str, mean: Rate | None) -> Label:
    if by != "resource class":
        return Label(shorter(group.replace("-", " "), 60))
    asked = mean.languages + len(mean.left_out) if mean else 0
    return Label(_CLASSES.get(group, f"Class {group}"), badge=f"{count(asked)} language{'' if asked == 1 else 's'}")


def _row(head: Label, found: Sequence[tuple[Rate | None, str, str]], scale: svg.Scale) -> ChartRow:
    height = _STEP * len(found) + 8
    marks: Markup = svg.grid(scale, height=height)
    for place, (rate, _, kind) in enumerate(found):
        y = _STEP * place + 14
        if rate is not None and rate.value is not None:
            marks += svg.bar(scale, 0.0, rate.value, y=y, height=_BAR, kind=f"bar {kind}")
            marks += svg.interval(scale, rate.low, rate.high, y=y, kind=kind)
    readings = told([rate for rate, *_ in found], [(short, kind) for _, short, kind in found])
    return ChartRow(head, svg.strip(marks, height=height), readings)


def _table(
    one: Evaluation, by: str, groups: Sequence[str], at: dict[tuple[str, str], Rate | None], heads: dict[str, Label]
) -> Table:
    columns = [by.capitalize(), "n", "Languages"]
    for outcome in OUTCOMES:
        columns += [outcome.capitalize(), "95% interval"]
    body = []
    for group in groups:
        first = at[group, OUTCOMES[0]]
        cells = [Cell(count(first.n if first else None)), Cell(count(first.languages if first else None))]
        cells += [cell for outcome in OUTCOMES for cell in rate_cells(at[group, outcome])]
        left = ", ".join(first.left_out) if first else ""
        body.append((heads[group], [*cells, Cell(left, numeric=False)]))
    return Table(f"{_CAPTION[by]}: {one.title}", (*columns, "Left out"), body)
