"""`evaluate`: a model, or its recorded outputs, on benchmarks; per-item results, a summary and a manifest in one folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import languages as language_table
from polylect import tables
from polylect.errors import EvaluationError
from polylect.evaluate.benchmarks import Benchmark, resolve
from polylect.evaluate.comet import Comet, comet_rows
from polylect.evaluate.example_choice import ExamplePool, Selection
from polylect.evaluate.items_read import ReadItems, data_of, read_items
from polylect.evaluate.prompting import Prompter, load_examples
from polylect.evaluate.provenance import PACKAGES
from polylect.evaluate.recorded import Join, Recorded, read_recorded
from polylect.evaluate.runs import Outcome, run_recorded, run_subject
from polylect.evaluate.subject import Subject
from polylect.evaluate.task_types import PromptLanguage, UnpromptedItem
from polylect.folders import StoreFolder, made_by, write_json
from polylect.progress import StageProgress, StepProgress, silent
from polylect.records import Measurement

if TYPE_CHECKING:
    from polylect.evaluate.judging import JudgeSettings
    from polylect.models.engine import Limits, Retries

__all__ = ["SCHEMA", "Evaluation", "evaluate"]

SCHEMA = 1
"""Version of the layout of summary.json and manifest.json."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to.

    Attributes:
        out: its folder.
        summary: the content of summary.json.
        manifest: the content of manifest.json.
        found: "finished" where the folder held it already, "unfinished" where it went on, else "".
    """

    out: Path
    summary: dict[str, Any]
    manifest: dict[str, Any]
    found: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return summary and folder for JSON."""
        return {**self.summary, "out": str(self.out), "found": self.found}


@dataclass
class _Run:
    """What one call of `evaluate` was told, and what it has made so far."""

    model: Subject | None
    recorded: Recorded | None
    name: str
    settings: dict[str, Any]
    folder: StoreFolder
    seed: int
    progress: StageProgress
    limits: Limits | None = None
    retries: Retries | None = None
    max_tokens: int | None = None
    judge: JudgeSettings | None = None
    comet: Comet | None = None
    rows: list[Measurement] = field(default_factory=list)
    options: list[dict[str, object]] = field(default_factory=list)
    summary: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)


def evaluate(
    model: str | None,
    benchmarks: Sequence[str],
    *,
    out: Path,
    judge: JudgeSettings | None = None,
    comet: Comet | None = None,
    data: Path | str | None = None,
    recorded: Path | None = None,
    name: str | None = None,
    languages: Sequence[str] | None = None,
    shots: int | None = None,
    examples: Selection = "fixed",
    prompt_language: PromptLanguage | None = None,
    translator: str | None = None,
    limit: int | None = None,
    max_tokens: int | None = None,
    batch_tokens: int | None = None,
    batch_rows: int | None = None,
    dtype: str | None = None,
    seed: int = 0,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: StageProgress | None = None,
    **model_settings: Any,
) -> Evaluation:
    """Evaluate a model, or recorded outputs, on benchmarks.

    The same call on the same folder goes on where a killed one stopped; on a finished folder it returns what is there.

    Args:
        model: a spec (`polylect.models.open_model`); None with `recorded`.
        benchmarks: names, or YAML files of one's own.
        out: folder of the result.
        judge: how the model judges, where the benchmark asks which of two given answers is better (M-RewardBench); None: a
            local model gives rewards, and any other judges with the defaults.
        comet: what scores translations besides chrF++; None: nothing does.
        data: folder or file of the data; with several benchmarks a folder that has one of each name. None: the hub.
        recorded: JSON lines or Parquet of outputs, instead of a model.
        name: what the tables call the model.
        languages: tags; None: every language found.
        shots: examples before each question; None: the benchmark's own number.
        examples: "fixed" or "similar".
        prompt_language: "native", "en" or "translate"; None: the benchmark's own.
        translator: for "translate": a spec of `polylect.models.translators`, or "self" for the tested model.
        limit: most items per language and subset, the first ones; None: all.
        max_tokens: most new tokens of an answer; None: what each benchmark says.
        batch_tokens: most tokens of a pass when options are scored; None: what suits the device.
        batch_rows: most questions of such a pass.
        dtype: of a local model's weights.
        seed: of the resamples.
        limits: what an endpoint may be asked at a time.
        retries: how to try again.
        progress: called with (stage, done, total, note).
        model_settings: further settings of the model's kind.

    Raises:
        EvaluationError: neither or both of model and recorded, no benchmark, one twice, no items.
        RunError: the folder is in use, or holds something else.
        PolylectError: whatever data, model or store raise.
    """
    if (model is None) == (recorded is None):
        raise EvaluationError("give either a model or a file of recorded outputs: --model MODEL or --recorded FILE.")
    entries = _entries(benchmarks)
    tags = None if languages is None else [language_table.canonical(tag) for tag in languages]
    outputs = read_recorded(recorded, name) if recorded is not None else None
    opening = {"name": name, "dtype": dtype, "batch_tokens": batch_tokens, "batch_rows": batch_rows, **model_settings}
    subject = Subject(model, limits=limits, retries=retries, **opening) if model is not None else None
    called = subject.name if subject else name or (outputs.model if outputs else "") or (recorded.stem if recorded else "")
    settings: dict[str, Any] = {
        "model": model, "name": called, "recorded": str(recorded) if recorded else None,
        "benchmarks": [entry.name for entry in entries], "data": str(data) if data is not None else None, "languages": tags,
        "shots": shots, "examples": examples, "prompt_language": prompt_language, "translator": translator, "limit": limit,
        "max_tokens": max_tokens, "dtype": dtype, "seed": seed,
    }  # fmt: skip
    settings |= _extra(entries, judge, comet)
    with StoreFolder(out, settings) as folder:
        if folder.finished is not None:
            return Evaluation(out, folder.read("summary.json"), folder.finished, "finished")
        run = _Run(
            subject, outputs, called, settings, folder, seed, progress or silent, limits, retries, max_tokens, judge, comet
        )
        began = time.monotonic()
        try:
            for entry in entries:
                _benchmark(run, entry, data_of(entry, data, len(entries)), tags)
            return _write(run, entries, time.monotonic() - began)
        finally:
            if subject is not None:
                subject.close()


