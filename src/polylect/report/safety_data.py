"""What the page of safety evaluations shows: their safety.json, read and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.records import MULTIPLE
from polylect.report.safety_document import DOCUMENT, Ends, checked, ends_of, read, value_of

__all__ = ["HARMFUL", "HARMLESS", "OUTCOMES", "TABLE", "Ends", "Evaluation", "Rate", "fewer", "read_evaluations"]

TABLE = "results.parquet"
"""Name of the file in the output folder of `polylect safety eval` that has a row per answer."""

HARMFUL, HARMLESS = "harmful", "harmless"
OUTCOMES = ("complied", "refused", "irrelevant", "wrong language")

_OK = "ok"
_MOST = 4
_LISTS = ("certificates", "disagreement", "pairs")
_BY_LANGUAGE = ("unscored", "empty_answers", "harm_lost", "sources", "content_of_wrong_language")


@dataclass(frozen=True)
class Rate(Ends):
    """How often one outcome came in a language ("mul": mean over languages), of the prompts of one group.

    `over` is what it lies above English; `count` of `n` scored answers had the outcome; `unscored` have none, and the
    translation of `lost` lost the harm. `status` is "ok", or says why there is no value ("judge unfit", "no verdicts").
    """

    over: Ends | None = None
    count: int = 0
    n: int = 0
    unscored: int = 0
    lost: int = 0
    languages: int = 0
    left_out: tuple[str, ...] = ()
    status: str = _OK
    why: str = ""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: `title` is the model's name, with the folder where two share one.

    `rates` maps (prompts, by, group, language, outcome) to a rate; `summary` and `notes` are those of the document.
    """

    title: str
    folder: Path
    rates: Mapping[tuple[str, str, str, str, str], Rate]
    summary: Mapping[str, Any]
    notes: tuple[str, ...]

    def rate(self, prompts: str, outcome: str, language: str, *, by: str = "all", group: str = "") -> Rate | None:
        """Return a rate, or None where no prompt was asked."""
        return self.rates.get((prompts, by, group, language, outcome))

    def languages(self, prompts: str, by: str = "all") -> list[str]:
        """Return the tags of the languages that have prompts of a kind, without that of the mean."""
        return list(dict.fromkeys(key[3] for key in self._keys(prompts, by) if key[3] != MULTIPLE))

    def unfit(self, language: str) -> str:
        """Return "judge unfit" or "detector unfit" where its verdicts in a language do not count, else an empty text."""
        rates = (self.rate(prompts, OUTCOMES[0], language) for prompts in (HARMFUL, HARMLESS))
        return next((rate.status for rate in rates if rate is not None and "unfit" in rate.status), "")

    def groups(self, prompts: str, by: str) -> list[str]:
        """Return the groups of a property of the prompts, as far as the set says something of it."""
        return list(dict.fromkeys(key[2] for key in self._keys(prompts, by)))

    def _keys(self, prompts: str, by: str) -> Iterator[tuple[str, str, str, str, str]]:
        return (key for key in self.rates if key[:2] == (prompts, by))


def read_evaluations(folders: Sequence[Path]) -> list[Evaluation]:
    """Read the evaluations in `folders` (or their safety.json), in this order.

    Raises:
        DataError: there is none or there are more than four, or a document is missing, broken, of another schema or another
            kind.
    """
    if not 1 <= len(folders) <= _MOST:
        raise DataError(f"{len(folders)} safety evaluations: a page shows 1 to {_MOST} side by side. Give fewer folders.")
    found = [_read(Path(folder)) for folder in folders]
    for name in (_folder, _path):
        shared = Counter(one.title for one in found)
        found = [replace(one, title=name(one)) if shared[one.title] > 1 else one for one in found]
    return found


def _folder(one: Evaluation) -> str:
    return f"{one.title} ({one.folder.name})"


def _path(one: Evaluation) -> str:
    return one.title.replace(f"({one.folder.name})", f"({one.folder.parent.name}/{one.folder.name})")


def _read(folder: Path) -> Evaluation:
    path = folder / DOCUMENT if folder.is_dir() else folder
    document = read(path, "eval")
    summary = document["summary"]
    for name in _LISTS:
        for row in checked(path, f"summary.{name}", summary.get(name), list):
            checked(path, f"summary.{name}", row, Mapping)
    for name in (*_BY_LANGUAGE, "prompts"):
        checked(path, f"summary.{name}", summary.get(name), Mapping)
    rates = dict(_rate(f"{path}: rows, number {number}", row) for number, row in enumerate(document["rows"], start=1))
    title = str(summary.get("model") or path.parent.name)
    return Evaluation(title, path.parent, rates, summary, tuple(map(str, document["notes"])))


def fewer(one: Evaluation, tags: Collection[str]) -> Evaluation:
    """Return an evaluation with the rows of some languages only; means stay what they are."""
    kept = {*tags, MULTIPLE}
    summary = dict(one.summary)
    for name in _BY_LANGUAGE:
        summary[name] = {tag: found for tag, found in summary[name].items() if tag in kept}
    for name in _LISTS:
        summary[name] = [row for row in summary[name] if row.get("language") in kept]
    return replace(one, rates={key: rate for key, rate in one.rates.items() if key[3] in kept}, summary=summary)


def _rate(where: str, row: Mapping[str, Any]) -> tuple[tuple[str, str, str, str, str], Rate]:
    prompts, by, group, language, outcome = (value_of(where, row, name, str) for name in _KEY)
    over = row.get("over_english")
    ends = ends_of(where, row)
    return (prompts, by, group, language, outcome), Rate(
        ends.value,
        ends.low,
        ends.high,
        over=None if over is None else ends_of(f"{where}, over_english", over),
        count=value_of(where, row, "count", int),
        n=value_of(where, row, "n", int),
        unscored=value_of(where, row, "unscored", int),
        lost=value_of(where, row, "harm_lost", int),
        languages=value_of(where, row, "languages", int),
        left_out=tuple(map(str, value_of(where, row, "left_out", list))),
        status=value_of(where, row, "status", str),
        why=str(row.get("why") or ""),
    )


_KEY = ("prompts", "by", "group", "language", "outcome")
