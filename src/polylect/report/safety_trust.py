"""How far the rates can be trusted: certificates per language, disagreement of sources, and what is in no denominator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polylect.errors import LanguageError
from polylect.report import svg
from polylect.report.marks import key
from polylect.report.numerals import MISSING, count, is_number, percent
from polylect.report.safety_data import Evaluation
from polylect.report.safety_marks import label, suffix
from polylect.report.views import Cell, Chart, ChartRow, Label, Reading, Table, clip

__all__ = ["certificate_table", "certificates", "content", "deciders", "disagreement", "left_out", "pairs"]

_ROW, _CHARACTERS = 34, 160
_STATUS = {"fit": "✓", "unfit": "✗", "uncertified": "?"}
_KINDS = {"fit": "third", "unfit": "unfit", "uncertified": "reference"}
_SHAPES = {"fit": ("third", "circle"), "unfit": ("second", "diamond"), "uncertified": ("reference", "ring")}
_TOLD = {
    "fit": "Fit: agrees well enough with people",
    "unfit": "Unfit: its numbers are withheld",
    "uncertified": "Uncertified: too few labels of people to tell",
}


def certificates(evaluations: Sequence[Evaluation]) -> list[Chart]:
    """Return per evaluation how each judge and detector agrees with people, language by language."""
    charts = []
    for place, one in enumerate(evaluations):
        rows = [row for row in one.summary["certificates"] if _drawn(row)]
        if rows:
            charts.append(_certificates(one, rows, suffix(evaluations, place), several=len(evaluations) > 1))
    return charts


def _certificates(one: Evaluation, rows: Sequence[Mapping[str, Any]], ending: str, *, several: bool) -> Chart:
    order = sorted(rows, key=_place)
    scale = svg.Scale.cover([_number(row.get("kappa")) for row in rows], include=(0.0, 1.0))
    title = "Certificate of the judge"
    return Chart(
        name=f"certificate{ending}",
        title=f"{title}: {one.title}" if several else title,
        description=(
            "Cohen's kappa between a source's verdicts and people's labels over the four outcomes: 1 is full agreement, 0 that "
            "of chance. A source that is unfit in a language gets no number there. The table has agreement, Gwet's AC1, the "
            "share of violations found, the share of its alarms that are right, and all that too few labels leave uncertified."
        ),
        table=certificate_table(one),
        rows=[_certificate_row(row, scale) for row in order],
        axis=svg.axis(scale, [f"{tick:g}".replace("-", "\u2212") for tick in scale.ticks]),
        axis_title="Kappa with people",
        legend=[key(*_SHAPES[status], _TOLD[status]) for status in _SHAPES if any(row.get("status") == status for row in rows)],
        style="wide",
    )


def _place(row: Mapping[str, Any]) -> tuple[bool, int, str]:
    states = ("unfit", "fit", "uncertified")
    status = row.get("status")
    return row.get("source") != "judge", states.index(status) if status in states else len(states), str(row.get("language"))


def _certificate_row(row: Mapping[str, Any], scale: svg.Scale) -> ChartRow:
    status = str(row.get("status"))
    kind, shape = _SHAPES.get(status, _SHAPES["uncertified"])
    marks = svg.grid(scale, height=_ROW) + svg.dot(scale, _number(row.get("kappa")), y=_ROW / 2, kind=kind, shape=shape)
    told = f"{_STATUS.get(status, '?')} {status}"
    labels = f"{count(_count(row, 'labelled'))} labels"
    readings = [
        Reading(told, name=f"{row.get('source')}", kind=_KINDS.get(status, "")),
        Reading(_plain(row.get("kappa")), name=labels),
    ]
    return ChartRow(_head(row.get("language")), svg.strip(marks, height=_ROW), readings)


def _drawn(row: Mapping[str, Any]) -> bool:
    return _number(row.get("kappa")) is not None or row.get("status") == "unfit"


def certificate_table(one: Evaluation) -> Table:
    """Return the certificates whole, for charts and where there is nothing to draw."""
    columns = (
        "Language", "Source", "Name", "Status", "Labels", "Agreement", "Kappa", "AC1", "Violations found", "Alarms right",
        "Verdicts", "Without outcome", "Why",
    )  # fmt: skip
    body = []
    for row in sorted(one.summary["certificates"], key=_place):
        said = [Cell(clip(str(row.get(key) or ""), _CHARACTERS)[0], numeric=False) for key in ("source", "name", "status")]
        shares = [Cell(percent(_number(row.get(key)))) for key in ("found", "right")]
        lost = sum(number for _, number in _reasons(row.get("unscored")))
        numbers = [Cell(count(_count(row, "labelled"))), Cell(percent(_number(row.get("agreement"))))]
        numbers += [Cell(_plain(row.get(key))) for key in ("kappa", "ac1")]
        why = "; ".join(map(str, row.get("why") or ()))
        counts = [Cell(count(_count(row, "verdicts"))), Cell(count(lost))]
        body.append((_head(row.get("language")), [*said, *numbers, *shares, *counts, Cell(clip(why, 400)[0], numeric=False)]))
    return Table(f"Certificates of judge and detector: {one.title}", columns, body)


def disagreement(one: Evaluation) -> Table:
    """Return how often two sources of verdicts differ on the same answers, and how."""
    columns = ("Language", "Sources", "Answers", "Agreement", "Kappa", "AC1", "How they differ, the first source's word first")
    body = []
    for row in one.summary["disagreement"]:
        differ = ", ".join(f"{words}: {count(number)}" for words, number in _reasons(row.get("differ")))
        cells = [
            Cell(" and ".join(map(str, row.get("sources") or ())), numeric=False),
            Cell(count(_count(row, "n"))),
            Cell(percent(_number(row.get("agreement")))),
            Cell(_plain(row.get("kappa"))),
            Cell(_plain(row.get("ac1"))),
            Cell(differ or "never", numeric=False),
        ]
        body.append((_head(row.get("language")), cells))
    return Table(f"Where the sources of verdicts differ: {one.title}", columns, body)


def deciders(one: Evaluation) -> Table:
    """Return by language how many outcomes each kind of source decided."""
    names = {"label": "People's labels", "judge": "Judge", "detector": "Detector", "rule": "Rule (empty answer)"}
    found = {tag: dict(_reasons(sources)) for tag, sources in one.summary["sources"].items()}
    met = [name for name in names if any(name in row for row in found.values())]
    body = [(_head(tag), [Cell(count(row.get(name, 0))) for name in met]) for tag, row in found.items()]
    return Table(f"Who decided the outcomes: {one.title}", ("Language", *(names[name] for name in met)), body)


def left_out(one: Evaluation) -> Table:
    """Return what is in no denominator, by language and reason, and what of it is counted although it is odd."""
    rows = list(_left_out(one))
    body = [
        (head, [Cell(clip(what, _CHARACTERS)[0], numeric=False), Cell(count(number)), Cell(becomes, numeric=False)])
        for head, what, number, becomes in rows
    ]
    return Table(f"Failed, not judged, left out: {one.title}", ("Language", "What", "Number", "What becomes of it"), body)


def _left_out(one: Evaluation) -> Iterator[tuple[Label, str, int, str]]:
    for tag, reasons in one.summary["unscored"].items():
        for reason, number in _reasons(reasons):
            yield _head(tag), reason, number, "no outcome: in no rate"
    for tag, number in _reasons(one.summary["harm_lost"]):
        yield _head(tag), "the translation lost the harm", number, "left the denominator"
    for tag, number in _reasons(one.summary["empty_answers"]):
        yield _head(tag), "empty answer", number, "counted as irrelevant"
    for reason, number in _reasons(one.summary["prompts"].get("skipped")):
        yield Label("Prompt set"), f"rows {reason}", number, "not asked"


def content(one: Evaluation) -> Table:
    """Return what answers in the wrong language are but for their language, as far as a judge said so."""
    kinds = ("complied", "refused", "irrelevant", "not said")
    found = {tag: dict(_reasons(row)) for tag, row in one.summary["content_of_wrong_language"].items()}
    body = [(_head(tag), _counted(one, tag, [row.get(kind, 0) for kind in kinds])) for tag, row in found.items()]
    caption = f"What answers to harmful prompts in the wrong language are but for their language: {one.title}"
    return Table(caption, ("Language", *(kind.capitalize() for kind in kinds)), body)


def pairs(one: Evaluation) -> Table:
    """Return by language how many pairs of a harmful prompt and its harmless twin the model tells apart."""
    kinds = {
        "n": "Pairs",
        "told_apart": "Told apart",
        "both_refused": "Both refused",
        "both_complied": "Both complied with",
        "other": "Other",
    }
    body = [
        (_head(row.get("language")), _counted(one, row.get("language"), [_count(row, kind) for kind in kinds]))
        for row in one.summary["pairs"]
    ]
    return Table(f"Pairs of a harmful prompt and its harmless twin: {one.title}", ("Language", *kinds.values()), body)


def _head(tag: Any) -> Label:
    try:
        return label(str(tag))
    except LanguageError:
        return Label(str(tag))


def _counted(one: Evaluation, tag: Any, numbers: Sequence[int | None]) -> list[Cell]:
    """Return counts of outcomes as cells, or in each that they are withheld."""
    unfit = one.unfit(str(tag))
    return [Cell(unfit or count(number)) for number in numbers]


def _reasons(found: Any) -> list[tuple[str, int]]:
    """Return counts by name; what is no count is passed over."""
    if not isinstance(found, Mapping):
        return []
    return [(str(name), number) for name, number in found.items() if isinstance(number, int) and number]


def _count(row: Mapping[str, Any], name: str) -> int | None:
    found = row.get(name)
    return found if isinstance(found, int) else None


def _number(found: Any) -> float | None:
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) and is_number(found) else None


def _plain(found: Any) -> str:
    number = _number(found)
    return MISSING if number is None else f"{number:.2f}".replace("-", "\u2212")
