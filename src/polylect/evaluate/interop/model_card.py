"""Our results as the `model-index` of a model card: one result per benchmark, metric, subset and language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from polylect.errors import EvaluationError
from polylect.evaluate.benchmarks import get

if TYPE_CHECKING:
    from polylect.evaluate.summary_rows import SummaryRow

__all__ = ["model_card_metadata"]

_TASKS = {
    "choice": "multiple-choice",
    "consistency": "multiple-choice",
    "reward": "text-classification",
    "translate": "translation",
}


def model_card_metadata(summary: Iterable[SummaryRow], *, model: str | None = None, main_only: bool = True) -> str:
    """Return YAML for the head of a model card (README.md on the hub), between its `---` lines.

    The layout is that of `huggingface_hub.EvalResult`: one result per benchmark and language (`dataset.config`), one metric in it
    per metric and subset. `metric.args` has n and the 95 % interval clustered by item.

    Args:
        summary: rows of `polylect.evaluate.summarise` or of summary.json, of one model.
        model: name for the card; None: that of the rows.
        main_only: whether only the main metric of each benchmark is written, and subsets as well.

    Raises:
        EvaluationError: there are no rows per language with a value, or rows of several models.
    """
    from huggingface_hub import EvalResult, ModelCardData

    rows = [row for row in summary if row.scope == "language" and row.value is not None]
    models = sorted({row.model for row in rows})
    if len(models) != 1:
        raise EvaluationError(
            f"a model card is about one model; these rows are of {', '.join(models) or 'none'}. Export each apart."
        )
    first = _main_metrics(rows)
    chosen = [row for row in rows if not main_only or row.metric == first[row.benchmark]]
    results = [EvalResult(**_result(row)) for row in chosen]
    card = ModelCardData(language=sorted({row.language for row in chosen}), model_name=model or models[0], eval_results=results)
    return f"{card.to_yaml()}\n"


def _main_metrics(rows: Iterable[SummaryRow]) -> dict[str, str]:
    """Return the metric of each benchmark that comes first: its own main metric, else accuracy, else the first that is there."""
    present: dict[str, list[str]] = {}
    for row in rows:
        present.setdefault(row.benchmark, []).append(row.metric)
    chosen = {}
    for benchmark, metrics in present.items():
        wanted = [*_own_metrics(benchmark), "accuracy"]
        chosen[benchmark] = next((metric for metric in wanted if metric in metrics), metrics[0])
    return chosen


def _own_metrics(benchmark: str) -> tuple[str, ...]:
    from polylect.evaluate.summary import main_metric

    try:
        entry = get(benchmark)
    except EvaluationError:
        # Imported tasks and benchmarks of the user's own are not in the register.
        return ()
    return (main_metric(entry), *entry.metrics)


def _result(row: SummaryRow) -> dict[str, Any]:
    try:
        entry = get(row.benchmark)
        kind, hub_id = _TASKS.get(entry.kind, "text-generation"), entry.hub_ids[0] if entry.hub_ids else row.benchmark
    except EvaluationError:
        kind, hub_id = "text-generation", row.benchmark
    return {
        "task_type": kind,
        "dataset_type": hub_id,
        "dataset_name": f"{row.benchmark} ({row.language})",
        "dataset_config": row.language,
        "metric_type": row.metric,
        "metric_value": round(float(row.value or 0.0), 6),
        "metric_name": row.metric.replace("_", " ") + (f" ({row.subset})" if row.subset else ""),
        "metric_args": {
            **({"subset": row.subset} if row.subset else {}),
            "n": row.n,
            "low": None if row.low is None else round(row.low, 6),
            "high": None if row.high is None else round(row.high, 6),
            "interval": "95 %, clustered by item",
        },
    }
