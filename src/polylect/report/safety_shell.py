"""What all pages of `polylect safety` share: header, contents, figures, sentences, sections, and the limit of their size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from polylect.errors import DataError
from polylect.report.files import save_text
from polylect.report.headline import Figure
from polylect.report.page import MAX_BYTES, environment, style
from polylect.report.safety_texts import TextGroup
from polylect.report.views import Chart, Table

__all__ = ["SafetyPage", "Section", "fitted", "rendered", "save"]

_STYLE = Path(__file__).parent / "templates" / "safety.css"


@dataclass(frozen=True)
class Section:
    """A section of a page: anchor, title, paragraphs, charts, tables, prompts with answers, remarks."""

    name: str
    title: str
    lead: tuple[str, ...] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    texts: Sequence[TextGroup] = ()
    sentences: Sequence[str] = ()

    @property
    def filled(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.lead or self.charts or self.tables or self.texts or self.sentences)


@dataclass(frozen=True)
class SafetyPage:
    """A page before it is HTML.

    Attributes:
        title: of the page.
        lead: a line below it.
        figures: numbers to see first.
        sentences: what they mean.
        sections: in order; those without content are left out.
        source: which files hold the same numbers.
        texts: what the page says of prompts and answers: what it holds, or how they are had.
    """

    title: str
    lead: str
    figures: Sequence[Figure]
    sentences: Sequence[str]
    sections: Sequence[Section]
    source: Sequence[str] = ("safety.json",)
    texts: str = "No prompt and no answer is on this page."


def rendered(page: SafetyPage) -> str:
    """Return the HTML of a page."""
    text: str = (
        environment()
        .get_template("safety.html.j2")
        .render(
            style=style(),
            safety_style=Markup(_STYLE.read_text(encoding="utf-8")),  # noqa: S704
            page=page,
            sections=[section for section in page.sections if section.filled],
        )
    )
    return text.lstrip()


def fitted(make: Callable[[int, int], SafetyPage], languages: int, levels: int = 0) -> str:
    """Return a page with as much as keeps it below `page.MAX_BYTES`.

    `make` gets the number of languages and the level of detail, of which the highest is `levels`. Detail goes first, then
    languages.
    """
    level = levels
    while True:
        text = rendered(make(languages, level))
        if len(text.encode(errors="replace")) < MAX_BYTES or not languages:
            return text
        languages = languages if level else languages * 3 // 4
        level = max(0, level - 1)


def save(page: str, path: Path) -> Path:
    """Write a page; return its path.

    Raises:
        DataError: it cannot be written.
    """
    try:
        return save_text(path, page)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}). Name another folder with --out.") from error
