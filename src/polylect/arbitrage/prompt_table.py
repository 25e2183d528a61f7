"""Prompt tables of any length, read window by window: Parquet or JSON lines, every row checked.

A row has `item` (the same for all translations of one question), `language` and `text`, or `messages` (a conversation whose last
turn is the user's). Optional: `references` (or one `reference`), `source`, `licence`, `translator`, `evidence`, `kind`, `split`,
`id`. Columns of other names are passed over, unless they look like a slip of the pen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from polylect import languages
from polylect.errors import DataError, LanguageError, nearest
from polylect.records import Prompt, content_hash

__all__ = ["WINDOW", "PromptTable", "windows"]

WINDOW = 4096
"""Prompts in memory at a time."""

_DEFAULTS = {"kind": "user", "split": "prompt", "licence": "unknown"}
_KNOWN = ("id", "item", "language", "text", "messages", "reference", "references", "source", *_DEFAULTS, "translator", "evidence")
_ROLES = ("system", "user", "assistant", "tool")

_Rows = list[tuple[int, Any]]
"""(1-based row, its values by column) of a window."""


class _BadRowError(Exception):
    """What is wrong with a row: the column, and the value and rule in a sentence."""

    def __init__(self, column: str, rule: str) -> None:
        super().__init__(f"column {column!r}: {rule}")
        self.kind = f"bad {column}"


class PromptTable:
    """A table of prompts on disk, read once, window by window.

    Args:
        path: a .parquet or .jsonl file.
        only: languages to keep (canonical tags), all when empty.
        splits: values of `split` to keep, all when empty.
        skip_bad: count rows that break a rule in `dropped` and go on, where otherwise the first one is an error.

    Attributes:
        rows: rows read so far.
        dropped: rows left out so far, by reason.
        passed_over: columns that are not read.

    Raises:
        DataError: no such file, no table of prompts, or a column whose name is close to one that is read.
    """

    def __init__(self, path: Path, *, only: Collection[str] = (), splits: Collection[str] = (), skip_bad: bool = False) -> None:
        self.path, self.only, self.splits, self.skip_bad = path, frozenset(only), frozenset(splits), skip_bad
        self.rows = 0
        self.dropped: Counter[str] = Counter()
        if not path.is_file():
            raise DataError(f"{path}: no such table. Prompts are read from a .parquet or .jsonl file.")
        if path.suffix not in {".parquet", ".jsonl", ".json"}:
            raise DataError(f"{path}: {path.suffix!r} files are not read. Write the prompts as .parquet or .jsonl.")
        self.passed_over = _passed_over(path, _parquet_columns(path) if path.suffix == ".parquet" else _first_keys(path))

    def windows(self, size: int = WINDOW) -> Iterator[list[Prompt]]:
        """Yield lists of at most `size` prompts, in the order of the rows; none is empty.

        Raises:
            DataError: the file cannot be read, or a row breaks a rule; the message names file, row (1-based), column, value.
        """
        for rows in _parquet(self.path, size) if self.path.suffix == ".parquet" else _json_lines(self.path, size):
            found = [prompt for number, row in rows if (prompt := self._prompt(number, row)) is not None]
            if found:
                yield found

    def _prompt(self, number: int, row: Any) -> Prompt | None:
        """Return the prompt of a row, or None with a reason counted."""
        self.rows += 1
        try:
            prompt = _prompt(row, self.path.name)
        except _BadRowError as error:
            if not self.skip_bad:
                raise DataError(
                    f"{self.path}, row {number}, {error} Correct the row, or leave such rows out, counted, with --skip-bad-rows."
                ) from error
            self.dropped[error.kind] += 1
            return None
        if self.only and prompt.language not in self.only:
            self.dropped["language not asked for"] += 1
            return None
        if self.splits and prompt.split not in self.splits:
            self.dropped["split not asked for"] += 1
            return None
        return prompt


def windows(path: Path, size: int = WINDOW) -> Iterator[list[Prompt]]:
    """Yield the rows of a Parquet table of `Prompt` records that was written here: nothing is checked, ids are as stored."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=size):
            names = batch.schema.names
            columns = [batch.column(name).to_pylist() for name in names]
            columns[names.index("references")] = [tuple(found) for found in columns[names.index("references")]]
            yield [Prompt(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]


def _parquet_columns(path: Path) -> list[str]:
    """Return the columns of a Parquet file, which must have those that every prompt needs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        present = list(pq.read_schema(path).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}). Write it again, or give a .jsonl file.") from error
    for name in ("item", "language", "text"):
        if name not in present and (name != "text" or "messages" not in present):
            either = " (or 'messages')" if name == "text" else ""
            raise DataError(
                f"{path}: column {name!r}{either} is missing; found {', '.join(present) or 'none'}.{nearest(name, present)}"
            )
    return present


def _first_keys(path: Path) -> list[str]:
    """Return the keys of the first object of a JSON-lines file."""
    rows = next(_json_lines(path, 1), [])
    return list(rows[0][1]) if rows and isinstance(rows[0][1], dict) else []


def _passed_over(path: Path, present: Sequence[str]) -> tuple[str, ...]:
    others = tuple(name for name in present if name not in _KNOWN)
    for name in others:
        if meant := nearest(name, [known for known in _KNOWN if known not in present]):
            raise DataError(f"{path}: column {name!r} is not known.{meant} Rename the column, or take it out.")
    return others


def _parquet(path: Path, size: int) -> Iterator[_Rows]:
    """Yield the rows of a Parquet file; only the columns that are read are decoded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            wanted = [name for name in file.schema_arrow.names if name in _KNOWN]
            for batch in file.iter_batches(batch_size=size, columns=wanted):
                yield list(enumerate(batch.to_pylist(), start=number + 1))
                number += batch.num_rows
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}, after row {number}: damaged Parquet file ({error}). Write it again.") from error


