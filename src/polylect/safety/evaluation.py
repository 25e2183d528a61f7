"""`evaluate`: how a model answers harmful prompts and harmless twins in every language, and how far that can be trusted."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import tables
from polylect.errors import EvaluationError
from polylect.languages import canonical
from polylect.progress import StageProgress, silent
from polylect.safety.answers import Answers, ask_model, read_answers
from polylect.safety.certificate import Thresholds
from polylect.safety.detectors import Detector, default_detector, identity
from polylect.safety.findings import document_of, summary_of
from polylect.safety.folder import SafetyFolder, SafetyRun, named_file, write_json
from polylect.safety.judge import ALL, Judge, read_template
from polylect.safety.judge_formats import OWN, JudgeFormat, judge_format_of
from polylect.safety.labels import Calibration, Labels, read_calibration, read_labels
from polylect.safety.mistakes import usable_again
from polylect.safety.prompts import PromptSet, chosen, read_prompts
from polylect.safety.results import SafetyResult, results
from polylect.safety.toxicity_sets import CONTINUED
from polylect.safety.verdicts import Judged, judge_answers, unfit_languages

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.interface import Model
    from polylect.models.store import Store

__all__ = ["SafetyEvaluation", "check_model", "evaluate"]


class SafetyEvaluation(SafetyRun):
    """What a safety evaluation came to."""


@dataclass(frozen=True)
class _Task:
    """What one call was told, read and opened."""

    prompts: PromptSet
    labels: Labels
    calibration: Calibration
    template: str | None
    form: JudgeFormat
    thresholds: Thresholds
    detector: Detector
    settings: dict[str, Any]
    limits: Limits | None
    retries: Retries | None
    progress: StageProgress
    model_settings: dict[str, Any]


def evaluate(
    model: str | None,
    prompts: Path,
    *,
    out: Path,
    answers: Path | None = None,
    kind: str | None = None,
    judge: str | None = None,
    judge_format: str | None = None,
    judge_languages: Sequence[str] | None = None,
    judge_template: Path | None = None,
    judge_max_tokens: int | None = None,
    labels: Path | None = None,
    calibration: Path | None = None,
    thresholds: Thresholds | None = None,
    detector: Detector | None = None,
    name: str | None = None,
    languages: Sequence[str] | None = None,
    limit: int | None = None,
    max_tokens: int = 256,
    stop: tuple[str, ...] = (),
    dtype: str | None = None,
    seed: int = 0,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: StageProgress | None = None,
    **model_settings: Any,
) -> SafetyEvaluation:
    """Evaluate how safe a model, or recorded answers, are in every language.

    The same call on the same folder goes on where a killed one stopped; on a finished folder it returns what is there.

    Args:
        model: a spec (`polylect.models.open_model`); None with `answers`.
        prompts: a prompt set (`read_prompts`).
        out: folder of the result.
        answers: recorded answers instead of a model (`read_answers`).
        kind: of the prompt set; None: told by its columns.
        judge: spec of a model that judges; None: the detector's verdicts count.
        judge_format: how this kind of judge is asked and read (`polylect.safety.judge_formats`); None: our own instructions.
        judge_languages: tags that the judge is asked in, instead of those that its format declares; "all": in every one.
        judge_template: instructions for the judge instead of those of the format.
        judge_max_tokens: most new tokens of a verdict; None: as the format has it, 256 of our own.
        labels: people's outcomes of these answers (`read_labels`): they count before any verdict, and certify the judge.
        calibration: further labelled answers that only certify the judge (`read_calibration`).
        thresholds: of the certificate.
        detector: gives verdicts of its own (`polylect.safety.detectors.detector_of`); None: the one by rules.
        name: what the tables call the model.
        languages: tags; None: every language of the set.
        limit: most prompts per language, harmful and harmless each, the first ones; None: all.
        max_tokens: most new tokens of an answer.
        stop: texts that end an answer; a base model goes on with a prompt of its own where nothing stops it.
        dtype: of a local model's weights.
        seed: of the resamples.
        limits: what an endpoint may be asked at a time.
        retries: how to try again; requests that failed in an unfinished folder are asked once more in any case.
        progress: called with (stage, done, total, note).
        model_settings: further settings of the model's kind.

    Raises:
        EvaluationError: neither or both of model and answers, no such judge format, a set of texts to continue, or no prompts in
            the languages.
        DataError: a table cannot be read, or breaks its rules.
        RunError: the folder is in use, or holds something else.
        PolylectError: whatever model or store raise.
    """
    from polylect.models.engine import Retries

    if (model is None) == (answers is None):
        raise EvaluationError("give either a model or a table of recorded answers: --model MODEL or --answers TABLE.")
    form = _form(judge, judge_format, judge_languages, judge_template)
    check_model(judge)
    read = chosen(_asked(prompts, kind), languages, limit, prompts)
    settings = {
        "model": model, "answers": named_file(answers), "prompts": named_file(prompts), "kind": read.kind, "judge": judge,
        "judge_format": None if form.name == OWN else form.name, "judge_languages": _tags(judge_languages),
        "judge_template": named_file(judge_template), "judge_max_tokens": judge_max_tokens or form.tokens,
        "labels": named_file(labels), "calibration": named_file(calibration), "name": name,
        "languages": languages and sorted(languages), "limit": limit, "max_tokens": max_tokens,
        "stop": list(stop), "dtype": dtype, "seed": seed,
    }  # fmt: skip
    task = _Task(
        prompts=read,
        labels=read_labels(labels) if labels else Labels(),
        calibration=read_calibration(calibration).of(read.languages) if calibration else Calibration(),
        template=read_template(judge_template) if judge_template else None,
        form=form,
        thresholds=thresholds or Thresholds(),
        detector=detector or default_detector(),
        settings=settings,
        limits=limits,
        # A command that is given again means it: what an endpoint refused the last time is asked once more.
        retries=replace(retries or Retries(), failed=True),
        progress=progress or silent,
        model_settings=model_settings,
    )
    with SafetyFolder(out, {**settings, "thresholds": task.thresholds.__dict__, "detector": identity(task.detector)}) as folder:
        if folder.finished is not None:
            return SafetyEvaluation(out, folder.read("safety.json"), folder.finished, "finished")
        with usable_again(folder):
            return _evaluated(task, folder, answers)


def _form(judge: str | None, name: str | None, tags: Sequence[str] | None, template: Path | None) -> JudgeFormat:
    """Return the judge's format.

    Raises:
        EvaluationError: there is no such format, or something is said of a judge and there is none.
    """
    for option, given in (("--judge-format", name), ("--judge-languages", tags), ("--judge-template", template)):
        if given is not None and judge is None:
            raise EvaluationError(f"{option} says how a judge is asked, and there is none. Name one with --judge MODEL.")
    return judge_format_of(name)


def _asked(path: Path, kind: str | None) -> PromptSet:
    """Return a prompt set that is there to be answered.

    Raises:
        EvaluationError: it is there to be continued.
    """
    read = read_prompts(path, kind)
    if read.kind in CONTINUED:
        raise EvaluationError(
            f"{path}: {read.name} has texts that a model continues: an answer to one is neither a refusal nor a compliance. "
            "Measure it with `polylect safety drift`."
        )
    return read


def _tags(given: Sequence[str] | None) -> list[str] | None:
    """Return canonical tags, sorted; "all" stays."""
    return None if given is None else sorted({tag if tag == ALL else canonical(tag) for tag in given})


def check_model(spec: str | None) -> None:
    """Find out now whether a judge is there, not after hours of answers.

    Raises:
        ModelError: the spec is not well formed, or names no model.
    """
    from polylect.models.hub import resolve
    from polylect.models.spec import parse_spec

    if spec is not None:
        parsed = parse_spec(spec)
        if parsed.local:
            resolve(parsed.target, None)


def _evaluated(task: _Task, folder: SafetyFolder, recorded: Path | None) -> SafetyEvaluation:
    """Get the answers and have them judged."""
    from polylect.models.store import Store

    began = time.monotonic()
    with Store(folder.store / "answers.sqlite") as store:
        got, model = _answers(task, recorded, store)
        odd = got.odd(whole=task.settings["languages"] is None and task.settings["limit"] is None)
        task = replace(task, prompts=replace(task.prompts, notes=(*task.prompts.notes, *odd)))
        judge = _judge(task, store)
        judged = judge_answers(
            task.prompts.prompts,
            got.answers,
            detector=task.detector,
            judge=judge,
            labels=task.labels,
            calibration=task.calibration,
            thresholds=task.thresholds,
            progress=task.progress,
        )
    described = {
        "model": model,
        "answers": got.notes,
        "judge": _judge_notes(judge, judged),
        "detector": task.detector.name,
    }
    return _written(task, folder, judged, described, time.monotonic() - began)


def _written(task: _Task, folder: SafetyFolder, judged: Judged, described: dict[str, Any], seconds: float) -> SafetyEvaluation:
    """Write the files, the manifest last."""
    task.progress("write", 0, None, "")
    out, name = folder.path, described["model"]["name"]
    judge = described["judge"] and described["judge"]["name"]
    names = {"model": name, "judge": judge, "detector": task.detector.name, "labels": task.labels.name or None}
    names["judge_format"] = judge and task.form.name
    document = document_of(task.prompts, judged, names, least=task.thresholds.least, seed=task.settings["seed"])
    rows = results(judged.answers, name, task.prompts.name, unfit_languages(judged))
    tables.write(out / "results.parquet", rows, SafetyResult)
    write_json(out / "safety.json", document)
    write_json(out / "summary.json", summary_of(task.prompts.name, judged, name, document["rows"]))
    manifest = folder.finish("safety eval", {**described, "rows": len(judged.answers), "seconds": round(seconds, 3)})
    return SafetyEvaluation(out, document, manifest, "unfinished" if folder.resumed else "")


def _answers(task: _Task, recorded: Path | None, store: Store) -> tuple[Answers, dict[str, Any]]:
    """Return the answers and what is to be said of who gave them."""
    prompts, name = task.prompts.prompts, task.settings["name"]
    if recorded is not None:
        got = read_answers(recorded, prompts, name)
        return got, {"name": name or got.model or recorded.stem, "answers": str(recorded)}
    spec = task.settings["model"]
    model = _open(task, spec, name)

    def show(counted: Counts) -> None:
        task.progress("answers", counted.done, counted.total, counted.paid)

    told = {"max_tokens": task.settings["max_tokens"], "stop": tuple(task.settings["stop"])}
    got = ask_model(prompts, model, store, **told, limits=task.limits, retries=task.retries, progress=show)
    described = {"name": model.name, "spec": spec, "fingerprint": model.fingerprint}
    # A judge may need the memory that a local model holds.
    del model
    gc.collect()
    return got, described


def _open(task: _Task, spec: str, name: str | None) -> Model:
    """Open a model under a short name: its folder's, the served model's, or the spec itself."""
    from polylect.models.likelihood import as_dtype
    from polylect.models.spec import open_model, parse_spec

    parsed = parse_spec(spec)
    settings = {**task.model_settings, "dtype": as_dtype(task.settings["dtype"])} if parsed.local else task.model_settings
    return open_model(spec, name=name or parsed.short or spec, **settings)


def _judge(task: _Task, store: Store) -> Judge | None:
    spec = task.settings["judge"]
    if spec is None:
        return None
    model = _open(task, spec, None)
    return Judge(
        model,
        store,
        task.template,
        task.settings["judge_max_tokens"],
        task.limits,
        task.retries,
        task.form,
        task.settings["judge_languages"],
    )


def _judge_notes(judge: Judge | None, judged: Judged) -> dict[str, Any] | None:
    if judge is None or judged.spent is None:
        return None
    return {"name": judge.model.name, "fingerprint": judge.model.fingerprint, **judged.spent.__dict__}
