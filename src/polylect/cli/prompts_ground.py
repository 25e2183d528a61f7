"""`polylect prompts ground`: questions and answers from the passages of a corpus, in its languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import listed
from polylect.cli.prompts_making import asked, engine_options, opened, progress_line, sampling_options, show

__all__ = ["command"]

_HELP = """Make questions and answers from the texts of TABLE, in the language of each text, with the passage kept as evidence.

Long texts are cut into passages at paragraphs and sentences. An answer must be supported by its passage, a question must not copy
it; what fails is kept apart with its reason. Stopped with Ctrl-C, the same command goes on where it was.

\b
Examples:
  polylect prompts ground --corpus wiki.parquet --model served:http://127.0.0.1:8000/v1#model --languages sw,yo --out grounded
  polylect prompts ground --corpus wiki.parquet --model models/mine --questions 5 --out prompts/grounded
"""


@click.command(name="ground", help=_HELP, context_settings=CONTEXT)
@click.option(
    "--corpus", required=True, metavar="TABLE", type=click.Path(path_type=Path), help="Parquet or JSONL: language, text, licence."
)
@click.option("--model", "spec", required=True, metavar="SPEC", help="Who writes the questions; see docs/pool.md.")
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder for the output.")
@click.option("--languages", metavar="TAG,...", help="Languages of the corpus to use. Default: all.")
@click.option("--questions", default=3, show_default=True, type=click.IntRange(min=1), help="Asked for per passage.")
@click.option("--most", default=1200, show_default=True, type=click.IntRange(min=1), help="Characters of a passage, at most.")
@click.option("--fewest", default=200, show_default=True, type=click.IntRange(min=0), help="Shorter passages are left out.")
@sampling_options(0.7, "Of sampling.")
@engine_options
def command(
    corpus: Path,
    spec: str,
    out: Path,
    languages: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Ask, show progress, print what was made."""
    from polylect.prompts.ground import SAMPLING, ground

    with opened(spec) as model, progress_line() as progress:
        manifest = ground(
            corpus,
            model,
            out,
            only=listed(languages),
            progress=progress,
            **asked(SAMPLING, options),
        )
    show(manifest, out, as_json)
