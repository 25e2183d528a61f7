"""`polylect why`: which difference makes a step stale."""

from __future__ import annotations

from pathlib import Path

import click

from polylect.cli.context import CONTEXT

__all__ = ["command"]

_HELP = """Say why STEP of the run in folder RUN would run again, or that it is current.

STEP is one of the recipe, or of the last `polylect safety mix-or-merge` on this run.

\b
Examples:
  polylect why runs/quickstart merge/sft
  polylect why runs/quickstart mix-or-merge/merge/linear-0.5
"""


@click.command(name="why", help=_HELP, context_settings=CONTEXT)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("step")
@click.option("--recipe", type=click.Path(path_type=Path), help="Compare with this recipe.  [default: the run's own recipe file]")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Change a key of the recipe first. Repeatable.")
def command(run: Path, step: str, recipe: Path | None, overrides: tuple[str, ...]) -> None:
    """Print the reasons, one a line."""
    from polylect.run.api import why

    for line in why(run, step, recipe=recipe, overrides=overrides):
        click.echo(line)
