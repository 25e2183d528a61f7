"""The section on performance: from English to each language, with intervals, and how uneven a model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polylect.report import gap_performance_words as words
from polylect.report import svg
from polylect.report.gap_dots import Dot, DotGroup, DotPlot, DotRow, drawing, series_key
from polylect.report.gap_labels import label_of, measured
from polylect.report.gap_performance_tables import disparity_table, languages_table, quadrants
from polylect.report.gap_slope import slopes
from polylect.report.gap_units import Unit
from polylect.report.gap_views import Block, Document, Section
from polylect.report.numerals import METRIC_TITLES

__all__ = ["performance_section"]

_Row = Mapping[str, Any]
_TABLE_LANGUAGES = 150
"""Beyond so many languages in all tables together, a page that grows too large leaves the tables of languages to rows.csv."""


def performance_section(document: Document, name: str, detail: int) -> Section:
    """Return the section of a document of kind "performance"; below `detail` 2 long tables are left to rows.csv."""
    rows, summary = document["rows"], document["summary"]
    blocks = []
    for number, (benchmark, metric) in enumerate(_kinds(summary["groups"])):
        own = [row for row in rows if (row["benchmark"], row["metric"]) == (benchmark, metric)]
        groups = [group for group in summary["groups"] if (group["benchmark"], group["metric"]) == (benchmark, metric)]
        anchor = f"{name}-{number + 1}"
        unit = Unit.of(groups[0]["bounds"])
        blocks.append(Block("table", disparity_table(groups, summary)))
        if any(group["english"] for group in groups):
            blocks.append(Block("chart", slopes(own, groups, unit, f"{anchor}-slope", summary["reference"])))
        tabled = detail >= 2 or len(rows) <= _TABLE_LANGUAGES
        blocks.append(Block("dots", _scores(own, groups, unit, anchor, tabled=tabled)))
        blocks += filter(None, [quadrants(groups, summary)])
    return Section(
        name=name,
        title="How far each language is behind",
        short="Performance",
        lead=words.lead(summary),
        blocks=blocks,
        figures=words.figures(summary["groups"]),
        sentences=words.sentences(summary),
        missing=words.missing(summary, rows),
        sources=words.sources(document),
    )


def _kinds(groups: Sequence[_Row]) -> list[tuple[str, str]]:
    """Benchmarks with their metrics, each once, in the order of the document."""
    return list(dict.fromkeys((group["benchmark"], group["metric"]) for group in groups))


def _scores(rows: Sequence[_Row], groups: Sequence[_Row], unit: Unit, anchor: str, *, tabled: bool) -> DotPlot:
    """Every language's score with its interval, one line per model; English is a row of its own and, for one model, a line."""
    models = [group["model"] for group in groups]
    by_tag = _by_language(rows, models)
    scale = svg.Scale.cover((row[end] for row in rows for end in ("score", "low", "high")), include=unit.include)
    english = groups[0]["english"] if len(models) == 1 else None
    dot_rows = [_score_row(own, models, unit) for own in by_tag.values()]
    several, title = len(models) > 1, measured(groups[0])
    return DotPlot(
        name=f"{anchor}-scores",
        title=f"{title}: every language",
        description=_description(several=several, english=english is not None),
        groups=[DotGroup(dot_rows, drawing(dot_rows, scale, english["value"] if english else None))],
        axis=svg.axis(scale, [unit.tick(tick) for tick in scale.ticks]),
        axis_title=METRIC_TITLES.get(groups[0]["metric"], groups[0]["metric"]) or "score",
        reading_title="lowest–highest" if several else "behind English",
        legend=[series_key(n, model, alone=not several) for n, model in enumerate(models)],
        table=None,
        table_note=languages_table(by_tag, models, unit, title, whole=tabled),
    )


def _by_language(rows: Sequence[_Row], models: Sequence[str]) -> dict[str, dict[str, _Row]]:
    """Return the rows by language and model, the best language of the first model first."""
    found: dict[str, dict[str, _Row]] = {}
    for row in rows:
        found.setdefault(row["language"], {})[row["model"]] = row
    return {tag: found[tag] for tag in sorted(found, key=lambda tag: (-_first_score(found[tag], models), tag))}


def _description(*, several: bool, english: bool) -> str:
    if several:
        return (
            "Score with its 95% interval, best language of the first model first. In each row the models stand in the order of "
            "the legend."
        )
    line = "; the upright line is English. Beside it: how far it is behind English, with the interval of the difference"
    return f"Score with its 95% interval, best language first{line if english else ''}."


def _score_row(own: Mapping[str, _Row], models: Sequence[str], unit: Unit) -> DotRow:
    first = next(iter(own.values()))
    found = [own.get(model) for model in models]
    dots = tuple(None if row is None or row["score"] is None else Dot(row["score"], row["low"], row["high"]) for row in found)
    if len(models) > 1:
        values = [dot.value for dot in dots if dot is not None and dot.value is not None]
        return DotRow(label_of(first), dots, unit.ends(min(values), max(values)) if values else "not scored")
    if dots[0] is None:
        return DotRow(label_of(first), dots, "not scored")
    if first["gap_english"] is None:
        return DotRow(label_of(first), dots, unit.value(first["score"]))
    ends = unit.difference_ends(first["gap_english_low"], first["gap_english_high"])
    return DotRow(label_of(first), dots, unit.difference(first["gap_english"]), ends)


def _first_score(own: Mapping[str, _Row], models: Sequence[str]) -> float:
    scores = (own[model]["score"] for model in models if model in own)
    return next((score for score in scores if score is not None), -1e9)
