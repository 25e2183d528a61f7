"""Letters and colours of teachers, the same in every chart of a page: a bar may be too narrow for a name."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from polylect.report import svg

__all__ = ["box", "colour", "letters"]

_COLOURS = 8
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def letters(models: Iterable[str]) -> dict[str, str]:
    """Give every teacher a letter, in order of appearance; colours repeat after eight, letters do not."""
    return {model: _letter(position) for position, model in enumerate(dict.fromkeys(models))}


def colour(letter: str) -> str:
    """Return the CSS class of a letter's colour."""
    return f"t{_LETTERS.index(letter[-1]) % _COLOURS}"


def box(letter: str) -> Markup:
    """Return the drawn sample of a legend."""
    part = svg.segment(0, 100, letter, height=16, kind=colour(letter))
    return svg.element("svg", part, width=18, height=16, aria_hidden="true")


def _letter(position: int) -> str:
    if position < len(_LETTERS):
        return _LETTERS[position]
    return _LETTERS[position // len(_LETTERS) - 1] + _LETTERS[position % len(_LETTERS)]
