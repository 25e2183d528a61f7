"""The section on documentation: which languages papers and cards study, and whether English-only work says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polylect import languages
from polylect.report import svg
from polylect.report.gap_labels import label_of, list_of, people
from polylect.report.gap_tables import folded_table
from polylect.report.gap_views import Block, Document, Figure, Section
from polylect.report.numerals import MISSING, count, percent
from polylect.report.views import Cell, Chart, ChartRow, Key, Label, Reading, Table

__all__ = ["survey_section"]

_PRACTICES = {
    "several": ("S", "name several languages", "t2"),
    "one_other": ("O", "name one language other than English", "t4"),
    "english_said": ("E", "are on English alone and say so", "t0"),
    "claimed": ("C", "claim many languages and name none", "t6"),
    "silent": ("N", "name no language", "t5"),
}
"""How a document treats language: letter, words, colour. Work that is not about language is counted, not drawn."""

_MOST = 30
_ROW = 24

_Row = Mapping[str, Any]


def survey_section(document: Document, name: str, detail: int) -> Section:
    """Return the section of a document of kind "survey"; below `detail` 2 the longest tables are left to gap.json."""
    summary = document["summary"]
    blocks = [Block("chart", _practice(summary["years"], f"{name}-years", "year"))]
    if any(row["venue"] for row in summary["venues"]):
        blocks.append(Block("chart", _practice(summary["venues"][:_MOST], f"{name}-venues", "venue")))
    if summary["languages"]:
        blocks.append(Block("chart", _named(summary["languages"], f"{name}-languages", whole=detail >= 2)))
    if summary["classes"]:
        blocks.append(Block("table", _classes(summary["classes"])))
    never = summary["never_named"]
    if never["languages"] and detail >= 1:
        blocks.append(Block("markup", _never(never["list"])))
    return Section(
        name=name,
        title="Which languages are studied",
        short="Survey",
        lead=[
            f"What {count(summary['documents'])} documents ({_kinds(summary['by_kind'])}) say about the languages they study. "
            "The Bender rule asks work on English alone to say so: a result on one language is not a result on language "
            "(Bender 2019)."
        ],
        blocks=blocks,
        figures=_figures(summary),
        sentences=_sentences(summary),
        missing=_missing(document),
        sources=[Block("list", _sources(summary, document["notes"]), "Survey")],
    )


def _practice(rows: Sequence[_Row], name: str, column: str) -> Chart:
    """One stacked bar per year or venue: how its documents treat language; beside it the share that keeps the Bender rule."""
    chart_rows, body = [], []
    for row in rows:
        label = Label("unknown" if row[column] is None else str(row[column]))
        share = Reading(percent(row["share"]), name="say so", kind="main", spoken="of the documents on English alone say so")
        if row["share"] is None:
            share = Reading(MISSING, name="none on English alone")
        chart_rows.append(ChartRow(label, _stack(row), [share]))
        numbers = [row["documents"], *(row[practice] for practice in _PRACTICES), row["not_language"]]
        body.append((label, [*(Cell(count(number)) for number in numbers), Cell(percent(row["share"]))]))
    heads = [words for _, words, _ in _PRACTICES.values()]
    columns = (column.capitalize(), "Documents", *heads, "not about language", "English only that says so")
    return Chart(
        name=name,
        title=f"The Bender rule by {column}",
        description=(
            "Share of the documents about language by what they say. Beside it: of the documents on English alone, the share "
            "that says so."
        ),
        table=Table(f"Documents by {column} and practice", columns, body),
        rows=chart_rows,
        axis=svg.axis(svg.Scale(0, 1, (0, 0.25, 0.5, 0.75, 1)), ["0%", "25%", "50%", "75%", "100%"]),
        axis_title="share of documents",
        legend=[_key(*one) for one in _PRACTICES.values()],
        style="people",
    )


def _stack(row: _Row) -> Any:
    total = sum(row[practice] for practice in _PRACTICES)
    start, parts = 0.0, []
    for practice, (letter, _, kind) in _PRACTICES.items():
        width = 100 * row[practice] / total if total else 0.0
        if width:
            parts.append(svg.segment(start, width, letter, height=_ROW, kind=kind))
        start += width
    return svg.strip(*parts, height=_ROW)


def _key(letter: str, words: str, kind: str) -> Key:
    box = svg.element("rect", x=0, y=0, width=18, height=16, class_=f"part {kind}")
    text = svg.element("text", letter, x=9, y=12, text_anchor="middle", class_=f"letter {kind}")
    return Key(svg.element("svg", box, text, width=18, height=16, aria_hidden="true"), words)


def _named(rows: Sequence[_Row], name: str, *, whole: bool) -> Chart:
    """One bar per language: the documents that name it, most first; the table has them all."""
    scale = svg.Scale.cover([row["share"] for row in rows[:_MOST]], include=(0.0,))
    chart_rows = []
    for row in rows[:_MOST]:
        marks = svg.grid(scale, height=_ROW) + svg.bar(scale, 0, row["share"], y=_ROW / 2, height=13, kind="bar main")
        reading = Reading(percent(row["share"]), name=f"{count(row['documents'])} documents", kind="main")
        chart_rows.append(ChartRow(label_of(row), svg.strip(marks, height=_ROW), [reading]))
    shown = rows if whole else rows[:_MOST]
    body = [(label_of(row), [Cell(row["language"], numeric=False), *_named_cells(row)]) for row in shown]
    rest = f" The {_MOST} most named of {len(rows)}; the table has them all." if len(rows) > _MOST else ""
    columns = ("Language", "Tag", "Documents", "Share", "Resource class", "Speakers")
    return Chart(
        name=name,
        title="Languages named",
        description=f"Share of the documents that name a language at all.{rest}",
        table=Table("Languages by documents that name them", columns, body),
        rows=chart_rows,
        axis=svg.axis(scale, [percent(tick).replace(".0%", "%") for tick in scale.ticks]),
        axis_title="share of documents",
        style="people",
    )


def _named_cells(row: _Row) -> list[Cell]:
    speakers = people(row["speakers"]) if row["speakers"] else MISSING
    return [Cell(count(row["documents"])), Cell(percent(row["share"])), Cell(_class(row) or MISSING), Cell(speakers)]


def _classes(rows: Sequence[_Row]) -> Table:
    body = []
    for row in rows:
        label = Label("unknown" if row["resource_class"] is None else f"class {row['resource_class']}")
        body.append((label, [Cell(count(row["languages"])), Cell(count(row["named"])), Cell(count(row["documents"]))]))
    columns = ("Resource class", "Languages of the table", "of them named", "Documents that name them")
    return Table("Languages named by resource class (Joshi et al. 2020; 5 has the most resources)", columns, body)


def _never(rows: Sequence[_Row]) -> Any:
    cells = [(label_of(row), [row["language"], people(row["speakers"]), _class(row)]) for row in rows]
    title = f"Languages of the table that no document names ({len(rows)})"
    return folded_table(title, title, ("Language", "Tag", "Speakers", "Resource class"), cells, text=1)


def _class(row: _Row) -> str:
    return "" if row["resource_class"] is None else str(row["resource_class"])


def _figures(summary: _Row) -> list[Figure]:
    bender, never = summary["bender"], summary["never_named"]
    found = []
    if bender["share"] is not None:
        ends = f" ({100 * bender['low']:.0f}–{100 * bender['high']:.0f}%)" if bender["low"] is not None else ""
        detail = f"{bender['said']} of {bender['english_only']}{ends}"
        found.append(Figure(percent(bender["share"]), "of English-only work says so", detail))
    detail = f"of the {never['of']} in the table; {people(never['speakers'])} speakers"
    found.append(Figure(str(never["languages"]), "languages never named", detail))
    return found


def _sentences(summary: _Row) -> list[str]:
    bender = summary["bender"]
    text = f"Survey of {count(summary['documents'])} documents: "
    practices = [f"{count(summary['practices'].get(name, 0))} {words}" for name, (_, words, _) in _PRACTICES.items()]
    text += ", ".join(practices) + "."
    if bender["share"] is not None:
        text += f" Of {bender['english_only']} on English alone {percent(bender['share'])} say so."
    return [text]


def _missing(document: Document) -> list[Block]:
    summary = document["summary"]
    never = summary["never_named"]
    found = []
    if never["languages"]:
        names = [f"{row['name']} ({people(row['speakers'])})" for row in never["list"]]
        found.append(f"Never named: {never['languages']} of the {never['of']} languages of the table: {list_of(names, 15)}.")
    silent = list(dict.fromkeys(row["title"] or row["document"] for row in document["rows"] if row["practice"] == "silent"))
    if silent:
        found.append(f"{len(silent)} documents about language name none: {list_of([f'“{title}”' for title in silent], 8)}.")
    if summary["unread_reasons"]:
        reasons = "; ".join(f"{reason}: {count(number)}" for reason, number in summary["unread_reasons"].items())
        found.append(f"Not read: {reasons}.")
    for one in summary["unresolved"][:_MOST]:
        found.append(f"Not resolved to a language: “{one['text']}” ({count(one['documents'])} documents).")
    return [Block("list", found, "Survey")] if found else []


def _sources(summary: _Row, notes: Sequence[str]) -> list[str]:
    known = f"{len(languages.known())} languages are in the reviewed table."
    return [f"{count(summary['documents'])} documents: {_kinds(summary['by_kind'])}. {known}", *notes]


def _kinds(by_kind: Mapping[str, int]) -> str:
    return ", ".join(f"{count(number)} {kind}{'s' if number != 1 else ''}" for kind, number in by_kind.items()) or "none"
