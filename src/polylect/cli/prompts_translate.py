"""`polylect prompts translate`: a prompt set in many languages."""

from __future__ import annotations

from pathlib import Path

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import limits_of, listed
from polylect.cli.prompts_making import engine_options, progress_line, show

__all__ = ["command"]

_HELP = """Translate the prompts of TABLE into every language of --to.

Code, formulas, URLs, addresses, tags, placeholders and numbers come back exactly as they were, or the row is rejected. Each
translation is checked (language, length, copy, repetition, spans), tried once more with other marks when it fails, and kept
apart with its reason when that fails too. Stopped with Ctrl-C, the same command goes on where it was.

\b
Examples:
  polylect prompts translate --prompts en.jsonl --to tr,sw,hi --translator nllb:facebook/nllb-200-distilled-600M --out prompts/mt
  polylect prompts translate --prompts en.jsonl --to de --translator llm:served:http://127.0.0.1:8000/v1#model --out prompts/de
"""


@click.command(name="translate", help=_HELP, context_settings=CONTEXT)
@click.option(
    "--prompts", required=True, metavar="TABLE", type=click.Path(path_type=Path), help="Parquet or JSONL: language, text, item."
)
@click.option("--to", required=True, metavar="TAG,...", help="Languages to translate into.")
@click.option("--translator", "spec", required=True, metavar="SPEC", help="What translates; see docs/translators.md.")
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder for the output.")
@click.option("--from", "source", metavar="TAG", help="Translate only the prompts of this language. Default: all.")
@click.option("--keep-source", is_flag=True, help="Write the source prompts to the output as well.")
@engine_options
def command(
    prompts: Path,
    to: str,
    spec: str,
    out: Path,
    source: str | None,
    keep_source: bool,
    store: Path | None,
    max_in_flight: int | None,
    as_json: bool,
) -> None:
    """Translate, show progress, print what was made."""
    from polylect.models.translators import translator
    from polylect.prompts.translate import translate

    with progress_line() as progress:
        manifest = translate(
            prompts,
            listed(to),
            translator(spec),
            out,
            source=source,
            keep_source=keep_source,
            store=store,
            limits=limits_of(max_in_flight),
            progress=progress,
        )
    show(manifest, out, as_json)
