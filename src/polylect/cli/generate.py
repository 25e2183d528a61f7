"""`polylect generate`: one model answers a prompt table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.arbitrage import engine_options, given, prompt_options, sampling_options
from polylect.cli.context import CONTEXT
from polylect.cli.options import retries_of
from polylect.cli.printing import print_json

if TYPE_CHECKING:
    from polylect.arbitrage import Summary

__all__ = ["command"]

_HELP = """Let one model answer a table of prompts, through the same engine and store as `polylect arbitrage`.

TABLE (.parquet or .jsonl) has the columns item, language and text (or messages). MODEL is served:URL#NAME, a local model by name
or folder, or another kind of model. DIR gets completions.parquet and manifest.json.

\b
Examples:
  polylect generate --prompts prompts.jsonl --model served:http://127.0.0.1:8000/v1#my-model --out answers
  polylect generate --prompts prompts.parquet --model models/mine --languages tr,sw --max-tokens 256 --out answers
  polylect generate --prompts prompts.parquet --model gemma-3-270m --temperature 1 --samples 4 --out samples
"""


@click.command(name="generate", help=_HELP, context_settings=CONTEXT)
@prompt_options
@click.option("--model", required=True, metavar="MODEL", help="Who answers.")
@sampling_options
@click.option("--check", is_flag=True, help="Check every answer: language, truncation, echo, refusal, repetition.")
@engine_options
def command(
    prompts: Path,
    model: str,
    check: bool,
    out: Path,
    resume: bool,
    max_in_flight: int | None,
    timeout: float | None,
    store: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Ask, and print what came out."""
    from polylect.arbitrage import generate
    from polylect.cli.stage_display import StageDisplay

    with StageDisplay(quiet=as_json) as display:
        summary = generate(
            prompts,
            model,
            out=out,
            resume=resume,
            max_in_flight=max_in_flight,
            store=store,
            checks=check,
            retries=retries_of(timeout),
            progress=display.show,
            **given(options),
        )
    if as_json:
        print_json(summary.as_dict())
    else:
        _print(summary)


def _print(summary: Summary) -> None:
    from rich.console import Console

    from polylect.cli.arbitrage_tables import left_out

    console = Console()
    for line in left_out(summary.manifest):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"Written to {summary.out}", highlight=False, soft_wrap=True)
