"""The document that every `polylect gap` command writes: rows, summary and notes under one versioned schema."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polylect import documents
from polylect.errors import DataError

__all__ = ["KINDS", "SCHEMA", "make_document", "read_document", "write_document", "write_rows"]

SCHEMA = "polylect.gap/1"
KINDS = ("tokenizer", "coverage", "performance", "survey")


def make_document(kind: str, rows: list[dict[str, Any]], summary: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return a document of the schema; `kind` is one of `KINDS`."""
    return {"schema": SCHEMA, "kind": kind, "rows": rows, "summary": dict(summary), "notes": notes}


def write_document(document: Mapping[str, Any], folder: str | Path) -> tuple[Path, Path]:
    """Write `gap.json` and `rows.csv` into a folder, making it; return their paths.

    In the CSV an unknown value is an empty cell, and a list is joined by "; ".

    Raises:
        DataError: the folder cannot be written.
    """
    folder = Path(folder)
    whole, table = folder / "gap.json", folder / "rows.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        whole.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error}). Name another folder with --out.") from error
    write_rows(document, table)
    return whole, table


def write_rows(document: Mapping[str, Any], path: Path) -> None:
    """Write the rows of a document as CSV, as `write_document` does.

    Raises:
        DataError: the file cannot be written.
    """
    rows = document["rows"]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    try:
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}). Name another file.") from error


def read_document(path: Path, kind: str | None = None) -> dict[str, Any]:
    """Read `gap.json` (or the folder that holds it).

    Raises:
        DataError: it is missing, not JSON, of another schema, or not of `kind`.
    """
    return documents.read_document(path, "gap.json", SCHEMA, "polylect gap", kind)


def _cell(value: Any) -> Any:
    return "; ".join(map(str, value)) if isinstance(value, list) else value
