"""What a report shows: plain frozen records that the runner fills and that every output is made from.

Nothing here is computed: all estimates arrive as `Summary`, `Comparison`, `Difference` and `Route` records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from polylect.records import Comparison, Difference, Route, Summary
from polylect.report.judge_data import JudgeData
from polylect.report.merge_data import MergeStep
from polylect.report.run_safety_data import RunSafety

__all__ = ["Asset", "ReportData", "Sample", "StageRow", "StepRow"]


@dataclass(frozen=True)
class StageRow:
    """One stage that was evaluated. `kept` is False when the recipe went on without it; `note` says why."""

    name: str
    title: str
    model: str
    kept: bool = True
    note: str = ""


@dataclass(frozen=True)
class StepRow:
    """What one step of the run cost. `skipped`: it was whole from an earlier run, whose costs are given.

    `seconds` is wall time, `peak_memory_mb` is in 10**6 bytes, `bytes` is the size of the step's folder, `tokens` is None where
    no tokens were read or generated.
    """

    name: str
    key: str
    seconds: float
    peak_memory_mb: float
    skipped: bool
    tokens: int | None
    bytes: int


@dataclass(frozen=True)
class Sample:
    """One held-out prompt with the answers of several stages. `references` are the accepted answers, preferred first.

    `answers` maps stage to answer. `correct` maps stage to the evaluation's exact match (None: unscored); a stage
    that is missing from it is shown without a verdict, because the report judges nothing itself.
    """

    language: str
    item: str
    kind: str
    prompt: str
    references: tuple[str, ...]
    answers: dict[str, str]
    correct: dict[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Asset:
    """Something the run was made of. `kind` is "model", "data", "library" or "recipe"; `origin` says where it came from."""

    name: str
    kind: str
    version: str
    sha256: str | None
    licence: str
    origin: str


@dataclass(frozen=True)
class ReportData:
    """Everything that a report shows.

    Attributes:
        title: Name of the run.
        description: One or two sentences on what was run.
        languages: BCP-47 tags in the order in which every table and chart lists them.
        stages: All stages in the order of the run; those in `reference_stages` are what the recipe is compared with.
        summaries: Metrics per stage, of scope language, macro, worst and gap.
        comparisons: Win rates, `a` against `b`.
        differences: Paired differences, `a` minus `b`.
        routes: What the arbitrage did with each teacher in each language.
        samples: Answers to show; the HTML shows the first three per language, the JSON all.
        steps: Costs, in the order of the run.
        assets: Models, data, libraries and recipes, with licences.
        settings: The recipe as it was run, nested dictionaries of plain values.
        base_stage: The untrained model, asked directly.
        reference_stages: Stages outside the recipe, the base among them.
        final_stage: The stage whose model the run hands over.
        notes: Limits and remarks, one paragraph each.
        created: When the report was made, ISO 8601.
        machine: What the run was measured on.
        drops: Reason -> number of rows that were dropped or left unscored for it.
        few_shot_stage: The base with examples in its prompt. None: "five_shot" if it is a reference stage, else the base.
        baseline_stage: What the recipe must beat. None: "baseline" if it is a reference stage, else there is none.
        merges: The merges of the run, in order, with what their inputs changed layer by layer.
        judge: The language model whose verdicts the comparisons are. None: they were made by rule.
        safety: What was distilled, mixed and measured for safety. None: the recipe has no safety.
    """

    title: str
    description: str
    languages: tuple[str, ...]
    stages: list[StageRow]
    summaries: list[Summary]
    comparisons: list[Comparison]
    differences: list[Difference]
    routes: list[Route]
    samples: list[Sample]
    steps: list[StepRow]
    assets: list[Asset]
    settings: dict[str, Any]
    base_stage: str
    reference_stages: tuple[str, ...]
    final_stage: str
    notes: list[str]
    created: str
    machine: str
    drops: dict[str, int]
    few_shot_stage: str | None = None
    baseline_stage: str | None = None
    merges: list[MergeStep] = field(default_factory=list)
    judge: JudgeData | None = None
    safety: RunSafety | None = None

    @property
    def before(self) -> str:
        """The stage that "before" means in per-language charts: the base with examples, else the base alone."""
        if self.few_shot_stage is not None:
            return self.few_shot_stage
        return "five_shot" if "five_shot" in self.reference_stages else self.base_stage

    @property
    def baseline(self) -> str | None:
        """The stage that the recipe must beat, if the run has one."""
        if self.baseline_stage is not None:
            return self.baseline_stage
        return "baseline" if "baseline" in self.reference_stages else None
