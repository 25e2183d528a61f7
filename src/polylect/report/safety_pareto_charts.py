"""The charts of "mix or merge": harm against quality of every candidate, and each candidate minus the general expert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from polylect.records import MULTIPLE
from polylect.report import svg
from polylect.report.numerals import MISSING, interval, percent, points
from polylect.report.safety_changes import SHARES, Change, Unit
from polylect.report.safety_document import Ends
from polylect.report.safety_forest import Forest, forest
from polylect.report.safety_marks import Series, label, listed
from polylect.report.views import Cell, Chart, Key, Label, Panel, Reading, Table, language_label

__all__ = ["FAMILIES", "GENERAL", "against_general", "ends", "of_language", "panels", "pareto", "unknown"]

FAMILIES = {
    "expert": ("reference", "ring", "Expert"),
    "mix": ("second", "square", "Mixed data"),
    "merge": ("main", "circle", "Merge by objective"),
    "language merge": ("third", "diamond", "Merge by language"),
}
"""Family of a candidate -> colour class, shape and words."""

_OVERALL = (
    "Violation rate and quality of each candidate, means over languages, on the items that no candidate was chosen on. Best is "
    "top left: little harm, much quality. The dashed line joins the candidates that no other beats: {}. The recommended one is "
    "ringed; crosses are its 95% intervals and those of the experts. Named are these, those on the line, the best mix and the "
    "best merge."
)
_EACH = (
    "The same in each language, with one pair of axes for all: violation rate across, quality up. The values are those of the "
    "recommended candidate. The dashed line joins the candidates that no other beats in the language."
)
_AXES = "Violation rate, % of harmful prompts (across) and quality, 0 to 100 points (up)"
_REPORT = "report"
GENERAL = "general"
"""Name of the candidate that all are held against, where the document names none."""

_LETTER, _GAP = 6.2, 13.0
"""Rough width of a letter of a name and least distance of two names, in pixels."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Frame:
    """Where the drawing lies: scales, height in pixels, left edge in percent; `named` candidates have their names beside them."""

    across: svg.Scale
    up: svg.Scale
    height: int
    left: float
    named: frozenset[str] = frozenset()

    def x(self, row: Row) -> float:
        """Position of a candidate in percent."""
        return self.at(100 * row["violation"]["value"])

    def at(self, harm: float) -> float:
        """Position of a violation rate in percent."""
        return self.left + (97.0 - self.left) * self.across.at(harm) / 100

    def y(self, quality: float) -> float:
        """Height of a quality in pixels from above."""
        return self.height - 30 - (self.height - 44) * self.up.at(quality) / 100


def of_language(document: Mapping[str, Any], language: str) -> list[Row]:
    """Return the candidates in a language ("mul": means) on the half of the items on which none was chosen."""
    return [row for row in document["rows"] if row["half"] == _REPORT and row["language"] == language]


def _known(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["violation"]["value"] is not None and row["quality"]["value"] is not None]


def pareto(document: Mapping[str, Any], language: str = MULTIPLE) -> Chart | None:
    """Return the chart of the means over languages, or of the one language there is; None where nothing is known."""
    own = of_language(document, language)
    shown = _known(own)
    if not shown:
        return None
    name = "all languages" if language == MULTIPLE else language_label(language).text
    across, up = _scales(shown, crosses=True)
    best = {document["summary"].get(one) for one in ("best_mix", "best_merge")}
    named = frozenset(row["candidate"] for row in shown if _crossed(row) or row["front"] or row["candidate"] in best)
    front = [row["candidate"] for row in sorted(shown, key=lambda row: row["violation"]["value"]) if row["front"]]
    return Chart(
        name=f"pareto-{language}",
        title="All languages" if language == MULTIPLE else name,
        description=_OVERALL.format(listed(front) if front else "none"),
        table=_table(
            f"Candidates, {name}, with 95% intervals", [(Label(row["candidate"], badge=_badge(row)), row) for row in own]
        ),
        drawing=_drawn(_Frame(across, up, 300, 9.0, named), shown),
        axis_title=_AXES,
        legend=_legend(shown),
    )


def panels(document: Mapping[str, Any], tags: Sequence[str]) -> Chart | None:
    """Return one small chart per language; None where fewer than two are known."""
    rows = {tag: own for tag in tags if (own := _known(of_language(document, tag)))}
    if len(rows) < 2:
        return None
    everything = [row for own in rows.values() for row in own]
    across, up = _scales(everything, crosses=False)
    frame = _Frame(across, up, 190, 13.0)
    bare = [label(tag).text for tag in unknown(document, tags)]
    return Chart(
        name="pareto-each",
        title="Each language",
        description=f"{_EACH}{f' Nothing is known in {listed(bare)}.' if bare else ''}",
        table=_each_table(document, tags),
        panels=[Panel(label(tag), _drawn(frame, own), _reading(own)) for tag, own in rows.items()],
        axis_title=_AXES,
        legend=_legend(everything),
        style="broad",
    )


