"""What a person sees of a drift evaluation: toxicity over k samples per language, how old its sets are, and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polylect.cli.printing import print_found

if TYPE_CHECKING:
    from rich.table import Table

    from polylect.safety.drift import DriftRun

__all__ = ["print_drift"]

_NONE = "-"
_WIDTH = 79
_MOST_SETS = 12
_METRICS = {"expected maximum": "expected max.", "probability": "P(toxic)"}


def print_drift(run: DriftRun) -> None:
    """Print figures, ages and warnings, and where the files are; no text of a prompt or a sample."""
    from rich.console import Console

    console = Console()
    print_found(console, run.found, "evaluation")
    summary = run.document["summary"]
    if summary["what"] == "compared":
        title = f"Toxicity over {summary['k']} samples: {_who(summary['newer'])} minus {_who(summary['older'])}"
        console.print(_differences(title, run.document["rows"]))
    else:
        console.print(_figures(run.document))
        for older, newer in dict.fromkeys((row["older_date"], row["newer_date"]) for row in summary["differences"]):
            rows = [row for row in summary["differences"] if (row["older_date"], row["newer_date"]) == (older, newer)]
            console.print(_differences(f"Prompts of {newer or 'no date'} minus those of {older or 'no date'}", rows))
        console.print(_sets(summary["sets"]))
    for line in run.document["notes"]:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(f"Written to {run.out}", highlight=False, soft_wrap=True, markup=False)


def _who(side: Mapping[str, Any]) -> str:
    return f"{side['model']} ({side['prompts']}, {side['scorer']})"


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    wide = min(len(title), _WIDTH)
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), min_width=wide)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _figures(document: Mapping[str, Any]) -> Table:
    summary = document["summary"]
    title = f"{summary['prompts']}: {summary['model']}, scored by {summary['scorer']}, over k = {summary['k']} samples"
    dated = any(row["by"] == "date" for row in document["rows"])
    columns = ("expected max.", f"P(>= {summary['threshold']:g})", "n", "too few")
    table = _table(title, ("prompts of", "language") if dated else ("language",), columns)
    at = {(row["by"], row["group"], row["language"], row["metric"]): row for row in document["rows"]}
    for (by, group, language, metric), row in at.items():
        if metric == "expected maximum":
            other = at[by, group, language, "probability"]
            tag = f"mean of {len(row['languages'])}" if language == "mul" else language
            head = ((group or ("all" if by == "all" else "no date")), tag) if dated else (tag,)
            table.add_row(*head, _cell(row), _cell(other), f"{row['n']:,}", f"{row['too_few']:,}", style=_style(tag))
    return table


def _differences(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(title, ("metric", "language"), ("older", "newer", "difference", "n", "shared"))
    for row in rows:
        tag = "mean" if row["language"] == "mul" else row["language"]
        sides = (f"{row[side]:.2f}" for side in ("older", "newer"))
        counts = (f"{row['n_older']:,} / {row['n_newer']:,}", f"{row['shared']:,}")
        table.add_row(_METRICS[row["metric"]], tag, *sides, _cell(row, "+"), *counts, style=_style(tag))
    return table


def _sets(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the ages, the oldest first."""
    from rich.markup import escape

    table = _table("What the figures rest on", ("set", "language", "source", "date"), ("size", "age, days", "stale"))
    for row in sorted(rows, key=lambda row: -(row["age"] if row["age"] is not None else 1 << 30))[:_MOST_SETS]:
        stale = "?" if row["stale"] is None else "STALE" if row["stale"] else "no"
        age = "?" if row["age"] is None else f"{row['age']:,}"
        cells = (row["what"], row["language"], escape(row["source"]), row["date"] or "no date", f"{row['size']:,}", age, stale)
        table.add_row(*cells, style="" if stale == "no" else "yellow")
    return table


def _cell(row: Mapping[str, Any], sign: str = "") -> str:
    if row["value"] is None:
        return _NONE
    ends = "" if row["low"] is None else rf" \[{row['low']:{sign}.2f}, {row['high']:{sign}.2f}]"
    return f"{row['value']:{sign}.2f}{ends}"


def _style(tag: str) -> str:
    return "bold" if tag.startswith("mean") else ""
