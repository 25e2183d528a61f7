"""Read the texts that a vocabulary must cover: plain lines, JSON lines or Parquet, sorted by language."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect import languages
from polylect.errors import DataError, LanguageError

__all__ = ["TEXT_COLUMNS", "UNDETERMINED", "Texts", "read_texts"]

TEXT_COLUMNS = ("text", "prompt", "completion", "chosen", "rejected", "references")
"""Columns whose texts are taken; the tables of `polylect.records` have no others."""

UNDETERMINED = "und"
"""ISO 639-2 code for "undetermined"."""


@dataclass(frozen=True)
class Texts:
    """Texts by language tag, and how many rows were left out because their language was not asked for."""

    by_language: Mapping[str, list[str]]
    left_out: Mapping[str, int]


def read_texts(files: Sequence[Path], tags: Sequence[str]) -> Texts:
    """Read `files` for the languages `tags`.

    A row's language is its column `language`; rows of languages that were not asked for are left out and counted. Texts
    without that column, and all lines of a .txt file, belong to the one language asked for. If several are asked for they are
    identified; what stays undetermined, or is taken for another language, is kept under "und": it was given to be covered.

    Raises:
        DataError: a file is missing, of another kind, unreadable, has no text column, or there is no text in the end.
        LanguageError: a tag names no known language.
    """
    wanted = list(dict.fromkeys(languages.canonical(tag) for tag in tags))
    found: dict[str, dict[str, None]] = {tag: {} for tag in wanted}
    unlabelled: dict[str, None] = {}
    left_out: Counter[str] = Counter()
    for path in files:
        for tag, text in _rows(path):
            if tag is None:
                unlabelled[text] = None
            elif tag in found:
                found[tag][text] = None
            else:
                left_out[tag] += 1
    for tag, text in _labelled(list(unlabelled), wanted):
        found.setdefault(tag, {})[text] = None
    empty = [tag for tag in wanted if not found[tag]]
    if empty and UNDETERMINED not in found:
        raise DataError(f"no text in {', '.join(empty)} in {', '.join(map(str, files))}. Give texts for each language to keep.")
    return Texts({tag: list(texts) for tag, texts in found.items()}, dict(sorted(left_out.items())))


def _labelled(texts: list[str], wanted: list[str]) -> Iterator[tuple[str, str]]:
    if len(wanted) == 1:
        yield from ((wanted[0], text) for text in texts)
    elif texts:
        for text, guess in zip(texts, languages.identify_many(texts, wanted), strict=True):
            yield guess.language if guess.language in wanted else UNDETERMINED, text


def _rows(path: Path) -> Iterator[tuple[str | None, str]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file. Give .txt (one text a line), .jsonl or .parquet files.")
    readers = {".txt": _read_lines, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise DataError(
            f"{path}: {path.suffix or 'no suffix'!r} is not read here. Give .txt (one text a line), .jsonl or .parquet."
        )
    for number, row in enumerate(readers[path.suffix](path), start=1):
        where = f"{path}, row {number}"
        columns = [name for name in TEXT_COLUMNS if name in row]
        if not columns:
            raise DataError(f"{where}: none of the columns {', '.join(TEXT_COLUMNS)}; found {', '.join(row) or 'none'}.")
        tag = _tag(row.get("language"), where)
        for name in columns:
            for text in row[name] if isinstance(row[name], list) else [row[name]]:
                if isinstance(text, str) and text.strip():
                    yield tag, text
                elif text is not None and not isinstance(text, str):
                    raise DataError(f"{where}, column {name!r}: {text!r} is not a text.")


def _tag(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise DataError(f"{where}, column 'language': {value!r} is not a language tag.")
    try:
        return languages.canonical(value)
    except LanguageError as error:
        raise DataError(f"{where}, column 'language': {error}") from error


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as handle:
            for line in handle:
                yield {"text": line.rstrip("\n")}
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error}). Save the file as UTF-8.") from error


def _read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_read_lines(path), start=1):
        if not line["text"].strip():
            continue
        try:
            row = json.loads(line["text"])
        except json.JSONDecodeError as error:
            raise DataError(f"{path}, row {number}: not valid JSON ({error}). One JSON object per line is expected.") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: {type(row).__name__} found where a JSON object is expected.")
        yield row


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}). Write it again, or give a .jsonl file.") from error
    kept = [name for name in (*TEXT_COLUMNS, "language") if name in frame.columns]
    yield from frame.select(kept).iter_rows(named=True)
