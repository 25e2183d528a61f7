"""What the charts of safety evaluations share: order and heads of rows, rates in words, cells and marks, colours of outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polylect.records import MULTIPLE
from polylect.report import svg
from polylect.report.marks import key
from polylect.report.numerals import MISSING, count, interval, percent, points
from polylect.report.safety_data import HARMFUL, OUTCOMES, Ends, Evaluation, Rate
from polylect.report.views import Cell, Key, Label, Reading, clip, language_label

__all__ = [
    "Series",
    "blank_key",
    "colours",
    "ends",
    "gap_cells",
    "label",
    "legend",
    "listed",
    "mark",
    "ordered",
    "outcome_keys",
    "rate_cells",
    "reading",
    "series",
    "shorter",
    "suffix",
    "told",
]

_COLOURS = {"complied": ("C", "oc"), "refused": ("R", "or"), "irrelevant": ("I", "oi"), "wrong language": ("W", "ow")}
_ANSWERED = {**_COLOURS, "complied": ("A", "oa")}

_WORDS = {
    "complied": "Complied (of a harmful prompt: the violation)",
    "refused": "Refused",
    "irrelevant": "Irrelevant",
    "wrong language": "Wrong language",
}
_NAME, _NAMED = 24, 8


@dataclass(frozen=True)
class Series:
    """Marks of one thing in all rows of a chart: its title, short title, colour and shape."""

    title: str
    short: str
    kind: str
    shape: str


_STYLES = {
    1: (("main", "circle"),),
    2: (("reference", "ring"), ("main", "circle")),
    3: (("reference", "ring"), ("second", "diamond"), ("main", "circle")),
    4: (("reference", "ring"), ("second", "diamond"), ("third", "square"), ("main", "circle")),
}


def series(evaluations: Sequence[Evaluation]) -> list[Series]:
    """Return how each evaluation is drawn; of two the first is "before", the second "after"."""
    styles = _STYLES[len(evaluations)]
    if len(evaluations) == 2:
        heads = [(f"Before: {evaluations[0].title}", "before"), (f"After: {evaluations[1].title}", "after")]
    else:
        shorts = [shorter(one.title, 12) if len(evaluations) > 1 else "" for one in evaluations]
        alike = len(set(shorts)) < len(shorts)
        shorts = [f"{place}: {short}" if alike else short for place, short in enumerate(shorts, start=1)]
        heads = [
            (f"{place}: {one.title}" if alike else one.title, shorts[place - 1]) for place, one in enumerate(evaluations, start=1)
        ]
    return [Series(title, short, *style) for (title, short), style in zip(heads, styles, strict=True)]


def ordered(evaluations: Sequence[Evaluation], prompts: str = HARMFUL) -> list[str]:
    """Return the languages: highest violation rate of the last evaluation first, those without a number last.

    Of prompts that are all harmless the rate of refusals takes its place.
    """
    tags = list(dict.fromkeys(tag for one in evaluations for tag in one.languages(prompts)))
    outcome = "complied" if prompts == HARMFUL else "refused"

    def place(tag: str) -> tuple[bool, float, str]:
        values = [rate.value for one in reversed(evaluations) if (rate := one.rate(prompts, outcome, tag)) is not None]
        value = next((value for value in values if value is not None), None)
        return value is None, -(value or 0.0), tag

    return sorted(tags, key=place)


def label(tag: str, mean_of: int | None = None) -> Label:
    """Return the head of a language's row, or that of the mean over so many languages."""
    if tag != MULTIPLE:
        return language_label(tag)
    return Label("Mean over languages" if mean_of is None else f"Mean of {count(mean_of)} languages")


def suffix(evaluations: Sequence[Evaluation], place: int) -> str:
    """Return what a chart's name ends in, so that each evaluation's has its own anchor."""
    return "" if len(evaluations) == 1 else f"-{place + 1}"


def shorter(name: str, most: int = _NAME) -> str:
    """Return a name that fits beside a chart; the legend and the tables have the whole."""
    shown, omitted = clip(name, most)
    return f"{shown}…" if omitted else shown


