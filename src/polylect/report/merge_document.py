"""A merge as plain JSON values, in a run's report.json; docs/report.md describes the fields."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from polylect.records import Difference, Record, Trial
from polylect.report.merge_data import LayerInput, LayerPair, MergeStep

__all__ = ["from_merge", "to_merge"]

_INPUT = ("distance", "cosine", "sign_conflict")
"""What is written beside the sums for whoever reads the JSON, and made from them again when it is read."""


def to_merge(step: MergeStep) -> dict[str, Any]:
    """Return a merge as dictionaries, lists, text and numbers."""
    return {
        "name": step.name,
        "title": step.title,
        "weights": dict(step.weights),
        "based": step.based,
        "inputs": [asdict(row) | {name: getattr(row, name) for name in _INPUT} for row in step.inputs],
        "pairs": [asdict(row) | {"cosine": row.cosine} for row in step.pairs],
        "trials": [_plain(row) for row in step.trials],
        "differences": [_plain(row) for row in step.differences],
        "regret": [_plain(row) for row in step.regret],
    }


def from_merge(document: dict[str, Any]) -> MergeStep:
    """Return the merge that `to_merge` made `document` of.

    Raises:
        KeyError: a field is missing.
        TypeError: a field is unknown.
    """
    return MergeStep(
        name=document["name"],
        title=document["title"],
        weights=document["weights"],
        based=document["based"],
        inputs=tuple(LayerInput(**_only(row, LayerInput)) for row in document["inputs"]),
        pairs=tuple(LayerPair(**_only(row, LayerPair)) for row in document["pairs"]),
        trials=tuple(Trial(**(row | {name: tuple(row[name]) for name in ("models", "weights")})) for row in document["trials"]),
        differences=tuple(Difference(**row) for row in document["differences"]),
        regret=tuple(Difference(**row) for row in document["regret"]),
    )


def _plain(row: Record) -> dict[str, Any]:
    return {name: value for name, value in row.as_dict().items() if name != "id"}


def _only(row: dict[str, Any], kind: type[LayerInput] | type[LayerPair]) -> dict[str, Any]:
    return {field.name: row[field.name] for field in fields(kind)}
