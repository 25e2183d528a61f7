"""`polylect gap coverage`: the evidence per language, from a claim to a mitigation, and a linter for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import listed
from polylect.errors import DataError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_MARKS = {"shown": "●", "stated": "○", "": "·"}

_HELP = """Show for each language what a provider can show: claimed, trained, evaluated, human-checked, safety-tested, mitigated.

Sources are a model card (README.md), a model folder with one, a run of `polylect run`, or a result folder of `polylect eval`.
Tables are Parquet, JSON lines or CSV with a column `language`. ● rows show it, ○ a card says it, · no evidence.

With --require it is a linter: exit code 2 when a language lacks a level, and what is missing is named; 0 when all is there.

\b
Examples:
  polylect gap coverage README.md
  polylect gap coverage models/mine --mixture mixture.parquet --results results.parquet --safety safety.csv --out coverage
  polylect gap coverage README.md results/mine --require evaluated,safety-tested --languages en,sw,yo
"""


@click.command(name="coverage", help=_HELP, context_settings=CONTEXT)
@click.argument("sources", nargs=-1, type=_PATH, metavar="CARD|RUN...")
@click.option(
    "--mixture", multiple=True, type=_PATH, metavar="TABLE", help="Training data: examples, or tokens per language. Repeatable."
)
@click.option("--results", multiple=True, type=_PATH, metavar="TABLE", help="Results of an evaluation. Repeatable.")
@click.option("--human", multiple=True, type=_PATH, metavar="TABLE", help="Judgements by people. Repeatable.")
@click.option(
    "--safety", multiple=True, type=_PATH, metavar="TABLE", help="Safety tests; `mitigation` names what was done. Repeatable."
)
@click.option("--languages", multiple=True, metavar="TAG[,TAG]", help="Rows for these too; with --require, these alone.")
@click.option("--require", multiple=True, metavar="LEVEL[,LEVEL]", help="Levels that every language must have; else exit code 2.")
@click.option("--measured-only", is_flag=True, help="For --require, what a card says does not count.")
@click.option("--links", is_flag=True, help="Print the evidence of every language below the matrix.")
@click.option("--out", metavar="DIR", type=_PATH, help="Folder for report.html, gap.json, rows.csv, metrics.csv.")
@click.option(
    "--json", "json_file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True), help="Write JSON; - prints it."
)
def command(
    sources: tuple[Path, ...],
    languages: tuple[str, ...],
    links: bool,
    out: Path | None,
    json_file: Path | None,
    **options: Any,
) -> None:
    """Read the sources, print or write the ledger, and check what is required."""
    from polylect.cli.gap_writing import write
    from polylect.gap.coverage import gap_coverage

    asked = [part for text in languages for part in listed(text)]
    document = gap_coverage(sources, languages=asked, **options)
    if write(document, out, None if json_file is None else str(json_file)):
        _show(document, links)
    required = document["summary"]["required"]
    if required is None:
        return
    lines = _verdict(required)
    if not required["ok"]:
        raise DataError("\n  ".join(lines))
    click.echo(lines[0], err=json_file is not None)


def _verdict(required: dict[str, Any]) -> list[str]:
    from polylect.gap.coverage import Required

    missing = {tag: tuple(levels) for tag, levels in required["missing"].items()}
    return Required(tuple(required["levels"]), tuple(required["languages"]), missing).lines()


def _show(document: dict[str, Any], links: bool) -> None:
    from rich.console import Console

    console = Console()
    summary = document["summary"]
    console.print(_matrix(document))
    console.print(_people(summary["levels"]))
    if links:
        for row in document["rows"]:
            for link in row["evidence"]:
                console.print(f"{row['language']} {row['level']}: {link}", markup=False, highlight=False, soft_wrap=True)
        console.print()
    for one in summary["unspecific"]:
        count = "many languages" if one["count"] is None else f"{one['count']:,} languages"
        where = f"{one['source']}:{one['line']}"
        _say(console, f'Claim without names ({one["level"]}, {count}): {where} "{one["quote"]}"')
    for one in summary["unresolved"]:
        where = one["source"] + (f":{one['line']}" if one["line"] else "")
        _say(console, f"Not resolved: {one['text']!r} in {where}: {one['reason']}")
    for note in document["notes"]:
        _say(console, f"- {note}")


def _say(console: Any, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _matrix(document: dict[str, Any]) -> Table:
    """Return the evidence ladder: a row per language, a column per level."""
    from rich import box
    from rich.table import Table

    from polylect.gap.evidence import LEVELS

    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        caption="● rows show it   ○ a card or recipe says it   · no evidence",
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    table.add_column("Language")
    table.add_column("People", justify="right", no_wrap=True)
    for level in LEVELS:
        table.add_column(level.replace("-", "\n"), justify="center", min_width=max(map(len, level.split("-"))))
    for start in range(0, len(document["rows"]), len(LEVELS)):
        cells = document["rows"][start : start + len(LEVELS)]
        marks = [_MARKS[cell["state"]] for cell in cells]
        table.add_row(cells[0]["language"], cells[0]["name"], _count(cells[0]["speakers"]), *marks)
    return table


def _people(levels: dict[str, Any]) -> Table:
    """Return languages and people per level."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Level")
    for title in ("Languages", "shown", "stated", "People (upper bound)", "unknown for"):
        table.add_column(title, justify="right")
    for level, one in levels.items():
        unknown = len(one["speakers_unknown"])
        people = _count(one["speakers"])
        table.add_row(
            level, str(one["languages"]), str(one["shown"]), str(one["stated"]), people, str(unknown) if unknown else "–"
        )
    return table


def _count(number: int | None) -> str:
    """Round a number of people for reading: 1.29 G, 82 M, 43 k."""
    if number is None:
        return "unknown"
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
