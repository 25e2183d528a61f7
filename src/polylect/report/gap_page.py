"""The page of the language gap: one HTML file from one or several documents of `polylect gap`, without script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from polylect.errors import DataError
from polylect.report.files import save_text
from polylect.report.gap_cost import cost_section
from polylect.report.gap_coverage import coverage_section
from polylect.report.gap_metrics import metrics_csv
from polylect.report.gap_performance import performance_section
from polylect.report.gap_survey import survey_section
from polylect.report.gap_views import Block, Document, Figure, Section
from polylect.report.page import MAX_BYTES, environment, style

__all__ = ["render_gap", "write_gap"]

_SCHEMA = "polylect.gap/1"
_FULL = 3
_STYLE = Path(__file__).parent / "templates" / "gap.css"
_SECTIONS: dict[str, tuple[str, Callable[[Document, str, int], Section]]] = {
    "coverage": ("coverage", coverage_section),
    "tokenizer": ("cost", cost_section),
    "performance": ("performance", performance_section),
    "survey": ("survey", survey_section),
}
"""Kinds of documents in the order of the page: name of the section, and what makes it."""


@dataclass(frozen=True)
class _Page:
    """What the template shows."""

    title: str
    lead: str
    figures: list[Figure]
    sentences: list[str]
    sections: list[Section]


def write_gap(documents: Sequence[Document], out: Path) -> list[Path]:
    """Write `report.html` and `metrics.csv` of documents of `polylect gap` into the folder `out`; return their paths.

    The page is one file below `page.MAX_BYTES` that loads nothing; where it would be larger, the longest tables are shortened
    and say so. `metrics.csv` has one row per language and metric (`gap_metrics`).

    Raises:
        DataError: there is no document, one has another schema or kind, or lacks a field.
    """
    page = render_gap(documents)
    return [save_text(out / "report.html", page), save_text(out / "metrics.csv", metrics_csv(documents))]


def render_gap(documents: Sequence[Document]) -> str:
    """Return the page, with as much detail as keeps it below `page.MAX_BYTES`.

    Raises:
        DataError: there is no document, one has another schema or kind, or lacks a field.
    """
    _check(documents)
    text = ""
    for detail in range(_FULL, -1, -1):
        try:
            text = _rendered(_page(documents, detail))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise DataError(
                f"A document of `polylect gap` lacks a field or holds an odd value ({type(error).__name__}: {error}). "
                "Write it again with this version."
            ) from error
        if len(text.encode(errors="replace")) < MAX_BYTES:
            break
    return text


def _check(documents: Sequence[Document]) -> None:
    if not documents:
        raise DataError("no document to report: give at least one gap.json, as `polylect gap ... --out DIR` writes it.")
    for document in documents:
        if document.get("schema") != _SCHEMA or document.get("kind") not in _SECTIONS:
            found = f"schema {document.get('schema')!r}, kind {document.get('kind')!r}"
            raise DataError(f"{found}: expected schema {_SCHEMA!r} and kind {', '.join(_SECTIONS)}. Run the command again.")


def _page(documents: Sequence[Document], detail: int) -> _Page:
    sections = []
    for kind, (name, build) in _SECTIONS.items():
        own = [document for document in documents if document["kind"] == kind]
        for number, document in enumerate(own, start=1):
            sections.append(build(document, name if number == 1 else f"{name}-{number}", detail))
    missing = [block for section in sections for block in section.missing]
    sources = [block for section in sections for block in section.sources]
    return _Page(
        title="The language gap",
        lead=_lead([document["kind"] for document in documents]),
        figures=[figure for section in sections for figure in section.figures],
        sentences=[sentence for section in sections for sentence in section.sentences],
        sections=[*sections, _missing(missing), _sources(sources)],
    )


def _rendered(page: _Page) -> str:
    gap_style = Markup(_STYLE.read_text(encoding="utf-8"))  # noqa: S704
    text: str = environment().get_template("gap.html.j2").render(page=page, style=style(), gap_style=gap_style)
    return text.lstrip()


def _lead(kinds: Sequence[str]) -> str:
    said = {
        "coverage": "who is covered",
        "tokenizer": "what each language costs",
        "performance": "how far each language is behind",
        "survey": "which languages are studied",
    }
    parts = [text for kind, text in said.items() if kind in kinds]
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{text[:1].upper()}{text[1:]}, with the evidence and with what is missing."


def _missing(blocks: list[Block]) -> Section:
    lead = ["What these documents do not hold. A blank is shown as a blank; nothing is filled in or guessed."]
    nothing = [Block("list", ["Nothing: every language has every number."])]
    return Section("missing", "What is missing", "What is missing", lead, blocks or nothing)


def _sources(blocks: list[Block]) -> Section:
    last = [
        "This page computes no new statistic: medians, intervals and sums are those of the documents, rounded.",
        "Names of languages in their own script: the reviewed table of `polylect languages`, and Unicode CLDR.",
    ]
    return Section("sources", "Sources and notes", "Sources and notes", [], [*blocks, Block("list", last, "This page")])
