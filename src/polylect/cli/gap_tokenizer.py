"""`polylect gap tokenizer`: what each language costs with a tokenizer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from polylect.cli.context import CONTEXT

__all__ = ["command"]

_SORTS = ("premium", "language", "script", "speakers", "fertility", "byte_fallback", "cost")
_GROUPS = {"script": "script", "family": "family", "class": "resource_class"}

_HELP = """Measure what each language costs with TOKENIZER: how many times the tokens of English the same text takes.

TOKENIZER is a folder or file (tokenizer.json, .tiktoken, tekken.json, SentencePiece .model, .gguf), a bundled model's name, or
owner/name on the Hugging Face hub, of which only tokenizer files are fetched; NAME=TOKENIZER chooses its name in reports. Several
are shown side by side. The text is the Universal Declaration of Human Rights in 460 languages, or a table of yours with the
columns item, language, text.

\b
Examples:
  polylect gap tokenizer gemma-3-270m
  polylect gap tokenizer gemma-3-270m smollm2-135m-instruct --languages en,tr,sw,my --price 2.5
  polylect gap tokenizer o200k=o200k_base.tiktoken models/mine --corpus flores.parquet --out gap
  polylect gap tokenizer gemma-3-270m --json - | jq '.rows[] | select(.premium > 3) | .language'
"""


@click.command(name="tokenizer", help=_HELP, context_settings=CONTEXT)
@click.argument("tokenizers", metavar="TOKENIZER...", nargs=-1, required=True)
@click.option("--corpus", default="udhr", show_default=True, metavar="TABLE", help="Parallel text: udhr, .parquet, .jsonl, .csv.")
@click.option("--languages", metavar="TAGS", help="Only these, separated by commas.  [default: all]")
@click.option("--reference", default="en", show_default=True, metavar="TAG", help="The language that costs 1.")
@click.option(
    "--price", type=click.FloatRange(min=0), multiple=True, metavar="P",
    help="Price of a million tokens: one for all, or repeated for each TOKENIZER.",
)  # fmt: skip
@click.option("--window", type=click.IntRange(min=1), metavar="N", help="Context in tokens, where the files do not say.")
@click.option("--sort", type=click.Choice(_SORTS), default="premium", show_default=True, help="Order of the printed languages.")
@click.option("--top", type=click.IntRange(min=0), default=25, show_default=True, metavar="N", help="Languages printed, 0: all.")
@click.option("--by", type=click.Choice(tuple(_GROUPS)), help="Print groups of languages instead.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for report.html, gap.json and CSV.")
@click.option("--json", "json_to", metavar="FILE", help="Write the document as JSON; - for the standard output.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
def command(
    tokenizers: tuple[str, ...], corpus: str, languages: str | None, reference: str, price: tuple[float, ...], window: int | None,
    sort: str, top: int, by: str | None, out: Path | None, json_to: str | None, seed: int,
) -> None:  # fmt: skip
    """Measure, print, write."""
    from polylect.cli.gap_writing import write
    from polylect.gap import gap_tokenizer

    wanted = None if languages is None else [tag for tag in languages.replace(" ", "").split(",") if tag]
    with _progress() as progress:
        document = gap_tokenizer(
            tokenizers, corpus, wanted, reference=reference, price=price, window=window, seed=seed, progress=progress
        )
    if write(document, out, json_to):
        _print(document, sort, top, by)


def _print(document: dict[str, Any], sort: str, top: int, by: str | None) -> None:
    from rich.console import Console

    from polylect.cli.gap_tokenizer_tables import group_table, language_table, summary_lines

    console = Console()
    console.print(language_table(document, sort, top, console.width) if by is None else group_table(document, _GROUPS[by]))
    for line in summary_lines(document):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """Show a bar on a terminal's standard error; nothing where the output is read by a program."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("languages"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        yield show
