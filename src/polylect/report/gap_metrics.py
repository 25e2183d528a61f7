"""`metrics.csv`: every number of the language gap in long form, one row per language and metric."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polylect.report.gap_views import Document

__all__ = ["COLUMNS", "metrics_csv"]

COLUMNS = ("kind", "subject", "language", "script", "metric", "value", "low", "high", "n", "note")
"""`subject` is the tokenizer, or the model and what it was measured on; `note` is a note, or the state of a level of evidence."""

_COST = (
    "byte_premium", "fertility", "continued", "whole_words", "byte_fallback", "characters_per_token", "nfd", "unknown", "lost",
    "tokens", "tokens_used", "tokens_shared", "context_left", "cost",
)  # fmt: skip

_Row = Mapping[str, Any]


def metrics_csv(documents: Sequence[Document]) -> str:
    """Return the rows of all documents as CSV; what was not measured is an empty value, and has a row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for document in documents:
        for row in document["rows"]:
            writer.writerows([_cell(value) for value in line] for line in _LINES[document["kind"]](row))
    return out.getvalue()


def _tokenizer(row: _Row) -> Iterator[Sequence[Any]]:
    head = ("tokenizer", row["tokenizer"], row["language"], row["script"])
    yield *head, "premium", row["premium"], row["low"], row["high"], row["articles"], row["notes"]
    for name in _COST:
        yield *head, name, row.get(name), None, None, row["articles"], ""


def _coverage(row: _Row) -> Iterator[Sequence[Any]]:
    state = row["state"] or "blank"
    yield "coverage", "", row["language"], row["script"], row["level"], row["sources"], None, None, row["rows"], state


def _performance(row: _Row) -> Iterator[Sequence[Any]]:
    subject = " / ".join(part for part in (row["model"], row["benchmark"], row["metric"]) if part)
    head = ("performance", subject, row["language"], row["script"])
    yield *head, "score", row["score"], row["low"], row["high"], row["n"], row["notes"]
    for name in ("gap_english", "gap_best", "absolute"):
        note = row["equivalent"] or "" if name == "absolute" else ""
        yield *head, name, row[name], row[f"{name}_low"], row[f"{name}_high"], row["n"], note
    yield *head, "relative", row["relative"], None, None, row["n"], row["relative_to"] or ""
    for name in ("unscored", "shared", "premium"):
        yield *head, name, row[name], None, None, row["n"], ""


def _survey(row: _Row) -> Iterator[Sequence[Any]]:
    head = ("survey", row["document"], row["language"], row["script"])
    yield *head, "mentions", row["mentions"], None, None, None, row["practice"]


_LINES = {"tokenizer": _tokenizer, "coverage": _coverage, "performance": _performance, "survey": _survey}


def _cell(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else value
