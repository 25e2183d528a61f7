"""Results per language of a run or a result folder, as a model card reports them: one main metric per benchmark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect import tables
from polylect.errors import DataError
from polylect.records import Summary

__all__ = ["CardResults", "LanguageResult", "read_results"]


@dataclass(frozen=True, kw_only=True)
class LanguageResult:
    """One metric of a benchmark in one language, with its 95 % interval clustered by item, on the metric's scale.

    `gap` is English minus this language with its interval, where the summary has it (`gap_low`, `gap_high`), else the plain
    difference of both values without one; None for English and where English is missing.
    """

    benchmark: str
    metric: str
    language: str
    value: float
    low: float | None
    high: float | None
    n: int
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None


@dataclass(frozen=True)
class CardResults:
    """What a folder says of one model: its name, the results by benchmark and language, and what was left out."""

    model: str
    results: tuple[LanguageResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Return the benchmarks in the order of the results."""
        return tuple(dict.fromkeys(one.benchmark for one in self.results))

    def of(self, benchmark: str) -> tuple[LanguageResult, ...]:
        """Return the results on a benchmark, best language first."""
        return tuple(
            sorted((one for one in self.results if one.benchmark == benchmark), key=lambda one: (-one.value, one.language))
        )


def read_results(folder: Path) -> CardResults:
    """Read a run of `polylect run` or a result folder of `polylect eval` or `polylect import`.

    Raises:
        DataError: the folder is neither, or has no result per language, or results of several models.
    """
    if (folder / "summary.json").is_file():
        return _of_result_folder(folder)
    if (folder / "steps" / "compare" / "summaries.parquet").is_file():
        return _of_run(folder)
    raise DataError(
        f"{folder}: neither a result folder (summary.json) nor a finished run (steps/compare/summaries.parquet). Name what "
        "`polylect eval` or `polylect run` wrote."
    )


def _of_result_folder(folder: Path) -> CardResults:
    summary = _json(folder / "summary.json")
    rows = [row for row in summary.get("rows") or () if isinstance(row, dict) and not row.get("subset")]
    each = [row for row in rows if row.get("scope") == "language"]
    models = sorted({str(row["model"]) for row in each})
    if len(models) > 1:
        raise DataError(
            f"{folder}: results of {', '.join(models)}; a card is about one model. Evaluate each into a folder of its own."
        )
    main = dict(summary.get("main_metrics") or {})
    for row in each:
        main.setdefault(row["benchmark"], row["metric"])
    chosen = [row for row in each if row["metric"] == main[row["benchmark"]]]
    gaps = {(row["benchmark"], row["metric"], row["language"]): row for row in rows if row.get("scope") == "gap"}
    return _results(folder, models[0] if models else folder.name, chosen, gaps)


def _of_run(folder: Path) -> CardResults:
    report = _json(folder / "report.json") if (folder / "report.json").is_file() else {}
    rows = tables.read(folder / "steps" / "compare" / "summaries.parquet", Summary)
    stages = list(dict.fromkeys(row.stage for row in rows))
    final = str(report.get("final_stage") or "")
    if final not in stages:
        raise DataError(
            f"{folder}/report.json: final_stage {final!r} is not among the evaluated stages ({', '.join(stages)}). Let it end."
        )
    each = [row.as_dict() for row in rows if row.stage == final and row.scope == "language"]
    # Every metric of a run is on its own held-out items: each is reported, as a benchmark of its own would be.
    named = [{**row, "benchmark": f"held-out items ({row['metric']})"} for row in each]
    return _results(folder, str(report.get("title") or folder.name), named, {})


def _results(
    folder: Path, model: str, rows: Sequence[dict[str, Any]], gaps: dict[tuple[str, str, str], dict[str, Any]]
) -> CardResults:
    scored = [row for row in rows if row.get("value") is not None]
    if not scored:
        raise DataError(
            f"{folder}: no language has a scored result; a card would have nothing to report. Evaluate the model first."
        )
    english = {row["benchmark"]: row["value"] for row in scored if row["language"] == "en"}
    results = []
    for row in scored:
        behind = gaps.get((row["benchmark"], row["metric"], row["language"]), {})
        plain = english[row["benchmark"]] - row["value"] if row["benchmark"] in english and row["language"] != "en" else None
        results.append(
            LanguageResult(
                benchmark=row["benchmark"],
                metric=row["metric"],
                language=row["language"],
                value=float(row["value"]),
                low=row["low"],
                high=row["high"],
                n=int(row["n"]),
                gap=behind.get("value", plain),
                gap_low=behind.get("low"),
                gap_high=behind.get("high"),
            )
        )
    left = len(rows) - len(scored)
    notes = (f"{left} results without a scored row were left out.",) if left else ()
    return CardResults(model, tuple(results), notes)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Name what `polylect eval` or `polylect run` wrote.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: {type(value).__name__} found where a JSON object is expected.")
    return value
