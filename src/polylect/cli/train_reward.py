"""`polylect train reward`: a reward model from preference pairs."""

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
    from polylect.records import Comparison
    from polylect.train.reward import RewardReport

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_POSITIVE = click.IntRange(min=1)

_HELP = """Train a reward model on preference pairs and measure it on items that it never saw.

The result is a sequence classifier with one output that transformers loads; as an arbiter it is `kind: reward_model`,
`model: DIR`. An item, with all its translations, is either trained on or held out. Printed is how often the chosen answer of a
held-out pair gets the higher reward, per language with a 95 % interval clustered by item.

A training that was stopped starts again from the beginning; with --save-every N it goes on from its last checkpoint when the
same command is given again.

\b
Examples:
  polylect train reward --model owner/name --pairs pairs.parquet --out reward --save-every 200
  polylect train reward --model runs/quickstart/steps/base --pairs runs/quickstart/steps/arbitrage/pairs.parquet \\
      --heldout 0.2 --epochs 3 --batch-size 16 --learning-rate 2e-4 --out reward
"""


@click.command(name="reward", help=_HELP, context_settings=CONTEXT)
@click.option("--model", required=True, metavar="MODEL", help="Name or folder of the language model to start from.")
@click.option("--pairs", "table", required=True, metavar="TABLE", type=_PATH, help="Preference pairs: .parquet, .jsonl.")
@click.option("--out", required=True, metavar="DIR", type=_PATH, help="New folder for the reward model.")
@click.option("--revision", metavar="REV", help="Branch, tag or commit of a hub model.")
@click.option("--heldout", type=click.FloatRange(0, 1, max_open=True), metavar="SHARE", help="Items held out.  [default: 0.1]")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), metavar="N", help="Passes over the pairs.  [default: 1]")
@click.option("--steps", type=_POSITIVE, metavar="N", help="Optimizer steps, instead of --epochs.")
@click.option("--batch-size", type=_POSITIVE, metavar="N", help="Pairs per optimizer step.  [default: 32]")
@click.option("--micro-batch-size", type=_POSITIVE, metavar="N", help="Pairs per forward pass.  [default: batch size]")
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), metavar="RATE", help="Peak learning rate.  [default: 1e-4]"
)
@click.option("--max-length", type=click.IntRange(min=8), metavar="N", help="Longer conversations are dropped.  [default: 1024]")
@click.option("--lora-rank", type=click.IntRange(min=0), metavar="R", help="Rank of the adapters; 0: all weights.  [default: 16]")
@click.option("--center", type=click.FloatRange(min=0), metavar="W", help="Pull of the rewards towards 0.  [default: 0.01]")
@click.option("--gradient-checkpointing", is_flag=True, default=None, help="Less memory, more time.")
@click.option("--chat-template", type=_PATH, metavar="FILE", help="Jinja template for a model without one.")
@click.option("--save-every", type=_POSITIVE, metavar="N", help="Steps between checkpoints to resume from.  [default: none]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the new head, the order of pairs, the held-out items.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    model: str, table: Path, out: Path, revision: str | None, seed: int, as_json: bool, chat_template: Path | None, **given: Any
) -> None:
    """Train, then print what the model does on held-out pairs."""
    from polylect import tables
    from polylect.evaluate import comparisons
    from polylect.models import resolve
    from polylect.records import Pair
    from polylect.train.reward import train_reward

    settings = _settings(chat_template, given)
    pairs = tables.read(table, Pair)
    _silence_libraries()
    with _progress(settings.save_every is not None) as progress:
        report = train_reward(resolve(model, revision), pairs, settings, out, seed=seed, progress=progress)
    rows = comparisons(report.verdicts, seed=seed)
    if as_json:
        accuracy = [row.as_dict() for row in rows]
        print_json({**report.as_dict(), "accuracy": accuracy, "out": str(out)})
    else:
        _print(report, rows, out)


def _settings(chat_template: Path | None, given: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from polylect.errors import DataError, TrainError
    from polylect.train.settings import Lora, Reward

    values = {name: value for name, value in given.items() if value is not None}
    if "lora_rank" in values:
        values["lora"] = Lora(rank=values.pop("lora_rank"))
    if chat_template is not None:
        try:
            values["chat_template"] = chat_template.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{chat_template}: cannot be read as a chat template ({error}).") from error
    try:
        return Reward(**values)
    except ValidationError as error:
        raise TrainError("; ".join(str(one["msg"]) for one in error.errors()) + ". Correct the option.") from error


def _silence_libraries() -> None:
    """Turn off the bars that transformers draws for loading and saving, and a warning that nobody who reads it can heed."""
    import warnings

    from transformers.utils import logging

    logging.disable_progress_bar()
    # transformers renamed these within the 5 series; PEFT still uses the names that all of it knows.
    warnings.filterwarnings("ignore", message="`(is_)?gradient_checkpointing` is deprecated", category=FutureWarning)


@contextmanager
def _progress(resumes: bool) -> Iterator[StepProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("steps"), TimeElapsedColumn(), TextColumn("/ left"))
    with Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.description}", markup=False), console=console, transient=True
    ) as bar:
        task = bar.add_task("reading the model", total=None)

        def show(done: int, total: int, note: str) -> None:
            bar.update(task, completed=done, total=total, description=note)
            # Ten lines where nobody watches: a log says how far the training is.
            if not console.is_terminal and (done == total or done * 10 // total > (done - 1) * 10 // total):
                console.print(f"step {done} of {total}: {note}", highlight=False)

        try:
            yield show
        except KeyboardInterrupt:
            bar.stop()
            how = "goes on from the last checkpoint" if resumes else "starts again from the beginning"
            message = f"Interrupted. The same command {how}."
            console.print(message, highlight=False)
            raise KeyboardInterrupt(message) from None


def _print(report: RewardReport, rows: list[Comparison], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from polylect.records import MULTIPLE

    console = Console()
    for reason, number in report.dropped.items():
        console.print(f"Dropped: {number:,} pairs, {reason}.", highlight=False)
    resumed = f" (resumed at step {report.resumed:,})" if report.resumed else ""
    console.print(
        f"Trained on {report.pairs:,} pairs, {report.tokens:,} tokens, {report.steps:,} steps{resumed}, {report.seconds:.0f} s. "
        f"Mean loss {report.loss:.3f}, where guessing has 0.693.",
        highlight=False,
        soft_wrap=True,
    )
    if rows:
        table = Table(title="Held-out pairs: how often the chosen answer gets the higher reward", title_justify="left")
        for heading in ("language", "right", "tied", "wrong", "unscored", "accuracy"):
            table.add_column(heading, justify="left" if heading == "language" else "right")
        for row in rows:
            name = "mean" if row.language == MULTIPLE else row.language
            counts = [f"{value:,}" for value in (row.win, row.tie, row.loss, row.unscored)]
            table.add_row(name, *counts, _percent(row.win_rate, row.low, row.high))
        console.print(table)
        console.print("95 % intervals, clustered by item; ties count half.")
    else:
        console.print("Nothing was held out, so nothing was measured.")
    console.print(f"Written to {out}", highlight=False, soft_wrap=True)


def _percent(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if low is None or high is None else f"{value:.1%} [{low:.1%}, {high:.1%}]"
