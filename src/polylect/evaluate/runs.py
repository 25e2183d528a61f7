"""From tasks, or items with recorded answers, to measurements of one benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.evaluate.benchmarks.base import Benchmark
from polylect.evaluate.choice import ChoiceScorer, chosen, measure_choice, option_rows
from polylect.evaluate.consistency import by_item, consistency_rows, mlc_rows
from polylect.evaluate.generation import Answer, Asker
from polylect.evaluate.score_log import ScoreLog
from polylect.evaluate.scoring import choice_of, measure_answer, measure_recorded_choice, unprompted
from polylect.evaluate.subject import Subject
from polylect.evaluate.task_types import ChoiceTask, GenerateTask, Item, UnpromptedItem
from polylect.models.requests import Request
from polylect.progress import StepProgress
from polylect.records import Measurement

if TYPE_CHECKING:
    from polylect.models.engine import Limits, Retries

__all__ = ["Outcome", "run_recorded", "run_subject"]


@dataclass
class Outcome:
    """The measurements of one benchmark, the options that were scored, and what the manifest notes."""

    rows: list[Measurement] = field(default_factory=list)
    options: list[dict[str, object]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


def run_subject(
    entry: Benchmark,
    tasks: Sequence[ChoiceTask | GenerateTask | UnpromptedItem],
    subject: Subject,
    name: str,
    *,
    folder: Path,
    progress: StepProgress,
    limits: Limits | None = None,
    retries: Retries | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
) -> Outcome:
    """Give tasks to a model and measure what it makes of them; scores and answers are kept in `folder`."""
    outcome = Outcome()
    for task in tasks:
        if isinstance(task, UnpromptedItem):
            outcome.rows += unprompted(entry, task.item, task.reason, name)
    choices = [task for task in tasks if isinstance(task, ChoiceTask)]
    if choices:
        _choose(entry, choices, subject, name, folder, progress, outcome)
    asked = [task for task in tasks if isinstance(task, GenerateTask)]
    if asked:
        from polylect.models.store import Store

        with Store(folder / "answers.sqlite") as store:
            asker = Asker(subject.model, store, limits=limits, retries=retries, seed=seed, max_tokens=max_tokens)
            answers = asker.answers(asked, progress)
        for task, answer in zip(asked, answers, strict=True):
            outcome.rows += measure_answer(entry, task, answer, name)
        outcome.notes["answers"] = {
            "asked": asker.asked,
            "reused": asker.reused,
            "prompt_tokens": asker.prompt_tokens,
            "completion_tokens": asker.completion_tokens,
            "cost": asker.cost,
        }
    return outcome


def _choose(
    entry: Benchmark,
    tasks: Sequence[ChoiceTask],
    subject: Subject,
    name: str,
    folder: Path,
    progress: StepProgress,
    outcome: Outcome,
) -> None:
    scorer = ChoiceScorer(subject.likelihood, ScoreLog(folder / "options.jsonl"))
    scores = scorer.score(tasks, progress)
    made = []
    for task, options in zip(tasks, scores, strict=True):
        outcome.rows.append(measure_choice(task, options, name))
        outcome.options += option_rows(task, options, name)
        made.append((task.item.subset, task.item.item, task.item.language, chosen(task, options)))
    outcome.notes["options"] = {"asked": scorer.asked, "reused": scorer.reused}
    _across_languages(entry, made, name, outcome)


def _across_languages(entry: Benchmark, made: Sequence[tuple[str, str, str, int | None]], name: str, outcome: Outcome) -> None:
    """Add what benchmarks of consistency compare over languages."""
    choices = by_item(made)
    if "consistency" in entry.metrics:
        outcome.rows += consistency_rows(name, entry.name, choices)
    if "mlc" in entry.metrics:
        outcome.rows += mlc_rows(name, entry.name, choices)


def run_recorded(entry: Benchmark, items: Sequence[Item], answers: Sequence[Answer], name: str) -> Outcome:
    """Measure recorded answers, as those of a model would be; what was asked is not known, so rows show the item's text."""
    outcome = Outcome()
    made = []
    for item, answer in zip(items, answers, strict=True):
        if entry.kind in ("choice", "consistency", "reward"):
            labels = item.options
            task = ChoiceTask(item=item, contexts=("",) * len(labels), continuations=labels, gold=item.answer or 0, labels=labels)
            outcome.rows.append(measure_recorded_choice(task, answer, name, item.text))
            made.append((item.subset, item.item, item.language, choice_of(task, answer)))
        else:
            outcome.rows += measure_answer(entry, _task(entry, item), answer, name)
    _across_languages(entry, made, name, outcome)
    return outcome


def _task(entry: Benchmark, item: Item) -> GenerateTask:
    """Return the task of a recorded answer; the words before a final number are looked for in the item's language."""
    from polylect.errors import EvaluationError

    pattern = ""
    if entry.ask is not None:
        try:
            pattern = entry.ask(item, item.language).pattern
        except EvaluationError:
            pattern = ""  # no words are known in this language: the last number counts
    return GenerateTask(item=item, request=Request(item.key, item.text), prompt_tag=item.language, answer_pattern=pattern)
