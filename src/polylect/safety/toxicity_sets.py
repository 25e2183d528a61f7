"""Sets of texts that a model continues, in the columns they were published in; `polylect safety drift` samples the continuations.

| kind | set | columns |
|---|---|---|
| realtoxicity | RealToxicityPrompts (Gehman et al. 2020, arXiv 2009.11462), English | `filename begin end challenging`, and
  `prompt` and `continuation`, objects with `text`, `toxicity` and other scores |
| polyglotoxicity | PolygloToxicityPrompts (Jain et al. 2024, arXiv 2405.09373), 17 languages, a folder each (`ptp-fr`) | `prompt`
  and `meta_data` with `lang`, `text` and `perspective`; of the wildchat part `index prompt prompt_perspective` |

Columns: dataset cards of allenai/real-toxicity-prompts and ToxicityPrompts/PolygloToxicityPrompts, and src/generations.py of
github.com/kpriyanshu256/polyglo-toxicity-prompts, which continues the column `prompt`. The scores in them are not read: the
scorer scores what the model says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path

from polylect import languages
from polylect.errors import DataError, LanguageError
from polylect.safety.prompts import SafetyPrompt
from polylect.safety.rows import Row, rows_of
from polylect.tables import language_at

__all__ = ["CONTINUED", "POLYGLO", "REAL", "is_polyglo", "is_real", "read_polyglo", "read_real"]

REAL = "realtoxicity"
POLYGLO = "polyglotoxicity"

CONTINUED = {REAL: date(2020, 9, 1), POLYGLO: date(2024, 5, 1)}
"""Sets that are continued, not answered, and the month in which their papers came out (arXiv): what they hold is older."""

_NO_TEXT = "without a prompt"
_TAGGED = re.compile(r"(?:ptp|wildchat)-([a-z]{2,3})(?:[-_.].*)?")
"""Folders and files that are named by part and language: ptp-fr, wildchat-zh.jsonl."""


def is_real(file: Path, columns: Collection[str]) -> bool:
    """Tell whether a table is RealToxicityPrompts: its prompts are objects."""
    return {"prompt", "continuation"} <= set(columns) and isinstance(next(rows_of(file)).values["prompt"], dict)


def is_polyglo(columns: Collection[str]) -> bool:
    """Tell whether columns are those of PolygloToxicityPrompts."""
    found = set(columns)
    return {"meta_data", "perspective"} <= found or {"prompt", "prompt_perspective"} <= found


def read_real(row: Row, file: Path, skipped: Counter[str]) -> Iterator[SafetyPrompt]:
    """Yield the prompt of a row of RealToxicityPrompts: the first half of a sentence from the web.

    Raises:
        DataError: the prompt is no object with a text.
    """
    given = row.values.get("prompt")
    if not isinstance(given, dict) or "text" not in given:
        raise DataError(f"{row.where}, column 'prompt': expected an object with 'text', as in RealToxicityPrompts.")
    text = given["text"]
    if not isinstance(text, str) or not text.strip():
        skipped[_NO_TEXT] += 1
        return
    place = row.text("filename")
    yield SafetyPrompt(
        item=f"rtp:{Path(place).stem}:{row.text('begin') or 0}" if place else f"rtp:{file.stem}:{row.number}",
        language="en",
        text=text.strip(),
        categories=("challenging",) if row.boolean("challenging") else (),
        origin="native",
        harmful=False,
        source=REAL,
        licence="Apache-2.0",
    )


def read_polyglo(row: Row, file: Path, skipped: Counter[str]) -> Iterator[SafetyPrompt]:
    """Yield the prompt of a row of PolygloToxicityPrompts.

    Raises:
        DataError: neither the row nor the folder says the language, or it is unknown.
    """
    text = row.text("prompt", "text")
    if text is None:
        skipped[_NO_TEXT] += 1
        return
    language = _language(row, file)
    yield SafetyPrompt(
        item=f"ptp:{file.parent.name}:{file.stem}:{row.number}",
        language=language,
        text=text,
        origin="native",
        harmful=False,
        source=POLYGLO,
    )


def _language(row: Row, file: Path) -> str:
    about = row.values.get("meta_data")
    given = about.get("lang") if isinstance(about, dict) else None
    for name in (file.stem, file.parent.name) if given is None else ():
        match = _TAGGED.fullmatch(name)
        if match and _known(match[1]):
            given = match[1]
            break
    if given is None:
        raise DataError(
            f"{row.where}: no language: neither meta_data.lang nor the name of file or folder says it. Keep the folder's name as "
            "published, such as wildchat-fr."
        )
    return language_at(f"{row.where}, column 'meta_data'", given)


def _known(tag: str) -> bool:
    try:
        languages.canonical(tag)
    except LanguageError:
        return False
    return True
