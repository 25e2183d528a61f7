"""The win-rate chart as one SVG file that stands alone: fixed size, own colours, white ground (for a README)."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from polylect.records import Comparison
from polylect.report import svg
from polylect.report.data import ReportData
from polylect.report.files import save_text
from polylect.report.lookup import Lookup
from polylect.report.marks import listed_stages, step_win
from polylect.report.numerals import interval, percent
from polylect.report.views import Label
from polylect.report.win_charts import win_ends

__all__ = ["draw", "picture"]

_WIDTH = 880
_LEFT, _RIGHT = 236, 690
_TOP, _ROW, _FOOT = 92, 46, 40
_STYLE = """
text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', Helvetica, Arial, sans-serif; }
text { font-size: 14px; fill: #1c2127; }
.title { font-size: 18px; font-weight: 650; }
.small { font-size: 12.5px; fill: #5a636e; }
.grid { stroke: #e3e7eb; } .even { stroke: #5a636e; stroke-width: 1.5; }
.bar { fill: #bcd9ee; stroke: #0068a6; stroke-width: 1.25; } .whisker { stroke: #0068a6; stroke-width: 2; }
.reference { fill: #d5dbe1; stroke: #5f6b78; } .dropped { fill: url(#hatch); stroke: #7d7468; stroke-dasharray: 3 2; }
.whisker.dropped { stroke-dasharray: none; } .dot, .second { fill: #b8500a; stroke: #b8500a; }
.dot { stroke: #fff; stroke-width: 1.5; }
.value { font-weight: 650; fill: #0068a6; stroke: none; } .value.reference { fill: #4f5a66; stroke: none; }
.value.dropped { fill: #6b6257; stroke: none; } .value.second { fill: #b8500a; stroke: none; }
"""
_HATCH = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#efebe4"/><rect width="2.5" height="6" fill="#b9afa2"/></pattern></defs>'
)


def picture(data: ReportData, path: Path) -> Path:
    """Write the chart of win rates after each step to `path` (an SVG file that appears whole or not at all).

    Raises:
        DataError: a stage is named that is not listed among the stages.
    """
    return save_text(path, draw(data))


def draw(data: ReportData) -> str:
    """Return the chart of win rates, averaged over languages, as SVG text."""
    look = Lookup(data)
    listed = listed_stages(look)
    scale = svg.Scale.cover(win_ends(look), include=(0.45, 0.55))
    bottom = _TOP + _ROW * len(listed)
    title = "Win rate after each step"
    subtitle = f"Mean of {look.averaged} languages with 95% intervals; a tie counts half, 50% is even."
    marks = [
        svg.element("title", title),
        svg.element("desc", f"{subtitle} " + " ".join(_spoken(look, row.name) for row, _ in listed)),
        svg.element("style", _STYLE),
        _HATCH,
        svg.element("rect", width=_WIDTH, height=bottom + _FOOT, fill="#fff"),
        _text(title, 16, 32, "title"),
        _text(subtitle, 16, 53, "small"),
        *_legend(look),
        *_axis(scale, bottom),
    ]
    for position, (stage, label) in enumerate(listed):
        kind = "reference" if stage.name in data.reference_stages else "main" if stage.kept else "dropped"
        marks += _stage(look, scale, stage.name, label, kind, _TOP + _ROW * position)
    height = bottom + _FOOT
    root = svg.element(
        "svg",
        *marks,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {height}",
        width=_WIDTH,
        height=height,
        role="img",
    )
    return f"{root}\n"


def _stage(look: Lookup, scale: svg.Scale, name: str, label: Label, kind: str, top: float) -> list[Markup]:
    """One row: head, bar against the base with interval, diamond against the predecessor, both values."""
    head = f"{label.number}\u2002{label.text}" if label.number else label.text
    first, second = _two_lines(head)
    marks = [_text(first, 16, top + 19)]
    if second or label.badge:
        marks.append(_text(second or label.badge, 16, top + 36, "" if second else "small"))
    base, previous = look.win_base(name), step_win(look, name)
    if base is not None and base.win_rate is not None:
        left, right = sorted((_x(scale, 0.5), _x(scale, base.win_rate)))
        marks.append(svg.element("rect", x=left, y=top + 6, width=right - left, height=16, class_=f"bar {kind}"))
        marks += [*_whisker(scale, base, top + 14, kind), *_values(base, top + 19, kind)]
    if previous is not None and previous.win_rate is not None:
        x, y = _x(scale, previous.win_rate), top + 34
        marks += _whisker(scale, previous, y, "second")
        marks.append(svg.element("path", d=f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6Z", class_="dot"))
        marks += _values(previous, top + 38, "second")
    return marks


def _whisker(scale: svg.Scale, estimate: Comparison, y: float, kind: str) -> list[Markup]:
    if estimate.low is None or estimate.high is None:
        return []
    left, right = _x(scale, estimate.low), _x(scale, estimate.high)
    ends = ((left, y, right, y), (left, y - 4, left, y + 4), (right, y - 4, right, y + 4))
    return [svg.element("line", x1=a, y1=b, x2=c, y2=d, class_=f"whisker {kind}") for a, b, c, d in ends]


def _values(estimate: Comparison, y: float, kind: str) -> list[Markup]:
    value = svg.element("text", percent(estimate.win_rate), x=_RIGHT + 70, y=y, text_anchor="end", class_=f"value {kind}")
    return [value, _text(interval(estimate.low, estimate.high), _RIGHT + 80, y, "small")]


def _axis(scale: svg.Scale, bottom: float) -> list[Markup]:
    marks = []
    for tick in scale.ticks:
        x = _x(scale, tick)
        kind = "even" if tick == 0.5 else "grid"
        marks.append(svg.element("line", x1=x, y1=_TOP, x2=x, y2=bottom, class_=kind))
        marks.append(svg.element("text", f"{100 * tick:g}%", x=x, y=bottom + 20, text_anchor="middle", class_="small"))
    return marks


def _legend(look: Lookup) -> list[Markup]:
    """Box, diamond and box with their meanings, each placed by the estimated width of the text before it."""
    x, y, marks = 16.0, 76, []
    keys = [("bar", f"against {look.title(look.data.base_stage)}"), ("dot", "against the stage it was made from")]
    keys += [("bar reference", "reference")] if look.references else []
    keys += [("bar dropped", "not kept")] if any(not stage.kept for stage in look.recipe) else []
    for kind, text in keys:
        if kind == "dot":
            marks.append(svg.element("path", d=f"M{x + 9:.1f} {y - 11}l6 6l-6 6l-6 -6Z", class_=kind))
        else:
            marks.append(svg.element("rect", x=x, y=y - 11, width=18, height=12, class_=kind))
        marks.append(_text(text, x + 25, y, "small"))
        x += 25 + 6.9 * len(text) + 22
    return marks


def _spoken(look: Lookup, stage: str) -> str:
    base = look.win_base(stage)
    return f"{look.title(stage)}: {percent(base.win_rate)} ({interval(base.low, base.high)})." if base else ""


def _two_lines(text: str, most: int = 29) -> tuple[str, str]:
    """Break a title at the last space that keeps the first line within `most` characters; cut the second off there."""
    if len(text) <= most:
        return text, ""
    cut = text.rfind(" ", 0, most + 1)
    first, second = (text[:cut], text[cut + 1 :]) if cut > 0 else (text[:most], text[most:])
    return first, second if len(second) <= most else second[: most - 1] + "…"


def _text(text: str, x: float, y: float, kind: str = "") -> Markup:
    return svg.element("text", text, x=x, y=y, class_=kind or None)


def _x(scale: svg.Scale, value: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * scale.at(value) / 100
