"""The document that every `polylect safety` command writes, safety.json: rows, summary and notes under one versioned schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polylect.errors import DataError

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
    file = path / "safety.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as a document of `polylect safety` ({error}). Run the command again.") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise DataError(f"{file}: schema {found!r}; expected {SCHEMA!r}. Write it again with this version of `polylect safety`.")
    if kind is not None and content.get("kind") != kind:
        raise DataError(
            f"{file}: a document of `polylect safety {content.get('kind')}`; expected one of `polylect safety {kind}`."
        )
    return content
