"""Dated sets: how old prompts and lexicons are, and from when on a number that rests on them should not be trusted.

Slurs, euphemisms and topics change within months; a set that nobody renews measures the language of its year.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.safety.prompts import SafetyPrompt
from polylect.safety.rows import SUFFIXES, rows_of

__all__ = ["STALE_AFTER", "DatedSet", "ages", "as_date", "prompt_dates", "prompt_sets", "stale_notes"]

STALE_AFTER = 365
"""Days from which a set is called stale where it does not say itself."""


@dataclass(frozen=True, kw_only=True)
class DatedSet:
    """Prompts or a lexicon of one language, source and date.

    Attributes:
        what: "prompts" or "lexicon".
        source: who made it, or the name of its file.
        language: canonical tag.
        date: of its making; None where nobody said.
        size: prompts or terms.
        stale_after: days from which it is stale; None: as the caller has it.
    """

    what: str
    source: str
    language: str
    date: date | None
    size: int
    stale_after: int | None = None


def as_date(text: str, where: str) -> date:
    """Read a day such as 2024-05-31; what follows it (a time) is dropped.

    Raises:
        DataError: it is none.
    """
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        raise DataError(f"{where}: {text!r} is no date. Write it as YEAR-MONTH-DAY, such as 2024-05-31.") from None


def prompt_dates(path: Path, prompts: Sequence[SafetyPrompt], default: date | None) -> dict[tuple[str, str], date | None]:
    """Return the date of each prompt: of the table's column `date` where it is one of our own columns, else `default`."""
    found: dict[tuple[str, str], date | None] = {prompt.key: default for prompt in prompts}
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES) if path.is_dir() else [path]
    for row in (row for file in files for row in rows_of(file)):
        given = row.text("date")
        if given is not None and row.text("item") is not None:
            key = row.required("item"), row.language()
            if key in found:
                found[key] = as_date(given, f"{row.where}, column 'date'")
    return found


def prompt_sets(prompts: Iterable[SafetyPrompt], dates: Mapping[tuple[str, str], date | None]) -> list[DatedSet]:
    """Return the prompts as sets of one language, source and date."""
    counts: dict[tuple[str, str, date | None], int] = defaultdict(int)
    for prompt in prompts:
        counts[prompt.source, prompt.language, dates[prompt.key]] += 1
    return [
        DatedSet(what="prompts", source=source, language=language, date=day, size=size)
        for (source, language, day), size in counts.items()
    ]


def ages(sets: Iterable[DatedSet], today: date, stale_after: int = STALE_AFTER) -> list[dict[str, Any]]:
    """Return one row per set: `what`, `source`, `language`, `date`, `size`, `age` in days, `stale_after` and `stale`."""
    rows = []
    for one in sets:
        most = stale_after if one.stale_after is None else one.stale_after
        age = None if one.date is None else (today - one.date).days
        rows.append(
            {
                "what": one.what,
                "source": one.source,
                "language": one.language,
                "date": None if one.date is None else one.date.isoformat(),
                "size": one.size,
                "age": age,
                "stale_after": most,
                "stale": None if age is None else age > most,
            }
        )
    return sorted(rows, key=lambda row: (row["what"], row["language"], row["source"], row["date"] or ""))


def stale_notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return warnings in words: sets past their age, without a date, or from after today."""
    notes = []
    for what in ("lexicon", "prompts"):
        own = [row for row in rows if row["what"] == what]
        stale = [row for row in own if row["stale"]]
        if stale:
            oldest = max(stale, key=lambda row: int(row["age"]))
            tags = ", ".join(sorted({row["language"] for row in stale}))
            notes.append(
                f"stale {what} in {tags}: up to {oldest['age']:,} days old ({oldest['source']}, {oldest['date']}), "
                f"past {oldest['stale_after']:,}: what people say now may be missing"
            )
        for kept, why in ((None, "without a date: nobody can tell how stale"), (True, "dated after today")):
            tags = ", ".join(sorted({row["language"] for row in own if _odd(row) is kept and row["stale"] is not True}))
            if tags and any(_odd(row) is kept for row in own):
                notes.append(f"{what} {why} ({tags})")
    return notes


def _odd(row: dict[str, Any]) -> bool | None:
    """Return None for no date, True for a date after today, else False."""
    return None if row["age"] is None else row["age"] < 0
