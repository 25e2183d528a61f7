"""A report as JSON, the versioned schema that docs/report.md describes field by field."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.records import Comparison, Difference, Record, Route, Summary
from polylect.report.data import Asset, ReportData, Sample, StageRow, StepRow
from polylect.report.json_files import read_json
from polylect.report.judge_data import from_judge, to_judge
from polylect.report.merge_document import from_merge, to_merge
from polylect.report.run_safety_data import from_safety, to_safety

__all__ = ["SCHEMA_VERSION", "from_document", "read", "to_document", "to_json"]

SCHEMA_VERSION = 1
"""Raised whenever a field changes its meaning or goes; a new field does not raise it."""

_PLAIN = ("title", "description", "created", "machine", "languages", "base_stage", "reference_stages", "final_stage")
_TAIL = ("settings", "notes", "drops", "few_shot_stage", "baseline_stage")


def to_document(data: ReportData) -> dict[str, Any]:
    """Return the report as plain dictionaries, lists, strings, numbers and None, ready for `json.dumps`."""
    document: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
    document |= {name: getattr(data, name) for name in _PLAIN}
    document["stages"] = [_stage(row, data.summaries) for row in data.stages]
    document["comparisons"] = [_row(row) for row in data.comparisons]
    document["differences"] = [_row(row) for row in data.differences]
    document["routing"] = [_row(row) for row in data.routes]
    document["merges"] = [to_merge(step) for step in data.merges]
    document["judge"] = to_judge(data.judge) if data.judge else None
    document["safety"] = to_safety(data.safety) if data.safety else None
    document["steps"] = [asdict(row) for row in data.steps]
    document["samples"] = [asdict(row) for row in data.samples]
    document["assets"] = [asdict(row) for row in data.assets]
    document |= {name: getattr(data, name) for name in _TAIL}
    clean: dict[str, Any] = _clean(document)
    return clean


def to_json(data: ReportData) -> str:
    """Return the report as indented JSON; what is not a finite number is null."""
    return json.dumps(to_document(data), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read(path: Path) -> ReportData:
    """Read a `report.json` back.

    Raises:
        DataError: the file is missing, is not JSON, has another schema version or lacks a field.
    """
    document = read_json(path, "the report.json of a run folder", "Make it again with `polylect report RUN`.")
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(f"{path}: schema_version is {version!r}, this release reads {SCHEMA_VERSION}. Make the report again.")
    try:
        return from_document(document)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: a field of the report is missing or unknown ({error}). See docs/report.md.") from error


def from_document(document: dict[str, Any]) -> ReportData:
    """Return the report that `to_document` made into `document`; a missing field is a KeyError or TypeError."""
    return ReportData(
        **{name: document[name] for name in _PLAIN if name not in {"languages", "reference_stages"}},
        languages=tuple(document["languages"]),
        reference_stages=tuple(document["reference_stages"]),
        stages=[StageRow(**{f.name: row[f.name] for f in fields(StageRow)}) for row in document["stages"]],
        summaries=[summary for row in document["stages"] for summary in _summaries(row)],
        comparisons=[Comparison(**row) for row in document["comparisons"]],
        differences=[Difference(**row) for row in document["differences"]],
        routes=[Route(**row) for row in document["routing"]],
        samples=[Sample(**(row | {"references": tuple(row["references"])})) for row in document["samples"]],
        steps=[StepRow(**row) for row in document["steps"]],
        assets=[Asset(**row) for row in document["assets"]],
        # Reports that were written before merges, judges or safety were shown lack the fields.
        merges=[from_merge(step) for step in document.get("merges", [])],
        judge=from_judge(document["judge"]) if document.get("judge") else None,
        safety=from_safety(document["safety"]) if document.get("safety") else None,
        **{name: document[name] for name in _TAIL},
    )


def _stage(stage: StageRow, summaries: list[Summary]) -> dict[str, Any]:
    """One stage with its metrics; the scope of a row is the list it stands in, and language "mul" is the macro average."""
    own = [summary for summary in summaries if summary.stage == stage.name]
    lists = {"results": ("language", "macro"), "worst": ("worst",), "gap": ("gap",)}
    rows = {name: [_row(s, without=("stage", "scope")) for s in own if s.scope in scopes] for name, scopes in lists.items()}
    return asdict(stage) | rows


def _summaries(stage: dict[str, Any]) -> list[Summary]:
    rows = [(("macro" if row["language"] == "mul" else "language"), row) for row in stage["results"]]
    rows += [(scope, row) for scope in ("worst", "gap") for row in stage[scope]]
    return [Summary(stage=stage["name"], scope=scope, **row) for scope, row in rows]


def _row(record: Record, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    return {name: value for name, value in record.as_dict().items() if name != "id" and name not in without}


def _clean(value: Any) -> Any:
    """Make `value` plain JSON: NaN and infinities become None, keys text, tuples lists, paths and dates text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
