"""`polylect import lm-eval`: per-item results of lm-evaluation-harness as a result folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from polylect.cli.context import CONTEXT
from polylect.cli.printing import print_json
from polylect.errors import DataError

if TYPE_CHECKING:
    from polylect.evaluate.interop import Imported

__all__ = ["command"]

_PATH = click.Path(path_type=Path)

_HELP = """Import what lm-evaluation-harness wrote with --log_samples, per item and language.

PATH is its output folder, or one samples file. The language comes from the name of a task (xcopa_tr); tasks whose names say none
are listed and left out, unless --language says it. DIR gets results.parquet, options.parquet (the log-likelihoods), summary.json
and manifest.json, as of `polylect eval`.

\b
Examples:
  polylect import lm-eval lm_eval_output --out results/harness
  polylect import lm-eval lm_eval_output --language hellaswag=en --language gsm8k=en --out results/harness
  polylect compare results/mine results/harness --benchmark xcopa
"""


@click.command(name="lm-eval", help=_HELP, context_settings=CONTEXT)
@click.argument("path", type=_PATH)
@click.option("--out", required=True, type=_PATH, metavar="DIR", help="Folder of the result.")
@click.option("--language", "named", multiple=True, metavar="TASK=TAG", help="Language of a task. Repeatable.")
@click.option("--name", metavar="NAME", help="What the results call the model.  [default: the harness's name]")
@click.option("--without-prompts", is_flag=True, help="Leave the prompts out of the table.")
@click.option("--allow-changed", is_flag=True, help="Take rows that do not match their hashes; count them.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    path: Path, out: Path, named: tuple[str, ...], name: str | None, without_prompts: bool, allow_changed: bool, as_json: bool
) -> None:
    """Import, and print what came in."""
    from polylect.evaluate.interop import import_lm_eval

    found = import_lm_eval(path, out, named=_pairs(named), model=name, prompts=not without_prompts, allow_changed=allow_changed)
    if as_json:
        print_json({**found.as_dict(), "source": found.source(), "out": str(out)})
        return
    _print(found, out)


def _pairs(named: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for given in named:
        task, equals, tag = given.partition("=")
        if not (task and equals and tag):
            raise DataError(f"--language {given!r}: write TASK=TAG, such as hellaswag=en.")
        pairs[task] = tag
    return pairs


def _print(found: Imported, out: Path) -> None:
    """Print a table per model and benchmark, then what was left out and why."""
    from polylect.cli.eval_tables import print_evaluation
    from polylect.evaluate.suite import Evaluation

    summary = found.as_dict()
    for model in sorted({row.model for row in found.rows}):
        rows = [row for row in summary["rows"] if row["model"] == model]
        mine = {row["benchmark"] for row in rows}
        metrics = {name: metric for name, metric in summary["main_metrics"].items() if name in mine}
        print_evaluation(Evaluation(out, {**summary, "model": model, "rows": rows, "main_metrics": metrics}, {}))
    for line in _left_out(found):
        click.echo(line)


def _left_out(found: Imported) -> list[str]:
    lines = [
        f"Not imported, no language in the name: {task} ({rows:,} rows). Say it: --language {task}=TAG."
        for task, rows in found.unresolved.items()
    ]
    lines += [f"Not imported, older than another file of the task: {path}" for path in found.superseded]
    return lines + [f"{count:,} x {note}" for note, count in found.notes.most_common()]
