"""The tables that `polylect arbitrage` and `polylect generate` end with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["left_out", "routing_notes", "routing_table"]

_ALL = "mul"


def routing_table(routing: Mapping[str, Any]) -> Table:
    """Return one row per language: prompts, reward and its interval, regret, failures, costs, and whose answers were taken."""
    from rich.table import Table

    languages = routing["languages"]
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "prompts": lambda row: f"{row['prompts']:,}",
        "reward (95 %)": lambda row: _interval(row["reward"]),
        "regret": lambda row: _number(row["regret"]["value"]),
        "none": lambda row: f"{sum(row['not_taken'].values()):,}",
        "wrong": lambda row: _percent(row["wrong_language"]["value"]),
        "cost": lambda row: f"${row['cost']:,.4f}",
    }
    if not any(row["cost"] for row in languages.values()):
        del columns["cost"]
    if not languages[_ALL]["compared"]:
        del columns["regret"]
    table = Table(title="Answers taken, by language", title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("language", no_wrap=True)
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("taken from")
    for language, row in languages.items():
        cells = [cell(row) for cell in columns.values()]
        name = "all" if language == _ALL else language
        table.add_row(name, *cells, _shares(row["teachers"]), style="bold" if language == _ALL else "")
    return table


def routing_notes(routing: Mapping[str, Any]) -> list[str]:
    """Return what the columns mean, as far as they are there."""
    everything = routing["languages"][_ALL]
    notes = ["", "none: prompts without a usable answer; wrong: answers taken that are in another language"]
    if everything["compared"]:
        notes.append(
            f"regret: what the pool's best answer would have added, over {everything['compared']:,} prompts that all teachers "
            "answered"
        )
    return notes


def left_out(manifest: Mapping[str, Any]) -> list[str]:
    """Return lines with the rows of each table and why what is missing is missing."""
    status, rows, prompts = manifest["status"], manifest["rows"], manifest["prompts"]
    told = ", ".join(f"{status[name]:,} {name}" for name in ("ok", "rejected", "failed") if status.get(name))
    lines = [f"completions  {rows['completions']:,} ({told})", *_reasons(manifest["reasons"])]
    for name in ("sft", "pairs"):
        if name in rows:
            lines += [f"{name:<12} {rows[name]:,}", *_reasons(manifest["dropped"][name], "left out, ")]
    if prompts["held_out"]:
        lines.append(f"heldout      {prompts['held_out']:,} prompts, neither asked nor learned from")
    if prompts["dropped"]:
        lines += ["of the prompt table left out", *_reasons(prompts["dropped"])]
    if prompts["passed_over"]:
        lines.append(f"columns not read: {', '.join(prompts['passed_over'])}")
    if manifest.get("unserved"):
        lines.append("no teacher for: " + ", ".join(f"{tag} ({count:,} prompts)" for tag, count in manifest["unserved"].items()))
    refused = sum(sum(notes.get("refused", {}).values()) for notes in manifest["requests"].values())
    if refused:
        lines.append(f"not asked, over the budget: {refused:,}")
    tokens, cost = manifest["tokens"], manifest["cost_usd"]
    paid = f", ${cost:,.4f}" if cost else ""
    spent = f"{tokens.get('prompt', 0):,} tokens in, {tokens.get('completion', 0):,} out{paid}"
    return [*lines, f"{spent}, {manifest['seconds']['all']:,.1f} s"]


def _reasons(reasons: Mapping[str, int], before: str = "", most: int = 8) -> list[str]:
    """Return a line per reason, the most frequent ones first; the rest in one."""
    counts = sorted(reasons.items(), key=lambda one: -one[1])
    lines = [f"  {count:>9,}  {before}{reason}" for reason, count in counts[:most]]
    rest = sum(count for _, count in counts[most:])
    return [*lines, f"  {rest:>9,}  {before}{len(counts) - most} other reasons (manifest.json)"] if rest else lines


def _shares(teachers: Mapping[str, Any]) -> str:
    shares = {name: row["share"]["value"] for name, row in teachers.items() if row["share"]["value"]}
    return ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda one: -one[1]))


def _interval(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return "-"
    if estimate["low"] is None:
        return _number(estimate["value"])
    return f"{estimate['value']:.2f} ({estimate['low']:.2f}-{estimate['high']:.2f})"


def _number(value: float | None) -> str:
    # Adding 0.0 turns the -0.0 of a rounded number into 0.0.
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
