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

Of folders that `polylect safety eval` wrote, one page is made of one to four: of two, the first is before and the second after,
and comparison.json beside it has what changed, prompt by prompt. Without --out the page of several is comparison.html in the
last.

The outputs of `polylect safety attack` (one or several), `drift`, `distil` and `mix-or-merge` have pages of their own. No prompt
or answer is on any of them without --show-text.

\b
Examples:
  polylect report runs/quickstart
  polylect report merged
  polylect report gap/cost gap/coverage --out gap/report
  polylect report safety/before safety/after
  polylect report attacks/latin-effect attacks/wrap-effect --out attacks/page
"""


@click.command(name="report", help=_HELP, context_settings=CONTEXT)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for the page of several gap or safety folders."
)
@click.option("--show-text", is_flag=True, help="Of safety folders: show prompts and answers, each behind a button.")
def command(runs: tuple[Path, ...], out: Path | None, show_text: bool) -> None:
    """Write the report and print where it is."""
    for path in _written(runs, out, show_text):
        click.echo(path)


def _written(runs: tuple[Path, ...], out: Path | None, show_text: bool) -> list[Path]:
    from polylect.cli.gap_report import combine, is_gap
    from polylect.cli.safety_report import is_safety, write_page
    from polylect.run.api import report

    if all(map(is_safety, runs)):
        return [write_page(runs, out, show_text=show_text)]
    if show_text:
        others = ", ".join(str(run) for run in runs if not is_safety(run))
        raise DataError(f"{others}: not written by `polylect safety`. --show-text is for folders with a safety.json.")
    if all(map(is_gap, runs)):
        return combine(runs, out)
    if len(runs) > 1 or out is not None:
        others = ", ".join(str(run) for run in runs if not is_gap(run))
        raise DataError(
            f"{others}: not written by `polylect gap`. Several folders, and --out, are for folders with a gap.json, or for those "
            "with a safety.json."
        )
    return report(runs[0])
