"""The tables of the section on cost: tokenizers, groups of languages, vocabulary, and every language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from polylect.report.gap_dots import letter
from polylect.report.gap_labels import label_of, people, script_name, times
from polylect.report.gap_tables import folded_table
from polylect.report.numerals import MISSING, count, percent
from polylect.report.views import Cell, Label, Table

__all__ = ["groups_table", "languages_table", "tokenizers_table", "vocabulary_table"]

_GROUP_TITLES = {"script": "Script", "family": "Family", "resource_class": "Resource class"}
_VOCABULARY_ROWS = 15
_Row = Mapping[str, Any]


def tokenizers_table(summary: Mapping[str, Any]) -> Table:
    """One row per tokenizer: what its languages and their speakers pay."""
    facts = summary["tokenizers"]
    limits = list(facts[0]["speakers"]["share_at_least"]) if facts else []
    columns = (
        "Tokenizer", "Vocabulary", "English tokens" if summary["reference"] == "en" else "Reference tokens", "Median premium",
        "Weighted by speakers", *(f"Speakers paying {limit}× or more" for limit in limits),
    )  # fmt: skip
    rows = []
    for number, fact in enumerate(facts):
        said = fact["speakers"]
        shares = [Cell(percent(said["share_at_least"][limit])) for limit in limits]
        cells = [count(fact["vocabulary"]["size"]), count(fact["reference_tokens"]), times(fact["median_premium"])]
        head = Label(fact["name"], number=letter(number) if len(facts) > 1 else "")
        rows.append((head, [*map(Cell, cells), Cell(times(said["premium"])), *shares]))
    return Table("What languages and their speakers pay, against the same text in the reference language", columns, rows)


def groups_table(summary: Mapping[str, Any], column: str) -> Table:
    """One row per group of languages: median, and from lowest to highest, per tokenizer."""
    facts = summary["tokenizers"]
    found = [{entry["group"]: entry for entry in fact["groups"][column]} for fact in facts]
    groups = list(dict.fromkeys(group for entries in found for group in entries))
    heads = [name for n, fact in enumerate(facts) for name in (_title(n, fact, facts), "lowest–highest")]
    rows = []
    for group in groups:
        own = next(entries[group] for entries in found if group in entries)
        cells = [Cell(str(own["languages"]))]
        for entries in found:
            entry = entries.get(group)
            cells.append(Cell(times(entry["premium"]) if entry else MISSING))
            cells.append(Cell(f"{times(entry['lowest'])}–{times(entry['highest'])}" if entry else MISSING))
        rows.append((Label(_group_name(column, group)), cells))
    title = _GROUP_TITLES[column]
    return Table(f"Median premium by {title.lower()}", (title, "Languages", *heads), rows)


def vocabulary_table(summary: Mapping[str, Any]) -> Table:
    """Share of each vocabulary per script of its tokens' first letter, the largest of the first tokenizer first."""
    facts = summary["tokenizers"]
    shares = [fact["vocabulary"]["scripts"] for fact in facts]
    scripts = list(dict.fromkeys(script for own in shares for script in own))
    scripts.sort(key=lambda script: -sum(_number(own.get(script)) for own in shares))
    rows = []
    for script in scripts[:_VOCABULARY_ROWS]:
        cells = [
            Cell(percent(_number(own.get(script)) / fact["vocabulary"]["size"])) for own, fact in zip(shares, facts, strict=True)
        ]
        rows.append((Label(script_name(script)), cells))
    columns = ("Script", *(_title(n, fact, facts) for n, fact in enumerate(facts)))
    return Table("Share of the vocabulary by script", columns, rows)


def languages_table(
    by_tag: Mapping[str, Mapping[str, _Row]], tokenizers: Sequence[str], tags: Sequence[str], detail: int
) -> Markup:
    """Languages in the order of `tags`: every metric of one tokenizer, premium and byte share of several."""
    first = [by_tag[tag] for tag in tags]
    if len(tokenizers) == 1:
        columns: Sequence[str] = _ONE
        rows = [_one(next(iter(own.values()))) for own in first]
    else:
        fallback = detail >= 3
        heads = [f"{letter(n)} {name}" for n, name in enumerate(tokenizers)]
        parts = [(head, f"{letter(n)} byte tokens") if fallback else (head,) for n, head in enumerate(heads)]
        columns = ("Language", "Tag", "Bytes", "Items", *(part for two in parts for part in two))
        rows = [_several(own, tokenizers, fallback=fallback) for own in first]
    labels = [label_of(next(iter(own.values()))) for own in first]
    caption = f"{len(tags)} languages: premium (95% interval) and more; rows.csv has every column"
    return folded_table("Numbers of this picture as a table", caption, columns, zip(labels, rows, strict=True), text=1)


_ONE = (
    "Language", "Tag", "Script", "Premium", "95% interval", "Bytes", "Tokens per word", "Words split", "Byte tokens",
    "Characters per token", "NFD", "Context left", "Cost of 1,000 words", "Items", "Speakers",
)  # fmt: skip


def _one(row: _Row) -> list[str]:
    fertility, characters = row["fertility"], row["characters_per_token"]
    return [
        str(row["language"]), str(row["script"] or ""), times(row["premium"]), _ends(row), times(row["byte_premium"]),
        times(fertility), percent(row["continued"]), percent(row["byte_fallback"]), times(characters), times(row.get("nfd")),
        count(row.get("context_left")), _cost(row.get("cost")), str(row["articles"]),
        people(row["speakers"]) if row.get("speakers") else "",
    ]  # fmt: skip


def _several(own: Mapping[str, _Row], tokenizers: Sequence[str], *, fallback: bool) -> list[str]:
    any_row = next(iter(own.values()))
    cells = [str(any_row["language"]), times(any_row["byte_premium"]), str(any_row["articles"])]
    for name in tokenizers:
        row = own.get(name)
        there = row is not None and row["premium"] is not None
        ends = _ends(row) if row is not None and there else ""
        cells.append(f"{times(row['premium'])} ({ends})" if row is not None and ends else times(row["premium"] if row else None))
        if fallback:
            cells.append(percent(row["byte_fallback"]) if row is not None else MISSING)
    return cells


def _ends(row: _Row) -> str:
    return "" if row["low"] is None or row["low"] == row["high"] else f"{times(row['low'])}–{times(row['high'])}"


def _cost(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3g}"


def _title(number: int, fact: Mapping[str, Any], facts: Sequence[Any]) -> str:
    return f"{letter(number)} {fact['name']}" if len(facts) > 1 else "Median"


def _group_name(column: str, group: Any) -> str:
    if column == "script":
        return script_name(group)
    return "unknown" if group is None else f"class {group}" if column == "resource_class" else str(group)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
