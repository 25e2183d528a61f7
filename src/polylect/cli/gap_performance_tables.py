"""What `polylect gap performance` prints: the models, their languages, the quadrants, the notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["show"]

_NONE = "–"
_LINES = 6


def show(document: Mapping[str, Any], console: Console, top: int) -> None:
    """Print a document of kind "performance".

    Args:
        document: of `gap_performance`.
        console: where to print.
        top: languages printed per model and benchmark, those the furthest behind first; 0 for all.
    """
    summary = document["summary"]
    console.print(_overview(summary, console.width))
    for group in summary["groups"] if len(summary["groups"]) == 1 else []:
        console.print(_languages(group, document["rows"], top, console.width))
    lines = [line for group in summary["groups"] for line in _lines(group, named=len(summary["groups"]) > 1)]
    for line in lines[:_LINES]:
        _say(console, line)
    if len(lines) > _LINES:
        _say(console, f"{len(lines) - _LINES} more correlations are in the document (--out, --json).")
    for move in summary["transfer"]:
        own, others = _signed(move["own"]), _signed(move["others"])
        unsure = "" if move["certain"] else ", an interval holds 0"
        _say(
            console,
            f"{move['model']} on {move['benchmark']}: {move['language']} {own}, others {others}: {move['quadrant']}{unsure}",
        )
    if summary["quadrants_axes"]["mode"] == "standing":
        axes = summary["quadrants_axes"]
        _say(console, f"Quadrants: {axes['x']} (limit {axes['x_limit']:g}) and {axes['y']} (limit {_number(axes['y_limit'])}).")
    for line in _counts(summary):
        _say(console, line)
    for note in document["notes"]:
        _say(console, f"- {note}")


def _overview(summary: Mapping[str, Any], width: int) -> Table:
    """Return a row per model, benchmark and metric; what all rows have in common stands in the caption."""
    groups = summary["groups"]
    names = ("model", "benchmark", "metric")
    varying = [name for name in names if len({group[name] for group in groups}) > 1] or ["model"]
    common = ", ".join(str(groups[0][name]) for name in names if name not in varying and groups[0][name])
    caption = "Gap: English minus the mean of the others. Behind: languages whose interval lies below theta of English."
    table = _table(f"{common}. {caption}" if common else caption)
    for name in varying:
        table.add_column(name.capitalize(), overflow="fold", min_width=min(18, max(len(group[name]) for group in groups)))
    wide = width >= 78 + 14 * len(varying)
    headings = ["English", "Mean", "Gap", "95 %", f"Worst {summary['worst_k']}", "Behind", *(["Gini", "Lang."] if wide else [])]
    for name in headings:
        table.add_column(name, justify="right", no_wrap=True)
    for group in groups:
        table.add_row(*(group[name] or "score" for name in varying), *_figures(group)[: len(headings)])
    return table


def _figures(group: Mapping[str, Any]) -> list[str]:
    gap, english = group["gap_english"], group["english"]
    return [
        _number(english["value"] if english else None),
        _number(group["macro"]["value"]),
        _number(gap["value"]),
        _range(gap["low"], gap["high"]),
        _number(group["worst_k"]["value"]),
        str(len(group["equivalence"]["no"])) if english else _NONE,
        _number(group["gini"]["value"]),
        str(group["scored_languages"]),
    ]


def _languages(group: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], top: int, width: int) -> Table:
    """Return a table of the languages of the only group, the lowest score first, with the columns that `width` has room for."""
    scored = sorted((row for row in rows if row["score"] is not None), key=lambda row: (row["score"], row["language"]))
    shown = scored[:top] if top else scored
    columns: list[tuple[str, int, Callable[[Mapping[str, Any]], str]]] = [
        ("Score", 5, lambda row: _number(row["score"])),
        ("To English", 10, lambda row: _number(row["gap_english"])),
        ("95 %", 13, lambda row: _range(row["gap_english_low"], row["gap_english_high"])),
        ("Of English", 10, lambda row: _share(row["absolute"])),
        ("Enough", 6, lambda row: row["equivalent"] or _NONE),
        ("Premium", 7, lambda row: _number(row["premium"])),
        ("To best", 7, lambda row: _number(row["gap_best"])),
        ("n", 6, lambda row: _NONE if row["n"] is None else f"{row['n']:,}"),
    ]
    if all(row["premium"] is None for row in rows):
        columns = [column for column in columns if column[0] != "Premium"]
    taken = max((len(row["language"]) for row in shown), default=3) + 18 + 6
    while len(columns) > 1 and taken + sum(size + 2 for _, size, _ in columns) > width:
        columns.pop()
    table = _table(f"{len(shown)} of {len(scored)} languages of {group['model']}, the lowest first. --top 0 shows all.")
    table.add_column("Tag", no_wrap=True)
    table.add_column("Language", no_wrap=True, max_width=18, overflow="ellipsis")
    for heading, _, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in shown:
        table.add_row(row["language"], row["name"], *(cell(row) for _, _, cell in columns))
    return table


def _lines(group: Mapping[str, Any], *, named: bool) -> list[str]:
    """Return the correlations of a group in words."""
    where = f"{group['model']}, {group['benchmark']}, {group['metric'] or 'score'}: " if named else ""
    lines = []
    for name, label in (("resource_class", "resource class"), ("premium", "tokenization premium")):
        one = group["correlations"][name]
        if one["value"] is not None:
            ends = f" ({_range(one['low'], one['high'])})" if one["low"] is not None else ""
            lines.append(f"{where}Spearman of score and {label} {one['value']:.2f}{ends} over {one['languages']} languages")
    return lines


def _counts(summary: Mapping[str, Any]) -> list[str]:
    lines = []
    if summary["unscored"]:
        reasons = "; ".join(f"{number:,}: {reason}" for reason, number in list(summary["unscored_reasons"].items())[:5])
        lines.append(
            f"{summary['unscored']:,} rows without a score were counted, not averaged{f' ({reasons})' if reasons else ''}."
        )
    lines += [f"Left out: {number:,} rows: {reason}." for reason, number in summary["left_out"].items()]
    lines += [f"Not a known language: {one['text']!r}, {one['rows']:,} rows of {one['source']}." for one in summary["unresolved"]]
    if summary["metrics_left_out"]:
        lines.append(f"Other metrics (--metric NAME): {', '.join(summary['metrics_left_out'][:8])}.")
    return lines


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _table(caption: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _signed(value: float | None) -> str:
    return _NONE if value is None else f"{value:+.3f}"


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.0%}"


def _range(low: float | None, high: float | None) -> str:
    return _NONE if low is None or high is None else f"{_short(low)} to {_short(high)}"


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
