"""The page of safety evaluations: one HTML file without script, from one or several safety.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from polylect.errors import DataError
from polylect.report import safety_groups, safety_outcomes, safety_rates, safety_trust, safety_words
from polylect.report.files import save_text
from polylect.report.page import MAX_BYTES, environment, style
from polylect.report.safety_data import HARMFUL, HARMLESS, Evaluation, fewer, read_evaluations
from polylect.report.safety_marks import ordered
from polylect.report.safety_texts import TextGroup, texts
from polylect.report.views import Chart, Table

__all__ = ["render_safety", "safety_report"]

_STYLE = Path(__file__).parent / "templates" / "safety.css"
_EXAMPLES, _FULL = 6, 2
_LESS = {
    2: "",
    1: "To keep the page small the certificates are tables without pictures.",
    0: "To keep the page small the certificates are tables without pictures, and only the last evaluation is shown by resource "
    "class, scope, kind of harm and origin: `polylect report` of a folder alone has the rest.",
}
"""Levels of detail, and what the page says of what is left out."""


@dataclass(frozen=True)
class _Section:
    """A section of the page: anchor, title, paragraphs, charts, tables, prompts with answers."""

    name: str
    title: str
    lead: tuple[str, ...] = ()
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    texts: list[TextGroup] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


def safety_report(folders: Path | Sequence[Path], *, out: Path | None = None, show_text: bool = False) -> Path:
    """Write the page of one or several outputs of `polylect safety eval`; return its path.

    Args:
        folders: output folders (or their safety.json); of two the first is "before", the second "after". At most four.
        out: folder of the page, `report.html`; None: `report.html` in the folder of a single evaluation, of several
            `comparison.html` in that of the last.
        show_text: put prompts and answers on the page, each unreadable until its button is pressed. Otherwise none is on it.

    Raises:
        DataError: safety.json (with `show_text` results.parquet) is missing or broken, there are more than four, or the page
            cannot be written.
        LanguageError: a language of a document is unknown.
    """
    evaluations = read_evaluations([folders] if isinstance(folders, Path) else folders)
    single = out is not None or len(evaluations) == 1
    path = (out or evaluations[-1].folder) / ("report.html" if single else "comparison.html")
    page = render_safety(evaluations, show_text=show_text)
    try:
        return save_text(path, page)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}). Name another folder with --out.") from error


def render_safety(evaluations: Sequence[Evaluation], *, show_text: bool = False) -> str:
    """Return the page with all languages and examples, or with as many as keep it below `page.MAX_BYTES`.

    Examples go first, then pictures, then the languages with the fewest violations.

    Raises:
        DataError: `show_text`, and a results.parquet is missing or broken.
    """
    order = list(dict.fromkeys([*ordered(evaluations), *ordered(evaluations, HARMLESS)]))
    languages, examples, detail = len(order), _EXAMPLES if show_text else 0, _FULL
    while True:
        page = _page(evaluations, order[:languages], len(order) - languages, examples, detail)
        size = len(page.encode(errors="replace"))
        if size < MAX_BYTES or not languages:
            return page
        if examples:
            examples -= 1
        elif detail:
            detail -= 1
        else:
            languages = int(languages * min(0.9, MAX_BYTES / size))


def _page(evaluations: Sequence[Evaluation], tags: Sequence[str], left_out: int, examples: int, detail: int) -> str:
    shown = [fewer(one, tags) for one in evaluations] if left_out else evaluations
    sections = [section for section in _sections(shown, tags, examples, detail) if _has_content(section)]
    page: str = (
        environment()
        .get_template("safety.html.j2")
        .render(
            style=style(),
            safety_style=Markup(_STYLE.read_text(encoding="utf-8")),  # noqa: S704
            title=safety_words.title(evaluations),
            lead=safety_words.lead(evaluations),
            figures=safety_words.figures(evaluations),
            sentences=safety_words.sentences(evaluations),
            left_out=left_out,
            less=_LESS[detail],
            sections=sections,
            with_text=examples > 0,
        )
    )
    return page.lstrip()


def _has_content(section: _Section) -> bool:
    return bool(section.lead or section.charts or section.tables or section.texts or section.sentences)


def _sections(evaluations: Sequence[Evaluation], tags: Sequence[str], examples: int, detail: int) -> list[_Section]:
    """Return the sections in the order of the page; those without content are left out by the caller."""
    above = safety_rates.above_english(evaluations)
    # Of several evaluations the section of changes has the same rates.
    rates = safety_rates.rates(evaluations) if len(evaluations) == 1 else []
    return [
        _Section("change", "Change", charts=safety_rates.changes(evaluations)),
        _Section("four", "Four outcomes", charts=safety_outcomes.outcomes(evaluations, HARMFUL)),
        _Section("levels", "Rates and gap", charts=[*rates, *([above] if above else [])]),
        _refusals(evaluations),
        *_by_property(evaluations if detail else evaluations[-1:]),
        *_trust(evaluations, pictures=detail == _FULL),
        _Section("texts", "Prompts and answers", _TEXTS if examples else (), texts=texts(evaluations, tags, examples)),
        _Section("notes", "Notes", sentences=safety_words.notes(evaluations)),
    ]


_TEXTS = ("They may be harmful. What is blurred is a stand-in; a button shows the text.",)


def _refusals(evaluations: Sequence[Evaluation]) -> _Section:
    charts = safety_outcomes.outcomes(evaluations, HARMLESS)
    tables = [table for one in evaluations if (table := safety_trust.pairs(one)).rows]
    lead = () if charts else ("No harmless prompts were asked: how often the model refuses what it should answer is not known.",)
    return _Section("over-refusal", "Over-refusal", lead, charts, tables)


def _by_property(evaluations: Sequence[Evaluation]) -> list[_Section]:
    """Return the sections by resource class, scope, kind of harm and origin; one sentence where a set says nothing of it."""

    def section(name: str, title: str, charts: list[Chart], missing: str) -> _Section:
        return _Section(name, title, () if charts else (missing,), charts)

    return [
        section("resources", "Resource class", safety_groups.resource_classes(evaluations), "No harmful prompts were asked."),
        section(
            "scopes", "Global and local", safety_groups.scopes(evaluations),
            "The prompts do not say which harm is global and which local.",
        ),
        section("kinds", "Kinds of harm", safety_groups.categories(evaluations), "The prompts name no kinds of harm."),
        _Section("origins", "Origin", charts=safety_groups.origins(evaluations)),
    ]  # fmt: skip


def _trust(evaluations: Sequence[Evaluation], *, pictures: bool) -> list[_Section]:
    charts = safety_trust.certificates(evaluations) if pictures else []
    bare = [] if charts else [table for one in evaluations if (table := safety_trust.certificate_table(one)).rows]
    disagreement = [table for one in evaluations if (table := safety_trust.disagreement(one)).rows]
    deciders = [table for one in evaluations if (table := safety_trust.deciders(one)).rows]
    content = [table for one in evaluations if (table := safety_trust.content(one)).rows]
    left_out = [table for one in evaluations if (table := safety_trust.left_out(one)).rows]
    missing = () if left_out else ("Nothing: every answer has an outcome.",)
    return [
        _Section("trust", "The judge", (), charts, [*bare, *deciders, *disagreement]),
        _Section("missing", "Failed or left out", missing, tables=[*left_out, *content]),
    ]
