"""`polylect card`: a model card's metadata and the section on languages."""

from __future__ import annotations

from pathlib import Path

import click

from polylect.cli.context import CONTEXT

__all__ = ["command"]

_PATH = click.Path(path_type=Path)

_HELP = """Write a model card for the model of RUN, a folder of `polylect run` or `polylect eval`.

The card has metadata for the hub (`language`, `model-index` with a result per language, n and interval) and a section: which
languages were trained, evaluated, human-checked and safety-tested, the gap to English, the worst language, what is missing.

\b
Examples:
  polylect card runs/quickstart --out README.md
  polylect card results/mine --out README.md --base README.md --tokens gap-tokenizer --safety safety.csv
"""


@click.command(name="card", help=_HELP, context_settings=CONTEXT)
@click.argument("run", type=_PATH)
@click.option("--out", required=True, type=_PATH, metavar="FILE", help="The card to write.")
@click.option("--base", type=_PATH, metavar="CARD", help="Card to put it into; its other keys and its text stay.")
@click.option("--tokens", type=_PATH, metavar="DIR", help="Output of `polylect gap tokenizer`: adds the tokenization premium.")
@click.option("--name", metavar="NAME", help="Name of the model.  [default: as in the results]")
@click.option("--mixture", multiple=True, type=_PATH, metavar="TABLE", help="Training data. Repeatable.")
@click.option("--human", multiple=True, type=_PATH, metavar="TABLE", help="Judgements by people. Repeatable.")
@click.option("--safety", multiple=True, type=_PATH, metavar="TABLE", help="Safety tests. Repeatable.")
def command(
    run: Path,
    out: Path,
    base: Path | None,
    tokens: Path | None,
    name: str | None,
    mixture: tuple[Path, ...],
    human: tuple[Path, ...],
    safety: tuple[Path, ...],
) -> None:
    """Write the card, and say where."""
    from polylect.gap.card_writing import write_card

    written = write_card(run, out, base=base, tokens=tokens, name=name, mixture=mixture, human=human, safety=safety)
    click.echo(f"Written to {written}")