def _extra(entries: Sequence[Benchmark], judge: JudgeSettings | None, comet: Comet | None) -> dict[str, Any]:
    """Return the settings that only some evaluations have; what they need is checked before anything is asked."""
    settings: dict[str, Any] = {}
    if judge is not None:
        _check_judges(entries)
        settings["judge"] = judge.as_dict()
    if comet is not None:
        comet.check()
        settings["comet"] = comet.model
    return settings


def _check_judges(entries: Sequence[Benchmark]) -> None:
    other = [entry.name for entry in entries if entry.kind != "reward"]
    if other:
        raise EvaluationError(
            f"benchmark {other[0]!r}: its items are no pairs of given answers, so there is nothing to judge. Give --model MODEL; "
            "the answers of two models are judged by `polylect compare --judge`."
        )


def _entries(benchmarks: Sequence[str]) -> list[Benchmark]:
    entries = [resolve(name) for name in benchmarks]
    if not entries:
        raise EvaluationError("no benchmark is named. Give --benchmark NAME, such as xcopa.")
    twice = [name for name, count in Counter(entry.name for entry in entries).items() if count > 1]
    if twice:
        raise EvaluationError(f"benchmark {twice[0]!r} is named twice. Name it once.")
    return entries


def _benchmark(run: _Run, entry: Benchmark, data: Path | str | None, tags: Sequence[str] | None) -> None:
    """Evaluate one benchmark; add its rows, its summary and its notes to the run."""
    from polylect.evaluate.summary import summary_of

    began = time.monotonic()
    run.progress(f"{entry.name}: read", 0, None, "")
    read = read_items(entry, data, tags, run.settings["limit"])
    outcome, prompts = _outcome(run, entry, data, tags, read)
    if run.comet is not None and entry.kind == "translate":
        run.progress(f"{entry.name}: COMET", 0, None, run.comet.model)
        outcome.rows += comet_rows(run.comet, read.items, outcome.rows)
        outcome.notes["comet"] = run.comet.model
    rows = summary_of(entry, outcome.rows, run.seed)
    stated = prompts.get("translation") or prompts.get("prompt_language") or ""
    run.rows += [replace(row, prompt_language=stated) for row in outcome.rows]
    run.options += outcome.options
    run.summary += [row.as_dict() for row in rows]
    run.notes[entry.name] = {
        "hub_id": entry.hub_ids[0] if entry.hub_ids else None,
        "data": str(data) if data is not None else None,
        "data_hash": read.digest,
        "items": len(read.items),
        "languages": dict(sorted(Counter(item.language for item in read.items).items())),
        "skipped_rows": dict(read.skipped),
        "licence": entry.licence,
        "citation": entry.citation,
        "prompts": prompts,
        "statuses": dict(Counter(row.status for row in outcome.rows)),
        "reasons": dict(Counter(f"{row.status}: {row.reason}" for row in outcome.rows if row.status != "ok").most_common(20)),
        **outcome.notes,
        "seconds": round(time.monotonic() - began, 3),
    }


