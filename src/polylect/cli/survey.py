"""`polylect survey`: which languages papers, abstracts and cards study, and whether English-only work says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.context import CONTEXT

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["command"]

_PRACTICES = {
    "several": "name several languages",
    "one_other": "name one language, not English",
    "english_said": "say that they are on English",
    "claimed": "say that there are several, name none",
    "silent": "about language, name none",
    "not_language": "no sign of language",
}

_HELP = """Survey which languages works study, and whether work on English says so (the Bender rule).

PATHS are files or folders: papers (.txt, .md, .tex; .pdf through poppler's pdftotext), abstracts (.bib, .jsonl with title,
abstract, year, venue), model and dataset cards (README.md).

\b
Examples:
  polylect survey papers/
  polylect survey anthology.bib --out survey
  polylect survey cards/ abstracts.jsonl --json - | jq .summary.bender
"""


@click.command(name="survey", help=_HELP, context_settings=CONTEXT)
@click.argument("paths", metavar="PATHS...", nargs=-1, required=True)
@click.option("--no-pdf", is_flag=True, help="Leave PDFs out; they are counted.")
@click.option("--by", type=click.Choice(["year", "venue"]), help="Print practices by year or by venue.")
@click.option("--top", type=click.IntRange(min=0), default=25, show_default=True, metavar="N", help="Languages printed, 0: all.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for report.html, gap.json, rows.csv, metrics.csv."
)
@click.option("--csv", "csv_to", type=click.Path(path_type=Path), metavar="FILE", help="Write the rows as CSV.")
@click.option("--json", "json_to", metavar="FILE", help="Write the document as JSON; - for the standard output.")
def command(
    paths: tuple[str, ...], no_pdf: bool, by: str | None, top: int, out: Path | None, csv_to: Path | None, json_to: str | None
) -> None:
    """Survey, print, write."""
    from polylect.cli.gap_writing import write
    from polylect.gap.document import write_rows
    from polylect.gap.survey import gap_survey

    document = gap_survey(paths, pdf=not no_pdf)
    if csv_to is not None:
        write_rows(document, csv_to)
    if write(document, out, json_to):
        from rich.console import Console

        _show(document, Console(), by, top)


def _show(document: Mapping[str, Any], console: Console, by: str | None, top: int) -> None:
    summary = document["summary"]
    console.print(_practices(summary) if by is None else _groups(summary[f"{by}s"], by))
    console.print(_languages(summary["languages"], top))
    for line in _lines(summary):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for note in document["notes"]:
        console.print(f"- {note}", markup=False, highlight=False, soft_wrap=True)


def _practices(summary: Mapping[str, Any]) -> Table:
    table = _table(f"{summary['documents']:,} works.")
    table.add_column("Works", justify="right")
    table.add_column("Practice")
    for name, number in summary["practices"].items():
        table.add_row(f"{number:,}", _PRACTICES[name])
    return table


def _groups(groups: Sequence[Mapping[str, Any]], by: str) -> Table:
    table = _table(
        "Several: name several languages. Other: one, not English. Said: name English alone. Claim: say several, name none. "
        "Silent: name none. None: no sign of language. Says so: the share of said in said and silent."
    )
    table.add_column(by.capitalize(), overflow="fold", min_width=7 if by == "year" else 18)
    for name in ("Works", "Several", "Other", "Said", "Claim", "Silent", "None", "Says so"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in groups:
        cells = [f"{group[name]:,}" for name in ("documents", *_PRACTICES)]
        share = "–" if group["share"] is None else f"{group['share']:.0%}"
        table.add_row("unknown" if group[by] is None else str(group[by]), *cells, share)
    return table


def _languages(languages: Sequence[Mapping[str, Any]], top: int) -> Table:
    shown = languages[:top] if top else languages
    table = _table(f"{len(shown)} of {len(languages)} languages named. Share: of the works that name a language.")
    table.add_column("Tag", no_wrap=True)
    table.add_column("Language", overflow="fold")
    for name in ("Class", "Works", "Share"):
        table.add_column(name, justify="right")
    for one in shown:
        level = "–" if one["resource_class"] is None else str(one["resource_class"])
        table.add_row(one["language"], one["name"], level, f"{one['documents']:,}", f"{one['share']:.0%}")
    return table


def _lines(summary: Mapping[str, Any]) -> list[str]:
    bender, never = summary["bender"], summary["never_named"]
    lines = []
    if bender["share"] is not None:
        ends = "" if bender["low"] is None else f" (95 %: {bender['low']:.0%} to {bender['high']:.0%})"
        lines.append(
            f"Of {bender['english_only']:,} works on English alone or on no named language, {bender['said']:,} name English: "
            f"{bender['share']:.0%}{ends}."
        )
    first = ", ".join(one["name"] for one in never["list"][:8])
    more = ", ..." if never["languages"] > 8 else ""
    lines.append(f"Never named: {never['languages']} of {never['of']} languages of the table: {first}{more}")
    lines += [f"Not read: {number:,}: {reason}." for reason, number in summary["unread_reasons"].items()]
    return lines


def _table(caption: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
