"""`polylect report`: write a run's report."""

from __future__ import annotations

from pathlib import Path

import click

from polylect.cli.context import CONTEXT
from polylect.errors import DataError

__all__ = ["command"]

_HELP = """Write report.html, report.json and results.csv of the run in folder RUN again, from its tables.

RUN may also be the output of `polylect merge` or `polylect merge search`: report.html shows cosines and conflicts of signs per
layer and input, and what a search has found. Or the output of `polylect arbitrage`: who answers best in which language.

Of folders that `polylect gap` wrote, one or several, one page is made: what languages cost, who is covered, how far behind.

\b
Examples:
  polylect report runs/quickstart
  polylect report merged
  polylect report gap/cost gap/coverage --out gap/report
"""


@click.command(name="report", help=_HELP, context_settings=CONTEXT)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for the page of several gap folders.")
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write the report and print where it is."""
    from polylect.cli.gap_report import combine, is_gap

    for path in combine(runs, out) if all(map(is_gap, runs)) else _one(runs, out):
        click.echo(path)


def _one(runs: tuple[Path, ...], out: Path | None) -> list[Path]:
    from polylect.cli.gap_report import is_gap
    from polylect.run.api import report

    if len(runs) > 1 or out is not None:
        others = ", ".join(str(run) for run in runs if not is_gap(run))
        raise DataError(f"{others}: not written by `polylect gap`. Several folders, and --out, are for folders with a gap.json.")
    return report(runs[0])