def _outcome(
    run: _Run, entry: Benchmark, data: Path | str | None, tags: Sequence[str] | None, read: ReadItems
) -> tuple[Outcome, dict[str, Any]]:
    """Return what came of the items of a benchmark, and how they were asked."""
    if run.recorded is not None:
        alone = len(run.settings["benchmarks"]) == 1
        answers, join = run.recorded.answers(entry.name, read.items, alone=alone)
        _check_join(join, entry, run)
        outcome = run_recorded(entry, read.items, answers, run.name)
        outcome.notes["recorded"] = join.as_dict()
        return outcome, {"recorded": run.settings["recorded"], "prompt_language": run.settings["prompt_language"]}
    if run.model is None:
        raise AssertionError("neither a model nor recorded outputs")
    if entry.kind == "reward":
        return _preferred(run, entry, read), {"prompt_language": "native"}
    prompter = _prompter(run, entry, data, tags)
    tasks = prompter.tasks(read.items)
    lost = sum(isinstance(task, UnpromptedItem) for task in tasks)
    return run_subject(
        entry, tasks, run.model, run.name, folder=run.folder.store, progress=_staged(run, entry), limits=run.limits,
        retries=run.retries, seed=run.seed, max_tokens=run.max_tokens,
    ), {**prompter.describe(), "unprompted": lost}  # fmt: skip


def _preferred(run: _Run, entry: Benchmark, read: ReadItems) -> Outcome:
    """Return which of two given answers a reward model, or a judge, prefers."""
    from polylect.evaluate.judged_rewards import run_judge
    from polylect.evaluate.judging import JudgeSettings
    from polylect.evaluate.rewards import run_reward

    if run.model is None:
        raise AssertionError("no model")
    if run.judge is None and run.model.local:
        return run_reward(read.items, run.model, run.name, _staged(run, entry))
    return run_judge(
        read.items,
        run.model.model,
        run.name,
        folder=run.folder.store,
        settings=run.judge or JudgeSettings(),
        progress=_staged(run, entry),
        limits=run.limits,
        retries=run.retries,
    )


def _check_join(join: Join, entry: Benchmark, run: _Run) -> None:
    if not join.used:
        first = next(iter(join.examples.get("unknown item", [])), "none")
        raise EvaluationError(
            f"{run.settings['recorded']}: no output belongs to an item of {entry.name!r}. First unknown item: {first}. Items are "
            f"named by {entry.items or 'their id'}; languages by tag."
        )


def _prompter(run: _Run, entry: Benchmark, data: Path | str | None, tags: Sequence[str] | None) -> Prompter:
    settings = run.settings
    shots = entry.shots if settings["shots"] is None else settings["shots"]
    way = settings["prompt_language"]
    pool = load_examples(entry, data, tags, prompt_language=way) if shots and entry.dev else ExamplePool()
    translator = _translator(run) if way == "translate" else None
    return Prompter(
        entry,
        prompt_language=way,
        shots=shots,
        selection=settings["examples"],
        examples=pool,
        translator=translator,
        self_translation=settings["translator"] == "self",
    )


def _translator(run: _Run) -> Any:
    """Return what translates items into English.

    Raises:
        EvaluationError: none is named.
    """
    from polylect.models.translators import LlmTranslator, translator

    spec = run.settings["translator"]
    if spec is None or run.model is None:
        raise EvaluationError("the prompt language 'translate' needs a translator: --translator SPEC, or 'self'.")
    if spec == "self":
        return LlmTranslator(run.model.model, store=run.folder.store / "translations.sqlite")
    return translator(spec)


def _staged(run: _Run, entry: Benchmark) -> StepProgress:
    return lambda done, total, note: run.progress(entry.name, done, total, note)


def _write(run: _Run, entries: Sequence[Benchmark], seconds: float) -> Evaluation:
    """Write results, options, summary and, last, the manifest."""
    from polylect.evaluate.summary import main_metric

    run.progress("write", 0, None, "")
    out = run.folder.path
    tables.write(out / "results.parquet", run.rows, Measurement)
    if run.options:
        _write_options(out / "options.parquet", run.options)
    names = [entry.name for entry in entries]
    summary = {
        "schema": SCHEMA,
        "model": run.name,
        "benchmark": ",".join(names),
        "main_metrics": {entry.name: main_metric(entry) for entry in entries},
        "rows": run.summary,
    }
    write_json(out / "summary.json", summary)
    manifest = {
        **made_by("eval", PACKAGES),
        "schema": SCHEMA,
        "model": run.model.describe() if run.model else {"name": run.name, "recorded": run.settings["recorded"]},
        "benchmarks": run.notes,
        "rows": len(run.rows),
        "seconds": round(seconds, 3),
    }
    run.folder.seal(manifest)
    return Evaluation(out, summary, manifest, "unfinished" if run.folder.resumed else "")


def _write_options(path: Path, rows: Sequence[dict[str, object]]) -> None:
    import polars as pl

    temporary = path.with_name(f".{path.name}.tmp")
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(temporary, compression="zstd")
    temporary.replace(path)