def listed(names: Sequence[str]) -> str:
    """Return names as a list in words, of many the first and how many others."""
    shown = list(names) if len(names) <= _NAMED else [*names[: _NAMED - 1], f"{count(len(names) - _NAMED + 1)} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def reading(rate: Rate | None, name: str = "", kind: str = "", spoken: str = "") -> Reading:
    """Write a rate with its interval; why there is none in its place ("judge unfit"); a dash where nothing was asked."""
    if rate is None or rate.value is None:
        return Reading(MISSING if rate is None else rate.status, name=name, kind=kind, spoken=spoken)
    return Reading(percent(rate.value), interval(rate.low, rate.high), name, kind, spoken)


def told(rates: Sequence[Rate | None], names: Sequence[tuple[str, str]]) -> list[Reading]:
    """Write the rates of a row by (short title, colour class); a reason why none has a number is said once."""
    reasons = {rate.status for rate in rates if rate is not None and rate.value is None}
    if len(reasons) == 1 and not any(rate is not None and rate.value is not None for rate in rates):
        return [Reading(reasons.pop(), kind="unfit")]
    return [
        reading(rate, name, kind if rate is None or rate.value is not None else "unfit")
        for rate, (name, kind) in zip(rates, names, strict=True)
    ]


def rate_cells(rate: Rate | None, *, counted: bool = False) -> list[Cell]:
    """Return rate and interval, and if asked the number of scored answers, as cells of a table."""
    told = reading(rate)
    cells = [Cell(told.text), Cell(told.interval or MISSING)]
    return [*cells, Cell(count(rate.n if rate else None))] if counted else cells


def gap_cells(gap: Ends | None) -> list[Cell]:
    """Return a difference in points with its interval as cells."""
    if gap is None:
        return [Cell(MISSING), Cell(MISSING)]
    return [Cell(points(gap.value)), Cell(interval(gap.low, gap.high) or MISSING)]


def ends(rates: Iterable[Ends | None]) -> list[float | None]:
    """Return all values and interval ends, for choosing a scale."""
    return [end for rate in rates if rate is not None for end in (rate.value, rate.low, rate.high)]


def mark(scale: svg.Scale, rate: Ends | None, drawn: Series, *, y: float, whisker: float | None = None) -> Markup:
    """Return a mark with its interval, at height `whisker` if given; nothing where nothing is known."""
    if rate is None or rate.value is None:
        return Markup("")
    line = svg.interval(scale, rate.low, rate.high, y=y if whisker is None else whisker, kind=drawn.kind)
    return line + svg.dot(scale, rate.value, y=y, kind=drawn.kind, shape=drawn.shape)


def legend(drawn: Sequence[Series]) -> list[Key]:
    """Return the entries of several series."""
    return [key(one.kind, one.shape, one.title) for one in drawn]


def outcome_keys(prompts: str = HARMFUL) -> list[Key]:
    """Return the entries of the four outcomes."""
    words = _WORDS if prompts == HARMFUL else {**_WORDS, "complied": "Answered", "refused": "Refused (over-refusal)"}
    return [Key(_outcome_box(*colours(prompts)[outcome]), words[outcome]) for outcome in OUTCOMES]


def colours(prompts: str) -> Mapping[str, tuple[str, str]]:
    """Return letter and colour class of each outcome; to comply with a harmless prompt is another thing than a violation."""
    return _COLOURS if prompts == HARMFUL else _ANSWERED


def _outcome_box(letter: str, colour: str) -> Markup:
    return svg.element("svg", svg.segment(0, 100, letter, height=16, kind=colour), width=18, height=16, aria_hidden="true")


def blank_key() -> Key:
    """Return the entry of answers without an outcome."""
    box = svg.element("rect", x=1, y=1, width=16, height=14, class_="void")
    return Key(svg.element("svg", box, width=18, height=16, aria_hidden="true"), "No outcome: failed or not judged")
