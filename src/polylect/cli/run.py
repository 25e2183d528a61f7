"""`polylect run`: the whole recipe."""

from __future__ import annotations

from pathlib import Path

import click

from polylect.cli.context import CONTEXT

__all__ = ["command"]

_HELP = """Run RECIPE: prompts, arbitrage, SFT, merging, offline and online DPO, evaluation of every stage, report.

Resumes where it stopped: a step that is whole is never repeated, an answer that was generated is never asked again.

\b
Examples:
  polylect run recipes/quickstart.yaml
  polylect run recipes/quickstart.yaml --dry-run
  polylect run recipes/quickstart.yaml --until arbitrage
  polylect run recipes/quickstart.yaml --set online.iterations=1 --out runs/short
  polylect run recipes/quickstart.yaml --force merge/sft
"""


@click.command(name="run", help=_HELP, context_settings=CONTEXT)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<recipe name>]")
@click.option("--dry-run", is_flag=True, help="Print the plan with tokens, minutes and GB; run nothing.")
@click.option("--until", metavar="STEP", help="Stop after this step (or group of steps, e.g. answers).")
@click.option("--force", metavar="STEP", multiple=True, help="Run this step again, and what depends on it. Repeatable.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Change a key of the recipe. Repeatable.")
def command(
    recipe: Path, out: Path | None, dry_run: bool, until: str | None, force: tuple[str, ...], overrides: tuple[str, ...]
) -> None:
    """Run a recipe or print its plan."""
    from polylect.run.api import run

    run(recipe, out=out, dry_run=dry_run, until=until, force=force, overrides=overrides)