def _json_lines(path: Path, size: int) -> Iterator[_Rows]:
    """Yield the lines by number, each as its JSON value or the error that it is none; blank ones are passed over."""
    try:
        # Only a line feed ends a line: a JSON text may hold the other separators that `newline=None` would accept.
        with path.open(encoding="utf-8", newline="\n") as file:
            lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
            while part := list(islice(lines, size)):
                yield [(number, _json(line)) for number, line in part]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}). Save it as UTF-8, or give a .parquet file.") from error


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        return error


def _prompt(row: Any, name: str) -> Prompt:
    """Return the prompt of a row; `name` is the file's, which is its source where it names none."""
    if not isinstance(row, dict):
        what = f"not valid JSON ({row})" if isinstance(row, json.JSONDecodeError) else f"{_shown(row)} is not a JSON object"
        raise _BadRowError("row", f"{what}.")
    text, messages = _conversation(row)
    language = _language(_text(row, "language"))
    given = _optional(row, "id")
    if given is None and messages is not None:
        # The id of a record is made of language and text alone, which two conversations may end with.
        given = content_hash("Prompt", language, text, messages)
    return Prompt(
        id=given or "",
        item=_text(row, "item"),
        language=language,
        text=text,
        messages=messages,
        references=_references(row),
        source=_optional(row, "source") or name,
        translator=_optional(row, "translator"),
        evidence=_optional(row, "evidence"),
        **{key: _optional(row, key) or default for key, default in _DEFAULTS.items()},
    )


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if isinstance(value, str) and value.strip():
        return value
    if value is None:
        raise _BadRowError(column, f"empty or missing, but a text is needed.{'' if column in row else nearest(column, row)}")
    raise _BadRowError(column, f"{_shown(value)} is not a text with at least one character.")


def _optional(row: Mapping[str, Any], column: str) -> str | None:
    value = row.get(column)
    if value is None or isinstance(value, str):
        return value or None
    raise _BadRowError(column, f"{_shown(value)} is not a text.")


@cache
def _canonical(tag: str) -> str | LanguageError:
    try:
        return languages.canonical(tag)
    except LanguageError as error:
        return error


def _language(tag: str) -> str:
    found = _canonical(tag)
    if isinstance(found, str):
        return found
    raise _BadRowError("language", str(found))


def _references(row: Mapping[str, Any]) -> tuple[str, ...]:
    one, several = row.get("reference"), row.get("references")
    if one is not None and several is not None:
        raise _BadRowError("reference", "given beside 'references'. Keep one: a text, or a list of texts, preferred first.")
    if one is not None:
        return (_text(row, "reference"),)
    several = several or ()
    if not isinstance(several, (list, tuple)) or not all(isinstance(text, str) and text.strip() for text in several):
        raise _BadRowError("references", f"{_shown(several)} is not a list of texts.")
    return tuple(several)


def _conversation(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return what the user says last, and the turns before it as JSON (None: there are none)."""
    turns = _turns(row.get("messages"))
    if row.get("text") is not None or row.get("messages") is None:
        text = _text(row, "text")
    elif not turns or turns[-1][0] != "user":
        raise _BadRowError("messages", f"{_shown(row['messages'])} does not end with a turn of the user, and there is no 'text'.")
    else:
        text = turns.pop()[1]
    return text, json.dumps(turns, ensure_ascii=False) if turns else None


def _turns(value: Any) -> list[list[str]]:
    """Return the turns of `messages`: JSON text or a list, of {"role": ..., "content": ...} or [role, content]."""
    if value is None:
        return []
    try:
        listed = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise _BadRowError("messages", f"{_shown(value)} is not valid JSON ({error}).") from error
    turns = []
    for turn in listed if isinstance(listed, (list, tuple)) else [listed]:
        pair = [turn.get("role"), turn.get("content")] if isinstance(turn, dict) else turn
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise _BadRowError("messages", f"{_shown(turn)} is not a turn: {{'role': ..., 'content': ...}} or [role, content].")
        if pair[0] not in _ROLES or not pair[1].strip():
            raise _BadRowError("messages", f"{_shown(turn)}: the role is one of {', '.join(_ROLES)}, the content is not empty.")
        turns.append([pair[0], pair[1]])
    return turns


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
