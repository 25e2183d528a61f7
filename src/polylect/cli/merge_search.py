"""`polylect merge search`: the weights of a merge from per-language validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.printing import print_json
from polylect.progress import StepProgress

if TYPE_CHECKING:
    from rich.table import Table

    from polylect.run.merge_search import SearchReport

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_OBJECTIVES = ("mean", "worst", "floor")
_METRICS = ("score", "exact_match", "chrf")
_METHODS = ("linear", "task-arithmetic", "ties", "dare-linear", "dare-ties")

_HELP = """Find the weights with which MODEL... (checkpoint folders) merge best for many languages.

A table of prompts with references is divided by item. On one part candidates are merged, asked and scored: each model alone,
uniform weights, a greedy soup, then what a Gaussian process proposes. The other part, which the search never sees, says
whether the recommended weights beat uniform ones, and what each language lost against the model that serves it best.

DIR gets the merged model (model/), all trials and results as tables, and report.json. A search that was stopped goes on when
the same command is given again: nothing that was answered is asked again.

\b
Examples:
  polylect merge search sft/west sft/east --validation prompts.parquet --out found
  polylect merge search a b c --objective worst --budget 60 --validation prompts.parquet --out found
  polylect merge search a b --objective floor --floor 2 --metric chrf --validation questions.jsonl --out found
  polylect merge search a b --method ties --base base --density 0.3 --validation prompts.parquet --out found
  polylect merge search runs/quickstart/steps/sft/indo-european runs/quickstart/steps/sft/afro-asian \\
      --validation runs/quickstart/steps/prompts/prompts.parquet --split validation --split preference \\
      --heldout-split heldout --max-tokens 24 --out found
"""


def _line_breaks(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text.replace("\\n", "\n") for text in texts)


@click.command(name="search", help=_HELP, context_settings=CONTEXT)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=_PATH)
@click.option("--validation", required=True, metavar="TABLE", type=_PATH, help="Prompts with references: .parquet, .jsonl.")
@click.option("--out", required=True, metavar="DIR", type=_PATH, help="Folder of the result, or of a stopped search.")
@click.option("--objective", type=click.Choice(_OBJECTIVES), default="mean", show_default=True, help="What to maximise.")
@click.option(
    "--floor", type=float, default=0.0, metavar="POINTS", help="floor: how far a language may fall below its best model."
)
@click.option("--metric", type=click.Choice(_METRICS), default="score", show_default=True, help="What an answer is worth.")
@click.option("--budget", type=int, default=40, show_default=True, metavar="N", help="Different weights to evaluate.")
@click.option("--method", type=click.Choice(_METHODS), default="linear", show_default=True, help="How to merge.")
@click.option("--base", metavar="MODEL", type=_PATH, help="What task vectors are taken against.")
@click.option("--density", type=float, metavar="D", help="Share kept by TIES and DARE.  [default: 0.5]")
@click.option("--lambda", "scale", type=float, metavar="L", help="Factor of the merged task vector.  [default: 1.0]")
@click.option("--items", type=int, metavar="N", help="Most items per language to search on.  [default: all]")
@click.option(
    "--split", "splits", multiple=True, metavar="NAME", help="Split to use (repeatable).  [default: validation, or all]"
)
@click.option(
    "--heldout-split", "heldout_splits", multiple=True, metavar="NAME", help="Split to hold out, not a share (repeatable)."
)
@click.option("--heldout-share", type=float, default=0.5, show_default=True, metavar="SHARE", help="Share of items to hold out.")
@click.option("--max-tokens", type=int, default=64, show_default=True, metavar="N", help="Most tokens of an answer.")
@click.option("--stop", multiple=True, callback=_line_breaks, metavar="TEXT", help=r"Ends an answer, such as \n (repeatable).")
@click.option("--batch-size", type=int, default=64, show_default=True, metavar="N", help="Prompts answered together.")
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Workers; 1 where the cores are busy.  [default: the cores]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the division, the proposals and the intervals.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    models: tuple[Path, ...],
    objective: str,
    floor: float,
    density: float | None,
    scale: float | None,
    max_tokens: int,
    stop: tuple[str, ...],
    seed: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Search, print what was found."""
    from polylect.merge.search import Objective
    from polylect.models.requests import Sampling
    from polylect.run.merge_search import search

    given = {"density": None if density is None else (density,), "scale": scale}
    settings = {name: value for name, value in given.items() if value is not None}
    _silence_loading()
    with _progress() as progress:
        report = search(
            models,
            # exact_match lies between 0 and 1, and points are hundredths of a metric's range.
            objective=Objective(objective, floor / 100 if options["metric"] == "exact_match" else floor),
            settings=settings,
            sampling=Sampling(max_tokens=max_tokens, stop=stop),
            seed=seed,
            progress=progress,
            **options,
        )
    if as_json:
        print_json(report.as_dict())
    else:
        _print(report)


