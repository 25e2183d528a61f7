"""The document that every `polylect safety` command writes, safety.json: rows, summary and notes under one versioned schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polylect import documents

__all__ = ["DOCUMENTS", "SCHEMA", "make_document", "read_document"]

SCHEMA = "polylect.safety/1"
DOCUMENTS = ("eval", "drift", "attack", "distil", "mix-or-merge", "changes")


def make_document(kind: str, rows: list[dict[str, Any]], summary: Mapping[str, Any], notes: Iterable[str]) -> dict[str, Any]:
    """Return a document of the schema; `kind` is one of `DOCUMENTS`."""
    return {"schema": SCHEMA, "kind": kind, "rows": rows, "summary": dict(summary), "notes": list(notes)}


def read_document(path: Path, kind: str | None = None) -> dict[str, Any]:
    """Read `safety.json` (or the folder that holds it).

    Raises:
        DataError: it is missing, not JSON, of another schema, or not of `kind`.
    """
    return documents.read_document(path, "safety.json", SCHEMA, "polylect safety", kind)
