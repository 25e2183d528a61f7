"""A result folder, read for export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from polylect import tables
from polylect.errors import DataError
from polylect.evaluate.summary_rows import SummaryRow
from polylect.records import Measurement

__all__ = ["Results", "read_results"]


@dataclass(frozen=True)
class Results:
    """What a result folder holds: measurements, summary rows, examples by benchmark, seconds it took (None: not stated)."""

    rows: list[Measurement]
    summary: list[SummaryRow]
    shots: Mapping[str, int]
    seconds: float | None


def read_results(folder: Path) -> Results:
    """Read results.parquet, summary.json and manifest.json of `polylect eval` or `polylect import`.

    Raises:
        DataError: a file is missing or does not have the layout of a result folder.
    """
    rows = tables.read(folder / "results.parquet", Measurement)
    manifest = _json(folder / "manifest.json")
    names = [field.name for field in fields(SummaryRow)]
    summary = []
    for number, row in enumerate(_json(folder / "summary.json").get("rows") or ()):
        missing = sorted(set(names) - set(row))
        if missing:
            raise DataError(f"{folder / 'summary.json'}, rows[{number}]: no {missing[0]!r}. Evaluate again into a new folder.")
        summary.append(SummaryRow(**{name: row[name] for name in names}))
    seconds = manifest.get("seconds")
    return Results(rows, summary, _shots(manifest), float(seconds) if isinstance(seconds, (int, float)) else None)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}). Name the folder that `polylect eval` or `polylect import` wrote."
        ) from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: {type(value).__name__} found where a JSON object is expected.")
    return value


def _shots(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Return examples by benchmark: of an evaluation, or of the tasks of an import."""
    found = {name: (notes.get("prompts") or {}).get("shots") for name, notes in (manifest.get("benchmarks") or {}).items()}
    found |= {task["benchmark"]: task["shots"] for task in manifest.get("tasks") or ()}
    return {name: shots for name, shots in found.items() if isinstance(shots, int)}
