"""Recorded outputs: answers from anywhere, joined to the items of a benchmark, with what does not fit counted and named.

One JSON object per line: `item` (or `id`), `language`, `output` (a text, or a list of texts for the turns of a conversation);
maybe `subset`, `benchmark`, `model`, and for choices `choice` (index from 0). `id` may also be the full key of an item
("mgsm/sw/test:3"). An `output` of null is a failed answer, with its `reason`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.evaluate.generation import Answer
from polylect.evaluate.judging.reading import rows_of
from polylect.evaluate.task_types import Item
from polylect.tables import language_at

__all__ = ["MISSING", "Join", "Recorded", "read_recorded"]

MISSING = "missing from the recorded outputs"
_SHOWN = 5


@dataclass(frozen=True)
class _Row:
    item: str
    language: str
    subset: str | None
    answer: Answer
    where: str


@dataclass
class Join:
    """How recorded outputs met the items of one benchmark: counts, and the first few names of each kind of misfit."""

    used: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, reason: str, name: str) -> None:
        """Count a misfit and keep its name where few are kept."""
        self.counts[reason] += 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < _SHOWN:
            shown.append(name)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for the manifest."""
        return {"used": self.used, **{reason: {"count": n, "first": self.examples[reason]} for reason, n in self.counts.items()}}


class Recorded:
    """Recorded outputs of one model.

    Args:
        rows: by benchmark ("" where the file names none).
        model: what the file calls the model, "" where it does not.
    """

    def __init__(self, rows: Mapping[str, Sequence[_Row]], model: str) -> None:
        self._rows, self.model = rows, model

    def answers(self, benchmark: str, items: Sequence[Item], *, alone: bool = True) -> tuple[list[Answer], Join]:
        """Return the answer to each item, in order, and how the join went.

        The first of several outputs for one item counts; the others are counted as duplicates. An output for an item that is not
        asked is counted as unknown.

        Args:
            benchmark: its name.
            items: of the benchmark.
            alone: whether rows that name no benchmark are meant for this one.
        """
        join = Join()
        found: dict[int, Answer] = {}
        places = _places(items)
        for row in [*self._rows.get(benchmark, ()), *(self._rows.get("", ()) if alone else ())]:
            at = [place for place in places.get((row.item, row.language), []) if row.subset in (None, items[place].subset)]
            name = f"{row.item} ({row.language}), {row.where}"
            if not at:
                join.note("unknown item", name)
            elif len(at) > 1:
                join.note("several subsets have this item: name the subset", name)
            elif at[0] in found:
                join.note("duplicate", name)
            else:
                found[at[0]] = row.answer
        join.used = len(found)
        for place, item in enumerate(items):
            if place not in found:
                join.note("missing", f"{item.item} ({item.language})")
        return [found.get(place, Answer(reason=MISSING)) for place in range(len(items))], join


def read_recorded(path: Path, model: str | None = None) -> Recorded:
    """Read recorded outputs.

    Args:
        path: .jsonl or .parquet.
        model: take the rows of this model only; None: the file must be of one model.

    Raises:
        DataError: the file cannot be read, lacks a column, holds a value of another kind, or outputs of several models.
    """
    rows: dict[str, list[_Row]] = {}
    models: Counter[str] = Counter()
    for number, values in rows_of(path, (("item", "id"), "language")):
        where = f"row {number}"
        name = str(values.get("model") or "")
        if model is not None and name not in ("", model):
            continue
        models[name] += 1
        rows.setdefault(str(values.get("benchmark") or ""), []).append(_row(values, f"{path}, {where}", where))
    named = sorted(name for name in models if name)
    if len(named) > 1:
        raise DataError(f"{path}: outputs of several models ({', '.join(named)}). Choose one with --name.")
    if not rows:
        raise DataError(f"{path}: no outputs of the model {model!r}. Name one that the file has, or leave --name out.")
    return Recorded(rows, named[0] if named else "")


def _row(values: Mapping[str, Any], place: str, where: str) -> _Row:
    language = language_at(f"{place}, column 'language'", values["language"])
    item = str(values["item"] if values.get("item") is not None else values["id"])
    subset = values.get("subset")
    return _Row(item, language, None if subset is None else str(subset), _answer(values, place), where)


def _answer(values: Mapping[str, Any], place: str) -> Answer:
    output, choice = values.get("output"), values.get("choice")
    if choice is not None and (not isinstance(choice, int) or isinstance(choice, bool)):
        raise DataError(f"{place}, column 'choice': {choice!r} is no index of an option (a whole number from 0).")
    if isinstance(output, str):
        return Answer((output,), None, choice)
    if isinstance(output, list) and all(isinstance(text, str) for text in output):
        return Answer(tuple(output), None if output else "no output", choice)
    if output is None:
        if "output" not in values and choice is None:
            raise DataError(f"{place}: neither a column 'output' nor 'choice'; found {', '.join(values)}.")
        reason = str(values.get("reason") or "no output was recorded")
        return Answer((), None if choice is not None else reason, choice)
    raise DataError(f"{place}, column 'output': {str(output)[:80]!r} is neither a text nor a list of texts.")


def _places(items: Sequence[Item]) -> dict[tuple[str, str], list[int]]:
    """Map (name, language) to places; an item goes by its id and by its full key."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, item in enumerate(items):
        for name in dict.fromkeys((item.item, item.key)):
            found.setdefault((name, item.language), []).append(place)
    return found