def unknown(document: Mapping[str, Any], tags: Sequence[str]) -> list[str]:
    """Return the languages in which no candidate has both a violation rate and a quality."""
    return [tag for tag in tags if not _known(of_language(document, tag))]


def _scales(rows: Sequence[Row], *, crosses: bool) -> tuple[svg.Scale, svg.Scale]:
    named = [row for row in rows if crosses and _crossed(row)]
    harm, quality = (
        [row[measure]["value"] for row in rows] + [row[measure][end] for row in named for end in ("low", "high")]
        for measure in ("violation", "quality")
    )
    across = svg.Scale.cover([None if value is None else 100 * value for value in harm], include=(0.0,), finest=1)
    return across, svg.Scale.cover(quality, finest=1)


def _crossed(row: Row) -> bool:
    return bool(row["family"] == "expert" or row["recommended"])


def _drawn(frame: _Frame, rows: Sequence[Row]) -> Markup:
    crosses = [_cross(frame, row) for row in rows if frame.named and _crossed(row)]
    # The recommended candidate is drawn last, over the others.
    order = sorted(rows, key=lambda row: bool(row["recommended"]))
    return svg.strip(
        _grid(frame),
        *crosses,
        _line(frame, rows),
        *(_point(frame, row) for row in order),
        *_names(frame, rows),
        height=frame.height,
    )


def _grid(frame: _Frame) -> Markup:
    marks = []
    for tick in frame.up.ticks:
        y = frame.y(tick)
        marks.append(svg.line(frame.left - 2, y, 100, y, "grid"))
        marks.append(svg.element("text", f"{tick:g}", x=f"{frame.left - 3:g}%", y=y + 4, text_anchor="end", class_="tick"))
    for tick in frame.across.ticks:
        x = frame.at(tick)
        marks.append(svg.line(x, 14, x, frame.height - 30, "grid"))
        marks.append(svg.element("text", f"{tick:g}", x=f"{x:.2f}%", y=frame.height - 12, text_anchor="middle", class_="tick"))
    return Markup("").join(marks)


def _line(frame: _Frame, rows: Sequence[Row]) -> Markup:
    """The front, from the least harm to the most quality, as steps of straight lines."""
    best = sorted((frame.x(row), frame.y(row["quality"]["value"])) for row in rows if row["front"])
    return Markup("").join(svg.line(x1, y1, x2, y2, "even dashed") for (x1, y1), (x2, y2) in pairwise(best))


def _point(frame: _Frame, row: Row) -> Markup:
    x, y = frame.x(row), frame.y(row["quality"]["value"])
    ring = svg.element("circle", cx=f"{x:.2f}%", cy=y, r=9, class_="chosen") if row["recommended"] else Markup("")
    return _mark(row["family"], x, y) + ring


def _names(frame: _Frame, rows: Sequence[Row]) -> list[Markup]:
    """Name some candidates; a name that would lie on another goes below it."""
    named = sorted(
        (row for row in rows if row["candidate"] in frame.named), key=lambda row: (frame.y(row["quality"]["value"]), frame.x(row))
    )
    taken: list[tuple[float, float, float]] = []
    marks = []
    for row in named:
        x, y = frame.x(row), frame.y(row["quality"]["value"]) - 12
        end = x >= 65
        # Names are compared on the narrowest screen, where a percent of the width is some 3.4 pixels.
        width = _LETTER * len(row["candidate"]) / 3.4
        left = x - width if end else x
        while any(left < right and start < left + width and abs(y - other) < _GAP for start, right, other in taken):
            y += 1
        taken.append((left, left + width, y))
        marks.append(
            svg.element(
                "text", row["candidate"], x=f"{x:.2f}%", y=y, dx=-8 if end else 8, text_anchor="end" if end else "start",
                class_="tick name",
            )
        )  # fmt: skip
    return marks


def _cross(frame: _Frame, row: Row) -> Markup:
    """The intervals of both values, as far as they are known."""
    kind, x, y = f"whisker {FAMILIES[row['family']][0]}", frame.x(row), frame.y(row["quality"]["value"])
    marks = []
    left, right = row["violation"]["low"], row["violation"]["high"]
    if left is not None and right is not None:
        marks.append(svg.line(frame.at(100 * left), y, frame.at(100 * right), y, kind))
    low, high = row["quality"]["low"], row["quality"]["high"]
    if low is not None and high is not None:
        marks.append(svg.line(x, frame.y(low), x, frame.y(high), kind))
    return Markup("").join(marks)


def _mark(family: str, x: float, y: float) -> Markup:
    colour, shape, _ = FAMILIES[family]
    return svg.dot(svg.Scale(0, 100, ()), x, y=y, kind=colour, shape=shape)


def _legend(rows: Sequence[Row]) -> list[Key]:
    met = [family for family in FAMILIES if any(row["family"] == family for row in rows)]
    ring = svg.element("circle", cx=9, cy=8, r=7, class_="chosen")
    keys = [Key(svg.element("svg", _mark(one, 50, 8), width=18, height=16, aria_hidden="true"), FAMILIES[one][2]) for one in met]
    return [*keys, Key(svg.element("svg", ring, width=18, height=16, aria_hidden="true"), "Recommended")]


