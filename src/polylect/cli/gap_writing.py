"""Writing the document of a `polylect gap` command: a folder, a JSON file, the standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from polylect.errors import DataError

__all__ = ["write"]


def write(document: Mapping[str, Any], out: Path | None, json_to: str | None) -> bool:
    """Write a document to what the options --out and --json name.

    Returns:
        Whether the standard output is free for reading: False where the JSON went there.

    Raises:
        DataError: a file cannot be written.
    """
    from polylect.cli.gap_report import write_folder

    if out is not None:
        click.echo("Wrote " + ", ".join(map(str, write_folder(document, out))), err=True)
    if json_to is None:
        return True
    text = json.dumps(document, ensure_ascii=False, indent=1)
    if json_to == "-":
        click.echo(text)
        return False
    try:
        Path(json_to).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{json_to}: cannot be written ({error.strerror or error}). Name another file with --json.") from error
    return True