def _silence_loading() -> None:
    """Turn off the bar that transformers draws for every model it loads: here that is one per candidate."""
    from transformers.utils import logging

    logging.disable_progress_bar()


@contextmanager
def _progress() -> Iterator[StepProgress]:
    """Show what is evaluated: a bar on a terminal, else a line for each candidate."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("answers"), TimeElapsedColumn(), TextColumn("/ left"))
    last = [""]
    with Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.description}", markup=False), console=console, transient=True
    ) as bar:
        task = bar.add_task("reading the models", total=None)

        def show(done: int, total: int, note: str) -> None:
            bar.update(task, completed=done, total=total, description=note)
            if not console.is_terminal and note != last[0]:
                console.print(note, highlight=False, soft_wrap=True)
            last[0] = note

        try:
            yield show
        except KeyboardInterrupt:
            bar.stop()
            message = "Interrupted. The same command goes on where this one stopped."
            console.print(message, highlight=False)
            raise KeyboardInterrupt(message) from None


def _print(report: SearchReport) -> None:
    from rich.console import Console

    console = Console()
    console.print(_candidates(report))
    console.print(_regret(report))
    for sentence in report.verdicts:
        console.print(f"The recommended merge {sentence}.", highlight=False, soft_wrap=True)
    weights = ",".join(f"{weight:.6g}" for weight in report.weights)
    console.print(f"Weights: --weights {weights} (for {', '.join(report.models)})", highlight=False, soft_wrap=True)
    console.print(f"Written to {report.out}", highlight=False, soft_wrap=True)


def _candidates(report: SearchReport) -> Table:
    from rich.table import Table

    search, heldout = report.items["search"], report.items["heldout"]
    table = Table(
        title=f"Objective: {report.objective} of {report.metric}, {report.evaluations} evaluations",
        title_justify="left",
        caption=f"Search: {search['items']} items, {search['prompts']} prompts. Held out, never seen by the search: "
        f"{heldout['items']} items, {heldout['prompts']} prompts, with 95 % intervals.",
        caption_justify="left",
    )
    for heading in ("candidate", "weights", "search", "expected", "held out"):
        table.add_column(heading, justify="left" if heading in ("candidate", "weights") else "right", overflow="fold")
    factor = _factor(report)
    for row in report.candidates:
        weights = ",".join(f"{weight:.3g}" for weight in row["weights"])
        figures = [_number(row[name], factor) for name in ("search", "expected")]
        table.add_row(row["name"], weights, *figures, _estimate(row["heldout"], row["low"], row["high"], factor))
    return table


def _regret(report: SearchReport) -> Table:
    from rich.table import Table

    from polylect.records import MULTIPLE

    factor = _factor(report)
    scores = {row["name"]: row["heldout_scores"] for row in report.candidates}
    table = Table(
        title="Regret: what a language loses in the recommended merge against its best single model",
        title_justify="left",
        caption="On held-out items; the best model of a language was chosen on the items of the search. Negative: a gain.",
        caption_justify="left",
    )
    for heading in ("language", "best single", "its value", "recommended", "regret"):
        table.add_column(heading, justify="left" if heading in ("language", "best single") else "right", overflow="fold")
    for row in report.regret:
        own = ("", "") if row.language == MULTIPLE else (scores[row.a][row.language], scores["recommended"][row.language])
        figures = [_number(value, factor) if isinstance(value, float) else "" for value in own]
        name = "mean" if row.language == MULTIPLE else row.language
        single = "" if row.language == MULTIPLE else row.a.removeprefix("single/")
        table.add_row(name, single, *figures, _estimate(row.value, row.low, row.high, factor))
    return table


def _factor(report: SearchReport) -> float:
    """Return what turns the metric into points of a hundred."""
    return 100.0 if report.metric == "exact_match" else 1.0


def _number(value: float | None, factor: float) -> str:
    return "-" if value is None else f"{factor * value:.1f}"


def _estimate(value: float | None, low: float | None, high: float | None, factor: float) -> str:
    ends = "" if low is None or high is None else f" [{factor * low:.1f}, {factor * high:.1f}]"
    return _number(value, factor) + ends
