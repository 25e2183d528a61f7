"""Our results in the layout of lm-evaluation-harness's results file, for tools that read that."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polylect
from polylect.errors import EvaluationError
from polylect.evaluate.interop.lm_eval_tasks import task_name
from polylect.records import MULTIPLE, Measurement

__all__ = ["lm_eval_results"]

_NAMES = {"accuracy": "acc"}
_STATISTICS = "mean over items; acc_stderr is the sample standard deviation over the square root of n, as the harness computes it"


def lm_eval_results(
    rows: Iterable[Measurement], *, shots: Mapping[str, int] | None = None, seconds: float | None = None
) -> dict[str, Any]:
    """Return the content of a results file of lm-evaluation-harness (0.4.13) for one model.

    There is one task per benchmark and language, and per subset one more (`TASK_SUBSET`). Values are means over the items
    that have a score; `n-samples` counts the rows that have none as `unscored`. `model_source` is "polylect", so that nobody
    takes the numbers for the harness's.

    Args:
        rows: measurements of one model; rows over several languages are left out, for the layout has no place for them.
        shots: examples before each question, by benchmark.
        seconds: how long the evaluation took.

    Raises:
        EvaluationError: there are no rows, or rows of several models.
    """
    every = [row for row in rows if row.language != MULTIPLE]
    models = sorted({row.model for row in every})
    if len(models) != 1:
        raise EvaluationError(
            f"a results file holds one model; these rows are of {', '.join(models) or 'none'}. Export each apart."
        )
    tasks = _tasks(every)
    metrics = {task: sorted({_NAMES.get(row.metric, row.metric) for row in own}) for task, own in tasks.items()}
    benchmarks = {task: own[0].benchmark for task, own in tasks.items()}
    content = {
        "results": {task: _values(task, own) for task, own in tasks.items()},
        "group_subtasks": {task: [] for task in tasks},
        "configs": {task: {"task": task, "metadata": {"statistics": _STATISTICS}} for task in tasks},
        "versions": dict.fromkeys(tasks, polylect.__version__),
        "n-shot": {task: (shots or {}).get(benchmarks[task], 0) for task in tasks},
        "higher_is_better": {task: dict.fromkeys(names, True) for task, names in metrics.items()},
        "n-samples": {task: _counts(own) for task, own in tasks.items()},
        "config": {"model": "polylect", "model_args": models[0]},
        "model_source": "polylect",
        "model_name": models[0],
    }
    return content if seconds is None else {**content, "total_evaluation_time_seconds": str(seconds)}


def _tasks(rows: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """Return the rows by task: benchmark and language, and each subset of these once more."""
    tasks: dict[str, list[Measurement]] = defaultdict(list)
    for row in rows:
        name = task_name(row.benchmark, row.language)
        tasks[name].append(row)
        if row.subset:
            tasks[f"{name}_{row.subset}"].append(row)
    return dict(sorted(tasks.items()))


def _values(task: str, rows: Sequence[Measurement]) -> dict[str, Any]:
    by_metric: dict[str, list[Measurement]] = defaultdict(list)
    for row in rows:
        by_metric[_NAMES.get(row.metric, row.metric)].append(row)
    values: dict[str, Any] = {"alias": task, "name": task, "sample_len": len({row.item for row in rows})}
    for metric, own in sorted(by_metric.items()):
        name, _, filtered = metric.partition(":")
        scores = [row.score for row in own if row.score is not None]
        values[f"{name},{filtered or 'none'}"] = sum(scores) / len(scores) if scores else "N/A"
        values[f"{name}_stderr,{filtered or 'none'}"] = _standard_error(scores)
    return values


def _counts(rows: Sequence[Measurement]) -> dict[str, int]:
    items = len({row.item for row in rows})
    return {"original": items, "effective": items, "unscored": sum(row.score is None for row in rows)}


def _standard_error(scores: Sequence[float]) -> float | str:
    """Return the standard error of a mean of independent scores; "N/A", as the harness writes it, for fewer than two."""
    if len(scores) < 2:
        return "N/A"
    mean = sum(scores) / len(scores)
    return math.sqrt(sum((score - mean) ** 2 for score in scores) / (len(scores) - 1) / len(scores))
