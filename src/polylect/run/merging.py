"""From the engine's manifest to the tables and the page that show a merge; the engine writes no table, so that it starts fast."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect import tables
from polylect.errors import DataError
from polylect.merge.layers import layer
from polylect.records import MergeInput, MergePair

__all__ = ["merge_report", "write_tables"]

_MANIFEST = "manifest.json"
_INPUTS, _PAIRS = "merge_inputs.parquet", "merge_pairs.parquet"


@dataclass(frozen=True)
class _Tensor:
    """What the manifest says of one tensor (`polylect.merge.statistics.Measured`)."""

    name: str
    size: int
    inputs: tuple[str, ...]
    base: str | None

    @property
    def layer(self) -> int:
        return layer(self.name)


def merge_report(folder: Path) -> Path:
    """Write report.html of the merge, or of the search for weights, in `folder`, and the tables that it is made from.

    Raises:
        DataError: the manifest is no merge's, or a table is broken.
    """
    from polylect import report

    merged = folder / "model" if (folder / "trials.parquet").is_file() else folder
    write_tables(merged, merged)
    return report.merge_report(folder)


def write_tables(merged: Path, out: Path) -> None:
    """Write the statistics in the manifest of the merge in `merged` as tables of `MergeInput` and `MergePair` to `out`.

    Raises:
        DataError: the manifest is no merge's.
    """
    from polylect.merge.statistics import Sums, input_rows, pair_rows

    path = merged / _MANIFEST
    inputs, pairs = [], []
    try:
        for tensor, values in _measured(json.loads(path.read_text(encoding="utf-8"))):
            sums = Sums.read(values)
            inputs += [MergeInput(**row) for row in input_rows(tensor, tensor.inputs, sums)]
            pairs += [MergePair(**row) for row in pair_rows(tensor, tensor.inputs, sums)]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path}: not the manifest of a merge ({error!r}). Give the output folder of polylect merge.") from error
    tables.write(out / _INPUTS, inputs, MergeInput)
    tables.write(out / _PAIRS, pairs, MergePair)


def _measured(manifest: dict[str, Any]) -> list[tuple[_Tensor, list[Any]]]:
    """Return each tensor that has statistics, and its sums."""
    return [
        (
            _Tensor(
                name,
                entry["parameters"],
                tuple(entry["models"]),
                "base" if entry["statistics"]["reference"] == "base" else None,
            ),
            entry["sums"],
        )
        for name, entry in manifest["tensors"].items()
        if "sums" in entry
    ]
