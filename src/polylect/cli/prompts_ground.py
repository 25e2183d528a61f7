"""`polylect prompts ground`: questions and answers from the passages of a corpus, in its languages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from polylect.cli.context import CONTEXT
from polylect.cli.prompts_making import limits, opened, progress_line, show, tags

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
@click.option("--templates", metavar="YAML", type=click.Path(path_type=Path), help="Instructions by language: TAG: text.")
@click.option("--max-tokens", default=1024, show_default=True, type=click.IntRange(min=1), help="Of an answer.")
@click.option("--temperature", default=0.7, show_default=True, type=click.FloatRange(min=0), help="Of sampling.")
@click.option("--seed", default=0, show_default=True, help="Of sampling.")
@click.option("--store", metavar="FILE", type=click.Path(path_type=Path), help="Store of answers to share with other runs.")
@click.option("--max-in-flight", type=click.IntRange(min=1), help="Most requests at a time. Default: found out.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def command(
    corpus: Path,
    spec: str,
    out: Path,
    languages: str | None,
    questions: int,
    most: int,
    fewest: int,
    templates: Path | None,
    max_tokens: int,
    temperature: float,
    seed: int,
    store: Path | None,
    max_in_flight: int | None,
    as_json: bool,
) -> None:
    """Ask, show progress, print what was made."""
    from polylect.prompts.ground import SAMPLING, ground

    with opened(spec) as model, progress_line() as progress:
        manifest = ground(
            corpus,
            model,
            out,
            only=tags(languages),
            questions=questions,
            most=most,
            fewest=fewest,
            sampling=replace(SAMPLING, max_tokens=max_tokens, temperature=temperature, seed=seed),
            templates=templates,
            store=store,
            limits=limits(max_in_flight),
            progress=progress,
        )
    show(manifest, out, as_json)
