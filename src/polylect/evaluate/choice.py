"""Multiple choice by log-likelihood: each option is scored after its context, the most likely one is the model's answer.

    scorer = ChoiceScorer(open_likelihood("models/mine"), ScoreLog(Path("out/.store/options.jsonl")))
    scores = scorer.score(tasks)  # per task, one OptionScore per option

Brown et al. 2020, "Language Models are Few-Shot Learners", section 2.4. Log-likelihoods are divided by the length of an option
only where the benchmark says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from polylect.evaluate.score_log import ScoreLog
from polylect.evaluate.task_types import ChoiceTask
from polylect.models.likelihood import Likelihood, OptionScore
from polylect.progress import StepProgress
from polylect.records import Measurement

__all__ = ["ChoiceScorer", "chosen", "length_of", "measure_choice", "option_rows", "shown_prompt"]


class ChoiceScorer:
    """Scores the options of tasks, and keeps the scores.

    Args:
        likelihood: an open model.
        log: where scores are kept.
    """

    def __init__(self, likelihood: Likelihood, log: ScoreLog) -> None:
        self.likelihood, self.log = likelihood, log
        self.reused = self.asked = 0

    def score(self, tasks: Sequence[ChoiceTask], progress: StepProgress | None = None) -> list[list[OptionScore]]:
        """Return the scores of each task's options, in order; tasks with the same options are asked once.

        Raises:
            PolylectError: the model cannot score anything.
        """
        settings = {"dtype": self.likelihood.notes.get("dtype")}
        keys = [ScoreLog.key(self.likelihood.fingerprint, settings, task.options) for task in tasks]
        missing = {key: task for key, task in zip(keys, tasks, strict=True) if self.log.get(key) is None}
        order = list(missing)
        self.reused += len(tasks) - len(order)
        done = len(tasks) - len(order)
        for batch in self.likelihood.score([missing[key].options for key in order]):
            self.log.put((order[index], scores) for index, scores in batch)
            self.asked += len(batch)
            done += len(batch)
            if progress is not None:
                progress(done, len(tasks), f"{self.reused} reused" if self.reused else "")
        return [self.log.get(key) or _lost(task) for key, task in zip(keys, tasks, strict=True)]


def length_of(task: ChoiceTask, option: int, score: OptionScore) -> float:
    """Return what an option's log-likelihood is divided by: 1, or its length as `ChoiceTask.normalise` counts it, at least 1."""
    if task.normalise == "tokens":
        return float(max(1, score.tokens))
    text = task.continuations[option].removeprefix(" ")
    lengths = {"none": 1, "characters": len(text), "bytes": len(text.encode())}
    return float(max(1, lengths[task.normalise]))


def chosen(task: ChoiceTask, scores: Sequence[OptionScore]) -> int | None:
    """Return the index of the most likely option, the first of equals; None where one is unscored."""
    values = []
    for option, score in enumerate(scores):
        if score.logprob is None:
            return None
        values.append(score.logprob / length_of(task, option, score))
    return values.index(max(values))


def measure_choice(task: ChoiceTask, scores: Sequence[OptionScore], model: str) -> Measurement:
    """Return the accuracy of one task: 1 where the most likely option is the right one."""
    best = chosen(task, scores)
    reason = next((score.reason for score in scores if score.logprob is None), None)
    return Measurement(
        model=model,
        benchmark=task.item.benchmark,
        language=task.item.language,
        item=task.item.item,
        metric="accuracy",
        score=None if best is None else float(best == task.gold),
        status="ok" if best is not None else "failed",
        reason=reason,
        subset=task.item.subset,
        prompt=shown_prompt(task),
        output="" if best is None else task.labels[best],
        reference=task.labels[task.gold],
    )


def shown_prompt(task: ChoiceTask) -> str:
    """Return the context; with partial scoring, where each option has its own, the text of the item."""
    return task.contexts[0] if task.shared else task.item.text


def option_rows(task: ChoiceTask, scores: Sequence[OptionScore], model: str) -> list[dict[str, object]]:
    """Return one row per option: what `options.parquet` holds."""
    best = chosen(task, scores)
    return [
        {
            "model": model,
            "benchmark": task.item.benchmark,
            "language": task.item.language,
            "item": task.item.item,
            "subset": task.item.subset,
            "option": option,
            "label": task.labels[option],
            "continuation": task.continuations[option],
            "logprob": score.logprob,
            "tokens": score.tokens,
            "bytes": len(task.continuations[option].removeprefix(" ").encode()),
            "greedy": score.greedy,
            "gold": option == task.gold,
            "chosen": option == best,
        }
        for option, score in enumerate(scores)
    ]


def _lost(task: ChoiceTask) -> list[OptionScore]:
    return [OptionScore(None, 0, None, "the model gave no score") for _ in task.options]
