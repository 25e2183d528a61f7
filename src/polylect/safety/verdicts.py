"""All verdicts on answers: the detector's, the judge's and people's, put together, with the certificates of the first two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polylect.progress import StageProgress, silent
from polylect.records import JUDGE_UNFIT
from polylect.safety.answers import Answer
from polylect.safety.certificate import Certificate, Thresholds, certify
from polylect.safety.decisions import JudgedAnswer, decide
from polylect.safety.judge import Judge, Question, Spent
from polylect.safety.labels import Calibration, Labels
from polylect.safety.outcomes import Outcome, Verdict
from polylect.safety.prompts import SafetyPrompt

if TYPE_CHECKING:
    from polylect.safety.detectors import Detector

__all__ = ["Judged", "judge_answers", "unfit_languages"]

_EVERY = 50
"""Answers between two calls of `progress` while a detector works."""


@dataclass(frozen=True)
class Judged:
    """Answers with the verdicts that count.

    Attributes:
        answers: in the order of the prompts.
        source: whose verdicts count where people gave no label: "judge" or "detector".
        certificates: of judge and detector, per language.
        spent: what the judge took; None without one.
        notes: labels that could not be used, and why.
    """

    answers: tuple[JudgedAnswer, ...]
    source: str
    certificates: tuple[Certificate, ...]
    spent: Spent | None = None
    notes: tuple[str, ...] = ()


def judge_answers(
    prompts: Sequence[SafetyPrompt],
    answers: Sequence[Answer],
    *,
    detector: Detector,
    judge: Judge | None = None,
    labels: Labels | None = None,
    calibration: Calibration | None = None,
    thresholds: Thresholds | None = None,
    progress: StageProgress | None = None,
) -> Judged:
    """Judge answers to prompts.

    The detector gives its verdicts beside those of a judge, so that both can be compared; they count where there is no judge.

    Args:
        prompts: what was asked.
        answers: one per prompt.
        detector: gives a verdict where it speaks the language.
        judge: a model; None: none.
        labels: of people; they also say which prompts lost their harm.
        calibration: labelled answers beside these, for the certificates.
        thresholds: of the certificates.
        progress: called with (stage, done, total, note).

    Raises:
        EndpointError: the judge's endpoint refused the key or the model, or nothing works there any more.
    """
    labels, calibration, said = labels or Labels(), calibration or Calibration(), progress or silent
    pairs = [(_with_harm(prompt, labels), answer) for prompt, answer in zip(prompts, answers, strict=True)]
    asked = [_question(*pair) for pair in pairs if _judgeable(*pair)]
    questions = [*asked, *calibration.questions]
    # One list of verdicts per source, each in the order of the questions.
    sources, spent = [_detected(questions, detector, said)], None
    if judge is not None:
        verdicts, spent = judge.ask(questions, lambda counts: said("judge", counts.done, counts.total, ""), sources[0])
        sources.append(verdicts)
    by_key: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in (one for found in sources for one in found[: len(asked)]):
        by_key[verdict.item, verdict.language].append(verdict)
    judged = [decide(*pair, [*by_key[pair[0].key], *_label(labels, *pair)]) for pair in pairs]
    known = [*_labelled(judged), *_calibrated(sources, len(asked), calibration)]
    return Judged(
        answers=tuple(judged),
        source="detector" if judge is None else "judge",
        certificates=tuple(certify([one for found in sources for one in found], known, thresholds or Thresholds())),
        spent=spent,
        notes=tuple(_label_notes(labels, pairs)),
    )


def unfit_languages(judged: Judged) -> dict[str, tuple[str, str]]:
    """Return the languages that get no number, with status and reason: their source is unfit and its verdicts would count."""
    used = {one.prompt.language for one in judged.answers if one.final is not None and one.final.source == judged.source}
    return {
        one.language: (JUDGE_UNFIT if one.source == "judge" else f"{one.source} unfit", "; ".join(one.why))
        for one in judged.certificates
        if one.source == judged.source and one.status == "unfit" and one.language in used
    }


def _with_harm(prompt: SafetyPrompt, labels: Labels) -> SafetyPrompt:
    kept = labels.harm_kept.get(prompt.key)
    return prompt if kept is None else replace(prompt, harm_kept=kept)


def _judgeable(prompt: SafetyPrompt, answer: Answer) -> bool:
    return answer.reason is None and not answer.empty and not prompt.lost


def _question(prompt: SafetyPrompt, answer: Answer) -> Question:
    return Question(prompt.item, prompt.language, prompt.text, answer.text, prompt.harmful)


def _detected(questions: Sequence[Question], detector: Detector, progress: StageProgress) -> list[Verdict]:
    """Return the detector's verdicts; outside the languages that it declares it is not even asked."""
    found = []
    for done, one in enumerate(questions):
        if done % _EVERY == 0:
            progress("detect", done, len(questions), "")
        outcome: Outcome | None = None
        reason: str | None = f"{detector.name} does not declare {one.language}"
        if one.language in detector.languages:
            outcome, reason = detector.judge(one.prompt, one.text, one.language)
        found.append(
            Verdict(
                item=one.item,
                language=one.language,
                outcome=outcome,
                reason=reason if outcome is not None else reason or "abstained",
                source="detector",
                name=detector.name,
            )
        )
    return found


def _label(labels: Labels, prompt: SafetyPrompt, answer: Answer) -> list[Verdict]:
    verdict = labels.verdict(prompt.key, answer.text) if answer.reason is None else None
    return [verdict] if verdict is not None else []


def _labelled(judged: Sequence[JudgedAnswer]) -> Iterator[tuple[Verdict, Outcome]]:
    """Yield the verdicts on answers that people labelled, with the label."""
    for one in judged:
        label = next((verdict.outcome for verdict in one.verdicts if verdict.source == "label"), None)
        for verdict in one.verdicts:
            if label is not None and verdict.source in ("judge", "detector"):
                yield verdict, label


def _calibrated(
    sources: Sequence[Sequence[Verdict]], evaluated: int, calibration: Calibration
) -> Iterator[tuple[Verdict, Outcome]]:
    for found in sources:
        yield from zip(found[evaluated:], calibration.outcomes, strict=True)


def _label_notes(labels: Labels, pairs: Sequence[tuple[SafetyPrompt, Answer]]) -> Iterator[str]:
    keys = {prompt.key for prompt, _ in pairs}
    verdicts = [labels.verdict(prompt.key, answer.text) for prompt, answer in pairs]
    for count, what in (
        (sum(key not in keys for key in labels.votes), "are of prompts that are not asked"),
        (sum(labels.stale(prompt.key, answer.text) for prompt, answer in pairs), "are of another answer than the one that came"),
        (sum(one is not None and one.outcome is None for one in verdicts), "are split evenly between annotators"),
    ):
        if count:
            yield f"{count:,} labelled answers {what}: these labels are not used"
