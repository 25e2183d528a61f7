"""What the charts of an arbitrage share: its languages as rows, estimates in words, cells and marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from markupsafe import Markup

from polylect.records import MULTIPLE
from polylect.report import svg
from polylect.report.arbitrage_data import UNKNOWN, Account, Estimate, Language, Teacher
from polylect.report.marks import share
from polylect.report.numerals import MISSING, count, number, number_interval, percent
from polylect.report.numerals import interval as percent_interval
from polylect.report.views import Cell, Label, Reading, clip, language_label

__all__ = ["ends", "estimate_cells", "fewer", "label", "mark", "of", "rates", "reading", "rows", "shorter", "tick", "values"]

_NAME = 20
_ABSENT = Teacher(0, 0, 0, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, 0, 0, 0.0)

Write = tuple[Callable[[float | None], str], Callable[[float | None, float | None], str]]

values: Write = (number, number_interval)
"""How rewards are written: value, and both ends of an interval."""

rates: Write = (percent, lambda low, high: percent_interval(low, high))
"""How shares and rates are written."""


def rows(account: Account) -> list[Language]:
    """Return the languages, then all of them together where there are several."""
    return [*account.languages, *([account.everything] if len(account.languages) > 1 else [])]


def label(language: Language) -> Label:
    """Return the head of a language's row."""
    return Label("All languages") if language.tag == MULTIPLE else language_label(language.tag)


def of(language: Language, teacher: str) -> Teacher:
    """Return what a teacher did in a language: nothing where it does not answer there."""
    return language.teachers.get(teacher, _ABSENT)


def tick(value: float, write: Write) -> str:
    """Write a tick of an axis."""
    return share(value) if write is rates else f"{value:g}".replace("-", "\u2212")


def shorter(name: str, most: int = _NAME) -> str:
    """Return a name that fits beside a chart; the table under it has the whole."""
    shown, omitted = clip(name, most)
    return f"{shown}…" if omitted else shown


def reading(estimate: Estimate, write: Write, name: str = "", kind: str = "") -> Reading:
    """Write an estimate with its interval, and what it is of; a dash where nothing is known."""
    return Reading(write[0](estimate.value), write[1](estimate.low, estimate.high), name, kind)


def estimate_cells(estimate: Estimate, write: Write, *, counted: bool = False) -> list[Cell]:
    """Return value and interval, and if asked the number of prompts, as cells of a table."""
    cells = [Cell(write[0](estimate.value)), Cell(write[1](estimate.low, estimate.high) or MISSING)]
    return [*cells, Cell(count(estimate.n))] if counted else cells


def ends(estimates: Iterable[Estimate]) -> list[float | None]:
    """Return all values and interval ends, for choosing a scale."""
    return [end for one in estimates for end in (one.value, one.low, one.high)]


def mark(
    scale: svg.Scale, estimate: Estimate, *, y: float, kind: str = "main", shape: str = "circle", whisker: bool = True
) -> Markup:
    """Return a mark with its interval, or nothing where nothing is known."""
    line = svg.interval(scale, estimate.low, estimate.high, y=y, kind=kind) if whisker and estimate.known else Markup("")
    return line + svg.dot(scale, estimate.value, y=y, kind=kind, shape=shape)


def fewer(account: Account, most: int) -> Account:
    """Return the account with the `most` languages that have the most prompts, in their order."""
    kept: Sequence[Language] = sorted(account.languages, key=lambda row: -row.prompts)[:most]
    tags = {row.tag for row in kept}
    return replace(account, languages=tuple(row for row in account.languages if row.tag in tags))
