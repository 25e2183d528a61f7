"""The charts of win rates: after each step (Aya Expanse, Figure 3), and the same language by language."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from markupsafe import Markup

from polylect.records import Comparison
from polylect.report import svg
from polylect.report.data import StageRow
from polylect.report.lookup import Lookup
from polylect.report.marks import box, ends, estimate_cells, key, listed_stages, point, reading, share, step_win
from polylect.report.numerals import MISSING, count
from polylect.report.views import Cell, Chart, ChartRow, Key, Label, Panel, Table, language_label

__all__ = ["languages_by_stage", "win_ends", "win_rates"]

_ROW, _SINGLE = 44, 30
_UPPER, _LOWER = 14, 33
_PANEL = 96


def win_rates(look: Lookup) -> Chart:
    """Win rate of every stage against the base and against its predecessor, averaged over languages (Aya Expanse, Figure 3)."""
    listed = listed_stages(look)
    scale = svg.Scale.cover(win_ends(look), include=(0.45, 0.55))
    numbers = {row.name: label.number for row, label in listed}
    rows = [_win_row(look, scale, stage, label, numbers) for stage, label in listed]
    return Chart(
        name="win-rates",
        title="Win rate after each step",
        description=(
            f"Share of held-out prompts on which a stage answers better than {look.title(look.data.base_stage)} (bars) and "
            f"better than the stage it was made from (diamonds), averaged over {look.averaged} languages; a tie counts "
            "half. Lines are 95% intervals. 50% means even."
        ),
        table=_win_table(look, listed),
        rows=rows,
        axis=svg.axis(scale, [share(t) for t in scale.ticks]),
        axis_title="Win rate",
        legend=_win_legend(look),
    )


def win_ends(look: Lookup) -> list[float | None]:
    """All win rates averaged over languages and the ends of their intervals, which the axis of the chart covers."""
    names = [row.name for row, _ in listed_stages(look)]
    return ends([*map(look.win_base, names), *(step_win(look, name) for name in names)])


def languages_by_stage(look: Lookup) -> Chart:
    """Small charts, one a language: win rate against the base after each stage of the recipe, kept or not."""
    wins = {tag: [look.win_base(stage.name, tag) for stage in look.recipe] for tag in look.languages}
    scale = svg.Scale.cover(ends(c for row in wins.values() for c in row), include=(0.5,), most=4)
    panels = [
        Panel(language_label(tag), _panel(scale, row, look.recipe), reading(look.win_base(look.data.final_stage, tag)))
        for tag, row in wins.items()
    ]
    head = ("Language", *(f"{n} {stage.title}" for n, stage in enumerate(look.recipe, start=1)))
    body = [(language_label(tag), [_win_cell(c) for c in row]) for tag, row in wins.items()]
    return Chart(
        name="languages-by-stage",
        title="Win rate against the base, language by language",
        description=(
            f"One small chart a language, all on the same scale ({share(scale.low)} to {share(scale.high)}). From left to "
            "right the stages of the recipe, numbered as above; the band is the 95% interval, the dashed line 50%. A hollow "
            "point is a stage that was not kept. The number is the final model's."
        ),
        table=Table("Win rate against the base per language and stage, with 95% intervals", head, body),
        panels=panels,
    )


def _win_row(look: Lookup, scale: svg.Scale, stage: StageRow, label: Label, numbers: dict[str, str]) -> ChartRow:
    """One stage: a bar from even to the win rate against the base and, below it, a diamond against its predecessor."""
    kind = "reference" if stage.name in look.data.reference_stages else "main" if stage.kept else "dropped"
    base, previous = look.win_base(stage.name), step_win(look, stage.name)
    height, y = (_SINGLE, _SINGLE / 2) if previous is None else (_ROW, _UPPER)
    marks = svg.grid(scale, height=height, reference=0.5) + _bar(scale, base, y=y, kind=kind)
    readings = [reading(base, "vs base", kind, f"against {look.title(look.data.base_stage)}")]
    if previous is not None:
        marks += point(scale, previous, y=_LOWER, kind="second", shape="diamond")
        readings.append(reading(previous, f"vs {numbers[previous.b]}", "second", f"against {look.title(previous.b)}"))
    return ChartRow(label, svg.strip(marks, height=height), readings)


def _bar(scale: svg.Scale, estimate: Comparison | None, *, y: float, kind: str) -> Markup:
    if estimate is None or estimate.win_rate is None:
        return Markup("")
    bar = svg.bar(scale, 0.5, estimate.win_rate, y=y, height=16, kind=f"bar {kind}")
    return bar + svg.interval(scale, estimate.low, estimate.high, y=y, kind=kind)


def _panel(scale: svg.Scale, row: Sequence[Comparison | None], stages: Sequence[StageRow]) -> Markup:
    """One small chart: x is the stage (percent), y the win rate (pixels, the scale's upper end on top)."""
    known = [
        (100 * (n + 0.5) / len(row), c.win_rate, c, stage.kept)
        for n, (c, stage) in enumerate(zip(row, stages, strict=True))
        if c is not None and c.win_rate is not None
    ]

    def y(value: float) -> float:
        return _PANEL - 4 - (_PANEL - 20) * scale.at(value) / 100

    marks = [svg.line(0, y(t), 100, y(t), "even dashed" if t == 0.5 else "grid") for t in scale.ticks]
    marks += [
        svg.element("text", share(t), x="100%", y=y(t) - 3, text_anchor="end", class_="tick")
        for t in dict.fromkeys((0.5, scale.ticks[-1]))
    ]
    marks.append(_band([(x, y(c.low), y(c.high)) for x, _, c, _ in known if c.low is not None and c.high is not None]))
    kept = [(x, y(rate)) for x, rate, _, is_kept in known if is_kept]
    marks += [svg.line(*start, *end, "path main") for start, end in itertools.pairwise(kept)]
    marks += [
        svg.element("circle", cx=f"{x:.2f}%", cy=y(rate), r=4, class_="dot main" if is_kept else "ring dropped")
        for x, rate, _, is_kept in known
    ]
    marks += [
        svg.element(
            "text", str(n + 1), x=f"{100 * (n + 0.5) / len(row):.2f}%", y=_PANEL + 11, text_anchor="middle", class_="tick"
        )
        for n in range(len(row))
    ]
    return svg.strip(*marks, height=_PANEL + 14)


def _band(points: Sequence[tuple[float, float, float]]) -> Markup:
    """The area between lower and upper ends; a nested drawing stretches its x from 0..100 to the panel's width."""
    if len(points) < 2:
        return Markup("")
    there = [f"{x:.1f} {high:.1f}" for x, _, high in points]
    back = [f"{x:.1f} {low:.1f}" for x, low, _ in reversed(points)]
    path = svg.element("path", d="M" + "L".join(there + back) + "Z", class_="band")
    return svg.element("svg", path, viewBox=f"0 0 100 {_PANEL}", preserveAspectRatio="none", width="100%", height=_PANEL)


def _win_table(look: Lookup, listed: Sequence[tuple[StageRow, Label]]) -> Table:
    columns = (
        "Stage",
        "Against the base",
        "95% interval",
        "Won",
        "Lost",
        "Tied",
        "Unscored",
        "Against",
        "Win rate",
        "95% interval",
    )
    body = []
    for stage, label in listed:
        base, previous = look.win_base(stage.name), look.win_previous(stage.name)
        counts = [count(v) for v in (base.win, base.loss, base.tie, base.unscored)] if base else [MISSING] * 4
        other = look.title(previous.b) if previous else MISSING
        cells = [*estimate_cells(base), *map(Cell, counts), Cell(other, numeric=False), *estimate_cells(previous)]
        body.append((label, cells))
    return Table("Win rates averaged over languages, with counts of prompts", columns, body)


def _win_cell(comparison: Comparison | None) -> Cell:
    shown = reading(comparison)
    return Cell(f"{shown.text} ({shown.interval})" if shown.interval else shown.text)


def _win_legend(look: Lookup) -> list[Key]:
    keys = [box("main", "Against the base"), key("second", "diamond", "Against the stage it was made from")]
    if look.references:
        keys.append(box("reference", "Reference, not part of the recipe"))
    if any(not stage.kept for stage in look.recipe):
        keys.append(box("dropped", "Not kept"))
    return keys
