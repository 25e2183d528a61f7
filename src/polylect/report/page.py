"""The report as one HTML page: no script, nothing loaded from elsewhere, all text of models escaped and isolated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from polylect.report import (
    answer_charts,
    headline,
    judge_section,
    merge_section,
    routing,
    run_safety_section,
    sections,
    win_charts,
)
from polylect.report.data import Asset, ReportData, Sample
from polylect.report.hostile import visible
from polylect.report.lookup import Lookup
from polylect.report.marks import listed_stages
from polylect.report.views import Label, clip, language_label

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["MAX_BYTES", "environment", "moment", "render", "style"]

MAX_BYTES = 500_000
"""The page stays below this size by showing fewer samples; report.json keeps them all."""

_TEMPLATES = Path(__file__).parent / "templates"
_SAMPLES = 3
_CHARACTERS = 700
_OPEN_LANGUAGES = 10
_VERDICTS = {True: ("✓", "right", "right"), False: ("✗", "not an exact match", "wrong"), None: ("?", "not scored", "unscored")}


@dataclass(frozen=True)
class _Text:
    """A piece of text in the language of a sample: what is shown and how many characters were left out."""

    shown: str
    omitted: int


@dataclass(frozen=True)
class _Answer:
    """What one stage answered; `verdict` is (sign, words, colour class) or empty where there is none."""

    stage: str
    role: str
    text: _Text
    verdict: tuple[str, str, str] | tuple[()]


@dataclass(frozen=True)
class _Question:
    """One sample: the question, its accepted answers, the answers before and after, and those of other stages."""

    kind: str
    prompt: _Text
    references: list[_Text]
    main: list[_Answer]
    others: list[_Answer]


@dataclass(frozen=True)
class _Group:
    """The samples of one language, and how many more report.json holds."""

    label: Label
    questions: list[_Question]
    more: int


def render(data: ReportData) -> str:
    """Return the page, with all merges and three samples per language, or as many fewer as keep it below `MAX_BYTES`.

    Raises:
        DataError: a stage is named that is not listed among the stages.
        LanguageError: a tag of `data.languages` is unknown.
    """
    look = Lookup(data)
    context = _context(look)
    page = ""
    for samples, merges in _fewer(len(data.merges)):
        page = _page(look, context, samples, merges)
        if len(page.encode(errors="replace")) < MAX_BYTES:
            break
    return page


def _fewer(merges: int) -> Iterator[tuple[int, int]]:
    """Yield how many samples per language and how many of the last merges to show: earlier merges go first, then samples."""
    last = min(1, merges)
    if merges > 1:
        yield _SAMPLES, merges
    yield from ((samples, last) for samples in range(_SAMPLES, -1, -1))
    if merges:
        yield 0, 0


def _page(look: Lookup, context: dict[str, Any], samples: int, merges: int) -> str:
    shown: list[merge_section.MergeView] = context["all_merges"][-merges:] if merges else []
    page: str = (
        environment()
        .get_template("report.html.j2")
        .render(
            context,
            groups=_groups(look, samples),
            open_samples=len(look.languages) <= _OPEN_LANGUAGES,
            merges=shown,
            merges_left_out=len(context["all_merges"]) - len(shown),
        )
    )
    return page.lstrip()


def style() -> Markup:
    """Return the style sheet of all pages."""
    return Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704


@cache
def environment() -> Environment:
    """Jinja with escaping always on, control characters written out, and undefined names as errors."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalize(value: Any) -> Any:
    """What every expression of the template passes before it is escaped; our own markup passes as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _context(look: Lookup) -> dict[str, Any]:
    """Everything the template shows but the samples."""
    data = look.data
    hashed = [asset for asset in data.assets if asset.kind != "library"]
    return {
        "data": data,
        "style": style(),
        "languages": [language_label(tag) for tag in data.languages],
        "stages": [(label, row) for row, label in listed_stages(look)],
        "base": look.stages[data.base_stage],
        "before": look.stages[data.before],
        "final": look.stages[data.final_stage],
        "created": moment(data.created),
        "figures": headline.figures(look),
        "sentences": headline.sentences(look),
        "win_rates": win_charts.win_rates(look),
        "languages_by_stage": win_charts.languages_by_stage(look),
        "gains": sections.gains(look),
        "answers": answer_charts.answers(look),
        "shares": routing.shares(look) if data.routes else None,
        "all_merges": merge_section.views(data.merges, data.differences, data.summaries),
        "policies": routing.policies(look) if data.routes else None,
        "judge": _judge(look),
        "safety": _safety(data),
        "right_language": sections.right_language(look),
        "unseen_kinds": answer_charts.unseen_kinds(look),
        "costs": sections.costs(data),
        "drops": sections.drops(data),
        "unscored": sections.unscored(look),
        "settings": sections.settings(data),
        "assets": [(asset, _link(asset)) for asset in hashed],
        "libraries": [asset for asset in data.assets if asset.kind == "library"],
    }


def _judge(look: Lookup) -> dict[str, Any] | None:
    judge = look.data.judge
    if judge is None:
        return None
    return {
        "name": judge.name,
        "gate": judge_section.gate(look, judge),
        "certificate": judge_section.certificate(judge),
        "spent": judge_section.spent(judge),
    }


def _safety(data: ReportData) -> dict[str, Any] | None:
    safety = data.safety
    if safety is None:
        return None
    return {
        "source": safety.source,
        "teacher": safety.teacher,
        "page": safety.page,
        "sentences": run_safety_section.sentences(safety),
        "measured": run_safety_section.measured(safety),
        "mixtures": run_safety_section.mixtures(safety),
        "distilled": run_safety_section.distilled(safety),
        "notes": safety.notes,
    }


def moment(created: str) -> str:
    """Write an ISO 8601 moment as "2025-06-01 12:00 UTC"; anything else as it is."""
    try:
        found = datetime.fromisoformat(created)
    except ValueError:
        return created
    return found.strftime("%Y-%m-%d %H:%M ") + (found.tzname() or "").replace("UTC+00:00", "UTC")


def _link(asset: Asset) -> str:
    """The origin when it is a web address that is safe to link to; a `javascript:` address is not."""
    return asset.origin if asset.origin.startswith(("https://", "http://")) and not any(c.isspace() for c in asset.origin) else ""


def _groups(look: Lookup, most: int) -> list[_Group]:
    groups = []
    for tag in look.languages:
        own = [sample for sample in look.data.samples if sample.language == tag]
        if own:
            groups.append(
                _Group(language_label(tag), [_question(look, sample) for sample in own[:most]], max(0, len(own) - most))
            )
    return groups


def _question(look: Lookup, sample: Sample) -> _Question:
    data = look.data
    roles = {data.before: "Before", data.final_stage: "After"}
    answers = {name: _answer(look, sample, name, roles.get(name, "")) for name in look.stages if name in sample.answers}
    return _Question(
        kind=sample.kind,
        prompt=_text(sample.prompt),
        references=[_text(reference) for reference in sample.references],
        main=[answers[name] for name in roles if name in answers],
        others=[answer for name, answer in answers.items() if name not in roles],
    )


def _answer(look: Lookup, sample: Sample, stage: str, role: str) -> _Answer:
    verdict = _VERDICTS[sample.correct[stage]] if stage in sample.correct else ()
    return _Answer(look.title(stage), role, _text(sample.answers[stage]), verdict)


def _text(text: str) -> _Text:
    return _Text(*clip(text, _CHARACTERS))
