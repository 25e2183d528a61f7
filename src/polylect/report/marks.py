"""What several charts share: which stages are listed, how an estimate is written and drawn, entries of a legend."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from polylect.records import JUDGE_UNFIT, Comparison, Summary
from polylect.report import svg
from polylect.report.data import StageRow
from polylect.report.lookup import Lookup
from polylect.report.numerals import MISSING, interval, metric, percent
from polylect.report.views import Cell, Key, Label, Reading, stage_label

__all__ = ["box", "ends", "estimate_cells", "key", "listed_stages", "point", "reading", "share", "step_win", "unfit"]


def listed_stages(look: Lookup) -> list[tuple[StageRow, Label]]:
    """References first, without number, then the stages of the recipe, numbered from 1."""
    references = [(row, stage_label(row)) for row in look.references]
    return references + [(row, stage_label(row, number)) for number, row in enumerate(look.recipe, start=1)]


def step_win(look: Lookup, stage: str) -> Comparison | None:
    """Win rate of a stage against the stage it was made from, or None where that is the base and would be drawn twice."""
    return None if look.previous(stage) == look.data.base_stage else look.win_previous(stage)


def reading(estimate: Comparison | Summary | None, name: str = "", kind: str = "", spoken: str = "") -> Reading:
    """Write an estimate with its interval; a dash where it was not measured, and so where the judge is unfit."""
    if estimate is None or unfit(estimate):
        return Reading(MISSING if estimate is None else JUDGE_UNFIT, name=name, kind=kind, spoken=spoken)
    what = "win_rate" if isinstance(estimate, Comparison) else estimate.metric
    value = estimate.win_rate if isinstance(estimate, Comparison) else estimate.value
    return Reading(metric(what, value), interval(estimate.low, estimate.high, name=what), name, kind, spoken)


def unfit(estimate: Comparison | Summary) -> bool:
    """Whether there is no win rate because the judge is not good enough for the language."""
    return isinstance(estimate, Comparison) and estimate.win_rate is None and (estimate.reason or "").startswith(JUDGE_UNFIT)


def estimate_cells(estimate: Comparison | Summary | None) -> list[Cell]:
    """Value and interval as two cells of a table."""
    shown = reading(estimate)
    return [Cell(shown.text), Cell(shown.interval or MISSING)]


def ends(estimates: Iterable[Comparison | Summary | None]) -> list[float | None]:
    """All values and interval ends, for choosing a scale."""
    found: list[float | None] = []
    for estimate in estimates:
        if estimate is not None:
            found += [estimate.low, estimate.high]
            found.append(estimate.win_rate if isinstance(estimate, Comparison) else estimate.value)
    return found


def share(value: float) -> str:
    """Write a tick of an axis of shares: "50%"."""
    return percent(value).replace(".0%", "%")


def point(scale: svg.Scale, estimate: Comparison | Summary | None, *, y: float, kind: str, shape: str = "circle") -> Markup:
    """A mark with its interval at height `y`, or nothing where it was not measured."""
    if estimate is None:
        return Markup("")
    value = estimate.win_rate if isinstance(estimate, Comparison) else estimate.value
    whisker = svg.interval(scale, estimate.low, estimate.high, y=y, kind=kind)
    return whisker + svg.dot(scale, value, y=y, kind=kind, shape=shape)


def box(kind: str, text: str) -> Key:
    """An entry of a legend for bars of this kind."""
    box = svg.element("rect", x=1, y=2, width=16, height=12, class_=f"bar {kind}")
    return Key(svg.element("svg", box, width=18, height=16, aria_hidden="true"), text)


def key(kind: str, shape: str, text: str) -> Key:
    """An entry of a legend for points of this kind and shape."""
    mark = svg.dot(svg.Scale(0, 1, ()), 0.5, y=8, kind=kind, shape=shape)
    return Key(svg.element("svg", mark, width=18, height=16, aria_hidden="true"), text)
