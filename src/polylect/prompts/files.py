"""The user's own prompts from a file: tables of `Prompt` records, or JSON lines of plain questions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polylect import languages
from polylect.errors import DataError, nearest
from polylect.prompts.splits import SPLITS
from polylect.records import Prompt, content_hash
from polylect.rows import json_lines_rows
from polylect.tables import language_at

__all__ = ["from_file"]

_KEYS = ("prompt", "language", "reference", "references", "item", "kind", "split", "source", "licence")


def from_file(path: Path, language: str | None = None) -> list[Prompt]:
    """Read prompts from `path`.

    A Parquet file, or a JSON-lines file whose first row has a `text`, is a table of `Prompt` records. Any other JSON-lines
    file has one plain question per row: `prompt` (required), `language` (required unless the argument gives it),
    `reference` (one answer) or `references` (a list, preferred first), `item` (the same for all translations of a
    question; by default a hash of the text), `kind` ("user"), `split` ("prompt"), `source` (the file's name) and
    `licence` ("unknown").

    Args:
        path: a .parquet or .jsonl file.
        language: tag of the plain questions that do not name their language.

    Raises:
        DataError: no such file, no rows, a missing or unknown key, a wrong type, an empty or repeated question. The
            message names file, row and key.
        LanguageError: `language` names no known language.
    """
    default = languages.canonical(language) if language is not None else None
    if not path.is_file():
        raise DataError(f"{path}: no such file. Prompts are read from a .parquet or .jsonl file.")
    if path.suffix not in {".parquet", ".jsonl", ".json"}:
        raise DataError(f"{path}: {path.suffix!r} files are not read. Write the prompts as .parquet or .jsonl.")
    if path.suffix == ".parquet" or _is_table(path):
        from polylect import tables

        return tables.read(path, Prompt)
    prompts: dict[str, Prompt] = {}
    rows: dict[str, int] = {}
    for number, row in json_lines_rows(path):
        prompt = _prompt(path, number, row, default)
        if prompt.id in prompts:
            raise DataError(
                f"{path}, row {number}, key 'prompt': the question of row {rows[prompt.id]} again. Remove one of the two."
            )
        prompts[prompt.id] = prompt
        rows[prompt.id] = number
    if not prompts:
        raise DataError(f"{path}: no rows; at least one prompt is needed.")
    return list(prompts.values())


def _is_table(path: Path) -> bool:
    return next((("text" in row and "prompt" not in row) for _, row in json_lines_rows(path)), False)


def _prompt(path: Path, number: int, row: Mapping[str, Any], default: str | None) -> Prompt:
    where = f"{path}, row {number}"
    for key in row:
        if key not in _KEYS:
            raise DataError(f"{where}: unknown key {key!r}; known are {', '.join(_KEYS)}.{nearest(key, _KEYS)}")
    text = _text(where, row, "prompt", None)
    split = _text(where, row, "split", "prompt")
    if split not in SPLITS:
        raise DataError(f"{where}, key 'split': {split!r} is none of {', '.join(SPLITS)}.{nearest(split, SPLITS)}")
    return Prompt(
        item=_text(where, row, "item", f"user:{content_hash(text)}"),
        language=_language(where, row, default),
        kind=_text(where, row, "kind", "user"),
        split=split,
        text=text,
        references=_references(where, row),
        source=_text(where, row, "source", path.name),
        licence=_text(where, row, "licence", "unknown"),
    )


def _text(where: str, row: Mapping[str, Any], key: str, default: str | None) -> str:
    value = row.get(key, default)
    if value is None:
        raise DataError(f"{where}: key {key!r} is missing; found {', '.join(row) or 'none'}.{nearest(key, row)}")
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}, key {key!r}: {value!r} is not a text with at least one character.")
    return value


def _language(where: str, row: Mapping[str, Any], default: str | None) -> str:
    if "language" not in row and default is None:
        raise DataError(f"{where}: key 'language' is missing. Add it to the row, or name the language of the whole file.")
    return language_at(f"{where}, key 'language'", _text(where, row, "language", default))


def _references(where: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    if "reference" in row and "references" in row:
        raise DataError(f"{where}: both 'reference' and 'references'. Keep one: a text, or a list of texts, preferred first.")
    if "reference" in row:
        return (_text(where, row, "reference", None),)
    value = row.get("references", [])
    if not isinstance(value, list) or not all(isinstance(answer, str) and answer.strip() for answer in value):
        raise DataError(f"{where}, key 'references': {value!r} is not a list of texts.")
    return tuple(value)
