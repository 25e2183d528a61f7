"""What the page of safety evaluations shows: their safety.json, read and checked."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.records import MULTIPLE

__all__ = ["DOCUMENT", "HARMFUL", "HARMLESS", "OUTCOMES", "TABLE", "Ends", "Evaluation", "Rate", "fewer", "read_evaluations"]

DOCUMENT, TABLE = "safety.json", "results.parquet"
"""Names of the files in the output folder of `polylect safety eval`: the rates, and a row per answer."""

HARMFUL, HARMLESS = "harmful", "harmless"
OUTCOMES = ("complied", "refused", "irrelevant", "wrong language")

_SCHEMA = "polylect.safety/1"
_OK = "ok"
_MOST = 4
_AGAIN = "Run `polylect safety eval` again with this version."
_LISTS = ("certificates", "disagreement", "pairs")
_BY_LANGUAGE = ("unscored", "empty_answers", "harm_lost", "sources", "content_of_wrong_language")


@dataclass(frozen=True)
class Ends:
    """A rate or a difference of rates, with the ends of its 95 % interval; None: not known."""

    value: float | None
    low: float | None = None
    high: float | None = None


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
    shared = Counter(one.title for one in found)
    return [replace(one, title=f"{one.title} ({one.folder.name})") if shared[one.title] > 1 else one for one in found]


def _read(folder: Path) -> Evaluation:
    path = folder / DOCUMENT if folder.is_dir() else folder
    document = _document(path)
    summary = _checked(path, "summary", document.get("summary"), Mapping)
    for name in _LISTS:
        for row in _checked(path, f"summary.{name}", summary.get(name), list):
            _checked(path, f"summary.{name}", row, Mapping)
    for name in (*_BY_LANGUAGE, "prompts"):
        _checked(path, f"summary.{name}", summary.get(name), Mapping)
    rows = _checked(path, "rows", document.get("rows"), list)
    rates = dict(_rate(f"{path}: rows, number {number}", row) for number, row in enumerate(rows, start=1))
    notes = _checked(path, "notes", document.get("notes"), list)
    title = str(summary.get("model") or path.parent.name)
    return Evaluation(title, path.parent, rates, summary, tuple(map(str, notes)))


def fewer(one: Evaluation, tags: Collection[str]) -> Evaluation:
    """Return an evaluation with the rows of some languages only; means stay what they are."""
    kept = {*tags, MULTIPLE}
    summary = dict(one.summary)
    for name in _BY_LANGUAGE:
        summary[name] = {tag: found for tag, found in summary[name].items() if tag in kept}
    for name in _LISTS:
        summary[name] = [row for row in summary[name] if row.get("language") in kept]
    return replace(one, rates={key: rate for key, rate in one.rates.items() if key[3] in kept}, summary=summary)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{path}: cannot be read ({reason}). Give the folder of a finished `polylect safety eval`.") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}). {_AGAIN}") from error
    if not isinstance(found, Mapping) or found.get("schema") != _SCHEMA:
        schema = found.get("schema") if isinstance(found, Mapping) else type(found).__name__
        raise DataError(f"{path}: schema {schema!r}; expected {_SCHEMA!r}. {_AGAIN}")
    if found.get("kind") != "eval":
        raise DataError(
            f"{path}: a document of `polylect safety {found.get('kind')}`; the page is made of those of `polylect safety eval`."
        )
    return found


def _checked(path: Path, name: str, found: Any, wanted: type) -> Any:
    if not isinstance(found, wanted):
        what = "a list" if wanted is list else "an object"
        raise DataError(f"{path}: {name}: {str(found)[:80]!r} found where {what} is expected. {_AGAIN}")
    return found


def _rate(where: str, row: Any) -> tuple[tuple[str, str, str, str, str], Rate]:
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: {str(row)[:80]!r} found where an object is expected. {_AGAIN}")
    prompts, by, group, language, outcome = (_of(where, row, name, str) for name in _KEY)
    over = row.get("over_english")
    ends = _ends(where, row)
    return (prompts, by, group, language, outcome), Rate(
        ends.value,
        ends.low,
        ends.high,
        over=None if over is None else _ends(f"{where}, over_english", over),
        count=_of(where, row, "count", int),
        n=_of(where, row, "n", int),
        unscored=_of(where, row, "unscored", int),
        lost=_of(where, row, "harm_lost", int),
        languages=_of(where, row, "languages", int),
        left_out=tuple(map(str, _of(where, row, "left_out", list))),
        status=_of(where, row, "status", str),
        why=str(row.get("why") or ""),
    )


_KEY = ("prompts", "by", "group", "language", "outcome")


def _ends(where: str, row: Any) -> Ends:
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: {str(row)[:80]!r} found where an object is expected. {_AGAIN}")
    return Ends(*(_number(where, name, row.get(name)) for name in ("value", "low", "high")))


def _number(where: str, name: str, found: Any) -> float | None:
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
        raise DataError(f"{where}: {name}: {str(found)[:80]!r} found where a number or null is expected. {_AGAIN}")
    return float(found)


def _of(where: str, row: Mapping[str, Any], name: str, kind: type) -> Any:
    found = row.get(name)
    if not isinstance(found, kind) or isinstance(found, bool):
        words = {str: "a text", int: "a whole number", list: "a list"}[kind]
        raise DataError(f"{where}: {name}: {str(found)[:80]!r} found where {words} is expected. {_AGAIN}")
    return found
