"""The tables of the report that stand alone: gains per step, right language, costs, what was dropped, what it was made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from polylect.records import MULTIPLE, Comparison, Summary
from polylect.report.data import ReportData
from polylect.report.lookup import Lookup
from polylect.report.marks import listed_stages, reading
from polylect.report.numerals import METRIC_TITLES, MISSING, count, duration, percent, size
from polylect.report.views import Cell, Label, Table, language_label, stage_label

__all__ = ["costs", "drops", "flatten", "gains", "right_language", "settings", "unscored"]

_FULL_SHADE = 0.25
"""Distance from an even win rate (share) at which the shade of a cell is strongest."""


def gains(look: Lookup) -> Table:
    """Win rate of every stage of the recipe against the stage it was made from, language by language."""
    columns = ("Language", *(f"{n}\u2002{stage.title}" for n, stage in enumerate(look.recipe, start=1)))
    rows = [
        (_language(tag), [_gain_cell(look.win_previous(stage.name, tag)) for stage in look.recipe])
        for tag in (*look.languages, MULTIPLE)
    ]
    return Table("Win rate of each step against the stage it was made from", columns, rows)


def right_language(look: Lookup) -> Table:
    """Share of answers in the language of their question: stages by languages."""
    base = look.stages[look.data.base_stage]
    listed = [(base, stage_label(base)), *listed_stages(look)]
    columns = ("Stage", "All", *(_language(tag).text for tag in look.languages))
    rows = []
    for stage, label in listed:
        own = [look.macro(stage.name, "language_pass")]
        own += [look.language(stage.name, "language_pass", tag) for tag in look.languages]
        rows.append((label, [_share_cell(summary) for summary in own]))
    return Table("Share of answers written in the language of the question", columns, rows)


def costs(data: ReportData) -> Table:
    """What each step took; the last row adds seconds and bytes and names the highest memory."""
    columns = ("Step", "Time", "Peak memory", "Tokens", "On disk", "This time")
    rows = [
        (
            Label(step.name),
            [
                Cell(duration(step.seconds)),
                Cell(size(1e6 * step.peak_memory_mb)),
                Cell(count(step.tokens)),
                Cell(size(step.bytes)),
                Cell("found whole, not run again" if step.skipped else "run", numeric=False),
            ],
        )
        for step in data.steps
    ]
    if data.steps:
        tokens = [step.tokens for step in data.steps if step.tokens is not None]
        total = [
            Cell(duration(sum(step.seconds for step in data.steps))),
            Cell(size(1e6 * max(step.peak_memory_mb for step in data.steps))),
            Cell(count(sum(tokens)) if tokens else MISSING),
            Cell(size(sum(step.bytes for step in data.steps))),
            Cell("", numeric=False),
        ]
        rows.append((Label("All steps (memory: the highest)"), total))
    return Table("Time, memory, tokens and disk of every step", columns, rows)


def drops(data: ReportData) -> Table:
    """Reason and count of everything that was dropped."""
    rows = [(Label(reason), [Cell(count(number))]) for reason, number in data.drops.items()]
    return Table("Rows dropped or left unscored, by reason", ("Reason", "Rows"), rows)


def unscored(look: Lookup) -> Table:
    """Stages, languages and metrics with unscored answers."""
    rows = [
        (
            Label(look.title(s.stage)),
            [
                Cell(_language(s.language).text, numeric=False),
                Cell(METRIC_TITLES.get(s.metric, s.metric), numeric=False),
                Cell(count(s.unscored)),
                Cell(count(s.n)),
            ],
        )
        for s in look.data.summaries
        if s.scope == "language" and s.unscored
    ]
    return Table("Answers without a score", ("Stage", "Language", "Metric", "Unscored", "Scored"), rows)


def settings(data: ReportData) -> Table:
    """The recipe as it was run, one row per value, nested keys joined by dots."""
    rows = [(Label(name), [Cell(value, numeric=False)]) for name, value in flatten("", data.settings)]
    return Table("Settings of the run", ("Setting", "Value"), rows)


def flatten(prefix: str, value: Any) -> Iterable[tuple[str, str]]:
    """Yield nested settings as (key, value), keys of inner dictionaries and lists joined by dots."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from flatten(f"{prefix}.{name}" if prefix else str(name), inner)
    elif isinstance(value, (list, tuple)) and any(isinstance(inner, dict) for inner in value):
        for position, inner in enumerate(value, start=1):
            yield from flatten(f"{prefix}.{position}", inner)
    else:
        yield prefix, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _language(tag: str) -> Label:
    return Label("All languages") if tag == MULTIPLE else language_label(tag)


def _gain_cell(comparison: Comparison | None) -> Cell:
    """The win rate, shaded by its distance from even, marked where the interval lies wholly on one side of 50%."""
    if comparison is None or comparison.win_rate is None:
        return Cell(reading(comparison).text)
    mark, spoken = "", ""
    if comparison.low is not None and comparison.low > 0.5:
        mark, spoken = "▲", "better, interval above 50%"
    elif comparison.high is not None and comparison.high < 0.5:
        mark, spoken = "▼", "worse, interval below 50%"
    rgb = "0, 114, 178" if comparison.win_rate >= 0.5 else "213, 94, 0"
    strength = min(1.0, abs(comparison.win_rate - 0.5) / _FULL_SHADE)
    return Cell(percent(comparison.win_rate), shade=f"rgba({rgb}, {0.42 * strength:.2f})", mark=mark, spoken=spoken)


def _share_cell(summary: Summary | None) -> Cell:
    """A share in [0, 1]; the more is missing to 100%, the stronger the shade."""
    if summary is None or summary.value is None:
        return Cell(MISSING)
    shade = f"rgba(213, 94, 0, {0.5 * min(1.0, 2 * (1 - summary.value)):.2f})"
    return Cell(reading(summary).text, shade=shade)
