"""From answers to measurements: one function per kind of benchmark, one row per item and metric, nothing left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from polylect import verifiable
from polylect.errors import EvaluationError, nearest
from polylect.evaluate import confusion
from polylect.evaluate.benchmarks.base import Benchmark
from polylect.evaluate.extraction import READINGS, option_of, read_number
from polylect.evaluate.generation import Answer
from polylect.evaluate.instruction_rules import broken, loose_forms
from polylect.evaluate.task_types import ChoiceTask, GenerateTask, Item, Turn
from polylect.records import Measurement
from polylect.verifiable.constraints import Unmeasured

__all__ = ["TEXT_METRICS", "choice_of", "measure_answer", "measure_recorded_choice", "unprompted"]

EMPTY = "empty answer"


class _Scored(NamedTuple):
    score: float | None
    status: str = "ok"
    reason: str | None = None


_Scorer: TypeAlias = Callable[[GenerateTask, str], _Scored]


def measure_answer(entry: Benchmark, task: GenerateTask, answer: Answer, model: str) -> list[Measurement]:
    """Return the measurements of one answer, by the kind of its benchmark.

    A request that failed is a row of every metric without a score, with the reason.

    Raises:
        EvaluationError: the benchmark names a metric that no text can be scored by.
    """
    if entry.kind == "instructions":
        return _instructions(entry, task, answer, model)
    if answer.reason is not None and not answer.texts:
        lost = _Scored(None, "failed", answer.reason)
        return [_row(task, model, metric, lost, "") for metric in _metrics(entry)]
    if entry.kind == "pairwise":
        return [_row(task, model, entry.metrics[0], _Scored(None, "skipped", "needs a judge: polylect compare"), answer.text)]
    if entry.kind == "confusion":
        return _confusion(task, answer.text, model)
    return [_row(task, model, metric, _scorer(entry, metric)(task, answer.text), answer.text) for metric in _metrics(entry)]


def unprompted(entry: Benchmark, item: Item, reason: str, model: str) -> list[Measurement]:
    """Return the rows of an item that was never asked."""
    lost = _Scored(None, "skipped", reason)
    metrics = ("accuracy",) if entry.kind in ("choice", "consistency", "reward") else _metrics(entry)
    return [_measured(item, model, metric, lost, item.text, "", "") for metric in metrics]


def choice_of(task: ChoiceTask, answer: Answer) -> int | None:
    """Return the option that a recorded answer names."""
    if answer.choice is not None:
        return answer.choice if 0 <= answer.choice < len(task.labels) else None
    return option_of(answer.text, task.labels, task.item.language) if answer.texts else None


def measure_recorded_choice(task: ChoiceTask, answer: Answer, model: str, prompt: str) -> Measurement:
    """Return the accuracy of a recorded answer to a choice; one that names no option is wrong, and counted as unparsed."""
    named = choice_of(task, answer)
    if answer.reason is not None and not answer.texts and answer.choice is None:
        scored = _Scored(None, "failed", answer.reason)
    elif named is None:
        scored = _Scored(0.0, "unparsed", EMPTY if not answer.text.strip() else "the answer names no option")
    else:
        scored = _Scored(float(named == task.gold))
    output = answer.text if answer.texts else "" if named is None else task.labels[named]
    return _measured(task.item, model, "accuracy", scored, prompt, output, task.labels[task.gold])


def _metrics(entry: Benchmark) -> tuple[str, ...]:
    """Return the metrics that single answers have; the others are made of these (`polylect.evaluate.summary`)."""
    return ("line_pass_rate",) if entry.kind == "confusion" else entry.metrics


def _row(task: GenerateTask, model: str, metric: str, scored: _Scored, output: str) -> Measurement:
    reference = task.item.references[0] if task.item.references else ""
    return _measured(task.item, model, metric, scored, task.request.text, output, reference)


def _measured(
    item: Item, model: str, metric: str, scored: _Scored, prompt: str, output: str, reference: str, subset: str | None = None
) -> Measurement:
    return Measurement(
        model=model,
        benchmark=item.benchmark,
        language=item.language,
        item=item.item,
        metric=metric,
        score=scored.score,
        status=scored.status,
        reason=scored.reason,
        subset=item.subset if subset is None else subset,
        prompt=prompt,
        output=output,
        reference=reference,
    )


def _confusion(task: GenerateTask, text: str, model: str) -> list[Measurement]:
    """Return the rows of LPR and, for languages of another script than the Latin one, of WPR."""
    language = task.item.language
    if not text.strip():
        lines = _Scored(None, "unparsed", EMPTY)
    else:
        score, remark = confusion.line_pass(text, language)
        lines = _Scored(score, "ok", remark)
    rows = [_row(task, model, "line_pass_rate", lines, text)]
    if language in confusion.WORD_LANGUAGES:
        if lines.score == 1.0:
            word = confusion.stray_word(text)
            words = _Scored(float(word is None), "ok", f"stray word: {word}" if word else None)
        else:
            words = _Scored(None, "skipped", lines.reason or "a line is in a wrong language")
        rows.append(_row(task, model, "word_pass_rate", words, text))
    return rows


def _instructions(entry: Benchmark, task: GenerateTask, answer: Answer, model: str) -> list[Measurement]:
    """Return strict and loose accuracy of every turn, of the prompt (all followed) and of its instructions (share followed)."""
    rows = []
    item = task.item
    for number, turn in enumerate(item.turns, start=1):
        subset = f"turn {number}" if "turns" in item.fields else item.subset
        text = answer.texts[number - 1] if number <= len(answer.texts) else None
        found = _turn(turn, text, item.language, answer.reason)
        rows += [
            _measured(item, model, metric, found[metric], turn.text, text or "", ", ".join(turn.instructions), subset)
            for metric in entry.metrics
        ]
    return rows


def _turn(turn: Turn, text: str | None, language: str, reason: str | None) -> Mapping[str, _Scored]:
    names = ("prompt_strict", "instruction_strict", "prompt_loose", "instruction_loose")
    if text is None:
        return dict.fromkeys((*names, "mean"), _Scored(None, "failed", reason or "no answer"))
    strict, notes = _followed(turn, [text], language)
    loose, _ = _followed(turn, loose_forms(text), language)
    if not strict:
        return dict.fromkeys((*names, "mean"), _Scored(None, "skipped", notes or "no instructions"))
    values = [float(all(strict)), sum(strict) / len(strict), float(all(loose)), sum(loose) / len(loose)]
    status = "unparsed" if not text.strip() else "ok"
    scored = {name: _Scored(value, status, notes) for name, value in zip(names, values, strict=True)}
    return {**scored, "mean": _Scored(sum(values) / len(values), status, notes)}


def _followed(turn: Turn, forms: Sequence[str], language: str) -> tuple[list[bool], str | None]:
    """Return for each measured instruction whether one of the forms follows it, and what was not measured or not followed."""
    followed, notes = [], []
    for name, arguments in zip(turn.instructions, turn.arguments, strict=True):
        try:
            kept = any(not broken(form, language, name, arguments) for form in forms)
        except Unmeasured as why:
            notes.append(f"not measured: {name}: {why}")
            continue
        followed.append(kept)
        if not kept:
            notes.append(f"broken: {name}")
    return followed, "; ".join(notes) or None


def _scorer(entry: Benchmark, metric: str) -> _Scorer:
    if metric not in TEXT_METRICS:
        raise EvaluationError(
            f"benchmark {entry.name!r}: no text can be scored by {metric!r}.{nearest(metric, TEXT_METRICS)} "
            f"Known: {', '.join(TEXT_METRICS)}."
        )
    return TEXT_METRICS[metric]


def _answered(score: Callable[[GenerateTask, str], float]) -> _Scorer:
    """Let an empty answer be worth 0, and count it."""

    def scored(task: GenerateTask, text: str) -> _Scored:
        return _Scored(score(task, text)) if text.strip() else _Scored(0.0, "unparsed", EMPTY)

    return scored


def _number(reading: str) -> _Scorer:
    def scored(task: GenerateTask, text: str) -> _Scored:
        item = task.item
        found = read_number(text, _answer_language(task), task.answer_pattern, reading)
        if found.value is None:
            return _Scored(0.0, "unparsed", found.reason)
        return _Scored(float(any(found.value == Decimal(reference) for reference in item.references)))

    return scored


def _answer_language(task: GenerateTask) -> str:
    """Return the language that the answer is written in: the prompt's, since examples and words are in that language."""
    return task.prompt_tag or task.item.language


def _any_number(task: GenerateTask, text: str) -> _Scored:
    score, reason = verifiable.number_match(text, task.item.references, _answer_language(task))
    if score is None:
        return _Scored(None, "skipped", reason)
    return _Scored(score, "unparsed" if reason == "no number in the answer" else "ok", reason)


@cache
def _chrf_words() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF(word_order=2)


def _chrf_plus_plus(task: GenerateTask, text: str) -> float:
    """Return the chrF++ of one sentence (Popović 2017), as sacrebleu computes it."""
    return float(_chrf_words().sentence_score(text, list(task.item.references)).score)


TEXT_METRICS: Mapping[str, _Scorer] = {
    **{reading: _number(reading) for reading in READINGS},
    "number": _any_number,
    "exact_match": _answered(lambda task, text: verifiable.exact(text, task.item.references, task.item.language)),
    "chrf": _answered(lambda task, text: verifiable.chrf(text, task.item.references)),
    "chrf++": _answered(_chrf_plus_plus),
}
"""What a single answer can be scored by, by the name of the metric."""
