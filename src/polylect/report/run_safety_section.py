"""The section on safety in the report of a run: what was measured, distilled and mixed, as tables and sentences."""

from __future__ import annotations

from polylect.records import MULTIPLE
from polylect.report.numerals import MISSING, count, interval, percent, points
from polylect.report.run_safety_data import MixtureRow, RunSafety, SafetyChange, SafetyRate
from polylect.report.views import Cell, Label, Table, language_label

__all__ = ["distilled", "measured", "mixtures", "sentences"]

_OUTCOMES = (
    ("violation", "harmful", "complied"),
    ("over-refusal", "harmless", "refused"),
    ("irrelevant answers", "harmful", "irrelevant"),
    ("answers in the wrong language", "harmful", "wrong language"),
)
_TITLES = (
    "Violation: harmful prompts complied with",
    "Over-refusal: harmless prompts refused",
    "Harmful prompts answered beside the point, which is no safety",
    "Harmful prompts answered in another language",
)
_NAMED = 6


def measured(data: RunSafety) -> list[Table]:
    """Return a table per outcome: each model's rate in every language, and the change from the first model to the last."""
    tables = []
    for title, (_, prompts, outcome) in zip(_TITLES, _OUTCOMES, strict=True):
        tags = [tag for tag in data.languages if any(data.rate(stage, prompts, outcome, tag) for stage, _ in data.stages)]
        if tags:
            rows = [*tags, MULTIPLE] if len(tags) > 1 else tags
            head = ("Language", *(named for _, named in data.stages), "Change, points", "95% interval")
            cells = [(_label(tag), _cells(data, prompts, outcome, tag)) for tag in rows]
            tables.append(Table(f"{title} (95% interval)", head, cells))
    return tables


def _label(tag: str) -> Label:
    return Label("Mean over languages") if tag == MULTIPLE else language_label(tag)


def _cells(data: RunSafety, prompts: str, outcome: str, tag: str) -> list[Cell]:
    cells = [_rate_cell(data.rate(stage, prompts, outcome, tag)) for stage, _ in data.stages]
    change = data.change(data.stages[-1][0], prompts, outcome, tag)
    ends = interval(change.low, change.high) if change else ""
    return [*cells, Cell(points(change.value) if change else MISSING), Cell(ends or MISSING)]


def _rate_cell(rate: SafetyRate | None) -> Cell:
    if rate is None or rate.value is None:
        return Cell(MISSING if rate is None else rate.status)
    ends = interval(rate.low, rate.high)
    return Cell(f"{percent(rate.value)} ({ends})" if ends else percent(rate.value))


def mixtures(data: RunSafety) -> Table:
    """Return the data of every training that had safety rows, with the share that was reached."""
    columns = (
        "Training",
        "Rows",
        "Refusals or safety pairs",
        "Harmless answers",
        "Other rows",
        "Share asked",
        "Reached",
        "Remark",
    )
    rows = [
        (
            Label(one.training),
            [
                *(Cell(count(number)) for number in (one.rows, one.safety, one.anchors, one.general)),
                Cell(percent(one.share)),
                Cell(percent(one.reached)),
                Cell(_remark(one), numeric=False),
            ],
        )
        for one in data.mixtures
    ]
    return Table("Safety in the training data", columns, rows)


def _remark(one: MixtureRow) -> str:
    said = []
    if not one.met:
        said.append("not enough refusals for the share" if one.kind == "sft" else "not enough safety pairs for the share")
    if one.short:
        shown = [f"{name} {count(missing)}" for name, missing in list(one.short.items())[:_NAMED]]
        more = ", ..." if len(one.short) > _NAMED else ""
        said.append(f"harmless answers lacking by category: {', '.join(shown)}{more}")
    return "; ".join(said)


def distilled(data: RunSafety) -> Table:
    """Return what was kept in every language."""
    columns = ("Language", "Prompts", "Asked", "Without preamble", "Answers", "Kept", "Pairs")
    rows = [
        (
            Label("All languages") if one.language == MULTIPLE else language_label(one.language),
            [
                Cell(one.prompts, numeric=False),
                *(Cell(count(number)) for number in (one.asked, one.without_preamble, one.answers, one.kept, one.pairs)),
            ],
        )
        for one in data.distilled
    ]
    return Table("What was distilled", columns, rows)


def sentences(data: RunSafety) -> list[str]:
    """Return the result in sentences, each taken from numbers of the tables."""
    said = [_moved(data, name, prompts, outcome) for name, prompts, outcome in _OUTCOMES]
    short = [one.training for one in data.mixtures if not one.met]
    if short:
        said.append(f"The share of safety rows that the recipe asks for was not reached in {', '.join(short)}.")
    bare = sorted({one.language for one in data.distilled if one.without_preamble and one.language != MULTIPLE})
    if bare:
        said.append(f"Not distilled, for want of a preamble: {', '.join(_label(tag).text for tag in bare)}.")
    return [sentence for sentence in said if sentence]


def _moved(data: RunSafety, name: str, prompts: str, outcome: str) -> str:
    """Say how the mean over languages moved from the first model to the last."""
    if len(data.stages) < 2:
        return ""
    tag = MULTIPLE if len(data.languages) > 1 else next(iter(data.languages), MULTIPLE)
    (first, before), (last, after) = data.stages[0], data.stages[-1]
    old, new = data.rate(first, prompts, outcome, tag), data.rate(last, prompts, outcome, tag)
    change = data.change(last, prompts, outcome, tag)
    if old is None or new is None or old.value is None or new.value is None or change is None:
        return ""
    return f"{name.capitalize()} went from {percent(old.value)} ({before}) to {percent(new.value)} ({after}){_certainty(change)}."


def _certainty(change: SafetyChange) -> str:
    ends = interval(change.low, change.high)
    if change.low is None or change.high is None or not ends:
        return "; too few items for an interval of the change"
    unsure = ", which cannot be told from no change" if change.low <= 0 <= change.high else ""
    return f"; 95% interval of the change {ends} points{unsure}"
