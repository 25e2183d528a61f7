"""`polylect report`: write a run's report."""

from __future__ import annotations

from pathlib import Path

import click

from polylect.cli.context import CONTEXT

__all__ = ["command"]

_HELP = """Write report.html, report.json and results.csv of the run in folder RUN again, from its tables.

RUN may also be the output of `polylect merge` or `polylect merge search`: report.html shows cosines and conflicts of signs per
layer and input, and what a search has found.

\b
Examples:
  polylect report runs/quickstart
  polylect report merged
"""


@click.command(name="report", help=_HELP, context_settings=CONTEXT)
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Write the report and print where it is."""
    from polylect.run.api import report

    for path in report(run):
        click.echo(path)
