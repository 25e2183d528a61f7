"""`polylect merge MODEL...`: checkpoints in, one checkpoint out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.printing import print_json
from polylect.errors import MergeError

if TYPE_CHECKING:
    from polylect.merge.manifest import MergeReport
    from polylect.merge.settings import Settings

__all__ = ["command"]

_METHODS = ("linear", "slerp", "task-arithmetic", "ties", "dare-linear", "dare-ties", "model-stock")

_HELP = """Merge MODEL... (checkpoint or adapter folders) into the checkpoint DIR.

Every tensor is planned from the headers before anything is read; what does not fit is an error that names it. Memory stays
bounded whatever the models' size; a killed merge goes on where it stopped; DIR appears whole or not at all.

\b
Examples:
  polylect merge sft/west sft/east --out merged
  polylect merge sft/west sft/east --weights 0.4,0.6 --out merged
  polylect merge a b c --method ties --base base --density 0.2 --out merged --dry-run
  polylect merge vision-model text-model --weights 0.4,0.6 --out merged
  polylect merge --config merge.yaml --out merged
  polylect merge search a b --validation prompts.parquet --objective worst --out found
  polylect merge extract tuned --base base --rank 16 --out adapter
"""


def _numbers(_: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: numbers with commas between are needed, for example 0.3,0.7.") from error


@click.command(name="merge", help=_HELP, context_settings=CONTEXT)
@click.argument("models", nargs=-1, metavar="MODEL...", type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(_METHODS), help="How to merge.  [default: linear]")
@click.option("--base", metavar="MODEL", type=click.Path(path_type=Path), help="What task vectors are taken against.")
@click.option("--weights", metavar="W,W,...", callback=_numbers, help="One per model.  [default: all alike, 1 / models]")
@click.option("--t", type=float, help="SLERP: from the first model (0) to the second (1).  [default: 0.5]")
@click.option("--density", metavar="D[,D...]", callback=_numbers, help="Share kept by TIES and DARE.  [default: 0.5]")
@click.option("--lambda", "scale", type=float, help="Factor of the merged task vector.  [default: 1.0]")
@click.option("--normalize/--no-normalize", default=None, help="Divide by the weights that take part.  [default: by method]")
@click.option("--rescale", type=click.Choice(["density", "l1"]), help="What DARE divides kept entries by.  [default: density]")
@click.option("--dtype", metavar="NAME", help="float32, float16, bfloat16.  [default: the first model's]")
@click.option("--seed", type=int, help="Of DARE's masks.  [default: 0]")
@click.option("--threads", type=int, metavar="N", help="Workers.  [default: the cores]")
@click.option("--max-memory", metavar="SIZE", help="Bytes of the buffers: 400MB, 2GB.  [default: 400MB]")
@click.option("--device", metavar="NAME", help="cpu, numpy, or a torch device such as cuda.  [default: cpu]")
@click.option("--vocabulary", type=click.Choice(["same", "union", "base", "first"]), help="Token lists.  [default: same]")
@click.option("--tokenizer", metavar="WHOSE", help="first, base or a model's number.  [default: first]")
@click.option("--generation", metavar="WHOSE", help="Generation settings: first, base or a number.  [default: first]")
@click.option("--names", metavar="ARCHITECTURE", help="Name map of cross-modal merging.  [default: found]")
@click.option("--rank", type=int, metavar="N", help="Adapters into one adapter: cut it to this rank.  [default: exact]")
@click.option("--shard-size", metavar="SIZE", help="Largest file of the output.  [default: 5GB]")
@click.option("--statistics", type=click.Choice(["sampled", "exact", "none"]), help="Cosines and norms.  [default: sampled]")
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="The same settings, and rules, in YAML.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="New folder of the merged checkpoint.")
@click.option("--dry-run", is_flag=True, help="Print the plan with bytes, seconds and memory; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print plan or result as JSON.")
def command(config: Path | None, out: Path | None, rank: int | None, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Plan, merge, print what was done."""
    from polylect.merge.adapters import is_adapter
    from polylect.merge.yaml_config import settings_from

    if out is None and not dry_run:
        raise click.UsageError("--out DIR is needed (or --dry-run).")
    settings = settings_from(config, {name: value for name, value in options.items() if value is not None and value != ()})
    if settings.base is None and all(is_adapter(model) for model in settings.models):
        if out is None:
            raise click.UsageError("adapters alone have no plan to print: leave out --dry-run, or give --base.")
        _merge_adapters(settings, out, rank, as_json)
    elif rank is not None:
        raise click.UsageError("--rank is for adapters alone (no --base, every MODEL an adapter).")
    else:
        _merge_models(settings, out, dry_run, as_json)


def _merge_adapters(settings: Settings, out: Path, rank: int | None, as_json: bool) -> None:
    """Merge adapters into an adapter, in low rank."""
    from polylect.merge.low_rank import merge_adapters

    if settings.method not in ("linear", "task-arithmetic"):
        raise MergeError(
            f"method {settings.method}: is not exact in low rank. Merge the adapters into their model: --base MODEL."
        )
    report = merge_adapters(
        settings.models,
        settings.weights,
        out,
        method="linear" if settings.method == "linear" else "task-arithmetic",
        scale=settings.scale,
        rank=rank,
        dtype=settings.dtype or "float32",
    )
    if as_json:
        print_json({**report.as_dict(), "out": str(out)})
        return
    ranks = sorted({module.rank for module in report.modules})
    told = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}" if ranks else "no change left"
    click.echo(f"{len(report.modules):,} modules, {told}, relative error {report.error:.2g}")
    click.echo(f"Adapter written to {out}")


def _merge_models(settings: Settings, out: Path | None, dry_run: bool, as_json: bool) -> None:
    """Merge checkpoints (and adapters into a base), or print the plan."""
    from polylect.merge.planning import plan

    planned = plan(settings)
    if dry_run:
        from polylect.merge.estimate import as_dict, describe

        if as_json:
            print_json(as_dict(planned))
        else:
            click.echo(describe(planned))
        return
    assert out is not None
    from polylect.merge.engine import execute

    report = execute(planned, out, progress=None if as_json or not sys.stderr.isatty() else _bar())
    _print(report, planned.notes, out, as_json)


def _bar() -> Any:
    """Return a progress callback that draws one line on the terminal."""
    import time

    start = time.monotonic()

    def show(done: int, total: int, note: str) -> None:
        seconds = time.monotonic() - start
        left = seconds / done * (total - done) if done else 0.0
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{done:,} of {total:,} tensors  {seconds:.1f} s, about {left:.0f} s left  {note}\x1b[K{end}")
        sys.stderr.flush()

    return show


def _print(report: MergeReport, notes: tuple[str, ...], out: Path, as_json: bool) -> None:
    if as_json:
        print_json({**report.as_dict(), "out": str(out)})
        return
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(report.line())
    click.echo(f"Written to {out}")
