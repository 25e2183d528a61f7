"""Documents that commands write as JSON under a versioned schema and a kind, read back and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polylect.errors import DataError

__all__ = ["read_document"]


def read_document(path: Path, name: str, schema: str, command: str, kind: str | None = None) -> dict[str, Any]:
    """Read a document, or the one called `name` in a folder.

    Args:
        path: of the file or the folder.
        name: of the file in a folder.
        schema: that the document must have.
        command: that writes it, for messages: `polylect gap`, whose subcommands are the kinds.
        kind: that the document must be of; None: of any.

    Raises:
        DataError: it is missing, not JSON, of another schema, or not of `kind`.
    """
    file = path / name if path.is_dir() else path
    if not file.exists():
        made = f"{command} {kind}" if kind else command
        raise DataError(f"{file}: not there. Name the output folder of a finished `{made}`.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as a document of `{command}` ({error}). Run the command again.") from error
    if not isinstance(content, dict) or content.get("schema") != schema:
        found = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise DataError(f"{file}: schema {found!r}; expected {schema!r}. Write it again with this version of `{command}`.")
    if kind is not None and content.get("kind") != kind:
        raise DataError(f"{file}: a document of `{command} {content.get('kind')}`; expected one of `{command} {kind}`.")
    return content
