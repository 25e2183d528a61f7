"""The output folder of prompt making: prompts, rejected rows with their reason, the answers, and what made it all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import tables
from polylect.errors import RunError
from polylect.records import Prompt, Record

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["ANSWERS", "MANIFEST", "PROMPTS", "REJECTED", "Output", "Rejected", "TableWriter", "check_folder", "write_manifest"]

PROMPTS, REJECTED, ANSWERS, MANIFEST = "prompts.parquet", "rejected.parquet", "answers.sqlite", "manifest.json"

_ROWS = 4096
"""Rows in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class Rejected(Record):
    """What did not become a prompt: `text` came back when `source_id` was asked about, `reason` is what is wrong."""

    identity = ("source_id", "language", "number")
    source_id: str
    item: str
    language: str
    number: int
    text: str
    reason: str


class TableWriter:
    """Writes a table of records row by row; it has its name only when it is whole. Use as a context manager.

    Args:
        path: of the Parquet file.
        kind: record type of the rows.
    """

    def __init__(self, path: Path, kind: type[Record]) -> None:
        self._path, self._kind = path, kind
        self._rows: list[Record] = []
        self._file: pq.ParquetWriter | None = None
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            if self._file is not None:
                self._file.close()
        if kind is None:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)

    def write(self, row: Record) -> None:
        """Append a row."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        import polars as pl
        import pyarrow.parquet as pq

        frame = pl.DataFrame([row.as_dict() for row in self._rows], schema=tables.schema(self._kind)).to_arrow()
        if self._file is None:
            self._file = pq.ParquetWriter(self._temporary, frame.schema, compression="zstd")
        self._file.write_table(frame)
        self._rows = []


class Output:
    """The two tables of an output folder while they are written; use as a context manager.

    Attributes:
        made: prompts written, by language.
        rejected: rows rejected, by language and reason.
    """

    def __init__(self, folder: Path) -> None:
        self.made: dict[str, int] = {}
        self.rejected: dict[str, dict[str, int]] = {}
        self._seen: set[str] = set()
        self._stack = ExitStack()
        self._prompts = self._stack.enter_context(TableWriter(folder / PROMPTS, Prompt))
        self._refused = self._stack.enter_context(TableWriter(folder / REJECTED, Rejected))

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, prompt: Prompt) -> bool:
        """Write a prompt, unless one with its language and text was written before; tell whether it was."""
        if prompt.id in self._seen:
            return False
        self._seen.add(prompt.id)
        self._prompts.write(prompt)
        self.made[prompt.language] = self.made.get(prompt.language, 0) + 1
        return True

    def reject(self, source_id: str, item: str, language: str, text: str, reason: str, number: int = 0) -> None:
        """Write a rejected row, once where a source is given twice, and count its reason."""
        row = Rejected(source_id=source_id, item=item, language=language, number=number, text=text, reason=reason)
        if row.id not in self._seen:
            self._seen.add(row.id)
            self._refused.write(row)
        counts = self.rejected.setdefault(language, {})
        counts[reason] = counts.get(reason, 0) + 1

    def counts(self) -> dict[str, Any]:
        """Return the numbers of rows for the manifest."""
        reasons: dict[str, int] = {}
        for counts in self.rejected.values():
            for reason, number in counts.items():
                reasons[reason] = reasons.get(reason, 0) + number
        return {
            "made": sum(self.made.values()),
            "rejected": sum(reasons.values()),
            "made_by_language": dict(sorted(self.made.items())),
            "rejected_by_reason": dict(sorted(reasons.items(), key=lambda one: (-one[1], one[0]))),
            "rejected_by_language": {
                language: dict(sorted(self.rejected[language].items())) for language in sorted(self.rejected)
            },
        }


def check_folder(folder: Path, command: str, settings: Mapping[str, Any]) -> None:
    """Make the output folder, or see that what it holds was made by the same command with the same settings.

    Raises:
        RunError: it holds something else.
    """
    if folder.is_file():
        raise RunError(f"{folder}: is a file. Name a folder for the output.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        wanted = json.loads(json.dumps(dict(settings)))
        different = [key for key in wanted if before.get("settings", {}).get(key) != wanted[key]]
        if before.get("command") != command or different:
            what = (
                f"{different[0]!r} was {before['settings'].get(different[0])!r}, now {wanted[different[0]]!r}"
                if different
                else "another command"
            )
            raise RunError(f"{folder}: holds the output of other settings ({what}). Name another folder, or delete this one.")
    elif any(place.name not in {PROMPTS, REJECTED} and not place.name.startswith((ANSWERS, ".")) for place in folder.iterdir()):
        raise RunError(f"{folder}: the folder holds something else. Name a new folder for the output.")


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest, the last file of the output; it appears whole or not at all."""
    temporary = folder / f".{MANIFEST}.{os.getpid()}.tmp"
    temporary.write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    temporary.replace(folder / MANIFEST)
