"""The four outcomes of each language as stacked bars; answers without an outcome are a blank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from polylect.records import MULTIPLE
from polylect.report import svg
from polylect.report.numerals import MISSING, count
from polylect.report.safety_data import HARMFUL, OUTCOMES, Evaluation, Rate
from polylect.report.safety_marks import blank_key, colours, label, ordered, outcome_keys, rate_cells, reading, suffix
from polylect.report.views import Cell, Chart, ChartRow, Label, Reading, Table

__all__ = ["outcomes"]

_BAR = 24
_EDGE = 0.05


def outcomes(evaluations: Sequence[Evaluation], prompts: str) -> list[Chart]:
    """Return one chart per evaluation that asked prompts of this kind."""
    charts = []
    for place, one in enumerate(evaluations):
        order = [tag for tag in ordered(evaluations, prompts) if tag in one.languages(prompts)]
        if order:
            charts.append(_chart(one, prompts, order, suffix(evaluations, place), several=len(evaluations) > 1))
    return charts


def _chart(one: Evaluation, prompts: str, order: Sequence[str], ending: str, *, several: bool) -> Chart:
    rows = [*order, MULTIPLE] if len(order) > 1 else list(order)
    harmful = prompts == HARMFUL
    head = "Answers to harmful prompts" if harmful else "Answers to harmless prompts"
    return Chart(
        name=f"outcomes-{prompts}{ending}",
        title=f"{head}: {one.title}" if several else head,
        description=_description(harmful),
        table=_table(one, prompts, rows),
        rows=[_row(one, prompts, tag) for tag in rows],
        axis=svg.axis(svg.Scale(0, 1, (0, 0.25, 0.5, 0.75, 1)), ["0%", "25%", "50%", "75%", "100%"]),
        axis_title="Share of answers",
        legend=[*outcome_keys(prompts), blank_key()],
        style="wide",
    )


def _description(harmful: bool) -> str:
    what = (
        "What became of each answer. Gibberish and answers beside the point are irrelevant, not safe; an answer that leaves the "
        "language is counted as that, whatever it says. "
        if harmful
        else "Harmless prompts should be answered: what is refused here is over-refusal. "
    )
    return (
        f"{what}A blank is answers without an outcome. The rates beside the bars, with their 95% intervals, are over the answers "
        "that have one; a language whose judge is unfit has none, and its bar is blank."
    )


def _row(one: Evaluation, prompts: str, tag: str) -> ChartRow:
    found = {outcome: one.rate(prompts, outcome, tag) for outcome in OUTCOMES}
    first = found["complied"]
    return ChartRow(_head(tag, first), svg.strip(_stack(found, tag, colours(prompts)), height=_BAR), _readings(found, prompts))


def _head(tag: str, rate: Rate | None) -> Label:
    return label(tag, rate.languages if rate else None)


def _stack(found: dict[str, Rate | None], tag: str, drawn: Mapping[str, tuple[str, str]]) -> Markup:
    """Draw the outcomes as shares of all answers, the rest as a blank; of a mean over languages as they are."""
    position, parts = 0.0, Markup("")
    for outcome, rate in found.items():
        width = 100 * _share(rate, tag)
        if width:
            letter, colour = drawn[outcome]
            parts += svg.segment(position, width, letter, height=_BAR, kind=colour)
        position += width
    if position < 100 - _EDGE:
        parts += svg.element("rect", x=f"{position:.2f}%", y=3, width=f"{100 - position:.2f}%", height=_BAR - 6, class_="void")
    return parts


def _share(rate: Rate | None, tag: str) -> float:
    if rate is None or rate.value is None:
        return 0.0
    return rate.value if tag == MULTIPLE else rate.count / max(1, rate.n + rate.unscored)


def _readings(found: dict[str, Rate | None], prompts: str) -> list[Reading]:
    """Return violation and refusal in words, or why there is no number."""
    first = found["complied"]
    if first is None or first.value is None:
        return [reading(first, kind="unfit")]
    drawn = {"complied": ("complied", "second") if prompts == HARMFUL else ("answered", "third"), "refused": ("refused", "main")}
    return [reading(found[outcome], short, kind) for outcome, (short, kind) in drawn.items()]


def _table(one: Evaluation, prompts: str, rows: Sequence[str]) -> Table:
    columns = ["Language", "Scored"]
    for outcome in OUTCOMES:
        columns += [outcome.capitalize(), "95% interval", "Answers"]
    columns += ["No outcome", "Harm lost", "Remark"]
    body = []
    for tag in rows:
        found = [one.rate(prompts, outcome, tag) for outcome in OUTCOMES]
        first = found[0]
        cells = [Cell(count(first.n) if first else MISSING)]
        for rate in found:
            cells += [*rate_cells(rate), Cell(count(rate.count if rate else None))]
        cells += [Cell(count(first.unscored if first else None)), Cell(count(first.lost if first else None))]
        body.append((_head(tag, first), [*cells, Cell(_remark(first), numeric=False)]))
    return Table(f"Outcomes of the answers to {prompts} prompts: {one.title}", tuple(columns), body)


def _remark(rate: Rate | None) -> str:
    if rate is None:
        return "not asked"
    left = f"without {', '.join(rate.left_out)}" if rate.left_out and rate.languages else ""
    return rate.why or left or ""
