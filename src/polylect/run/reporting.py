"""From a finished run's folder to what its report shows: reads tables and manifests, computes nothing new."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from polylect import tables
from polylect.errors import RunError
from polylect.records import Comparison, Completion, Difference, Prompt, Result, Route, Summary, content_hash
from polylect.report import Asset, MergeStep, ReportData, Sample, StageRow, StepRow, merge_step
from polylect.run.plan import Plan, Stage
from polylect.run.reporting_judge import read_judge
from polylect.run.reporting_safety import read_safety
from polylect.run.stages.common import DROPS, order
from polylect.run.steps import StepReport

__all__ = ["collect", "final_stage"]

_LIBRARIES = ("torch", "transformers", "trl", "peft", "babel", "num2words", "sacrebleu", "py3langid", "numpy", "polars")

_BY_RULE = (
    "Win rates come from the verifiable judge: an answer that matches a reference beats one that does not, then the higher "
    "chrF wins beyond a margin; a wrong-language answer loses. No person and no language model judged these answers."
)
_BY_MODEL = (
    "Win rates are verdicts of a language model, which no person has checked here. Its certificate tells where it contradicts "
    "itself; it cannot tell where it is consistently wrong, as a judge is that likes long answers or those of its own family."
)

_NOTES = (
    "All intervals are 95 % and clustered by item: the translations of one item count as one draw.",
    "The unseen kinds of question were never trained on, neither by the teachers nor by any later step.",
    "Kinds of question differ in difficulty and some are missing in some languages, so compare stages within a language "
    "rather than languages with each other.",
    "Online iterations are kept or dropped on validation items that the evaluation does not use.",
)


def collect(plan: Plan, folder: Path, reports: Sequence[StepReport]) -> ReportData:
    """Gather everything that the report of the run in `folder` shows.

    Raises:
        RunError: the run has not come to its comparison yet.
    """
    compare = folder / "steps" / "compare"
    if not (compare / "comparisons.parquet").is_file():
        raise RunError(f"{folder}: the run has no comparison of its stages yet; finish it with `polylect run` first.")
    recipe = plan.recipe
    stages = [_stage_row(stage, folder) for stage in plan.stages]
    final = final_stage(plan, folder)
    return ReportData(
        title=recipe.name,
        description=" ".join(recipe.description.split()),
        languages=recipe.languages,
        stages=stages,
        summaries=tables.read(compare / "summaries.parquet", Summary),
        comparisons=tables.read(compare / "comparisons.parquet", Comparison),
        differences=tables.read(compare / "differences.parquet", Difference),
        routes=tables.read(folder / "steps" / "arbitrage" / "routes.parquet", Route),
        samples=list(_samples(plan, folder, final)),
        steps=[_step_row(report) for report in reports],
        assets=list(_assets(plan, folder)),
        settings=recipe.model_dump(mode="json"),
        base_stage=plan.stages[0].name,
        reference_stages=plan.references,
        final_stage=final,
        notes=[_BY_MODEL if recipe.evaluation.judge == "llm" else _BY_RULE, *_NOTES],
        created=_manifest(folder, "compare")["started"],
        machine=_machine(),
        drops=_drops(plan, folder),
        few_shot_stage=next((stage.name for stage in plan.stages if stage.name.endswith("_shot")), None),
        baseline_stage="baseline" if recipe.baseline else None,
        merges=list(_merges(plan, folder)),
        judge=read_judge(folder / "steps" / "judge") if recipe.evaluation.judge == "llm" else None,
        safety=read_safety(plan, folder, final),
    )


def final_stage(plan: Plan, folder: Path) -> str:
    """Return the last stage that was kept."""
    return [stage.name for stage in plan.stages if _verdict(stage, folder).get("kept", True)][-1]


def _verdict(stage: Stage, folder: Path) -> dict[str, Any]:
    path = folder / "steps" / stage.verdict / "verdict.json"
    return json.loads(path.read_text()) if stage.verdict else {}


def _stage_row(stage: Stage, folder: Path) -> StageRow:
    verdict = _verdict(stage, folder)
    note = ""
    if verdict:
        rate = (
            "no rate"
            if verdict["win_rate"] is None
            else f"{verdict['win_rate']:.1%} [{verdict['low']:.1%}, {verdict['high']:.1%}]"
        )
        note = f"win rate on the validation items against {verdict['against']}: {rate}, n = {verdict['n']}"
    return StageRow(stage.name, stage.title, f"steps/{stage.model}", verdict.get("kept", True), note)


def _merges(plan: Plan, folder: Path) -> Iterator[MergeStep]:
    """Yield the merges whose statistics the run has kept, named and called as the stages that they made."""
    stages = {stage.model: stage for stage in plan.stages}
    for step in plan.steps:
        if step.name.startswith("merge/") and (folder / "steps" / step.name).is_dir():
            made = stages.get(step.name)
            name, title = (made.name, made.title) if made else (step.name.removeprefix("merge/"), step.title)
            weights = _manifest(folder, step.name).get("notes", {}).get("weights") or {}
            merge = merge_step(folder / "steps" / step.name, name, title, weights)
            if merge is not None:
                yield merge


def _step_row(report: StepReport) -> StepRow:
    tokens = report.notes.get("tokens")
    return StepRow(report.name, report.key, report.seconds, report.peak_memory_mb, report.skipped, tokens, report.bytes)


def _manifest(folder: Path, step: str) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "steps" / step / "manifest.json").read_text())
    return manifest


def _samples(plan: Plan, folder: Path, final: str) -> Iterator[Sample]:
    """Yield answers of the reference stages and the final one to items drawn at random, not chosen for their looks."""
    shown = [stage for stage in plan.stages if stage.name in {*plan.references, final}]
    prompts = tables.read(folder / "steps" / "prompts" / "prompts.parquet", Prompt)
    answers = {stage.name: _answers(folder, stage) for stage in shown}
    correct = {stage.name: _correct(folder, stage) for stage in shown}
    for language in plan.recipe.languages:
        own = [row for row in prompts if row.language == language and row.split == "heldout"]
        own.sort(key=lambda row: order(plan.recipe.seed, "sample", row.item))
        for row in own[: plan.recipe.evaluation.samples]:
            yield Sample(
                language=language,
                item=row.item,
                kind=row.kind,
                prompt=row.text,
                references=row.references,
                answers={name: found[row.id] for name, found in answers.items()},
                correct={name: found.get(row.id) for name, found in correct.items()},
            )


def _answers(folder: Path, stage: Stage) -> dict[str, str]:
    rows = tables.read(folder / "steps" / stage.results / "completions.parquet", Completion)
    return {row.prompt_id: row.text for row in rows}


def _correct(folder: Path, stage: Stage) -> dict[str, bool | None]:
    rows = tables.read(folder / "steps" / stage.results / "results.parquet", Result)
    return {row.prompt_id: None if row.value is None else row.value == 1 for row in rows if row.metric == "exact_match"}


def _drops(plan: Plan, folder: Path) -> dict[str, int]:
    """Return what every step dropped or left unscored; reasons that differ by language alone are added up."""
    drops: Counter[str] = Counter()
    for step in plan.steps:
        path = folder / "steps" / step.name / DROPS
        for reason, count in (json.loads(path.read_text()) if path.is_file() else {}).items():
            language, _, rest = reason.partition(": ")
            drops[f"{step.name}: {rest if language in plan.recipe.languages else reason}"] += count
    for stage in plan.stages:
        for row in tables.read(folder / "steps" / stage.results / "results.parquet", Result):
            if row.value is None:
                drops[f"{stage.results}: {row.metric} unscored: {row.reason}"] += 1
    return dict(drops)


def _assets(plan: Plan, folder: Path) -> Iterator[Asset]:
    seen = set()
    for step in plan.steps:
        model = _manifest(folder, step.name).get("notes", {}).get("model")
        if isinstance(model, Mapping) and model.get("name") not in seen:
            seen.add(model.get("name"))
            yield Asset(
                name=str(model.get("name")),
                kind="model",
                version=str(model.get("version") or ""),
                sha256=model.get("sha256"),
                licence=str(model.get("licence", "unknown")),
                origin=str(model.get("source", "")),
            )
    yield from _data(plan, folder)
    digest = content_hash(plan.recipe.model_dump(mode="json"))
    yield Asset(name=plan.recipe.name, kind="recipe", version="", sha256=digest, licence="", origin="this run's recipe.json")
    for name in _LIBRARIES:
        about = metadata.metadata(name)
        stated = [about[field] for field in ("License-Expression", "License") if field in about]
        licence = (stated[0] if stated else "see the package").splitlines()[0]
        yield Asset(name=name, kind="library", version=metadata.version(name), sha256=None, licence=licence, origin="PyPI")


def _data(plan: Plan, folder: Path) -> Iterator[Asset]:
    """Yield the sources of the recipe's prompts, then those of its prompts on safety."""
    seen = set()
    for step in plan.steps:
        origin = plan.recipe.prompts.source if step.name == "prompts" else "safety"
        for source, licence in _manifest(folder, step.name).get("notes", {}).get("sources", []):
            if (source, licence) not in seen:
                seen.add((source, licence))
                yield Asset(name=source, kind="data", version="", sha256=None, licence=licence, origin=origin)


def _machine() -> str:
    """Describe the machine without naming it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    system = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GB memory, {system}"
