"""What the page of drift shows: the safety.json of `polylect safety drift`, of both kinds, read and checked; ages as of a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.records import MULTIPLE
from polylect.report.safety_changes import Change
from polylect.report.safety_document import DOCUMENT, Ends, checked, counts_of, ends_of, number, read, text_of, value_of

__all__ = ["COMPARED", "MAXIMUM", "MEASURED", "PROBABILITY", "DatedSet", "Drift", "Toxicity", "read_drift"]

MEASURED, COMPARED = "measured", "compared"
MAXIMUM, PROBABILITY = "expected maximum", "probability"
_OF_AGE = ("stale lexicon in ", "stale prompts in ")
"""How notes begin that were true on the day of the evaluation."""


@dataclass(frozen=True)
class Toxicity(Ends):
    """A figure over `n` prompts; `too_few` have too few scored samples; `samples` are scored, others are `unscored` by reason."""

    n: int = 0
    too_few: int = 0
    samples: int = 0
    unscored: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DatedSet:
    """Prompts or a lexicon of one source and date, in its languages; `age` in days, `stale` None where there is no date."""

    what: str
    source: str
    date: str
    languages: tuple[str, ...]
    size: int
    stale_after: int
    age: int | None

    @property
    def stale(self) -> bool | None:
        """Whether it is older than it may be; None where nobody can tell."""
        return None if self.age is None else self.age > self.stale_after


@dataclass(frozen=True)
class Drift:
    """A drift evaluation, or the comparison of two.

    Attributes:
        folder: of the document.
        summary: as it stands there.
        figures: by (date, metric, language); date "" is all prompts together.
        steps: differences by (older, newer, metric, language), with both sides; of a comparison older and newer are "".
        dates: of the prompts, in order, without those that have none.
        undated: whether there are prompts without a date beside dated ones.
        sets: what the figures rest on, the oldest first.
        notes: of the document, without those of ages.
    """

    folder: Path
    summary: Mapping[str, Any]
    figures: Mapping[tuple[str, str, str], Toxicity]
    steps: Mapping[tuple[str, str, str, str], Change]
    dates: tuple[str, ...]
    undated: bool
    sets: tuple[DatedSet, ...]
    notes: tuple[str, ...]

    @property
    def compared(self) -> bool:
        """Whether this is the comparison of two evaluations."""
        return bool(self.summary.get("what") == COMPARED)

    @property
    def languages(self) -> list[str]:
        """Languages, the most toxic first (of a comparison: where it rose most), those without a figure last."""
        if self.compared:
            found = {key[3]: one.value for key, one in self.steps.items() if key[2] == MAXIMUM}
        else:
            found = {key[2]: one.value for key, one in self.figures.items() if key[:2] == ("", MAXIMUM)}
        found.pop(MULTIPLE, None)
        return sorted(found, key=lambda tag: (found[tag] is None, -(found[tag] or 0.0), tag))

    def fewer(self, tags: Sequence[str]) -> Drift:
        """Return the same of some languages; means stay what they are."""
        kept = {*tags, MULTIPLE}
        return replace(
            self,
            figures={key: one for key, one in self.figures.items() if key[2] in kept},
            steps={key: one for key, one in self.steps.items() if key[3] in kept},
        )


def read_drift(folder: Path, today: date) -> Drift:
    """Read the output of `polylect safety drift`; ages are counted to `today`.

    Raises:
        DataError: the document is missing, broken, of another schema or another kind.
    """
    path = folder / DOCUMENT if folder.is_dir() else folder
    document = read(folder, "drift")
    summary = document["summary"]
    notes = tuple(note for note in map(str, document["notes"]) if not note.startswith(_OF_AGE))
    if summary.get("what") == COMPARED:
        steps = {("", "", *key): one for key, one in _steps(path, document["rows"])}
        sides = [checked(f"{path}: summary", side, summary.get(side), Mapping) for side in ("older", "newer")]
        sets = [one for side in sides for one in _sets(path, side.get("sets"), today)]
        return Drift(path.parent, summary, {}, steps, (), False, _unique(sets), notes)
    if summary.get("what") != MEASURED:
        raise DataError(f"{path}: summary.what: {summary.get('what')!r} found where {MEASURED!r} or {COMPARED!r} is expected.")
    figures = dict(_figure(f"{path}: rows, number {place}", row) for place, row in enumerate(document["rows"], start=1))
    between = checked(f"{path}: summary", "differences", summary.get("differences"), list)
    steps = {
        (str(row.get("older_date") or ""), str(row.get("newer_date") or ""), *key): one
        for row, (key, one) in zip(between, _steps(path, between), strict=True)
    }
    groups = {text_of(f"{path}: rows", row, "group") for row in document["rows"] if row.get("by") == "date"}
    dates, sets = tuple(sorted(groups - {""})), _sets(path, summary.get("sets"), today)
    return Drift(path.parent, summary, figures, steps, dates, "" in groups, _unique(sets), notes)


def _figure(where: str, row: Mapping[str, Any]) -> tuple[tuple[str, str, str], Toxicity]:
    group = text_of(where, row, "group")
    # Prompts without a date, beside dated ones, would share the name of all prompts together.
    name = "undated" if row.get("by") == "date" and not group else group
    ends, counts = ends_of(where, row), {one: value_of(where, row, one, int) for one in ("n", "too_few", "samples")}
    found = Toxicity(ends.value, ends.low, ends.high, **counts, unscored=counts_of(row.get("unscored")))
    return (name, text_of(where, row, "metric"), text_of(where, row, "language")), found


def _steps(path: Path, rows: Sequence[Any]) -> list[tuple[tuple[str, str], Change]]:
    found = []
    for place, row in enumerate(rows, start=1):
        where = f"{path}: differences, number {place}"
        ends = ends_of(where, row)
        before, after = (number(where, side, row.get(side)) for side in ("older", "newer"))
        n = min(value_of(where, row, one, int) for one in ("n_older", "n_newer"))
        status = "ok" if ends.value is not None else "no figure"
        change = Change(ends.value, ends.low, ends.high, before, after, n, {}, status)
        found.append(((text_of(where, row, "metric"), text_of(where, row, "language")), change))
    return found


def _sets(path: Path, rows: Any, today: date) -> list[DatedSet]:
    """Return the sets, those of several languages that are alike but for it as one."""
    found: dict[tuple[str, str, str, int], list[Mapping[str, Any]]] = {}
    for place, row in enumerate(checked(path, "summary.sets", rows, list), start=1):
        where = f"{path}: sets, number {place}"
        checked(where, "an entry", row, Mapping)
        key = (text_of(where, row, "what"), text_of(where, row, "source"), str(row.get("date") or ""))
        found.setdefault((*key, value_of(where, row, "stale_after", int)), []).append(row)
    return [
        DatedSet(
            what=what,
            source=source,
            date=day,
            languages=tuple(str(row.get("language")) for row in own),
            size=sum(value_of(f"{path}: sets", row, "size", int) for row in own),
            stale_after=most,
            age=_age(path, day, today),
        )
        for (what, source, day, most), own in found.items()
    ]


def _age(path: Path, day: str, today: date) -> int | None:
    try:
        return (today - date.fromisoformat(day)).days if day else None
    except ValueError as error:
        raise DataError(f"{path}: sets: {day!r} found where a date (YEAR-MONTH-DAY) is expected.") from error


def _unique(sets: Sequence[DatedSet]) -> tuple[DatedSet, ...]:
    def place(one: DatedSet) -> tuple[bool, int, str]:
        return one.age is None, -(one.age or 0), one.source

    return tuple(sorted(dict.fromkeys(sets), key=place))
