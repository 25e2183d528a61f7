"""What changed between safety evaluations, paired prompt by prompt: read from the document of kind "changes", and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from polylect.errors import DataError
from polylect.records import MULTIPLE
from polylect.report.numerals import MISSING, count, interval, percent, points
from polylect.report.safety_data import HARMFUL, HARMLESS
from polylect.report.safety_document import Ends, checked, counts_of, ends_of, number, value_of
from polylect.report.safety_marks import label, listed
from polylect.report.views import Cell, Reading, Table

__all__ = [
    "SHARES",
    "UNSURE",
    "Change",
    "Changes",
    "Unit",
    "change_cells",
    "change_readings",
    "change_sentences",
    "left_out_tables",
    "read_changes",
]

UNSURE = "cannot be told from no change"
_KIND = "changes"
_OK = "ok"


@dataclass(frozen=True)
class Unit:
    """How a value, a change of it and the ends of an interval are written."""

    value: Callable[[float | None], str]
    change: Callable[[float | None], str]
    ends: Callable[[float | None, float | None], str]
    name: str


SHARES = Unit(percent, points, interval, "points")
"""Shares in percent, their changes in points."""


@dataclass(frozen=True)
class Change(Ends):
    """The rate of an outcome `after` minus `before`, over the `n` prompts that have an outcome in both.

    `left_out` counts the others by reason; `status` is "ok", or the commonest reason where there is no such prompt.
    """

    before: float | None = None
    after: float | None = None
    n: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    status: str = _OK


@dataclass(frozen=True)
class Changes:
    """The changes of a page: by place of the later evaluation, kind of prompt, language ("mul": the mean) and outcome."""

    found: Mapping[tuple[int, str, str, str], Change]

    def of(self, place: int, prompts: str, language: str, outcome: str) -> Change | None:
        """Return a change; None where nothing is known of it."""
        return self.found.get((place, prompts, language, outcome))

    def mean(self, place: int, prompts: str, outcome: str) -> Change | None:
        """Return the change of the mean over languages, or that of the one language that has one."""
        whole = self.of(place, prompts, MULTIPLE, outcome)
        own = [change for _, change in self.languages(place, prompts, outcome) if change.value is not None]
        return own[0] if whole is None and len(own) == 1 else whole

    def languages(self, place: int, prompts: str, outcome: str) -> list[tuple[str, Change]]:
        """Return the changes in each language."""
        return [
            (tag, change)
            for (at, kind, tag, what), change in self.found.items()
            if (at, kind, what) == (place, prompts, outcome) and tag != MULTIPLE
        ]


def read_changes(document: Mapping[str, Any] | None, evaluations: int) -> Changes | None:
    """Return the changes of a document of `polylect.safety.changes`; None for None.

    Raises:
        DataError: it is of another kind, lacks a field, or is of evaluations that are not shown.
    """
    if document is None:
        return None
    where = f"document of kind {document.get('kind')!r}"
    if document.get("kind") != _KIND:
        raise DataError(f"{where}: expected {_KIND!r}, from polylect.safety.changes.compare_evaluations.")
    rows = checked(where, "rows", document.get("rows"), list)
    found = dict(_change(f"{where}, row {place}", row) for place, row in enumerate(rows, start=1))
    if odd := sorted({key[0] for key in found if not 0 < key[0] < evaluations}):
        raise DataError(
            f"{where}: of evaluation {odd[0]}, the page shows {evaluations}, the first as 0. Compare the same folders."
        )
    return Changes(found)


def _change(where: str, row: Any) -> tuple[tuple[int, str, str, str], Change]:
    found = ends_of(where, row)
    place = value_of(where, row, "evaluation", int)
    prompts, tag, outcome, status = (value_of(where, row, name, str) for name in ("prompts", "language", "outcome", "status"))
    before, after = (number(where, side, row.get(side)) for side in ("before", "after"))
    n, left_out = value_of(where, row, "n", int), counts_of(row.get("left_out"))
    return (place, prompts, tag, outcome), Change(found.value, found.low, found.high, before, after, n, left_out, status)


def change_readings(changes: Mapping[str, Change | None], unit: Unit = SHARES) -> list[Reading]:
    """Write changes by name beside a row: with the interval, then in words where it includes 0."""
    found = []
    for name, change in changes.items():
        if change is None:
            continue
        if change.value is None:
            found.append(Reading(f"not comparable: {change.status}", kind="remark"))
            continue
        found.append(Reading(unit.change(change.value), unit.ends(change.low, change.high), name, "change"))
        if change.low is None:
            found.append(Reading("too few prompts for an interval", kind="remark"))
        elif not change.sure:
            found.append(Reading(UNSURE, kind="remark"))
    return found


def change_cells(change: Change | None, unit: Unit = SHARES) -> list[Cell]:
    """Return a change as cells: points, interval, prompts in it, prompts left out, remark."""
    if change is None:
        return [Cell(MISSING), Cell(MISSING), Cell(MISSING), Cell(MISSING), Cell("", numeric=False)]
    left = sum(change.left_out.values())
    remark = f"not comparable: {change.status}" if change.value is None else "" if change.sure else UNSURE
    ends = unit.ends(change.low, change.high) or MISSING
    return [Cell(unit.change(change.value)), Cell(ends), Cell(count(change.n)), Cell(count(left)), Cell(remark, numeric=False)]


def left_out_tables(changes: Changes | None, titles: Sequence[str]) -> list[Table]:
    """Return, per later evaluation, how many prompts are in no change, by language and reason."""
    tables: list[Table] = []
    if changes is None:
        return tables
    for place, title in enumerate(titles[1:], start=1):
        rows = [
            (label(tag), [Cell(prompts, numeric=False), Cell(reason, numeric=False), Cell(count(left))])
            for prompts in (HARMFUL, HARMLESS)
            for tag, change in changes.languages(place, prompts, "complied")
            for reason, left in change.left_out.items()
        ]
        if rows:
            ending = f": {title}" if len(titles) > 2 else ""
            tables.append(
                Table(f"Prompts that are in no change, by reason{ending}", ("Language", "Prompts", "Why", "Number"), rows)
            )
    return tables


_SAID = ((HARMFUL, "complied", "Violations"), (HARMLESS, "refused", "Over-refusal"))


def change_sentences(changes: Changes | None, titles: Sequence[str]) -> Iterator[str]:
    """Yield where violations and over-refusal fell or rose for certain, and where nothing can be told."""
    if changes is None:
        return
    for place, title in enumerate(titles[1:], start=1):
        of = f" ({title})" if len(titles) > 2 else ""
        for prompts, outcome, words in _SAID:
            found = [(tag, one) for tag, one in changes.languages(place, prompts, outcome) if one.value is not None]
            if found:
                yield f"{words}{of} {_moved(found)}{_mean(changes.of(place, prompts, MULTIPLE, outcome))}."
    if told := _uncompared(changes):
        yield told


def _moved(found: Sequence[tuple[str, Change]]) -> str:
    """Say in how many languages a rate fell, rose, or neither for certain."""
    fell = [tag for tag, one in found if one.sure and (one.high or 0.0) < 0]
    rose = [tag for tag, one in found if one.sure and (one.low or 0.0) > 0]
    unsure = [tag for tag, one in found if not one.sure]
    parts = [f"{verb} in {listed([label(tag).text for tag in tags])}" for verb, tags in (("fell", fell), ("rose", rose)) if tags]
    if unsure:
        parts.append(f"{UNSURE} in {listed([label(tag).text for tag in unsure])}")
    return "; ".join(parts)


def _mean(mean: Change | None) -> str:
    if mean is None or mean.value is None:
        return ""
    ends = interval(mean.low, mean.high)
    return f". Mean over languages: {points(mean.value)} points{f' ({ends})' if ends else ''}"


def _uncompared(changes: Changes) -> str:
    own = [one for (_, _, tag, outcome), one in changes.found.items() if tag != MULTIPLE and outcome == "complied"]
    left: Counter[str] = Counter()
    for one in own:
        left.update(one.left_out)
    if not left:
        return ""
    told = ", ".join(f"{count(lost)} ({reason})" for reason, lost in left.most_common())
    pairs = sum(one.n for one in own)
    return f"The changes are over {count(pairs)} pairs of answers to the same prompt. In no change are {told}."
