"""What the page of the language gap is made of: sections of blocks, ready-made for its template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from polylect.report.views import Label

__all__ = ["Block", "Document", "Figure", "Matrix", "Section"]

Document = Mapping[str, Any]
"""A document of `polylect gap`: schema, kind, rows, summary, notes."""


@dataclass(frozen=True)
class Block:
    """One thing below another: `kind` is dots, matrix, chart, table, list or markup; `summary` heads or folds it."""

    kind: str
    content: Any
    summary: str = ""


@dataclass(frozen=True)
class Figure:
    """One number that the page says first: value, what it is, of what."""

    value: str
    title: str
    detail: str


@dataclass(frozen=True)
class Section:
    """A section: name (its anchor), title, short title for the contents, paragraphs, blocks, and what it says first."""

    name: str
    title: str
    short: str
    lead: list[str]
    blocks: list[Block]
    figures: list[Figure] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    missing: list[Block] = field(default_factory=list)
    sources: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Matrix:
    """The evidence ladder: `rows` are (language, people, a mark per level), a mark (class, words).

    The style sheet draws the sign of a mark; its words are for screen readers.
    """

    name: str
    title: str
    description: str
    levels: tuple[str, ...]
    rows: list[tuple[Label, str, list[tuple[str, str]]]]
    legend: list[tuple[tuple[str, str], str]]
    left_out: str = ""
