"""The section on coverage: the evidence ladder, a row per language and a column per level, and the people behind each level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polylect.report import svg
from polylect.report.gap_labels import label_of, list_of, people
from polylect.report.gap_views import Block, Document, Figure, Matrix, Section
from polylect.report.marks import box
from polylect.report.numerals import MISSING
from polylect.report.views import Cell, Chart, ChartRow, Label, Reading, Table

__all__ = ["coverage_section"]

_MARKS: dict[str, tuple[str, str]] = {
    "shown": ("shown", "shown by rows"),
    "stated": ("stated", "stated"),
    "": ("blank", "no evidence"),
}
_QUOTE = 160
_ROW = 26
_BILLION = 1e9

_Row = Mapping[str, Any]


def coverage_section(document: Document, name: str, detail: int) -> Section:
    """Return the section of a document of kind "coverage"; below `detail` 2 the links of the evidence are left to gap.json."""
    rows, summary = document["rows"], document["summary"]
    levels = tuple(summary["levels"])
    ledger = _ledger(rows)
    blocks = [Block("matrix", _matrix(ledger, levels, name)), Block("chart", _people(summary["levels"], name))]
    if detail >= 2 and any(row["evidence"] for row in rows):
        blocks.append(Block("table", _evidence(rows), "Where the evidence is: file, line and phrase"))
    return Section(
        name=name,
        title="Who is covered, and by what evidence",
        short="Coverage",
        lead=[
            "What a provider can show for each language, from a claim to a mitigation. No level implies another, and a blank is "
            "no proof that nothing was done: it means that the sources given here hold no evidence of it."
        ],
        blocks=blocks,
        figures=_figures(summary["levels"]),
        sentences=_sentences(summary["levels"]),
        missing=_missing(ledger, levels, summary),
        sources=[Block("list", _sources(summary, document["notes"]), "Coverage")],
    )


def _ledger(rows: Sequence[_Row]) -> dict[str, dict[str, _Row]]:
    """Rows by language and level, in the order of the document: the most spoken first."""
    found: dict[str, dict[str, _Row]] = {}
    for row in rows:
        found.setdefault(str(row["language"]), {})[str(row["level"])] = row
    return found


def _matrix(ledger: Mapping[str, Mapping[str, _Row]], levels: tuple[str, ...], name: str) -> Matrix:
    rows = []
    for cells in ledger.values():
        first = next(iter(cells.values()))
        marks = [_MARKS[cells[level]["state"]] if level in cells else _MARKS[""] for level in levels]
        rows.append((label_of(first), people(first["speakers"]), marks))
    return Matrix(
        name=f"{name}-ladder",
        title="The evidence ladder",
        description="A row per language, the most spoken first; a column per level of evidence. Hatched cells are blank.",
        levels=tuple(level.capitalize() for level in levels),
        rows=rows,
        legend=[
            (_MARKS["shown"], "rows of a table or run show it"),
            (_MARKS["stated"], "a card or recipe states it"),
            (_MARKS[""], "blank: no evidence in these sources"),
        ],
    )


def _people(levels: Mapping[str, _Row], name: str) -> Chart:
    """One bar per level: speakers of the languages with evidence, the part that rows show drawn stronger."""
    most = max((level["speakers"] or 0 for level in levels.values()), default=0)
    scale = svg.Scale.cover([most / _BILLION], include=(0.0,))
    rows, body = [], []
    for level, one in levels.items():
        label = Label(level.capitalize())
        rows.append(ChartRow(label, _bars(scale, one), [_reading(one)]))
        cells = (one["languages"], one["shown"], one["stated"], people(one["speakers"]), people(one["speakers_shown"]))
        unknown = list_of([str(tag) for tag in one["speakers_unknown"]]) or "none"
        body.append((label, [*(Cell(str(cell)) for cell in cells), Cell(unknown, numeric=False)]))
    columns = ("Level", "Languages", "shown", "stated", "Speakers", "of them shown", "Speakers unknown for")
    return Chart(
        name=f"{name}-people",
        title="People reached",
        description=(
            "Speakers of the languages with evidence at each level, first or second language. Who speaks two of these languages "
            "is counted twice, so a bar is an upper bound of the people reached, not a number of persons."
        ),
        table=Table("People reached by level of evidence", columns, body),
        rows=rows,
        axis=svg.axis(scale, [f"{tick:g}" for tick in scale.ticks]),
        axis_title="billion speakers",
        legend=[box("main", "shown by rows"), box("reference", "stated alone")],
        style="people",
    )


def _bars(scale: svg.Scale, one: _Row) -> Any:
    total, shown = (one["speakers"] or 0) / _BILLION, (one["speakers_shown"] or 0) / _BILLION
    marks = svg.grid(scale, height=_ROW)
    if total > shown:
        marks += svg.bar(scale, shown, total, y=_ROW / 2, height=14, kind="bar reference")
    if shown:
        marks += svg.bar(scale, 0, shown, y=_ROW / 2, height=14, kind="bar main")
    return svg.strip(marks, height=_ROW)


def _reading(one: _Row) -> Reading:
    if not one["languages"]:
        return Reading(MISSING, name="no evidence", kind="dropped")
    languages = f"{one['languages']} language{'s' if one['languages'] != 1 else ''}"
    if one["speakers_unknown"]:
        languages += f", {len(one['speakers_unknown'])} of unknown size"
    return Reading(people(one["speakers"]), name=languages, kind="main" if one["shown"] else "reference")


def _evidence(rows: Sequence[_Row]) -> Table:
    body = []
    for row in rows:
        for link in row["evidence"]:
            text = link if len(link) <= _QUOTE else f"{link[:_QUOTE]}…"
            body.append((label_of(row), [Cell(str(row["level"]), numeric=False), Cell(text, numeric=False)]))
    return Table("Evidence by language and level", ("Language", "Level", "Evidence"), body)


def _figures(levels: Mapping[str, _Row]) -> list[Figure]:
    """The first numbers: languages claimed, evaluated, safety-tested."""
    found = []
    for level in ("claimed", "evaluated", "safety-tested"):
        if level in levels:
            one = levels[level]
            detail = f"speakers: {people(one['speakers'])}, upper bound" if one["languages"] else "no evidence in these sources"
            found.append(Figure(str(one["languages"]), f"languages {level}", detail))
    return found


def _sentences(levels: Mapping[str, _Row]) -> list[str]:
    blank = [level for level, one in levels.items() if not one["languages"]]
    claimed = levels.get("claimed", {}).get("languages", 0)
    there = [f"{one['languages']} {level}" for level, one in levels.items() if one["languages"] and level != "claimed"]
    text = f"Coverage: {claimed} languages are claimed" + (f"; {', '.join(there)}." if there else ".")
    return [text + (f" No language at all has evidence of: {', '.join(blank)}." if blank else "")]


def _missing(ledger: Mapping[str, Mapping[str, _Row]], levels: Sequence[str], summary: _Row) -> list[Block]:
    """Per level the claimed languages (all, where none is claimed) without evidence; words that name no language; bare claims."""
    found = _lacking(ledger, levels)
    for one in summary["unspecific"]:
        number = "many languages" if one["count"] is None else f"{one['count']} languages"
        found.append(f"Claimed without names ({one['level']}, {number}): {one['source']}:{one['line']} “{one['quote']}”")
    for one in summary["unresolved"]:
        where = one["source"] + (f":{one['line']}" if one["line"] else "")
        found.append(f"Not resolved to a language: “{one['text']}” in {where}: {one['reason']}")
    required = summary.get("required")
    if required and not required["ok"]:
        lacking = [f"{tag} lacks {', '.join(missing)}" for tag, missing in required["missing"].items()]
        found.append(f"Required and missing: {'; '.join(lacking)}.")
    return [Block("list", found, "Coverage")] if found else []


def _lacking(ledger: Mapping[str, Mapping[str, _Row]], levels: Sequence[str]) -> list[str]:
    """Say which languages lack which levels; levels that lack the same languages are said together."""
    claimed = [tag for tag, cells in ledger.items() if "claimed" in cells and cells["claimed"]["state"]]
    tags = claimed or list(ledger)
    groups: dict[tuple[str, ...], list[str]] = {}
    for level in levels:
        lacking = tuple(tag for tag in tags if level in ledger[tag] and not ledger[tag][level]["state"])
        groups.setdefault(lacking, []).append(level)
    kind = "claimed languages" if claimed else "languages"
    found = []
    for lacking, same in groups.items():
        names = [label_of(next(iter(ledger[tag].values()))).text for tag in lacking]
        title = ", ".join(same)
        if len(lacking) == len(tags):
            found.append(f"{title.capitalize()}: no evidence in any of the {len(tags)} {kind}.")
        elif lacking:
            found.append(f"{title.capitalize()}: no evidence in {len(lacking)} of {len(tags)} {kind}: {list_of(names, 30)}.")
    return found


def _sources(summary: _Row, notes: Sequence[str]) -> list[str]:
    return [f"{one['kind'].capitalize()}: {one['path']}" for one in summary["sources"]] + list(notes)
