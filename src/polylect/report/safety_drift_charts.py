"""The charts of drift: toxicity per language, over the dates of the prompts, between dates or evaluations, and ages of sets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from itertools import pairwise

from markupsafe import Markup

from polylect.records import MULTIPLE
from polylect.report import svg
from polylect.report.numerals import MISSING, count
from polylect.report.safety_changes import Change, Unit
from polylect.report.safety_drift_data import MAXIMUM, PROBABILITY, DatedSet, Drift, Toxicity
from polylect.report.safety_forest import Forest, forest
from polylect.report.safety_marks import Series, ends, label, legend, listed, mark
from polylect.report.views import Cell, Chart, ChartRow, Label, Panel, Reading, Table

__all__ = ["SCORES", "age", "ages", "levels", "over_dates", "samples", "set_table", "steps"]


def _score(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}".replace("-", "\u2212")


def _signed(value: float | None) -> str:
    text = _score(value)
    return text if value is None or value <= 0 or text == "0.00" else f"+{text}"


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{_score(low)} to {_score(high)}"


SCORES = Unit(_score, _signed, _between, "score from 0 to 1")
"""Toxicity and its probability: numbers in [0, 1] with two digits, as in RealToxicityPrompts (Gehman et al. 2020)."""

_DRAWN = (
    Series("Expected maximum toxicity", "expected max.", "second", "circle"),
    Series("Toxicity probability", "probability", "main", "diamond"),
)
_METRICS = (MAXIMUM, PROBABILITY)
_TITLES = {MAXIMUM: "Expected maximum toxicity", PROBABILITY: "Toxicity probability"}
_STEP, _PANEL, _TOP, _BOTTOM = 17, 118, 8, 20
_LEFT, _RIGHT = 12.0, 97.0
_SHOWN_SETS = 16


def levels(found: Drift, tags: Sequence[str]) -> Chart:
    """Return both figures of each language over all prompts."""
    rows = [*tags, MULTIPLE] if ("", MAXIMUM, MULTIPLE) in found.figures else list(tags)
    at = {(metric, tag): found.figures.get(("", metric, tag)) for metric in _METRICS for tag in rows}
    scale = svg.Scale.cover(ends(at.values()), include=(0.0,))
    k, threshold = found.summary.get("k"), found.summary.get("threshold")
    return Chart(
        name="levels",
        title="Toxicity by language",
        description=(
            f"Of {k} samples of a prompt: how toxic the worst is expected to be, and how likely one reaches {threshold:g}. Means "
            "over prompts; lines are 95% intervals, clustered by prompt."
        ),
        table=_table(
            "Toxicity by language", ("Language",), [((label(tag), []), [at[metric, tag] for metric in _METRICS]) for tag in rows]
        ),
        rows=[_level_row(tag, [at[metric, tag] for metric in _METRICS], scale) for tag in rows],
        axis=svg.axis(scale, [f"{tick:g}" for tick in scale.ticks]),
        axis_title="Toxicity",
        legend=legend(_DRAWN),
        style="wide",
    )


def _level_row(tag: str, found: Sequence[Toxicity | None], scale: svg.Scale) -> ChartRow:
    height = _STEP * len(found) + 8
    marks = svg.grid(scale, height=height)
    for place, (one, line) in enumerate(zip(found, _DRAWN, strict=True)):
        marks += mark(scale, one, line, y=_STEP * place + 12)
    if all(one is None or one.value is None for one in found):
        return ChartRow(
            label(tag), svg.strip(marks, height=height), [Reading("no prompt has enough scored samples", kind="remark")]
        )
    said = [
        Reading(_score(one.value if one else None), _between(one.low, one.high) if one else "", line.short, line.kind)
        for one, line in zip(found, _DRAWN, strict=True)
    ]
    return ChartRow(label(tag), svg.strip(marks, height=height), said)


def _table(
    caption: str, heads: Sequence[str], rows: Sequence[tuple[tuple[Label, list[Cell]], Sequence[Toxicity | None]]]
) -> Table:
    columns = [*heads]
    for metric in _METRICS:
        columns += [_TITLES[metric], "95% interval"]
    body = []
    for (head, more), found in rows:
        cells = [*more]
        for one in found:
            cells += [Cell(_score(one.value if one else None)), Cell(_between(one.low, one.high) if one else "")]
        first = found[0]
        body.append((head, [*cells, Cell(count(first.n if first else None)), Cell(count(first.too_few if first else None))]))
    return Table(caption, (*columns, "Prompts", "Too few samples"), body)


def over_dates(found: Drift, tags: Sequence[str]) -> list[Chart]:
    """Return per figure one small chart per language, over the dates of the prompts; none where there are not two."""
    if len(found.dates) < 2:
        return []
    shown = [*([MULTIPLE] if any((day, MAXIMUM, MULTIPLE) in found.figures for day in found.dates) else []), *tags]
    return [_dates(found, metric, shown) for metric in _METRICS]


def _dates(found: Drift, metric: str, tags: Sequence[str]) -> Chart:
    at = {tag: [found.figures.get((day, metric, tag)) for day in found.dates] for tag in tags}
    at = {tag: own for tag, own in at.items() if any(one and one.value is not None for one in own)}
    scale = svg.Scale.cover(ends(one for own in at.values() for one in own), include=(0.0,), most=5)
    undated = " Prompts without a date are in the table alone." if found.undated else ""
    line = _DRAWN[_METRICS.index(metric)]
    return Chart(
        name=f"dates-{'maximum' if metric == MAXIMUM else 'probability'}",
        title=f"{_TITLES[metric]} by date of the prompts",
        description=(
            f"From {found.dates[0]} to {found.dates[-1]}, in proportion to time; upright lines are 95% intervals. The number is "
            f"that of the newest prompts. Other prompts may be harder, too: what changed between two dates is below.{undated}"
        ),
        table=_dates_table(found, metric, tags),
        panels=[
            Panel(label(tag), svg.strip(*_line(found.dates, own, scale, line), height=_PANEL), _newest(own, line.kind))
            for tag, own in at.items()
        ],
    )


def _newest(own: Sequence[Toxicity | None], kind: str) -> Reading:
    last = own[-1]
    if last is None or last.value is None:
        return Reading(MISSING)
    return Reading(_score(last.value), _between(last.low, last.high), kind=kind)


def _line(dates: Sequence[str], own: Sequence[Toxicity | None], scale: svg.Scale, drawn: Series) -> list[Markup]:
    """Draw one language: levels as lines across, a mark with an upright interval per date, joined in order."""
    days = [date.fromisoformat(day).toordinal() for day in dates]
    span = max(1, days[-1] - days[0])

    def x(day: int) -> float:
        return _LEFT + 5 + (_RIGHT - _LEFT - 10) * (day - days[0]) / span

    def y(value: float) -> float:
        return _PANEL - _BOTTOM - (_PANEL - _BOTTOM - _TOP) * scale.at(value) / 100

    marks = []
    for tick in scale.ticks:
        marks.append(svg.line(_LEFT, y(tick), 100, y(tick), "grid"))
        marks.append(svg.element("text", f"{tick:g}", x=f"{_LEFT - 2:g}%", y=y(tick) + 4, text_anchor="end", class_="tick"))
    known = [(x(day), one) for day, one in zip(days, own, strict=True) if one is not None and one.value is not None]
    marks += [
        svg.line(a, y(one.value or 0.0), b, y(two.value or 0.0), f"whisker {drawn.kind}")
        for (a, one), (b, two) in pairwise(known)
    ]
    for at, one in known:
        if one.low is not None and one.high is not None:
            marks.append(svg.line(at, y(one.low), at, y(one.high), f"whisker thin {drawn.kind}"))
        marks.append(svg.dot(svg.Scale(0, 100, ()), at, y=y(one.value or 0.0), kind=drawn.kind, shape=drawn.shape))
    for name, anchor in ((dates[0], "start"), (dates[-1], "end")):
        edge = _LEFT if anchor == "start" else 100.0
        marks.append(svg.element("text", name[:7], x=f"{edge:g}%", y=_PANEL - 4, text_anchor=anchor, class_="tick"))
    return marks


def _dates_table(found: Drift, metric: str, tags: Sequence[str]) -> Table:
    days = [*found.dates, *(["undated"] if found.undated else [])]
    body = []
    for tag in tags:
        for day in days:
            one = found.figures.get((day, metric, tag))
            if one is not None:
                cells = [Cell(day, numeric=False), Cell(_score(one.value)), Cell(_between(one.low, one.high) or MISSING)]
                body.append((label(tag), [*cells, Cell(count(one.n)), Cell(count(one.too_few))]))
    columns = ("Language", "Date", _TITLES[metric], "95% interval", "Prompts", "Too few samples")
    return Table(f"{_TITLES[metric]} by language and date of the prompts", columns, body)


def steps(found: Drift, tags: Sequence[str]) -> list[Chart]:
    """Return what changed: of a comparison from the older to the newer, else from each date to the next, the newest first."""
    charts = []
    for place, (older, newer) in enumerate(reversed(list(dict.fromkeys((key[0], key[1]) for key in found.steps))), start=1):
        own = [tag for tag in tags if (older, newer, MAXIMUM, tag) in found.steps]
        heads = [(label(tag), tag) for tag in own]
        if (older, newer, MAXIMUM, MULTIPLE) in found.steps:
            heads.append((label(MULTIPLE), MULTIPLE))
        what = Forest(
            name=f"step-{place}",
            title="Newer minus older" if found.compared else f"Prompts of {newer} minus those of {older or 'no date'}",
            description=(
                "Above 0 the newer figure is higher: more toxic. Lines are 95% intervals; prompts that both have are drawn "
                "together, so that the difference is paired as far as they share prompts."
            ),
            axis_title="Difference",
            sides=("older", "newer"),
            drawn=_DRAWN,
            unit=SCORES,
            counted="Prompts",
        )
        charts.append(forest(what, heads, partial(_step, found, older, newer)))
    return charts


def _step(found: Drift, older: str, newer: str, place: int, tag: str) -> Change | None:
    return found.steps.get((older, newer, _METRICS[place], tag))


def age(one: DatedSet) -> str:
    """Write the age of a set in days."""
    if one.age is None:
        return "no date"
    return f"{count(one.age)} day{'' if one.age == 1 else 's'}"


def ages(found: Drift, today: date) -> Chart | None:
    """Return the ages of the sets that have a date, the oldest first, against the age from which each is stale."""
    own = [one for one in found.sets if one.age is not None]
    if not own:
        return None
    shown = own[:_SHOWN_SETS]
    scale = svg.Scale.cover([float(max(one.age or 0, one.stale_after)) for one in shown], include=(0.0,), finest=1)
    more = f" The {count(len(own) - len(shown))} youngest are in the table alone." if len(own) > len(shown) else ""
    return Chart(
        name="ages",
        title="Age of what the figures rest on",
        description=f"In days, as of {today.isoformat()}; the upright mark is the age from which a set is stale.{more}",
        table=set_table(found),
        rows=[_age_row(one, scale) for one in shown],
        axis=svg.axis(scale, [count(int(tick)) for tick in scale.ticks]),
        axis_title="Days",
        style="wide",
    )


def _age_row(one: DatedSet, scale: svg.Scale) -> ChartRow:
    height, days = 30, max(0, one.age or 0)
    kind = "second" if one.stale else ""
    marks = svg.grid(scale, height=height)
    marks += svg.bar(scale, 0.0, float(days), y=height / 2, height=13, kind=f"bar {kind}".strip())
    marks += svg.dot(scale, float(one.stale_after), y=height / 2, kind="limit", shape="tick")
    told = "stale" if one.stale else "dated after today" if (one.age or 0) < 0 else "not stale"
    said = [Reading(age(one), name=f"{told} (after {count(one.stale_after)})", kind=kind or "main")]
    return ChartRow(_set_label(one), svg.strip(marks, height=height), said)


def _set_label(one: DatedSet) -> Label:
    tags = one.languages
    badge = label(tags[0]).text if len(tags) == 1 and tags[0] != MULTIPLE else f"{count(len(tags))} languages"
    return Label(f"{one.what.capitalize()}: {one.source}", badge=f"{one.date}, {badge}")


def set_table(found: Drift) -> Table:
    """Return all sets with their ages."""
    body = []
    for one in found.sets:
        stale = "nobody can tell" if one.stale is None else "stale" if one.stale else "no"
        names = listed([label(tag).text for tag in one.languages])
        cells = [Cell(one.source, numeric=False), Cell(names, numeric=False), Cell(one.date or "no date", numeric=False)]
        numbers = [Cell(count(one.size)), Cell(count(one.age)), Cell(count(one.stale_after))]
        body.append((Label(one.what.capitalize()), [*cells, *numbers, Cell(stale, numeric=False)]))
    columns = ("What", "Source", "Languages", "Date", "Size", "Age, days", "Stale after", "Stale")
    return Table("What the figures rest on, and its age", columns, body)


def samples(found: Drift, tags: Sequence[str]) -> Table:
    """Return by language how many samples were scored, and why others were not."""
    body = []
    for tag in tags:
        one = found.figures.get(("", MAXIMUM, tag))
        if one is not None:
            why = "; ".join(f"{count(lost)}: {reason}" for reason, lost in one.unscored.items())
            cells = [
                Cell(count(one.n)),
                Cell(count(one.too_few)),
                Cell(count(one.samples)),
                Cell(count(sum(one.unscored.values()))),
            ]
            body.append((label(tag), [*cells, Cell(why, numeric=False)]))
    columns = ("Language", "Prompts", "With too few samples", "Scored samples", "Unscored", "Why")
    return Table("Samples by language", columns, body)
