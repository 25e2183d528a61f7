"""`polylect train trim`: cut a model's vocabulary down to the tokens that some texts need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import listed
from polylect.cli.printing import print_json

if TYPE_CHECKING:
    from polylect.train.trim_texts import Texts
    from polylect.train.vocabulary import TrimReport

__all__ = ["command"]

_HELP = """Write a checkpoint of MODEL with only the tokens that the texts need.

MODEL is a bundled model's name, a folder, or owner/name on the Hugging Face hub. The result loads with transformers
like any model; on text that the kept tokens cover it gives the same tokens and the same logits.

Texts are .txt files (one text a line), .jsonl or .parquet (columns text, prompt, completion, ...; language). Texts without
a language belong to the language given, or are identified when several are. More files may follow --text FILE.

\b
Examples:
  polylect train trim gemma-3-270m --languages tr --text turkish.txt --out models/gemma-tr
  polylect train trim gemma-3-270m --languages en,tr,hi --text a.jsonl b.parquet --out models/gemma-small
"""


@click.command(name="trim", help=_HELP, context_settings=CONTEXT)
@click.argument("model")
@click.argument("more", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option("--languages", "tags", required=True, metavar="TAG,...", help="Languages to serve, as BCP-47 tags: en,tr,zh-Hans.")
@click.option(
    "--text", "files", required=True, multiple=True, metavar="FILE...", type=click.Path(path_type=Path), help="Texts to cover."
)
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="New folder for the checkpoint.")
@click.option("--keep", "extra", multiple=True, metavar="TOKEN", help="A further token to keep (repeatable).")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    model: str, more: tuple[Path, ...], tags: str, files: tuple[Path, ...], out: Path, extra: tuple[str, ...], as_json: bool
) -> None:
    """Read the texts, trim, print the report."""
    from polylect.models import resolve
    from polylect.train.trim_texts import read_texts
    from polylect.train.vocabulary import trim

    texts = read_texts([*files, *more], listed(tags))
    report = trim(resolve(model), texts.by_language, out, extra_tokens=extra)
    if as_json:
        print_json({**report.as_dict(), "left_out": texts.left_out, "out": str(out)})
    else:
        _print(report, texts, out)


def _print(report: TrimReport, texts: Texts, out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    totals = Table(title="Checkpoint", title_justify="left")
    for heading in ("", "before", "after", "kept"):
        totals.add_column(heading, justify="left" if not heading else "right")
    for name, before, after in (
        ("rows (tokens)", report.rows_before, report.rows_after),
        ("parameters", report.parameters_before, report.parameters_after),
        ("bytes", report.bytes_before, report.bytes_after),
    ):
        totals.add_row(name, f"{before:,}", f"{after:,}", f"{after / before:.1%}")
    table = Table(title="Unseen text: a tenth of the texts, by a vocabulary made from the others", title_justify="left")
    for heading in ("language", "texts", "held back", "same tokens", "single bytes", "before", "length"):
        table.add_column(heading, justify="left" if heading == "language" else "right")
    for row in report.languages:
        shares = [_percent(value) for value in (row.same, row.fallback, row.fallback_before)]
        length = "-" if row.length is None else f"{row.length:.3f}x"
        table.add_row(row.language, f"{row.texts:,}", f"{row.held_back:,}", *shares, length)
    console = Console()
    console.print(totals)
    console.print(table)
    console.print(f"All {report.checked:,} texts give the same tokens as before.")
    if texts.left_out:
        console.print("Left out, language not asked for: " + ", ".join(f"{tag} {n:,}" for tag, n in texts.left_out.items()))
    console.print(f"Written to {out}", highlight=False, soft_wrap=True)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
