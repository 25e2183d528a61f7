"""The marks of a heat map: cells in growing shades of a hue, numbers in them, the axis of layers, the legend.

Cells are drawn in units of a layer and stretched to the width of the page, so 18 layers and 80 fit a phone alike. One hue
at growing strength (two hues for signed values: blue above zero, orange below) keeps the order for colour-blind readers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polylect.report import svg
from polylect.report.views import Key

__all__ = ["OUTSIDE", "Columns", "axis", "cells", "hatched", "limit_of", "numbers", "shades"]

OUTSIDE = -1
"""Number that stands for tensors in no layer."""

_SHADES = 12
_LIMITS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Columns:
    """Where the columns of a map lie: layers side by side in units of one layer, then a gap and the wider column of the rest."""

    spans: list[tuple[float, float]]
    layers: list[int]
    width: float

    @classmethod
    def of(cls, layers: Sequence[int]) -> Columns:
        """Lay out the columns of `layers`, which are sorted and may hold OUTSIDE."""
        inside = [number for number in layers if number != OUTSIDE]
        rest = max(1.0, len(inside) * 0.07)
        gap = len(inside) * 0.012
        spans = {number: (float(place), 1.0) for place, number in enumerate(inside)}
        end = float(len(inside))
        if OUTSIDE in layers:
            spans[OUTSIDE] = (end + gap if inside else 0.0, rest)
            end = sum(spans[OUTSIDE])
        return cls([spans[number] for number in layers], list(layers), end)


def limit_of(values: Sequence[float | None]) -> float:
    """End of the colour scale: the smallest round number that no value passes."""
    most = max((abs(value) for value in values if value is not None), default=0.0)
    return next((limit for limit in _LIMITS if most <= limit), most)


def cells(columns: Columns, values: Sequence[float | None], limit: float, height: int) -> Markup:
    """The coloured cells: one path per shade, its cells as rectangles of height 1."""
    paths: dict[tuple[str, int], list[str]] = {}
    missing = Markup("")
    for (start, width), value in zip(columns.spans, values, strict=True):
        if value is None:
            # Outside the stretched drawing, which would stretch the hatching too.
            x, wide = (f"{100 * part / columns.width:.4g}%" for part in (start, width))
            missing += svg.element("rect", x=x, y=0, width=wide, height=height, class_="cell none")
            continue
        shade = ("cold" if value >= 0 else "warm", _shade(value, limit))
        paths.setdefault(shade, []).append(f"M{start:.4g} 0h{width:.4g}v1h-{width:.4g}z")
    drawn = [
        svg.element("path", d="".join(parts), class_=f"cell {hue}", fill_opacity=strength / _SHADES)
        for (hue, strength), parts in paths.items()
    ]
    view = f"0 0 {columns.width:.5g} 1"
    return missing + svg.element("svg", *drawn, viewBox=view, preserveAspectRatio="none", width="100%", height=height)


def numbers(
    columns: Columns, values: Sequence[float | None], limit: float, height: int, written: Callable[[float], str]
) -> Markup:
    """The numbers in the cells, in an ink that stands out from the shade; the page hides them where cells are too narrow."""
    texts = []
    for (start, width), value in zip(columns.spans, values, strict=True):
        if value is not None:
            shade = _shade(value, limit)
            ink = "on-pale" if shade <= 5 else "on-middle" if shade <= 8 else "on-strong"
            x = f"{100 * (start + width / 2) / columns.width:.4g}%"
            texts.append(svg.element("text", written(value), x=x, y=height / 2 + 4, class_=ink))
    return svg.element("g", *texts, class_="cell-text", text_anchor="middle")


def axis(columns: Columns) -> Markup:
    """Numbers of layers under the map, as many as a phone has room for."""
    inside = [number for number in columns.layers if number != OUTSIDE]
    step = next((step for step in (1, 2, 5, 10, 20, 50, 100) if len(inside) / step <= 10), len(inside))
    texts = []
    for (start, width), number in zip(columns.spans, columns.layers, strict=True):
        middle = 100 * (start + width / 2) / columns.width
        if number == OUTSIDE:
            texts.append(svg.element("text", "rest", x=f"{middle:.4g}%", y=13, text_anchor="middle", class_="tick"))
        elif number % step == 0:
            texts.append(svg.element("text", str(number), x=f"{middle:.4g}%", y=13, text_anchor="middle", class_="tick"))
    return svg.strip(*texts, height=18)


def shades(limit: float, *, signed: bool) -> Key:
    """A strip of all shades with its ends in words."""
    strengths = range(-_SHADES if signed else 0, _SHADES + 1)
    width = 4 if signed else 7
    boxes = [
        svg.element(
            "rect",
            x=place * width,
            y=2,
            width=width,
            height=12,
            class_=f"cell {'cold' if shade >= 0 else 'warm'}",
            fill_opacity=abs(shade) / _SHADES,
        )
        for place, shade in enumerate(strengths)
    ]
    drawing = svg.element("svg", *boxes, width=width * len(strengths), height=16, aria_hidden="true", class_="shades")
    if signed:
        return Key(drawing, f"\u2212{limit:g} to {limit:g}: orange below zero, blue above")
    return Key(drawing, f"0% to {100 * limit:.3g}%: stronger is more")


def hatched(text: str) -> Key:
    """The legend of cells without a value."""
    box = svg.element("rect", x=1, y=2, width=16, height=12, class_="cell none")
    return Key(svg.element("svg", box, width=18, height=16, aria_hidden="true"), text)


def _shade(value: float, limit: float) -> int:
    return round(_SHADES * min(1.0, abs(value) / limit))
