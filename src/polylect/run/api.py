"""The commands `polylect run`, `why` and `report` as functions."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import PolylectError, RunError
from polylect.recipe import Recipe, Runtime, load
from polylect.run.cluster import Cluster
from polylect.run.plan import Plan, plan
from polylect.run.progress import counted
from polylect.run.runner import execute
from polylect.run.steps import Outcome, Step, StepReport
from polylect.run.why import why as why_step

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["PRELOAD", "cluster_of", "report", "run", "why"]

PRELOAD = (
    "torch",
    "transformers.models.auto.modeling_auto",
    "trl.trainer.sft_trainer",
    "trl.trainer.dpo_trainer",
    "peft",
    "sacrebleu",
)
"""Imported once by the workers' server: a step that trains does not pay for them again. polars is left out: it starts threads."""

_RECIPE, _OUTCOME = "recipe.json", "run.json"


def run(
    recipe: Path | Recipe,
    *,
    out: Path | None = None,
    dry_run: bool = False,
    until: str | None = None,
    force: Sequence[str] = (),
    overrides: Sequence[str] = (),
    console: Console | None = None,
) -> Path:
    """Carry out a recipe, or print its plan; return the run folder.

    Args:
        recipe: a recipe file, or a recipe.
        out: run folder; None is runs/<recipe name>.
        dry_run: print the plan with tokens, minutes and GB, and run nothing.
        until: stop after this step or group of steps.
        force: steps to run although they are current; what depends on them runs too.
        overrides: key=value changes to the recipe file.
        console: where progress and results are shown; None is standard error.

    Raises:
        PolylectError: see `polylect.run.execute`; RecipeError for what this version plans but cannot run.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load(recipe, overrides)
    out = out or Path("runs") / recipe.name
    if dry_run:
        from polylect.run.estimate import show

        show(plan(recipe, check_files=False), console)
        return out
    planned = plan(recipe)
    runtime = recipe.runtime
    outcome = execute(
        planned.steps,
        out,
        until=until,
        force=force,
        jobs=runtime.jobs,
        threads=runtime.threads,
        preload=PRELOAD,
        on_start=lambda: _save(out / _RECIPE, recipe.model_dump(mode="json")),
        cluster=cluster_of(runtime),
        console=console,
    )
    _finish(planned, out, outcome, console)
    return out


def why(folder: Path, step: str, *, recipe: Path | None = None, overrides: Sequence[str] = ()) -> list[str]:
    """Say why a step of the run in `folder` would run again, or that it is current; one sentence per line.

    The steps of `polylect safety mix-or-merge` are those that its last call on this run asked for.

    Args:
        folder: the run folder.
        step: name of the step.
        recipe: compare with this recipe file; None takes the recipe that the folder was last run with.
        overrides: key=value changes to the recipe file first.

    Raises:
        RunError: no run in the folder, or no such step (the message names those that there are).
        DataError: a step of mix-or-merge whose data or prompts are no longer there.
    """
    current = load(recipe, overrides) if recipe is not None else _saved(folder, overrides)
    steps = {one.name: one for one in plan(current).steps}
    if step not in steps:
        for one in _asked(current, folder, step):
            steps.setdefault(one.name, one)
    return why_step(list(steps.values()), folder, step)


def _asked(recipe: Recipe, folder: Path, step: str) -> Sequence[Step]:
    """Return the steps of mix-or-merge on a run, in which a step that the recipe does not have is looked for."""
    from polylect.run.mix_or_merge_asked import ASKED, asked_steps

    try:
        found = asked_steps(recipe, folder)
    except PolylectError as error:
        raise type(error)(f"{folder}: no step of the recipe is named {step!r}, and those of mix-or-merge need {error}") from error
    if not found and step.startswith("mix-or-merge"):
        raise RunError(
            f"{folder}: no step is named {step!r}: no {ASKED} says what mix-or-merge was asked here. Start "
            "`polylect safety mix-or-merge` with this run folder first (what is finished is not made again)."
        )
    return found


def report(folder: Path) -> list[Path]:
    """Write report.html, report.json, results.csv and stages.svg of the run in `folder` from its tables; return their paths.

    A run whose recipe measures safety gets the page safety/report.html, too.

    Of an arbitrage, a merge or a search for weights, which have a manifest of their own, report.html is written.

    Raises:
        RunError: there is no run in the folder, or it has not come to its comparison.
        DataError: a file of an arbitrage or of a merge is missing or broken.
    """
    if (folder / "routing.json").is_file():
        from polylect.report import arbitrage_report

        return [arbitrage_report(folder)]
    if (folder / "manifest.json").is_file():
        from polylect.run.merging import merge_report

        return [merge_report(folder)]
    planned = plan(_saved(folder), check_files=False)
    path = folder / _OUTCOME
    if not path.is_file():
        raise RunError(f"{folder}: the run has no finished step list ({_OUTCOME}); finish it with `polylect run` first.")
    return _write(planned, folder, [StepReport(**step) for step in json.loads(path.read_text())["steps"]])


def _write(planned: Plan, folder: Path, steps: Sequence[StepReport]) -> list[Path]:
    from polylect import report as reports
    from polylect.run.reporting import collect
    from polylect.run.reporting_safety import write_safety_page

    data = collect(planned, folder, steps)
    page = write_safety_page(planned, folder, data.final_stage)
    return [*reports.write(data, folder), reports.picture(data, folder / "stages.svg"), *page]


def _finish(planned: Plan, out: Path, outcome: Outcome, console: Console | None) -> None:
    """Save what the run cost; write the report when the comparison is there; say where it is and what came out."""
    from rich.console import Console

    console = console or Console(stderr=True)
    ran = [step for step in outcome.steps if not step.skipped]
    if len(outcome.steps) < len(planned.steps):
        console.print(f"Stopped as asked: {counted(len(ran))} ran. The same command without --until goes on.")
        return
    figures = {
        "steps": [asdict(step) for step in outcome.steps],
        "seconds": outcome.seconds,
        "peak_memory_mb": outcome.peak_memory_mb,
    }
    if ran or not (out / _OUTCOME).is_file():
        _save(out / _OUTCOME, figures)
        _write(planned, out, outcome.steps)
    elif not (out / "report.html").is_file():
        report(out)
    if ran:
        from polylect.run.summary import lines

        for line in lines(planned, out):
            console.print(line, highlight=False)
    console.print(f"Report: {out / 'report.html'}", highlight=False, soft_wrap=True)


def _saved(folder: Path, overrides: Sequence[str] = ()) -> Recipe:
    path = folder / _RECIPE
    if not path.is_file():
        raise RunError(
            f"{folder}: no run is in this folder (no {_RECIPE}). Give one that `polylect run` wrote, such as runs/quickstart."
        )
    return load(path, overrides)


def _save(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def cluster_of(runtime: Runtime) -> Cluster | None:
    """Return what an actor needs where models answer on a Ray cluster; None: they answer in the steps' processes."""
    if runtime.executor == "local":
        return None
    return Cluster(num_cpus=float(runtime.threads or 1), num_gpus=1.0 if runtime.gpus else 0.0)
