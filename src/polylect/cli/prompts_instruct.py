"""`polylect prompts instruct`: new tasks from seed tasks, in each of their languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import listed
from polylect.cli.prompts_making import asked, engine_options, opened, progress_line, sampling_options, show

__all__ = ["command"]

_HELP = """Make new tasks like those of TABLE, in each of their languages.

The model sees examples of one language and writes new tasks in it. Tasks in another language, too like one that is there, or
broken are rejected with their reason. A language ends with --number tasks or at its budget of requests; the table says which.
Stopped with Ctrl-C, the same command goes on where it was.

\b
Examples:
  polylect prompts instruct --seeds seeds.jsonl --model models/mine --number 1000 --out prompts/instruct
  polylect prompts instruct --seeds seeds.jsonl --model served:http://127.0.0.1:8000/v1#model --languages sw --number 100 --out sw
"""


@click.command(name="instruct", help=_HELP, context_settings=CONTEXT)
@click.option(
    "--seeds", required=True, metavar="TABLE", type=click.Path(path_type=Path), help="Parquet or JSONL: language, text."
)
@click.option("--model", "spec", required=True, metavar="SPEC", help="Who writes the tasks; see docs/pool.md.")
@click.option("--number", required=True, type=click.IntRange(min=1), help="Of tasks per language.")
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder for the output.")
@click.option("--languages", metavar="TAG,...", help="Languages of the seeds to use. Default: all.")
@click.option("--per-request", default=8, show_default=True, type=click.IntRange(min=1), help="Tasks asked for at a time.")
@click.option("--budget", type=click.IntRange(min=1), help="Most requests per language. Default: 4 times what is needed at best.")
@sampling_options(1.0, "Of sampling and of the examples drawn.")
@engine_options
def command(
    seeds: Path,
    spec: str,
    number: int,
    out: Path,
    languages: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Ask, show progress, print what was made."""
    from polylect.prompts.instruct import SAMPLING, instruct

    with opened(spec) as model, progress_line() as progress:
        manifest = instruct(
            seeds,
            model,
            number,
            out,
            only=listed(languages),
            progress=progress,
            **asked(SAMPLING, options),
        )
    show(manifest, out, as_json)
