"""Small pure functions that draw marks of a chart as SVG.

Every horizontal position is a percentage of the plot's width, so a chart fills a phone and a desktop alike while text
and marks keep their size. Colours are CSS classes of the page; they follow its light and dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from polylect.report.hostile import visible

__all__ = ["Scale", "axis", "bar", "dot", "element", "grid", "interval", "line", "segment", "strip"]

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 25, 50)
_TENS = tuple(10.0**power for power in range(-9, 15))

_PATHS = {"diamond": "M0 -6L6 0L0 6L-6 0Z", "square": "M-5 -5H5V5H-5Z"}


def element(name: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """Return one element; attribute `stroke_width` becomes `stroke-width`, `class_` becomes `class`, None is left out.

    Text among the children is escaped and its control characters, which XML forbids, are written out; Markup stays as it is.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value) if isinstance(value, float) else value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(child if isinstance(child, Markup) else escape(visible(child)) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")  # noqa: S704


@dataclass(frozen=True)
class Scale:
    """A linear axis from `low` to `high` with `ticks`; `at` gives the position of a value in percent of the width."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Position of `value` in percent of the plot's width, cut off at its edges."""
        share = (value - self.low) / (self.high - self.low)
        return 100 * min(1.0, max(0.0, share))

    @classmethod
    def cover(
        cls, values: Iterable[float | None], *, include: Sequence[float] = (), most: int = 6, finest: float = _STEPS[0]
    ) -> Scale:
        """Return the smallest axis with at most `most` round ticks that holds all finite `values` and those to `include`.

        Ticks lie at least `finest` apart: a hundredth unless the values are smaller than shares and scores are.
        """
        finite = [v for v in (*values, *include) if v is not None and math.isfinite(v)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        for step in _steps(finest):
            first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
            if last - first < most:
                break
        last = max(last, first + 1)
        ticks = tuple(round(step * n, 12) for n in range(first, last + 1))
        return cls(ticks[0], ticks[-1], ticks)


def _steps(finest: float) -> Iterator[float]:
    """Yield the distances that ticks may have, from `finest` on: those of shares and scores, and 1, 2, 5 times powers of ten."""
    small = (scale * step for scale in _TENS if scale < _STEPS[0] for step in (1, 2, 5))
    large = (scale * step for scale in _TENS if scale > _STEPS[-1] for step in (1, 2, 5))
    yield from (step for step in (*small, *_STEPS, *large) if step >= finest)


def strip(*marks: Markup, height: int) -> Markup:
    """One row of a chart: marks over the full width. It is hidden from screen readers, whose text stands beside it."""
    return element("svg", *marks, class_="strip", width="100%", height=height, aria_hidden="true", focusable="false")


def grid(scale: Scale, *, height: int, reference: float | None = None) -> Markup:
    """Vertical lines at the ticks, and a stronger one at `reference`."""
    lines = [line(scale.at(tick), 0, scale.at(tick), height, "grid") for tick in scale.ticks]
    if reference is not None:
        lines.append(line(scale.at(reference), 0, scale.at(reference), height, "even"))
    return Markup("").join(lines)


def axis(scale: Scale, labels: Sequence[str]) -> Markup:
    """The row of tick labels under a chart; the first and the last stay inside the plot."""
    texts = []
    for tick, label in zip(scale.ticks, labels, strict=True):
        anchor = "start" if tick == scale.low else "end" if tick == scale.high else "middle"
        texts.append(element("text", label, x=_percent(scale.at(tick)), y=13, text_anchor=anchor, class_="tick"))
    return strip(*texts, height=18)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line; `x1` and `x2` in percent, `y1` and `y2` in pixels."""
    return element("line", x1=_percent(x1), y1=y1, x2=_percent(x2), y2=y2, class_=kind)


def interval(scale: Scale, low: float | None, high: float | None, *, y: float, kind: str) -> Markup:
    """A line from the lower to the upper end with small end strokes, or nothing when an end is missing."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return Markup("")
    left, right = scale.at(low), scale.at(high)
    caps = [line(x, y - 4, x, y + 4, f"whisker {kind}") for x in (left, right)]
    return Markup("").join([line(left, y, right, y, f"whisker {kind}"), *caps])


def bar(scale: Scale, start: float, end: float, *, y: float, height: float, kind: str) -> Markup:
    """A bar from `start` to `end`, centred on `y`."""
    left, right = sorted((scale.at(start), scale.at(end)))
    return element("rect", x=_percent(left), y=y - height / 2, width=_percent(right - left), height=height, class_=kind)


def segment(start: float, width: float, label: str, *, height: float, kind: str) -> Markup:
    """A part of a stacked bar, positions in percent, with its letter where it fits (6 % is 12 pixels on the smallest phone)."""
    text = element("text", label, x=_percent(start + width / 2), y=height / 2 + 4, text_anchor="middle", class_=f"letter {kind}")
    box = element("rect", x=_percent(start), y=0, width=_percent(width), height=height, class_=f"part {kind}")
    return box + (text if width >= 6 else Markup(""))


def dot(scale: Scale, value: float | None, *, y: float, kind: str, shape: str = "circle") -> Markup:
    """A mark at `value`: "circle", "ring" (hollow), "diamond", "square" or "tick"; nothing when the value is missing."""
    if value is None or not math.isfinite(value):
        return Markup("")
    x = _percent(scale.at(value))
    if shape in _PATHS:
        path = element("path", d=_PATHS[shape], class_=f"dot {kind}")
        return element("svg", path, x=x, y=y, overflow="visible")
    if shape == "tick":
        return line(scale.at(value), y - 8, scale.at(value), y + 8, f"mark {kind}")
    return element("circle", cx=x, cy=y, r=5, class_=f"{'ring' if shape == 'ring' else 'dot'} {kind}")


def _percent(value: float) -> str:
    return f"{_number(value)}%"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
