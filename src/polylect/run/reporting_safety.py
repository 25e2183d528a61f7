"""What the report of a run says of its safety, from the outputs of the steps that distil, mix and measure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.report import DistilledRow, MixtureRow, RunSafety, SafetyChange, SafetyRate, safety_report
from polylect.run.plan import Plan
from polylect.run.plan_safety import FINAL, LAST
from polylect.run.stages.safety import CHANGES

__all__ = ["PAGE", "main_stages", "read_safety", "write_safety_page"]

PAGE = "safety"
"""Folder of the page on the evaluations, in the run's."""

_DOCUMENT = "safety.json"
_MIXTURES = (("mixture/", "sft", "sft/"), ("mixture_pairs/", "pairs", "offline_dpo/"), ("safety_mixture", "sft", LAST))
"""How the names of the steps that mix begin, what they mix, and how those of the trainings that read it begin."""


def read_safety(plan: Plan, folder: Path, final: str) -> RunSafety | None:
    """Return what the run in `folder` did for safety, None where the recipe has none; `final` is the stage that was kept last."""
    if plan.recipe.safety is None:
        return None
    steps = folder / "steps"
    stages = main_stages(plan, final)
    measured = {name: _json(steps / "safety_eval" / name / _DOCUMENT) for name, _ in stages}
    found = _json(steps / "safety" / _DOCUMENT) if plan.recipe.safety.prompts else {}
    notes = [note for document in [found, *measured.values()] for note in document.get("notes", ())]
    return RunSafety(
        stages=stages,
        rates=[rate for name, document in measured.items() for rate in _rates(name, document["rows"])],
        changes=list(_changes(steps, [name for name, _ in stages])),
        mixtures=list(_mixtures(plan, steps)),
        distilled=[_distilled(row) for row in found.get("rows", ())],
        teacher=plan.recipe.safety.teacher if found else "",
        source=_source(measured.values()),
        page=f"{PAGE}/report.html" if measured else "",
        notes=tuple(dict.fromkeys(notes)),
    )


def main_stages(plan: Plan, final: str) -> list[tuple[str, str]]:
    """Return name and title of the models whose safety the report shows: the base, the merged SFT, the final one."""
    titles = {stage.name: stage.title for stage in plan.stages}
    there = [step.name.removeprefix("safety_eval/") for step in plan.steps if step.name.startswith("safety_eval/")]
    shown = [name for name in there if name in ("base", "sft", FINAL)]
    if final in there and final not in shown:
        shown.append(final)
    return [(name, f"final: {titles[final]}" if name == FINAL else titles[name]) for name in shown]


def write_safety_page(plan: Plan, folder: Path, final: str) -> list[Path]:
    """Write the page on the run's safety evaluations; return its path, or nothing where none was measured."""
    names = [name for name, _ in main_stages(plan, final)]
    if not names:
        return []
    document = _json(folder / "steps" / "safety_compare" / CHANGES)
    order = [one["folder"].rpartition("/")[2] for one in document["summary"]["evaluations"]]
    kept = {order.index(name): place for place, name in enumerate(names)}
    rows = [{**row, "evaluation": kept[row["evaluation"]]} for row in document["rows"] if row["evaluation"] in kept]
    told = {**document, "rows": rows}
    folders = [folder / "steps" / "safety_eval" / name for name in names]
    return [safety_report(folders, out=folder / PAGE, changes=told if len(names) > 1 else None)]


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _rates(stage: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[SafetyRate]:
    names = ("prompts", "language", "outcome", "value", "low", "high", "n", "status")
    return (SafetyRate(stage=stage, **{name: row[name] for name in names}) for row in rows if row["by"] == "all")


def _changes(steps: Path, shown: Sequence[str]) -> Iterator[SafetyChange]:
    if not shown:
        return
    document = _json(steps / "safety_compare" / CHANGES)
    order = [one["folder"].rpartition("/")[2] for one in document["summary"]["evaluations"]]
    names = ("prompts", "language", "outcome", "value", "low", "high", "n")
    for row in document["rows"]:
        if order[row["evaluation"]] in shown:
            yield SafetyChange(stage=order[row["evaluation"]], **{name: row[name] for name in names})


def _mixtures(plan: Plan, steps: Path) -> Iterator[MixtureRow]:
    for step in plan.steps:
        for prefix, kind, trained in _MIXTURES:
            if step.name.startswith(prefix):
                notes = _json(steps / step.name / "manifest.json")["notes"]
                names = ("rows", "safety", "anchors", "general", "share", "reached", "met")
                training = f"{trained}{step.name.removeprefix(prefix)}"
                counts = {name: notes[name] for name in names}
                yield MixtureRow(training=training, kind=kind, short=notes["short_of_anchors"], **counts)


def _distilled(row: Mapping[str, Any]) -> DistilledRow:
    names = ("prompts", "language", "asked", "without_preamble", "answers", "kept", "pairs")
    return DistilledRow(**{name: row[name] for name in names})


def _source(documents: Any) -> str:
    for document in documents:
        summary = document["summary"]
        return f"the judge {summary['judge']}" if summary["judge"] else f"the detector {summary['detector']}"
    return ""
