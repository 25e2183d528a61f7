"""The charts of exact match: per language before and after, and per stage on unseen kinds of question."""

from __future__ import annotations

from markupsafe import Markup

from polylect.records import Summary
from polylect.report import svg
from polylect.report.lookup import Lookup
from polylect.report.marks import ends, estimate_cells, key, listed_stages, point, reading, share
from polylect.report.numerals import MISSING, count
from polylect.report.views import Cell, Chart, ChartRow, Label, Reading, Table, language_label, stage_label

__all__ = ["answers", "unseen_kinds"]

_ROW = 44
_UPPER, _LOWER = 14, 33
_BEFORE, _AFTER = 16, 27


def answers(look: Lookup) -> Chart:
    """Exact match per language before and after, sorted by the final model's value (a dumbbell a language)."""
    before, final = look.data.before, look.data.final_stage
    tags = sorted(look.languages, key=lambda tag: _value(look.language(final, "exact_match", tag)), reverse=True)
    pairs = {tag: (look.language(before, "exact_match", tag), look.language(final, "exact_match", tag)) for tag in tags}
    scale = svg.Scale.cover(ends(s for pair in pairs.values() for s in pair), include=(0.0,))
    names = (look.title(before), look.title(final))
    rows = [ChartRow(language_label(tag), _dumbbell(scale, pair), _both(pair)) for tag, pair in pairs.items()]
    columns = ("Language", names[0], "95% interval", "n", names[1], "95% interval", "n")
    body = [(language_label(tag), [cell for s in pair for cell in _summary_cells(s)]) for tag, pair in pairs.items()]
    return Chart(
        name="answers",
        title="Exactly right answers before and after",
        description=(
            f"Share of held-out questions answered exactly right by {names[0]} (ring) and by {names[1]} (filled point), per "
            "language, best first. Lines are 95% intervals."
        ),
        table=Table("Exact match per language before and after", columns, body),
        rows=rows,
        axis=svg.axis(scale, [share(t) for t in scale.ticks]),
        axis_title="Exact match",
        legend=[key("reference", "ring", names[0]), key("main", "circle", names[1])],
    )


_INTERVAL = "95% interval"
_UNSEEN_COLUMNS = ("Stage", "Exact match", _INTERVAL, "unseen kinds", _INTERVAL, "chrF", _INTERVAL, "unseen kinds", _INTERVAL)


def unseen_kinds(look: Lookup) -> Chart:
    """Exact match of every stage on the kinds of question that training used and on kinds it never saw."""
    base = look.stages[look.data.base_stage]
    listed = [(base, stage_label(base)), *listed_stages(look)]
    pairs = [(look.macro(s.name, "exact_match"), look.macro(s.name, "exact_match_unseen")) for s, _ in listed]
    scale = svg.Scale.cover(ends(s for pair in pairs for s in pair), include=(0.0,))
    names = ("exact_match", "exact_match_unseen", "chrf", "chrf_unseen")
    body = [(label, [c for name in names for c in _summary_cells(look.macro(stage.name, name))[:2]]) for stage, label in listed]
    return Chart(
        name="unseen-kinds",
        title="Exact match on trained and on unseen kinds of question",
        description=(
            "Kinds of question that no training step ever saw (diamonds) beside held-out questions of the trained kinds "
            "(points), averaged over languages. A gain that holds on unseen kinds is more than a better fit to what was "
            "rewarded in training. Lines are 95% intervals."
        ),
        table=Table("Exact match and chrF (0 to 100) per stage, averaged over languages", _UNSEEN_COLUMNS, body),
        rows=[_seen_and_unseen(scale, label, pair) for (_, label), pair in zip(listed, pairs, strict=True)],
        axis=svg.axis(scale, [share(t) for t in scale.ticks]),
        axis_title="Exact match",
        legend=[
            key("main", "circle", "Held-out questions of trained kinds"),
            key("second", "diamond", "Kinds never seen in training"),
        ],
    )


def _seen_and_unseen(scale: svg.Scale, label: Label, pair: tuple[Summary | None, Summary | None]) -> ChartRow:
    seen, unseen = pair
    marks = svg.grid(scale, height=_ROW) + point(scale, seen, y=_UPPER, kind="main")
    marks += point(scale, unseen, y=_LOWER, kind="second", shape="diamond")
    readings = [reading(seen, "trained", "main"), reading(unseen, "unseen", "second")]
    return ChartRow(label, svg.strip(marks, height=_ROW), readings)


def _dumbbell(scale: svg.Scale, pair: tuple[Summary | None, Summary | None]) -> Markup:
    """Both estimates on one row, a little apart so that their intervals can overlap, joined by a pale line."""
    before, after = pair
    marks = svg.grid(scale, height=_ROW)
    if before is not None and before.value is not None and after is not None and after.value is not None:
        marks += svg.line(scale.at(before.value), _BEFORE, scale.at(after.value), _AFTER, "span main")
    marks += point(scale, before, y=_BEFORE, kind="reference", shape="ring") + point(scale, after, y=_AFTER, kind="main")
    return svg.strip(marks, height=_ROW)


def _summary_cells(summary: Summary | None) -> list[Cell]:
    return [*estimate_cells(summary), Cell(count(summary.n) if summary else MISSING)]


def _both(pair: tuple[Summary | None, Summary | None]) -> list[Reading]:
    return [reading(pair[0], "before", "reference"), reading(pair[1], "after", "main")]


def _value(summary: Summary | None) -> float:
    return -1.0 if summary is None or summary.value is None else summary.value
