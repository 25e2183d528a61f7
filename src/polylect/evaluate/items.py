"""Per-item results: every metric of one stage on every prompt, nothing left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from polylect import languages, verifiable
from polylect.errors import EvaluationError
from polylect.records import Completion, Prompt, Result

__all__ = ["METRICS", "SUBSETS", "UNSEEN_SUFFIX", "base_metric", "results"]

METRICS = {"exact_match": 1.0, "chrf": 100.0, "language_pass": 1.0}
"""The metrics and their largest value; the smallest is 0. On the unseen subset the name ends in `_unseen`."""

SUBSETS = ("heldout", "unseen")
"""The splits that are evaluated: held-out items of kinds of question that were trained on, and kinds that never were."""

UNSEEN_SUFFIX = "_unseen"

_Value = tuple[float | None, str | None]
"""A metric's value, or None with the reason why it is unscored; a value may carry a remark as its reason."""


def base_metric(metric: str) -> str:
    """Return the name of a metric without the suffix of its subset."""
    return metric.removesuffix(UNSEEN_SUFFIX)


def results(stage: str, prompts: Sequence[Prompt], completions: Iterable[Completion]) -> list[Result]:
    """Score one stage: one row per prompt and metric, in the order of `prompts`.

    `exact_match` is 0 or 1, `chrf` in [0, 100] (see `polylect.verifiable`), `language_pass` 0 when a line of the answer is
    in a wrong language and 1 otherwise (Marchisio et al. 2024, "Understanding and Mitigating Language Confusion in LLMs",
    line-level pass rate). What cannot be scored is a row too: `value` None, with the reason.

    An answer too short to tell its language passes, with the reason "language undetermined". Leaving such answers out would
    bias the rate: a short answer in the right language is undetermined, a sentence of English is not, so that failures
    would stay and passes would go.

    Args:
        stage: name of the stage whose model answered.
        prompts: those of the splits in `SUBSETS`; the split becomes the subset.
        completions: at most one answer per prompt.

    Raises:
        EvaluationError: no prompts, a prompt of another split, two answers to one prompt, or an answer to a prompt
            that is not evaluated.
    """
    answers = _by_prompt(stage, prompts, completions)
    rows = []
    for prompt in prompts:
        for metric, (value, reason) in _values(prompt, answers.get(prompt.id)).items():
            rows.append(
                Result(
                    stage=stage,
                    prompt_id=prompt.id,
                    item=prompt.item,
                    language=prompt.language,
                    kind=prompt.kind,
                    subset=prompt.split,
                    metric=metric + UNSEEN_SUFFIX if prompt.split == "unseen" else metric,
                    value=value,
                    reason=reason,
                )
            )
    return rows


def _by_prompt(stage: str, prompts: Sequence[Prompt], completions: Iterable[Completion]) -> dict[str, Completion]:
    if not prompts:
        raise EvaluationError(f"stage {stage!r}: no prompts to evaluate on. Give prompts of the held-out split.")
    for prompt in prompts:
        if prompt.split not in SUBSETS:
            raise EvaluationError(
                f"stage {stage!r}: prompt {prompt.id} belongs to the split {prompt.split!r}, on which models may have been "
                f"trained; evaluate on prompts of the splits {' and '.join(SUBSETS)}."
            )
    known = {prompt.id for prompt in prompts}
    answers: dict[str, Completion] = {}
    for completion in completions:
        if completion.prompt_id not in known:
            raise EvaluationError(
                f"stage {stage!r}: completion {completion.id} answers prompt {completion.prompt_id}, "
                "which is not among the prompts; give the completions of these prompts only."
            )
        if completion.prompt_id in answers:
            raise EvaluationError(
                f"stage {stage!r}: two completions for prompt {completion.prompt_id}; one answer per prompt is evaluated, "
                "choose one sample."
            )
        answers[completion.prompt_id] = completion
    return answers


def _values(prompt: Prompt, completion: Completion | None) -> dict[str, _Value]:
    """Return every metric of one answer, scored or not."""
    if completion is None:
        return dict.fromkeys(METRICS, (None, "no completion"))
    if completion.status == "failed":
        return dict.fromkeys(METRICS, (None, f"no answer: {completion.reason}"))
    unreferenced: _Value = (None, "no references")
    text, references = completion.text, prompt.references
    return {
        "exact_match": (verifiable.exact(text, references, prompt.language), None) if references else unreferenced,
        "chrf": (verifiable.chrf(text, references), None) if references else unreferenced,
        "language_pass": _language_pass(text, prompt),
    }


def _language_pass(text: str, prompt: Prompt) -> _Value:
    if not text.strip():
        return None, "empty answer"
    # A one-line answer that equals a reference is in the language, even where identification errs.
    if verifiable.is_reference(text, prompt.references, prompt.language):
        return 1.0, None
    passed = languages.line_pass(text, prompt.language)
    return (1.0, "language undetermined") if passed is None else (float(passed), None)
