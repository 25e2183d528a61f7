"""`polylect safety mix-or-merge`: is a model better made safe by mixing data, or by merging a safety expert into it?

The steps lie in the run folder of the recipe: what `polylect run` has finished is used, and what is finished here is never done
again (`polylect.run.mix_or_merge_plan`).
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import __version__, tables
from polylect.errors import RecipeError, RunError
from polylect.recipe import Recipe, load
from polylect.records import Result
from polylect.run.api import PRELOAD, cluster_of
from polylect.run.mix_or_merge_asked import save_asked
from polylect.run.mix_or_merge_choice import Rule
from polylect.run.mix_or_merge_document import Found, TradeOff, collect
from polylect.run.mix_or_merge_estimate import show, warnings
from polylect.run.mix_or_merge_plan import TradeOffPlan, plan_trade_off
from polylect.run.mix_or_merge_wanted import MixOrMerge, completed, sources
from polylect.run.outputs import MANIFEST
from polylect.run.runner import execute
from polylect.run.steps import Outcome
from polylect.safety.document import make_document
from polylect.safety.folder import write_json
from polylect.safety.results import SafetyResult

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["MixOrMergeReport", "mix_or_merge"]

_FOLDER = "mix-or-merge"


@dataclass(frozen=True)
class MixOrMergeReport:
    """What came out: the output folder, the content of safety.json, and the folder of the recommended checkpoint.

    `document` is empty after a dry run.
    """

    out: Path
    document: dict[str, Any]
    checkpoint: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return document and folder for JSON; no text of a prompt or an answer is in it."""
        return {**self.document, "out": str(self.out)}


def mix_or_merge(
    recipe: Path | Recipe,
    wanted: MixOrMerge | None = None,
    *,
    rule: Rule | None = None,
    run: Path | None = None,
    out: Path | None = None,
    dry_run: bool = False,
    overrides: Sequence[str] = (),
    console: Console | None = None,
) -> MixOrMergeReport:
    """Train and merge the candidates of a recipe, measure each on safety and quality, and recommend one.

    `out` gets safety.json, candidates.parquet (`TradeOff`), results.parquet (`SafetyResult`), quality.parquet (`Result`),
    report.html and, last, manifest.json.

    Args:
        recipe: a recipe file, or a recipe.
        wanted: data, prompts, shares, methods and weights; None: the recipe's safety data and prompts, the paper's grid.
        rule: of the recommendation.
        run: folder of the steps, which may hold a run of the recipe; None is runs/<recipe name>.
        out: of the result; None is the folder mix-or-merge in the run's.
        dry_run: print the plan with steps, tokens, minutes and GB, and run nothing.
        overrides: key=value changes to the recipe file.
        console: where progress is shown; None is standard error.

    Raises:
        PolylectError: see `polylect.run.execute`; DataError and RecipeError for data and recipes that do not fit.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load(recipe, overrides)
    run = run or Path("runs") / recipe.name
    out = out or run / _FOLDER
    given = wanted or MixOrMerge()
    wanted = completed(recipe, given)
    there = all(Path(name).is_file() for name in recipe.prompts.files.values())
    planned = plan_trade_off(recipe, wanted, sources(recipe, wanted), check_files=not dry_run or there)
    if dry_run:
        show(planned, wanted, rule or Rule(), run, console)
        return MixOrMergeReport(out, {})
    _check(out, run, wanted)
    _warn(warnings(planned, rule or Rule(), run, wanted.prompts), console)
    began = time.monotonic()
    outcome = _carried_out(planned, given, run, console)
    found = collect(planned, run / "steps", rule or Rule())
    document = make_document("mix-or-merge", found.rows, found.summary, found.notes)
    _write(out, found, document)
    write_json(out / MANIFEST, _manifest(planned, wanted, outcome, time.monotonic() - began))
    checkpoints = {one["name"]: Path(one["checkpoint"]) for one in found.summary["candidates"]}
    return MixOrMergeReport(out, document, checkpoints[found.summary["recommended"]])


def _check(out: Path, run: Path, wanted: MixOrMerge) -> None:
    """Find out before hours of work that the result has no place, or that there is no such judge."""
    from polylect.safety.evaluation import check_model

    if wanted.judge_format is not None and wanted.judge is None:
        raise RecipeError("--judge-format says how a judge is asked, and there is none. Name one with --judge MODEL.")
    check_model(wanted.judge)
    if run.exists() and not run.is_dir():
        raise RunError(f"{run}: is a file. Name the run folder of the recipe, or a new one, with --run.")
    if out.exists() and not out.is_dir():
        raise RunError(f"{out}: is a file. Choose a folder with --out.")
    if out.is_dir() and any(out.iterdir()) and not (out / "safety.json").is_file():
        raise RunError(f"{out}: holds files that this command has not written. Choose a new folder with --out.")


def _warn(lines: Iterable[str], console: Console | None) -> None:
    """Say before hours of work what will keep the result from being of use."""
    from rich.console import Console

    console = console or Console(stderr=True)
    for line in lines:
        console.print(f"note: {line}", highlight=False, soft_wrap=True, markup=False)


def _carried_out(planned: TradeOffPlan, given: MixOrMerge, run: Path, console: Console | None) -> Outcome:
    recipe = planned.recipe

    def start() -> None:
        write_json(run / "recipe.json", recipe.model_dump(mode="json"))
        save_asked(given, run)

    return execute(
        planned.steps,
        run,
        jobs=recipe.runtime.jobs,
        threads=recipe.runtime.threads,
        preload=PRELOAD,
        on_start=start,
        cluster=cluster_of(recipe.runtime),
        console=console,
    )


def _write(out: Path, found: Found, document: dict[str, Any]) -> None:
    from polylect.report.safety_pareto import write_pareto

    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    write_json(out / "safety.json", document)
    tables.write(out / "candidates.parquet", found.candidates, TradeOff)
    tables.write(out / "results.parquet", found.results, SafetyResult)
    tables.write(out / "quality.parquet", found.quality, Result)
    write_pareto(document, out)


def _manifest(planned: TradeOffPlan, wanted: MixOrMerge, outcome: Outcome, seconds: float) -> dict[str, Any]:
    settings = {**asdict(wanted), "data": [str(path) for path in wanted.tables]}
    settings["prompts"] = None if wanted.prompts is None else str(wanted.prompts)
    own = [step for step in planned.steps if "mix-or-merge" in step.name]
    hashes = {str(step.paths[role]): sha for step in own for role, sha in step.files.items()}
    return {
        "command": "safety mix-or-merge",
        "polylect": __version__,
        "python": platform.python_version(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": planned.recipe.name,
        "settings": settings,
        "sha256": hashes,
        "steps": {one.name: {"key": one.key, "seconds": one.seconds, "used": one.skipped} for one in outcome.steps},
        "seconds": round(seconds, 3),
    }