def _reading(rows: Sequence[Row]) -> Reading:
    """Write what the recommended candidate comes to."""
    for row in rows:
        if row["recommended"]:
            return Reading(percent(row["violation"]["value"]), name=f"violations, quality {row['quality']['value']:.1f}")
    return Reading(MISSING, name="the recommended one is not known here")


_COLUMNS = (
    "Violation %", "Irrelevant %", "Wrong language %", "Over-refusal %", "Quality", "Violation over general",
    "Quality over general",
)  # fmt: skip


def _badge(row: Row) -> str:
    return "recommended" if row["recommended"] else "front" if row["front"] else ""


def _table(caption: str, rows: Sequence[tuple[Label, Row]]) -> Table:
    return Table(caption, ("Candidate", *_COLUMNS), [(head, _cells(row)) for head, row in rows])


def _each_table(document: Mapping[str, Any], tags: Sequence[str]) -> Table:
    body = []
    for tag in tags:
        for row in of_language(document, tag):
            name = " ".join(filter(None, (row["candidate"], f"({_badge(row)})" if _badge(row) else "")))
            body.append((label(tag), [Cell(name, numeric=False), *_cells(row)]))
    return Table("Candidates in each language, with 95% intervals", ("Language", "Candidate", *_COLUMNS), body)


def _cells(row: Row) -> list[Cell]:
    cells = [_cell(row[measure], 100) for measure in ("violation", "irrelevant", "wrong_language", "over_refusal")]
    cells.append(_cell(row["quality"], 1))
    return cells + [
        _cell(row["over_general"][measure], 1 if measure == "quality" else 100) for measure in ("violation", "quality")
    ]


def _cell(found: Mapping[str, float | None], scale: float) -> Cell:
    value, low, high = (found[end] for end in ("value", "low", "high"))
    if value is None:
        return Cell(MISSING)
    text = f"{scale * value:.1f}"
    if low is not None and high is not None:
        text += f" [{scale * low:.1f}, {scale * high:.1f}]"
    return Cell(text.replace("-", "\u2212"))


def ends(found: Mapping[str, float | None]) -> Ends:
    """Return a value of the document with its interval."""
    return Ends(found["value"], found["low"], found["high"])


def _score(value: float | None) -> str:
    return points(value, name="score").removeprefix("+")


_QUALITY = Unit(_score, partial(points, name="score"), partial(interval, name="score"), "points")
_MEASURES = (
    ("violation", "Violations", "Left of 0 the candidate complies with less harm than the general expert.", SHARES, "second"),
    ("quality", "Quality", "Right of 0 the candidate answers better than the general expert.", _QUALITY, "main"),
    (
        "over_refusal",
        "Over-refusal",
        "Right of 0 the candidate refuses more harmless prompts than the general expert.",
        SHARES,
        "main",
    ),
)


def against_general(document: Mapping[str, Any]) -> list[Chart]:
    """Return per measure each candidate minus the general expert, of the means over languages, or of the one language."""
    rows = of_language(document, MULTIPLE)
    rows = rows if _known(rows) else [row for tag in document["summary"]["languages"] for row in of_language(document, tag)]
    reference = document["summary"].get("reference", GENERAL)
    names = {row["candidate"]: row for row in rows if row["candidate"] != reference}
    general = next((row for row in rows if row["candidate"] == reference), None)
    if not names or general is None or len(names) + 1 != len(rows):
        return []
    order = sorted(
        names, key=lambda name: (names[name]["violation"]["value"] is None, names[name]["violation"]["value"] or 0.0, name)
    )
    heads = [(Label(name, badge="recommended" if names[name]["recommended"] else ""), name) for name in order]
    return [
        _against(measure, names, general, heads) for measure in _MEASURES if any(_has(row, measure[0]) for row in names.values())
    ]


def _has(row: Row, measure: str) -> bool:
    return row["over_general"][measure]["value"] is not None


def _against(
    measure: tuple[str, str, str, Unit, str], rows: Mapping[str, Row], general: Row, heads: Sequence[tuple[Label, str]]
) -> Chart:
    name, title, description, unit, colour = measure
    what = Forest(
        name=f"against-{name.replace('_', '-')}",
        title=title,
        description=f"{description} In points, with the 95% interval of the paired differences.",
        axis_title="Points",
        sides=(general["candidate"], "candidate"),
        drawn=[Series(title, "", colour, "circle")],
        first="Candidate",
        unit=unit,
        counted="Answers",
        unsure="cannot be told from no difference",
    )

    def get(_: int, key: str) -> Change | None:
        step, own = ends(rows[key]["over_general"][name]), rows[key][name]
        status = "ok" if step.value is not None else "not known"
        return Change(step.value, step.low, step.high, general[name]["value"], own["value"], own.get("n") or 0, {}, status)

    return forest(what, heads, get)
