"""Logged samples of lm-evaluation-harness as measurements: the same tables that `polylect eval` writes.

found = import_lm_eval(Path("lm_eval_output"), Path("imported"))
found.languages, found.unresolved
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import languages, tables
from polylect.errors import DataError, nearest
from polylect.evaluate.interop.lm_eval_files import SampleFile, find
from polylect.evaluate.interop.lm_eval_rows import SampleRows
from polylect.evaluate.interop.lm_eval_samples import read_samples
from polylect.evaluate.interop.lm_eval_tasks import Task, resolve
from polylect.records import Measurement

if TYPE_CHECKING:
    from polylect.evaluate.summary_rows import SummaryRow

__all__ = ["Imported", "import_lm_eval"]


@dataclass
class Imported:
    """What was imported.

    Attributes:
        rows: the measurements.
        options: per option of a choice its log-likelihood, with the columns of `options.parquet`.
        summary: means by model, benchmark, metric and language, with intervals.
        tasks: per model and task: benchmark, language, version, examples, documents, file.
        unresolved: tasks whose names do not say their language -> number of rows; they are not imported.
        superseded: older files of the same model and task; not imported.
        notes: what was left out, repeated or changed -> how often.
    """

    rows: list[Measurement] = field(default_factory=list)
    options: list[dict[str, object]] = field(default_factory=list)
    summary: list[SummaryRow] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    unresolved: dict[str, int] = field(default_factory=dict)
    superseded: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that were found, sorted."""
        return tuple(sorted({row.language for row in self.rows}))

    def as_dict(self) -> dict[str, Any]:
        """Return the content of summary.json."""
        metrics: dict[str, str] = {}
        for row in self.rows:
            if row.benchmark not in metrics or row.metric == "accuracy":
                metrics[row.benchmark] = row.metric
        return {
            "schema": 1,
            "model": ",".join(sorted({row.model for row in self.rows})),
            "benchmark": ",".join(metrics),
            "main_metrics": metrics,
            "rows": [row.as_dict() for row in self.summary],
        }

    def source(self) -> dict[str, Any]:
        """Return where the rows come from and what was left out, for the manifest."""
        return {
            "tool": "lm-evaluation-harness",
            "tasks": self.tasks,
            "unresolved": self.unresolved,
            "superseded": self.superseded,
            "notes": dict(self.notes),
        }


def import_lm_eval(
    path: Path,
    out: Path | None = None,
    *,
    named: Mapping[str, str] | None = None,
    model: str | None = None,
    prompts: bool = True,
    allow_changed: bool = False,
) -> Imported:
    """Import the logged samples under a folder; write results.parquet, options.parquet, summary.json and manifest.json.

    The language comes from the name of the task. Tasks of our benchmarks get their names and the ids of items that
    `polylect eval` gives them, so that both can be compared item by item; other tasks keep their names without the language, and
    their items are numbered as in the data.

    Args:
        path: a folder that lm_eval wrote with --log_samples, or one samples file.
        out: where the tables go, a new or empty folder; None: nowhere.
        named: task -> tag of its language, where its name does not say it.
        model: a name for the model, where the harness's is not wanted.
        prompts: whether the prompts are kept; without them the table is smaller.
        allow_changed: whether rows that do not match their hashes are taken (and counted).

    Raises:
        DataError: there are no samples, a file is damaged, the output folder is in use, or no task says its language.
        LanguageError: a language in `named` is unknown.
    """
    tags = {task: languages.canonical(tag) for task, tag in (named or {}).items()}
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: the output folder holds something already. Name a new folder with --out.")
    files, older = find(path)
    _check_named(tags, files)
    found = Imported(superseded=[str(file.path) for file in older])
    models = {file.model for file in files}
    if model is not None and len(models) > 1:
        raise DataError(
            f"{path}: samples of {len(models)} models ({', '.join(sorted(models))}); one name cannot be given to all."
        )
    for file in files:
        task = resolve(file.task, file.config.get("dataset_name"), tags.get(file.task))
        if task is None:
            found.unresolved[file.task] = sum(1 for _ in read_samples(file, Counter(), allow_changed=True))
        else:
            _import_file(file, task, found, SampleRows(task, model or file.model, prompts, found.notes), allow_changed)
    if not found.rows:
        raise DataError(_nothing(path, found))
    found.summary = _summary(found.rows)
    if out is not None:
        _write(found, out, path)
    return found


def _check_named(tags: Mapping[str, str], files: Sequence[SampleFile]) -> None:
    present = sorted({file.task for file in files})
    for task in tags:
        if task not in present:
            raise DataError(
                f"--language {task}=...: no samples of a task {task!r}.{nearest(task, present)} Found: {', '.join(present)}."
            )


def _nothing(path: Path, found: Imported) -> str:
    if not found.unresolved:
        return f"{path}: no task has a metric with a value per document. Found: {dict(found.notes) or 'no rows'}."
    task = next(iter(found.unresolved))
    return (
        f"{path}: the names of the tasks do not say their language: {', '.join(found.unresolved)}. Say it: --language {task}=en."
    )


def _import_file(file: SampleFile, task: Task, found: Imported, rows: SampleRows, allow_changed: bool) -> None:
    documents: set[int] = set()
    for sample in read_samples(file, found.notes, allow_changed=allow_changed):
        if not documents:
            _check_columns(file, rows, sample, found)
        item = rows.item(sample)
        found.rows += rows.measurements(sample, item)
        if sample.doc_id not in documents:
            found.options += rows.options(sample, item)
        documents.add(sample.doc_id)
    found.tasks.append(
        {
            "task": file.task,
            "model": rows.model,
            "benchmark": rows.task.benchmark,
            "language": rows.task.language,
            "documents": len(documents),
            "shots": file.shots,
            "version": (file.content.get("versions") or {}).get(file.task),
            "harness": file.content.get("lm_eval_version"),
            "file": str(file.path),
        }
    )


def _check_columns(file: SampleFile, rows: SampleRows, sample: Any, found: Imported) -> None:
    """Let a task that has the name of our benchmark and other columns be imported under its own name, and say so."""
    try:
        rows.item(sample)
    except DataError as error:
        found.notes[f"task {file.task!r} is imported under its own name: {error}"] += 1
        rows.task = replace(rows.task, benchmark=file.task, known=False)


def _summary(rows: Sequence[Measurement]) -> list[SummaryRow]:
    """Summarise; the harness does not state the range of a metric, so one that leaves the usual range has that of its values."""
    from polylect.evaluate.cells import bounds_of
    from polylect.evaluate.summary_rows import summarise

    reach: dict[str, tuple[float, float]] = {}
    for row in rows:
        if row.score is not None:
            low, high = reach.setdefault(row.metric, bounds_of(row.metric, []))
            reach[row.metric] = (min(low, row.score), max(high, row.score))
    return summarise(rows, bounds=reach)


def _write(found: Imported, out: Path, path: Path) -> None:
    """Write the tables, and the manifest last."""
    import polars as pl

    from polylect.evaluate.provenance import PACKAGES
    from polylect.folders import MANIFEST, made_by, write_json

    tables.write(out / "results.parquet", found.rows, Measurement)
    if found.options:
        pl.DataFrame(found.options, infer_schema_length=None).write_parquet(out / "options.parquet", compression="zstd")
    write_json(out / "summary.json", found.as_dict())
    made = made_by("import lm-eval", PACKAGES)
    write_json(out / MANIFEST, {**made, "schema": 1, "path": str(path), **found.source(), "rows": len(found.rows)})
