"""What a person sees of an evaluation: a table per benchmark and metric, the worst language and the gap, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from polylect.cli.printing import print_found

if TYPE_CHECKING:
    from rich.table import Table

    from polylect.evaluate import Evaluation

__all__ = ["print_evaluation"]

_TOLD = 6


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the tables, what is unscored and why, and where the files are."""
    from rich.console import Console

    console = Console()
    print_found(console, evaluation.found, "evaluation")
    rows = evaluation.summary["rows"]
    for name, main in evaluation.summary["main_metrics"].items():
        own = [row for row in rows if row["benchmark"] == name]
        console.print(_table(name, main, evaluation.summary["model"], own))
        for line in _lines(own, main, evaluation.manifest.get("benchmarks", {}).get(name, {})):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(f"Written to {evaluation.out}", highlight=False, soft_wrap=True, markup=False)


def _table(name: str, main: str, model: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Return one line per language and one for the macro mean, one column per metric and subset."""
    from rich.markup import escape
    from rich.table import Table

    columns = _columns(rows, main)
    table = Table(title=f"{escape(name)}: {escape(model)}", title_justify="left", box=None, pad_edge=False)
    table.add_column("language", no_wrap=True)
    for metric, subset in columns:
        # A header may break between words, the numbers under it may not.
        table.add_column(escape((subset or metric).replace("_", " ")), justify="right", min_width=5)
    table.add_column("n", justify="right")
    table.add_column("not ok", justify="right")
    languages = list(dict.fromkeys(row["language"] for row in rows if row["scope"] == "language"))
    at = {(row["scope"], row["language"], row["metric"], row["subset"]): row for row in rows}
    for scope, language in [*(("language", tag) for tag in languages), ("macro", "mul")]:
        cells = [at.get((scope, language, *column)) for column in columns]
        first = cells[0] or next((cell for cell in cells if cell), None)
        if first is None:
            continue
        bad = sum(count for status, count in first["statuses"].items() if status != "ok")
        label = "macro mean" if scope == "macro" else language
        shown = [_cell(cell, short=number > 0) for number, cell in enumerate(cells)]
        style = "bold" if scope == "macro" else ""
        table.add_row(label, *shown, f"{first['n']:,}", f"{bad:,}" if bad else "", style=style)
    return table


def _columns(rows: Sequence[dict[str, Any]], main: str) -> list[tuple[str, str]]:
    """Return the (metric, subset) pairs to show: the main metric by subset, then the other metrics as a whole."""
    pairs = list(dict.fromkeys((row["metric"], row["subset"]) for row in rows if row["scope"] in ("language", "macro")))
    subsets = [pair for pair in pairs if pair[0] == main and pair[1]]
    others = [pair for pair in pairs if pair[0] != main and not pair[1]]
    shown = subsets if len(subsets) <= 3 and all(len(subset) <= 16 for _, subset in subsets) else []
    return [(main, ""), *shown, *others[:3]]


def _cell(row: dict[str, Any] | None, *, short: bool = False) -> str:
    """Return a value with its interval; `short`: the value alone."""
    if row is None or row["value"] is None:
        return "-"
    value, low, high = (_number(row[key], row["metric"]) for key in ("value", "low", "high"))
    # Brackets are markup to rich unless they are escaped.
    return f"{value} \\[{low}, {high}]" if row["low"] is not None and not short else value


def _number(value: float | None, metric: str) -> str:
    """Return a rate in per cent, a score that is on 0 to 100 already as it is."""
    if value is None:
        return "?"
    return f"{value if 'chrf' in metric or metric == 'comet' else 100 * value:.1f}"


def _lines(rows: Sequence[dict[str, Any]], main: str, notes: dict[str, Any]) -> Iterator[str]:
    """Yield the worst language, the gap, and what was not scored or not as it should be."""
    whole = [row for row in rows if row["metric"] == main and not row["subset"]]
    for row in whole:
        text = _cell(row).replace("\\[", "[")
        if row["scope"] == "worst" and row["value"] is not None:
            yield f"  worst language: {row['language']} {text}"
        elif row["scope"] == "gap" and row["language"] == "mul" and row["value"] is not None:
            yield f"  gap, English minus the mean of the others: {text}"
    prompts = notes.get("prompts", {})
    if prompts.get("prompt_language"):
        shots = f", {prompts['shots']} shots" if prompts.get("shots") is not None else ""
        yield f"  prompt language: {prompts.get('translation') or prompts['prompt_language']}{shots}"
    if "judge" in notes:
        yield from _judge(notes["judge"])
    reasons = notes.get("reasons", {})
    for reason, count in list(reasons.items())[:_TOLD]:
        yield f"  {count:,} rows {reason}"
    if len(reasons) > _TOLD:
        yield f"  and {len(reasons) - _TOLD} further reasons: see manifest.json"
    for reason, count in notes.get("skipped_rows", {}).items():
        yield f"  {count:,} rows of the data not asked: {reason}"
    for reason, found in notes.get("recorded", {}).items():
        if reason != "used":
            yield f"  {found['count']:,} recorded outputs {reason}: {', '.join(found['first'])}"


def _judge(notes: dict[str, Any]) -> Iterator[str]:
    """Yield what a judge's verdicts were worth."""
    yield f"  the two orders disagree: {', '.join(f'{tag} {count:,}' for tag, count in notes['inconsistent'].items())}"
    for one in notes["certificates"]:
        if one["status"] == "unfit":
            yield f"  judge unfit in {one['language']}: {'; '.join(one['why'])}"
    spent = notes["spent"]
    yield f"  {spent['games']:,} verdicts, {spent['prompt_tokens']:,} tokens in, {spent['completion_tokens']:,} out"
