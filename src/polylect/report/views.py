"""What a template draws: labels, tables and charts, ready-made, without any logic left."""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup

from polylect import languages
from polylect.report.data import StageRow

__all__ = ["Cell", "Chart", "ChartRow", "Key", "Label", "Panel", "Reading", "Table", "clip", "language_label", "stage_label"]


@dataclass(frozen=True)
class Label:
    """The head of a row: plain text, with a stage's number and badge or a language's own name, tag and direction."""

    text: str
    number: str = ""
    badge: str = ""
    native: str = ""
    tag: str = ""
    direction: str = "ltr"


@dataclass(frozen=True)
class Cell:
    """A cell of a table. `shade` is a background colour that repeats what `text` says; `mark` is said in words as `spoken`."""

    text: str
    numeric: bool = True
    shade: str = ""
    mark: str = ""
    spoken: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first of `columns` heads the row labels."""

    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[Label, list[Cell]]]


@dataclass(frozen=True)
class Reading:
    """A value beside a row of a chart, with its interval, colour class and what it is of.

    `spoken` says in full what `name` abbreviates.
    """

    text: str
    interval: str = ""
    name: str = ""
    kind: str = ""
    spoken: str = ""


@dataclass(frozen=True)
class Key:
    """An entry of a legend: a drawn sample and its meaning."""

    sample: Markup
    text: str


@dataclass(frozen=True)
class ChartRow:
    """One row of a chart: head, marks, values in words."""

    label: Label
    strip: Markup
    readings: list[Reading]


@dataclass(frozen=True)
class Panel:
    """One of several small charts: head, drawing, value in words."""

    label: Label
    drawing: Markup
    reading: Reading


@dataclass(frozen=True)
class Chart:
    """A chart of rows over one axis, of panels, or one drawing, with title, description, legend and the table of its numbers.

    `style` names CSS classes of the whole figure.
    """

    name: str
    title: str
    description: str
    table: Table
    rows: list[ChartRow] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    drawing: Markup = field(default_factory=Markup)
    axis: Markup = field(default_factory=Markup)
    axis_title: str = ""
    legend: list[Key] = field(default_factory=list)
    style: str = ""


def language_label(tag: str) -> Label:
    """Return English name, own name, tag and direction of a language.

    Raises:
        LanguageError: the tag is unknown.
    """
    language = languages.get(tag)
    return Label(language.name, native=language.native_name, tag=tag, direction="rtl" if language.rtl else "ltr")


def stage_label(stage: StageRow, number: int | None = None) -> Label:
    """Return the title of a stage with its number in the recipe and whether it was kept."""
    return Label(stage.title, number="" if number is None else str(number), badge="" if stage.kept else "not kept")


def clip(text: str, most: int) -> tuple[str, int]:
    """Return the first `most` characters of `text` and how many were left out."""
    return text[:most], max(0, len(text) - most)
