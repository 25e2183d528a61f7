"""Write the files of a report; each appears whole or not at all."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

from polylect.report.data import ReportData
from polylect.report.document import to_json
from polylect.report.page import render

__all__ = ["save_text", "to_csv", "write"]

_COLUMNS = ("stage", "language", "metric", "scope", "value", "low", "high", "n", "unscored")


def write(data: ReportData, folder: Path) -> list[Path]:
    """Write `report.html`, `report.json` and `results.csv` into `folder`; return their paths in this order.

    Raises:
        DataError: a stage is named that is not listed among the stages.
        LanguageError: a tag of `data.languages` is unknown.
    """
    outputs = {"report.html": render(data), "report.json": to_json(data), "results.csv": to_csv(data)}
    return [save_text(folder / name, text) for name, text in outputs.items()]


def to_csv(data: ReportData) -> str:
    """Return every summary as one CSV row; what was not measured is an empty cell."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_COLUMNS)
    for summary in data.summaries:
        cells = [getattr(summary, column) for column in _COLUMNS]
        table.writerow(["" if isinstance(cell, float) and not math.isfinite(cell) else cell for cell in cells])
    return out.getvalue()


def save_text(path: Path, text: str) -> Path:
    """Write UTF-8 `text` to `path` through a temporary file beside it.

    Half of a surrogate pair, which a model can emit and UTF-8 cannot hold, is written as a backslash escape: JSON reads it back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
