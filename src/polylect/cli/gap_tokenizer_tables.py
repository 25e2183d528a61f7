"""What `polylect gap tokenizer` prints: languages, groups, and what it adds up to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["group_table", "language_table", "summary_lines"]

_DOWNWARD = frozenset({"premium", "speakers", "fertility", "byte_fallback", "cost"})
_NONE = "–"


def language_table(document: Mapping[str, Any], sort: str, top: int, width: int) -> Table:
    """Return the languages as a table: one tokenizer in detail, or the premiums of several side by side.

    Args:
        document: of `gap_tokenizer`.
        sort: the column to sort by.
        top: the number of languages; 0 for all.
        width: characters of the terminal; columns that it has no room for are left out.
    """
    names = [fact["name"] for fact in document["summary"]["tokenizers"]]
    rows = _sorted([row for row in document["rows"] if row["tokenizer"] == names[0]], sort)
    shown = rows[:top] if top else rows
    order = "highest first" if sort in _DOWNWARD else "in alphabetical order"
    caption = f"{len(shown)} of {len(rows)} languages by {sort.replace('_', ' ')}, {order}."
    if len(shown) < len(rows):
        caption += " --top 0 shows all, --out DIR writes every column."
    if len(names) > 1:
        return _side_by_side(document, names, shown, caption)
    meanings = (
        "Premium: tokens over those of the reference. T/word: tokens per word. Split: words of more than one token. "
        "Bytes: tokens that are bytes. Context: what the window holds, in tokens of the reference. "
        "Bytes/en: bytes over the reference's."
    )
    priced = document["summary"]["tokenizers"][0]["price"] is not None
    return _detailed(shown, f"{caption}\n{meanings}", priced=priced, width=width)


def group_table(document: Mapping[str, Any], column: str) -> Table:
    """Return the groups of languages by `column`: "script", "family" or "resource_class"."""
    facts = document["summary"]["tokenizers"]
    title = column.replace("_", " ")
    table = _table(f"Median premium, and from lowest to highest. –: languages whose {title} is not in `polylect languages`.")
    table.add_column(title.capitalize())
    table.add_column("Languages", justify="right")
    for fact in facts:
        table.add_column(fact["name"], justify="right", overflow="fold")
    groups = [{entry["group"]: entry for entry in fact["groups"][column]} for fact in facts]
    for group, first in groups[0].items():
        cells = [_spread(found.get(group)) for found in groups]
        table.add_row(_NONE if group is None else str(group), str(first["languages"]), *cells)
    return table


def summary_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the numbers add up to, a line or two for each tokenizer."""
    reference = document["summary"]["reference"]
    for fact in document["summary"]["tokenizers"]:
        people = fact["speakers"]
        line = f"{fact['name']}: {fact['reference_tokens']:,} tokens in {reference}"
        if fact["median_premium"] is not None:
            line += f"; a language costs {fact['median_premium']:.2f} times that (median)"
        if people["premium"] is not None:
            share = people["share_at_least"]["2"]
            line += f", {people['premium']:.2f} weighted by speakers; {share:.0%} of them pay double or more"
        yield line + "."
        yield f"  vocabulary {fact['vocabulary']['size']:,}: {_shares(fact['vocabulary'])}"
        if fact["not_measured"]:
            yield f"  not measured: {', '.join(fact['not_measured'])} (the tokenizer cannot write their text)"
        for note in fact["notes"]:
            yield f"  note: {note}"
    yield f"Text: {document['summary']['corpus']['source']}"


def _spread(entry: Mapping[str, Any] | None) -> str:
    """Return a group's median premium, with the lowest and highest where it has several languages."""
    if entry is None:
        return _NONE
    spread = f"  {entry['lowest']:.2f}–{entry['highest']:.2f}" if entry["languages"] > 1 else ""
    return f"{entry['premium']:.2f}{spread}"


def _shares(vocabulary: Mapping[str, Any]) -> str:
    parts = [f"{script} {number / vocabulary['size']:.1%}" for script, number in vocabulary["scripts"].items()]
    return ", ".join(parts[:6]) + (", ..." if len(parts) > 6 else "")


def _detailed(rows: Sequence[Mapping[str, Any]], caption: str, *, priced: bool, width: int) -> Table:
    """Return all rows with as many columns as a terminal of `width` characters shows unbroken, the weightiest first."""
    table = _table(caption)
    table.add_column("Tag", no_wrap=True)
    table.add_column("Language", no_wrap=True, max_width=18, overflow="ellipsis")
    table.add_column("Script", no_wrap=True)
    columns: list[tuple[str, int, Callable[[Mapping[str, Any]], str]]] = [
        ("Premium", 7, lambda row: _number(row["premium"])),
        ("95 %", 11, lambda row: _NONE if row["low"] is None else f"{row['low']:.2f}–{row['high']:.2f}"),
        *([("Cost", 8, lambda row: _NONE if row["cost"] is None else f"{row['cost']:.3g}")] if priced else []),
        ("T/word", 6, lambda row: _number(row["fertility"])),
        ("Split", 5, lambda row: _share(row["continued"])),
        ("Bytes", 6, lambda row: _share(row["byte_fallback"])),
        ("Context", 8, lambda row: _NONE if row["context_left"] is None else f"{row['context_left']:,}"),
        ("Bytes/en", 8, lambda row: _number(row["byte_premium"])),
        ("Char/t", 6, lambda row: _number(row["characters_per_token"])),
        ("NFD", 5, lambda row: _number(row["nfd"])),
    ]
    taken = max((len(row["language"]) for row in rows), default=3) + 18 + 6 + 9
    while columns and taken + sum(size + 3 for _, size, _ in columns) > width:
        columns.pop()
    for heading, _, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        cells = [show(row) for _, _, show in columns]
        table.add_row(row["language"], row["name"], row["script"], *cells, style="dim" if row["premium"] is None else None)
    return table


def _side_by_side(document: Mapping[str, Any], names: Sequence[str], rows: Sequence[Mapping[str, Any]], caption: str) -> Table:
    table = _table(f"Premium of each tokenizer. {caption}")
    for heading in ("Tag", "Language", "Script"):
        table.add_column(heading, no_wrap=heading != "Language")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    cells = {(row["tokenizer"], row["language"]): row["premium"] for row in document["rows"]}
    for row in rows:
        table.add_row(row["language"], row["name"], row["script"], *(_number(cells[name, row["language"]]) for name in names))
    return table


def _sorted(rows: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """Sort rows; where the value is not known a row comes last."""
    known = [row for row in rows if row[sort] is not None]
    known.sort(key=lambda row: (-row[sort] if sort in _DOWNWARD else row[sort], row["language"]))
    return known + [row for row in rows if row[sort] is None]


def _table(caption: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.0%}"
