"""The result of a run in words and figures, each taken from one estimate."""

from __future__ import annotations

from dataclasses import dataclass

from polylect.records import MULTIPLE, Difference
from polylect.report.lookup import Lookup
from polylect.report.marks import reading, unfit
from polylect.report.numerals import MISSING, interval, is_number, metric, percent, points
from polylect.report.views import language_label

__all__ = ["Figure", "figures", "sentences"]


@dataclass(frozen=True)
class Figure:
    """A number to see first: what it is, how much, and with which interval or remark."""

    title: str
    value: str
    detail: str


def figures(look: Lookup) -> list[Figure]:
    """Return the four figures at the top of the report."""
    data = look.data
    win = look.win_base(data.final_stage)
    after, before = look.macro(data.final_stage, "exact_match"), look.macro(data.before, "exact_match")
    better, measured, _ = _languages_above_even(look)
    shown = [
        Figure(
            "win rate against the base",
            reading(win).text,
            f"95% interval {interval(win.low, win.high)}; 50% is even" if win and win.low is not None else "not measured",
        ),
        Figure("languages better than the base", f"{better} of {measured}", "lower end of the 95% interval above 50%"),
        Figure(
            "exactly right answers",
            metric("exact_match", after.value if after else None),
            f"{metric('exact_match', before.value if before else None)} with {look.title(data.before)}",
        ),
    ]
    if data.baseline:
        difference = look.difference(data.final_stage, data.baseline, "exact_match")
        value = points(difference.value) if difference else MISSING
        shown.append(Figure("points of exact match over the baseline", value, _zero(difference)))
    return shown


def sentences(look: Lookup) -> list[str]:
    """Return the result in sentences; what was not measured is said to be so."""
    found = [
        _win_sentence(look),
        _language_sentence(look),
        _match_sentence(look),
        _baseline_sentence(look),
        _spread_sentence(look),
    ]
    return [sentence for sentence in (*found, *_not_kept(look)) if sentence]


def _win_sentence(look: Lookup) -> str:
    data, win = look.data, look.win_base(look.data.final_stage)
    if win is None or not is_number(win.win_rate):
        why = f": {win.reason}" if win is not None and win.reason else ""
        return f"{look.title(data.final_stage)} was not compared with {look.title(data.base_stage)}{why}."
    return (
        f"{look.title(data.final_stage)} is preferred to {look.title(data.base_stage)} on {percent(win.win_rate)} of "
        f"held-out prompts (95% interval {interval(win.low, win.high)}; a tie counts half, 50% is even), averaged over "
        f"{look.averaged} languages{_by_judge(look)}."
    )


def _by_judge(look: Lookup) -> str:
    """Name the judge where it is a model, and the languages that it is unfit for."""
    if look.data.judge is None:
        return ""
    rows = {tag: look.win_base(look.data.final_stage, tag) for tag in look.languages}
    lost = [_name(tag) for tag, row in rows.items() if row is not None and unfit(row)]
    return f", as {look.data.judge.name} judges" + (f"; it is unfit to judge {_join(lost)}" if lost else "")


def _language_sentence(look: Lookup) -> str:
    better, measured, others = _languages_above_even(look)
    if not measured:
        return ""
    rest = f"; not so in {_join(others)}" if others else ""
    return f"The lower end of the interval is above 50% in {better} of {measured} languages{rest}."


def _match_sentence(look: Lookup) -> str:
    data = look.data
    before, after = look.macro(data.before, "exact_match"), look.macro(data.final_stage, "exact_match")
    if before is None or after is None:
        return ""
    return (
        f"Exactly right answers: {percent(before.value)} ({interval(before.low, before.high)}) by {look.title(data.before)}, "
        f"{percent(after.value)} ({interval(after.low, after.high)}) by {look.title(data.final_stage)}."
    )


def _baseline_sentence(look: Lookup) -> str:
    data = look.data
    if data.baseline is None:
        return ""
    difference = look.difference(data.final_stage, data.baseline, "exact_match")
    if difference is None:
        return f"The difference to {look.title(data.baseline)} was not measured."
    return (
        f"Exact match differs from that of the baseline ({look.title(data.baseline)}) by {points(difference.value)} points; "
        f"{_zero(difference)}."
    )


def _spread_sentence(look: Lookup) -> str:
    final = look.data.final_stage
    worst, gap = look.worst(final, "exact_match"), look.gap(final, "exact_match")
    parts = []
    if worst is not None:
        where = f"{percent(worst.value)} ({interval(worst.low, worst.high)})"
        parts.append(f"The worst language is {_name(worst.language)} with {where} exactly right.")
    if gap is not None and gap.value is not None:
        side = "above" if gap.value >= 0 else "below"
        size = points(abs(gap.value)).lstrip("+")
        ends = interval(gap.low, gap.high)
        parts.append(f"English is {size} points {side} the mean of the other languages (English minus others: {ends}).")
    return " ".join(parts)


def _not_kept(look: Lookup) -> list[str]:
    return [
        f"{stage.title} was not kept{': ' + stage.note.rstrip('.') if stage.note else ''}."
        for stage in look.data.stages
        if not stage.kept
    ]


def _languages_above_even(look: Lookup) -> tuple[int, int, list[str]]:
    """Count languages whose lower end is above 50%, languages measured, and name those that are not above."""
    found = {tag: look.win_base(look.data.final_stage, tag) for tag in look.languages}
    measured = {tag: c for tag, c in found.items() if c is not None and c.low is not None}
    others = [_name(tag) for tag, c in measured.items() if c.low is None or c.low <= 0.5]
    return len(measured) - len(others), len(measured), others


def _zero(difference: Difference | None) -> str:
    """Say whether an interval excludes zero."""
    if difference is None or difference.low is None or difference.high is None:
        return "no interval was measured"
    verdict = "includes zero" if difference.low <= 0 <= difference.high else "excludes zero"
    return f"95% interval {interval(difference.low, difference.high)}, which {verdict}"


def _name(tag: str) -> str:
    return "all languages" if tag == MULTIPLE else language_label(tag).text


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
