"""The trade-off of "mix or merge": harm against quality of every candidate, over all languages and in each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup

from polylect.errors import DataError
from polylect.records import MULTIPLE
from polylect.report import svg
from polylect.report.files import save_text
from polylect.report.numerals import MISSING
from polylect.report.page import MAX_BYTES, environment, style
from polylect.report.views import Cell, Chart, Key, Label, Table, language_label

__all__ = ["pareto", "pareto_report", "render_pareto", "write_pareto"]

_HEIGHT, _TOP, _BOTTOM = 260, 14, 38
_LEFT, _RIGHT = 9.0, 97.0
_FAMILIES = {
    "expert": ("reference", "ring", "Expert"),
    "mix": ("second", "square", "Mixed data"),
    "merge": ("main", "circle", "Merge by objective"),
    "language merge": ("third", "diamond", "Merge by language"),
}
"""Family of a candidate -> colour class, shape and words."""

_OVERALL = (
    "Violation rate and quality of each candidate, means over languages, on the items that no candidate was chosen on. Best is "
    "top left: little harm, much quality. The dashed line joins the candidates that no other beats; the recommended one is "
    "ringed. Crosses are 95 % intervals of the candidates that are named."
)
_REPORT = "report"
_KIND, _SCHEMA = "mix-or-merge", "polylect.safety/1"

Row = Mapping[str, Any]


def pareto_report(folder: Path, *, out: Path | None = None) -> Path | None:
    """Write `report.html` of an output folder of `polylect safety mix-or-merge` again; None: the folder holds another document.

    Args:
        folder: the folder, or its safety.json.
        out: folder of the page; None: beside the document.

    Raises:
        DataError: the document lacks a field.
    """
    file = folder / "safety.json" if folder.is_dir() else folder
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("kind") != _KIND:
        return None
    return write_pareto(document, out or file.parent)


def write_pareto(document: Mapping[str, Any], out: Path) -> Path:
    """Write `report.html` of a document of `polylect safety mix-or-merge` into `out`; return its path.

    Raises:
        DataError: the document is of another kind or schema, or lacks a field.
    """
    return save_text(out / "report.html", render_pareto(document))


def render_pareto(document: Mapping[str, Any]) -> str:
    """Return the page: the recommendation and its rule, the chart over all languages and in each, candidates, notes.

    Raises:
        DataError: the document is of another kind or schema, or lacks a field.
    """
    if document.get("schema") != _SCHEMA or document.get("kind") != _KIND:
        found = f"schema {document.get('schema')!r}, kind {document.get('kind')!r}"
        raise DataError(f"{found}: expected a document of `polylect safety {_KIND}`, {_SCHEMA!r}.")
    try:
        tags = document["summary"]["languages"]
        page = _page(document, tags)
        while len(page.encode(errors="replace")) >= MAX_BYTES and tags:
            tags = tags[: len(tags) * 3 // 4]
            page = _page(document, tags)
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"The document of `polylect safety {_KIND}` lacks a field or holds an odd value ({type(error).__name__}: {error}). "
            "Run the command again."
        ) from error
    return page


def _page(document: Mapping[str, Any], tags: Sequence[str]) -> str:
    """Return the page with the charts of some languages."""
    summary = document["summary"]
    charts = [chart for tag in (MULTIPLE, *tags) if (chart := pareto(document, tag)) is not None]
    notes = list(document["notes"])
    if left := len(summary["languages"]) - len(tags):
        notes.append(f"The page would be too large with {left} more languages: their numbers are in candidates.parquet.")
    page: str = (
        environment()
        .get_template("safety_pareto.html.j2")
        .render(
            style=style(),
            recipe=summary["recipe"],
            recommended=summary["recommended"],
            sentences=[f"Rule: {summary['rule']}.", *(f"{one}." for one in summary["verdicts"])],
            charts=charts,
            candidates=_candidates(summary),
            notes=notes,
        )
    )
    return page.lstrip()


def pareto(document: Mapping[str, Any], language: str) -> Chart | None:
    """Return the chart of one language ("mul": the mean over languages); None where nothing is known of it.

    Candidates stand by violation rate and quality on the half of the items on which none was chosen; the line joins those
    that no other beats there.
    """
    own = [row for row in document["rows"] if row["half"] == _REPORT and row["language"] == language]
    shown = [row for row in own if row["violation"]["value"] is not None and row["quality"]["value"] is not None]
    if not shown:
        return None
    named = [row for row in shown if row["family"] == "expert" or row["recommended"]]
    harm, quality = (
        [row[measure]["value"] for row in shown] + [row[measure][end] for row in named for end in ("low", "high")]
        for measure in ("violation", "quality")
    )
    across = svg.Scale.cover([None if value is None else 100 * value for value in harm], include=(0.0,), finest=1)
    up = svg.Scale.cover(quality, finest=1)
    marks = [_grid(across, up), _line(across, up, shown), *(_point(across, up, row) for row in shown)]
    families = [family for family in _FAMILIES if any(row["family"] == family for row in shown)]
    overall = language == MULTIPLE
    name = "all languages" if overall else language_label(language).text
    return Chart(
        name=f"pareto-{language}",
        title="All languages" if overall else f"{name} ({language})",
        description=_OVERALL if overall else f"The same in {name}.",
        table=_table(name, own),
        drawing=svg.strip(*marks, height=_HEIGHT),
        axis_title="Violation rate, % of harmful prompts (across) and quality, 0 to 100 points (up)",
        legend=[*(_sample(family) for family in families), _ringed()],
    )


def _x(scale: svg.Scale, value: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * scale.at(value) / 100


def _y(scale: svg.Scale, value: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * scale.at(value) / 100


def _grid(across: svg.Scale, up: svg.Scale) -> Markup:
    marks = []
    for tick in up.ticks:
        y = _y(up, tick)
        marks.append(svg.line(_LEFT - 2, y, 100, y, "grid"))
        marks.append(svg.element("text", f"{tick:g}", x=f"{_LEFT - 3:g}%", y=y + 4, text_anchor="end", class_="tick"))
    for tick in across.ticks:
        x = _x(across, tick)
        marks.append(svg.line(x, _TOP, x, _HEIGHT - _BOTTOM, "grid"))
        marks.append(svg.element("text", f"{tick:g}", x=f"{x:.2f}%", y=_HEIGHT - 18, text_anchor="middle", class_="tick"))
    return Markup("").join(marks)


def _line(across: svg.Scale, up: svg.Scale, rows: Sequence[Row]) -> Markup:
    """The front, from the least harm to the most quality, as steps of straight lines."""
    best = sorted((_x(across, 100 * row["violation"]["value"]), _y(up, row["quality"]["value"])) for row in rows if row["front"])
    return Markup("").join(svg.line(x1, y1, x2, y2, "even dashed") for (x1, y1), (x2, y2) in pairwise(best))


def _point(across: svg.Scale, up: svg.Scale, row: Row) -> Markup:
    x, y = _x(across, 100 * row["violation"]["value"]), _y(up, row["quality"]["value"])
    mark = _mark(row["family"], x, y)
    ring = svg.element("circle", cx=f"{x:.2f}%", cy=y, r=9, class_="chosen") if row["recommended"] else Markup("")
    if row["family"] != "expert" and not row["recommended"]:
        return mark
    side = "start" if x < 80 else "end"
    text = svg.element(
        "text", row["candidate"], x=f"{x:.2f}%", y=y - 12, dx=6 if side == "start" else -6, text_anchor=side, class_="tick"
    )
    return _cross(across, up, row, x, y) + mark + ring + text


def _cross(across: svg.Scale, up: svg.Scale, row: Row, x: float, y: float) -> Markup:
    """The intervals of both values, as far as they are known."""
    kind = f"whisker {_FAMILIES[row['family']][0]}"
    marks = []
    left, right = row["violation"]["low"], row["violation"]["high"]
    if left is not None and right is not None:
        marks.append(svg.line(_x(across, 100 * left), y, _x(across, 100 * right), y, kind))
    low, high = row["quality"]["low"], row["quality"]["high"]
    if low is not None and high is not None:
        marks.append(svg.line(x, _y(up, low), x, _y(up, high), kind))
    return Markup("").join(marks)


def _mark(family: str, x: float, y: float) -> Markup:
    colour, shape, _ = _FAMILIES[family]
    return svg.dot(svg.Scale(0, 100, ()), x, y=y, kind=colour, shape=shape)


def _sample(family: str) -> Key:
    return Key(svg.element("svg", _mark(family, 50, 8), width=18, height=16, aria_hidden="true"), _FAMILIES[family][2])


def _ringed() -> Key:
    ring = svg.element("circle", cx=9, cy=8, r=7, class_="chosen")
    return Key(svg.element("svg", ring, width=18, height=16, aria_hidden="true"), "Recommended")


def _table(name: str, rows: Sequence[Row]) -> Table:
    body = []
    for row in rows:
        badge = "recommended" if row["recommended"] else "front" if row["front"] else ""
        cells = [_cell(row[measure], 100) for measure in ("violation", "irrelevant", "wrong_language", "over_refusal")]
        cells.append(_cell(row["quality"], 1))
        cells += [_cell(row["over_general"][measure], 1 if measure == "quality" else 100) for measure in ("violation", "quality")]
        body.append((Label(row["candidate"], badge=badge), cells))
    columns = (
        "Candidate", "Violation %", "Irrelevant %", "Wrong language %", "Over-refusal %", "Quality", "Violation over general",
        "Quality over general",
    )  # fmt: skip
    return Table(f"Candidates, {name}, with 95 % intervals", columns, body)


def _cell(ends: Mapping[str, float | None], scale: float) -> Cell:
    value, low, high = (ends[end] for end in ("value", "low", "high"))
    if value is None:
        return Cell(MISSING)
    text = f"{scale * value:.1f}"
    if low is not None and high is not None:
        text += f" [{scale * low:.1f}, {scale * high:.1f}]"
    return Cell(text.replace("-", "\u2212"))


def _candidates(summary: Mapping[str, Any]) -> Table:
    """How each candidate was made."""
    body = []
    for one in summary["candidates"]:
        share = MISSING if one["share_reached"] is None else f"{one['share_reached']:.1%}"
        weight = MISSING if one["weight"] is None else f"{one['weight']:g}"
        keeps = "yes" if one["name"] in summary["eligible"] else "no"
        badge = "recommended" if one["name"] == summary["recommended"] else ""
        cells = [Cell(_FAMILIES[one["family"]][2], numeric=False), Cell(one["method"] or MISSING, numeric=False)]
        body.append((Label(one["name"], badge=badge), [*cells, Cell(weight), Cell(share), Cell(keeps, numeric=False)]))
    columns = ("Candidate", "Made by", "Method", "Weight of the safety expert", "Safety share of the data", "Keeps the rule")
    return Table("How the candidates were made", columns, body)
