"""`polylect merge extract`: a LoRA adapter from the difference of two checkpoints, with what it loses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import listed
from polylect.cli.printing import print_json

if TYPE_CHECKING:
    from polylect.merge.extraction import ExtractionReport, LeftOut

__all__ = ["command"]

_HELP = """Write a LoRA adapter that turns BASE into MODEL as closely as its rank allows.

MODEL is a fine-tuned checkpoint folder, BASE the one that it was tuned from. The adapter loads with PEFT; the table says how
much of the change each module loses, and which changed tensors a LoRA cannot carry.

\b
Examples:
  polylect merge extract models/tuned --base models/base --rank 16 --out adapters/tuned
  polylect merge extract models/tuned --base models/base --rank 64 --error 0.1 --targets q_proj,v_proj --out adapters/small
"""
_WORST = 5


@click.command(name="extract", help=_HELP, context_settings=CONTEXT)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--base", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Checkpoint that MODEL was tuned from."
)
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="New folder for the adapter.")
@click.option("--rank", default=16, show_default=True, help="Rank of every module, at most.")
@click.option("--error", type=float, help="Relative error that is enough (0.1): every module gets the smallest rank for it.")
@click.option(
    "--targets", metavar="NAME,...", help="Modules to adapt: ends of their paths, or globs. Default: all linear layers."
)
@click.option("--dtype", default="float32", show_default=True, help="Of the adapter: float32, bfloat16, float16 or float64.")
@click.option("--seed", default=0, show_default=True, help="Of the random test matrices.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    model: Path, base: Path, out: Path, rank: int, error: float | None, targets: str | None, dtype: str, seed: int, as_json: bool
) -> None:
    """Extract, show progress, print the report."""
    from rich.console import Console
    from rich.progress import Progress

    from polylect.merge.extraction import extract

    names = listed(targets) if targets else None
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Extracting", total=None)
        report = extract(
            model,
            base,
            out,
            rank=rank,
            error=error,
            targets=names,
            dtype=dtype,
            seed=seed,
            progress=lambda done, total, _: bar.update(task, completed=done, total=total),
        )
    if as_json:
        print_json({**report.as_dict(), "out": str(out)})
    else:
        _print(report, out)


def _print(report: ExtractionReport, out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    ranks = [module.rank for module in report.modules]
    table = Table(title="Largest errors", title_justify="left")
    for heading in ("module", "rank", "error", "rounding"):
        table.add_column(heading, justify="left" if heading == "module" else "right", overflow="fold")
    for module in sorted(report.modules, key=lambda one: -one.error)[:_WORST]:
        rounding = module.rounding / module.norm
        table.add_row(module.name, str(module.rank), f"{module.error:.1%}", f"{rounding:.1%}" if rounding < 1 else "all")
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    spread = f"rank {ranks[0]}" if min(ranks) == max(ranks) else f"ranks {min(ranks)} to {max(ranks)}"
    console.print(f"{len(ranks):,} modules adapted, {spread}; {report.unchanged:,} tensors are the same in both checkpoints.")
    console.print(f"Relative error {report.error:.1%} over the adapted modules (Frobenius norm).")
    console.print(_rounding(report))
    for line in _left_out(report.left_out, report.norm):
        console.print(line)
    if report.left_out:
        console.print(f"With these, the relative error of the whole change is {report.total_error:.1%}.")
    console.print(f"Written to {out}")


def _rounding(report: ExtractionReport) -> str:
    """Return what the model's dtype alone does to the change, in a sentence."""
    if report.rounding >= 1:
        return "The change is finer than the model's dtype resolves: most of it is rounding, which no adapter can carry."
    near = " Nearly all of the error is that: a higher rank would not help." if report.rounding > 0.9 * report.error else ""
    return f"The rounding of the model's numbers to their dtype makes about {report.rounding:.1%} by itself.{near}"


def _left_out(tensors: tuple[LeftOut, ...], norm: float) -> list[str]:
    """Return one line per reason: how many tensors, their share of the squared norm of the change, and the largest."""
    lines = []
    for reason in sorted({tensor.reason for tensor in tensors}):
        group = [tensor for tensor in tensors if tensor.reason == reason]
        share = sum(tensor.norm**2 for tensor in group) / norm**2
        largest = max(group, key=lambda tensor: tensor.norm).name
        lines.append(f"Not carried, {reason}: {len(group):,} tensors, {share:.2%} of the squared change; largest {largest}.")
    return lines
