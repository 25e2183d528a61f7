"""What all commands of `polylect gap` write into a folder, and one page from several such folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.errors import DataError

__all__ = ["combine", "is_gap", "write_folder"]

SCHEMA = "polylect.gap-report/1"
"""Of the report.json of several documents: `documents` holds them whole, each with its own schema."""


def write_folder(document: Mapping[str, Any], out: Path) -> list[Path]:
    """Write gap.json, rows.csv, report.html and metrics.csv of a document into `out`; return their paths.

    Raises:
        DataError: the folder cannot be written.
    """
    from polylect.gap.document import write_document
    from polylect.report import write_gap

    return [*write_document(document, out), *write_gap([document], out)]


def is_gap(folder: Path) -> bool:
    """Whether `folder` is one that `polylect gap` has written (or its gap.json)."""
    return folder.name == "gap.json" or (folder / "gap.json").is_file()


def combine(folders: Sequence[Path], out: Path | None) -> list[Path]:
    """Write report.html and metrics.csv of the documents in `folders` into `out`, of several also report.json with them all.

    One folder alone is reported in its place where `out` is None.

    Raises:
        DataError: a folder holds no document of `polylect gap`, there are several and no `out`, or `out` cannot be written.
    """
    from polylect.gap.document import read_document
    from polylect.report import write_gap

    documents = [read_document(folder) for folder in folders]
    if out is None:
        if len(folders) > 1:
            raise DataError(f"{len(folders)} folders of `polylect gap` make one page: say with --out where it goes.")
        out = folders[0] if folders[0].is_dir() else folders[0].parent
    try:
        paths = write_gap(documents, out)
        return paths if len(documents) == 1 else [*paths, _save(documents, out / "report.json")]
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror or error}). Name another folder with --out.") from error


def _save(documents: Sequence[Mapping[str, Any]], path: Path) -> Path:
    whole = {"schema": SCHEMA, "documents": list(documents)}
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path
