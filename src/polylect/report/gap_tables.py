"""Tables of hundreds of languages, written with few bytes: numbers align by the class of the table, not of each cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from polylect.report.hostile import visible
from polylect.report.numerals import MISSING
from polylect.report.svg import element
from polylect.report.views import Label

__all__ = ["folded_table"]


def folded_table(
    summary: str, caption: str, columns: Sequence[str], rows: Iterable[tuple[Label, Sequence[str]]], *, text: int = 0
) -> Markup:
    """Return a table that a reader opens; the first of `columns` heads the row labels, the next `text` ones are not numbers."""
    body = Markup("").join(_row(label, cells) for label, cells in rows)
    heads = [element("th", column, scope="col") for column in columns]
    table = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", element("tr", *heads)),
        element("tbody", body),
        class_=f"num text{text}",
    )
    region = element("div", table, class_="scroll", tabindex=0, role="region", aria_label=visible(caption))
    return element("details", element("summary", summary), region, class_="numbers")


def _row(label: Label, cells: Sequence[str]) -> Markup:
    head = element("th", *_names(label), scope="row")
    return element("tr", head, *(element("td", cell or MISSING) for cell in cells))


def _names(label: Label) -> list[str | Markup]:
    if not label.native or label.native == label.text:
        return [label.text]
    direction = "rtl" if label.direction == "rtl" else None
    return [f"{label.text} ", element("bdi", label.native, lang=visible(label.tag), dir=direction)]
