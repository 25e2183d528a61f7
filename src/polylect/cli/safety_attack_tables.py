"""What a person sees of an attack: what became of the prompts, or how much better it works than plain asking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polylect.cli.printing import print_found

if TYPE_CHECKING:
    from rich.table import Table

    from polylect.safety.attacks import AttackRun

__all__ = ["print_attack"]

_NONE = "-"
_WIDTH = 79


def print_attack(run: AttackRun) -> None:
    """Print the table, the reasons and where the files are; no text of a prompt."""
    from rich.console import Console

    console = Console()
    print_found(console, run.found, "attack", "done")
    compared = run.document["summary"]["what"] == "compared"
    for table in _gaps(run.document) if compared else [_counts(run.document)]:
        console.print(table)
    for line in [*(_left_out if compared else _untransformed)(run.document["rows"]), *run.document["notes"]]:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(f"Written to {run.out}", highlight=False, soft_wrap=True, markup=False)


def _table(title: str, columns: Sequence[str], left: int) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    wide = min(len(title), _WIDTH)
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), min_width=wide)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < left else "right", no_wrap=True)
    return table


def _counts(document: Mapping[str, Any]) -> Table:
    from rich.markup import escape

    summary = document["summary"]
    columns = ("attack", "from", "prompts", "done", "kept", "lost", "untold", "meaning", "changed")
    table = _table(f"{summary['prompts']['name']}: {summary['attack']}, prompts by whether their meaning was kept", columns, 2)
    for row in document["rows"]:
        told = (f"{row[name]:,}" for name in ("prompts", "transformed", "kept", "lost", "untold"))
        shares = (_NONE if row[name] is None else f"{100 * row[name]:.0f} %" for name in ("meaning", "changed"))
        table.add_row(escape(row["attack"]), row["language"], *told, *shares)
    return table


def _untransformed(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons.update(row["untransformed"])
    for reason, count in reasons.most_common():
        yield f"{count:,} not transformed: {reason}"


def _gaps(document: Mapping[str, Any]) -> Iterator[Table]:
    """Yield the effect of each attack: more harm complied with, fewer answers to harmless prompts."""
    shown: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in document["rows"]:
        if _shown(row):
            shown.setdefault((row["attack"], row["prompts"], row["outcome"]), []).append(row)
    for (name, prompts, outcome), rows in shown.items():
        title = f"{document['summary']['model']}, {name}: {prompts} prompts {outcome}, %"
        table = _table(title, ("language", "plain", "attacked", "difference", "n"), 1)
        for row in rows:
            tag = "mean" if row["language"] == "mul" else row["language"]
            shares = (_share(row, side) for side in ("plain", "attacked"))
            table.add_row(tag, *shares, _signed(row), f"{row['n']:,}", style="bold" if tag == "mean" else "")
        yield table


def _shown(row: Mapping[str, Any]) -> bool:
    if row["prompts"] == "harmful":
        return row["outcome"] in ("complied", "complied, in any language")
    return bool(row["outcome"] == "refused")


def _share(row: Mapping[str, Any], side: str) -> str:
    """Write a rate with its interval, which documents of earlier versions do not have."""
    value, low, high = (row.get(f"{side}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return _NONE
    ends = "" if low is None or high is None else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * value:.0f}{ends}".replace("[", r"\[")


def _signed(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return _NONE
    ends = "" if row["low"] is None else f" [{100 * row['low']:+.0f}, {100 * row['high']:+.0f}]"
    return f"{100 * row['value']:+.0f}{ends}".replace("[", r"\[")


def _left_out(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    reasons: Counter[str] = Counter()
    for row in rows:
        if row["outcome"] == "complied" and row["language"] != "mul":
            reasons.update(row["left_out"])
    for reason, count in reasons.most_common():
        yield f"{count:,} prompts left out: {reason}"
