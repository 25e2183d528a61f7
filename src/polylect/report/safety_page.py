"""The page of safety evaluations: one HTML file without script, from one or several safety.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.report import safety_dumbbells, safety_groups, safety_outcomes, safety_rates, safety_trust, safety_words
from polylect.report.page import MAX_BYTES
from polylect.report.safety_changes import Changes, left_out_tables, read_changes
from polylect.report.safety_data import HARMFUL, HARMLESS, Evaluation, fewer, read_evaluations
from polylect.report.safety_marks import ordered
from polylect.report.safety_shell import SafetyPage, Section, rendered, save
from polylect.report.safety_texts import texts
from polylect.report.views import Chart

__all__ = ["render_safety", "safety_report"]

_EXAMPLES, _FULL = 6, 2
_LESS = {
    2: "",
    1: "To keep the page small the certificates are tables without pictures.",
    0: "To keep the page small the certificates are tables without pictures, and only the last evaluation is shown by resource "
    "class, scope, kind of harm and origin: the page of one folder alone has the rest.",
}
"""Levels of detail, and what the page says of what is left out."""


def safety_report(
    folders: Path | Sequence[Path],
    *,
    out: Path | None = None,
    show_text: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page of one or several outputs of `polylect safety eval`; return its path.

    Args:
        folders: output folders (or their safety.json); of two the first is "before", the second "after". At most four.
        out: folder of the page, `report.html`; None: `report.html` in the folder of a single evaluation, of several
            `comparison.html` in that of the last.
        show_text: put prompts and answers on the page, each unreadable until its button is pressed. Otherwise none is on it.
        changes: what changed from the first to the others, from `polylect.safety.changes.compare_evaluations`; None: the
            page of several shows rates alone.

    Raises:
        DataError: safety.json (with `show_text` results.parquet) is missing or broken, there are more than four, or the page
            cannot be written.
        LanguageError: a language of a document is unknown.
    """
    evaluations = read_evaluations([folders] if isinstance(folders, Path) else folders)
    single = out is not None or len(evaluations) == 1
    path = (out or evaluations[-1].folder) / ("report.html" if single else "comparison.html")
    return save(render_safety(evaluations, show_text=show_text, changes=read_changes(changes, len(evaluations))), path)


def render_safety(evaluations: Sequence[Evaluation], *, show_text: bool = False, changes: Changes | None = None) -> str:
    """Return the page with all languages and examples, or with as many as keep it below `page.MAX_BYTES`.

    Examples go first, then pictures, then the languages with the fewest violations.

    Raises:
        DataError: `show_text`, and a results.parquet is missing or broken.
    """
    order = list(dict.fromkeys([*ordered(evaluations), *ordered(evaluations, HARMLESS)]))
    languages, examples, detail = len(order), _EXAMPLES if show_text else 0, _FULL
    while True:
        page = rendered(_page(evaluations, changes, order[:languages], len(order) - languages, examples, detail))
        size = len(page.encode(errors="replace"))
        if size < MAX_BYTES or not languages:
            return page
        if examples:
            examples -= 1
        elif detail:
            detail -= 1
        else:
            languages = int(languages * min(0.9, MAX_BYTES / size))


def _page(
    evaluations: Sequence[Evaluation], changes: Changes | None, tags: Sequence[str], left_out: int, examples: int, detail: int
) -> SafetyPage:
    shown = [fewer(one, tags) for one in evaluations] if left_out else evaluations
    remarks = [*([_LESS[detail]] if _LESS[detail] else []), *([_LEFT_OUT.format(left_out)] if left_out else [])]
    return SafetyPage(
        title=safety_words.title(evaluations),
        lead=safety_words.lead(evaluations),
        figures=safety_words.figures(evaluations, changes),
        sentences=[*safety_words.sentences(evaluations, changes), *remarks],
        sections=_sections(shown, changes, tags, examples, detail),
        source=("safety.json", "comparison.json") if changes else ("safety.json",),
        texts=_WITH_TEXT if examples else _WITHOUT_TEXT,
    )


_LEFT_OUT = "{} languages are left out of the pictures by language, to keep the page small; safety.json has them."
_WITH_TEXT = "This page holds prompts and answers behind buttons: keep it where harmful text may lie."
_WITHOUT_TEXT = "No prompt and no answer is on this page; polylect report DIR --show-text puts some on it, behind buttons."


def _sections(
    evaluations: Sequence[Evaluation], changes: Changes | None, tags: Sequence[str], examples: int, detail: int
) -> list[Section]:
    """Return the sections in the order of the page; those without content are left out by the caller."""
    above = safety_rates.above_english(evaluations)
    uncompared = left_out_tables(changes, [one.title for one in evaluations])
    # Of several evaluations the section of changes has the same rates.
    rates = safety_rates.rates(evaluations) if len(evaluations) == 1 else []
    return [
        Section("change", "Change", charts=safety_dumbbells.changes(evaluations, changes), tables=uncompared),
        Section("four", "Four outcomes", charts=safety_outcomes.outcomes(evaluations, HARMFUL)),
        Section("levels", "Rates and gap", charts=[*rates, *([above] if above else [])]),
        _refusals(evaluations),
        *_by_property(evaluations if detail else evaluations[-1:]),
        *_trust(evaluations, pictures=detail == _FULL),
        Section("texts", "Prompts and answers", _TEXTS if examples else (), texts=texts(evaluations, tags, examples)),
        Section("notes", "Notes", sentences=safety_words.notes(evaluations, changes)),
    ]


_TEXTS = ("They may be harmful. What is blurred is a stand-in; a button shows the text.",)


def _refusals(evaluations: Sequence[Evaluation]) -> Section:
    charts = safety_outcomes.outcomes(evaluations, HARMLESS)
    tables = [table for one in evaluations if (table := safety_trust.pairs(one)).rows]
    lead = () if charts else ("No harmless prompts were asked: how often the model refuses what it should answer is not known.",)
    return Section("over-refusal", "Over-refusal", lead, charts, tables)


def _by_property(evaluations: Sequence[Evaluation]) -> list[Section]:
    """Return the sections by resource class, scope, kind of harm and origin; one sentence where a set says nothing of it."""

    def section(name: str, title: str, charts: list[Chart], missing: str) -> Section:
        return Section(name, title, () if charts else (missing,), charts)

    return [
        section("resources", "Resource class", safety_groups.resource_classes(evaluations), "No harmful prompts were asked."),
        section(
            "scopes", "Global and local", safety_groups.scopes(evaluations),
            "The prompts do not say which harm is global and which local.",
        ),
        section("kinds", "Kinds of harm", safety_groups.categories(evaluations), "The prompts name no kinds of harm."),
        Section("origins", "Origin", charts=safety_groups.origins(evaluations)),
    ]  # fmt: skip


def _trust(evaluations: Sequence[Evaluation], *, pictures: bool) -> list[Section]:
    charts = safety_trust.certificates(evaluations) if pictures else []
    bare = [] if charts else [table for one in evaluations if (table := safety_trust.certificate_table(one)).rows]
    disagreement = [table for one in evaluations if (table := safety_trust.disagreement(one)).rows]
    deciders = [table for one in evaluations if (table := safety_trust.deciders(one)).rows]
    content = [table for one in evaluations if (table := safety_trust.content(one)).rows]
    left_out = [table for one in evaluations if (table := safety_trust.left_out(one)).rows]
    missing = () if left_out else ("Nothing: every answer has an outcome.",)
    return [
        Section("trust", "The judge", (), charts, [*bare, *deciders, *disagreement]),
        Section("missing", "Failed or left out", missing, tables=[*left_out, *content]),
    ]
