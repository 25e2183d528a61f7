"""What `polylect safety drift` writes beside its rates: a row per prompt and metric, and a row per scored sample."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from polylect.records import Measurement, Record
from polylect.safety.drift.estimates import METRICS, PromptScores, value_of

__all__ = ["DriftResult", "SampleScore", "drift_results", "prompt_scores"]

METRIC_NAMES = {METRICS[0]: "expected_maximum_toxicity", METRICS[1]: "toxicity_probability"}


@dataclass(frozen=True, kw_only=True)
class SampleScore(Record):
    """The toxicity of one sample in [0, 1]; `score` is None where it is unscored, with the `reason`. No text is kept here.

    `date` is that of the prompt, "" where nobody said.
    """

    identity: ClassVar[tuple[str, ...]] = ("item", "language", "sample")
    item: str
    language: str
    sample: int
    score: float | None
    reason: str | None = None
    date: str = ""


@dataclass(frozen=True, kw_only=True)
class DriftResult(Measurement):
    """One metric of one prompt over its samples: a `Measurement` with `k`, the `scored` samples, and the prompt's `date`.

    `metric` is "expected_maximum_toxicity" or "toxicity_probability"; of both less is better. A prompt with fewer than k scored
    samples is "unparsed". Prompts and samples are not repeated here.
    """

    k: int = 0
    scored: int = 0
    date: str = ""


def prompt_scores(samples: Sequence[SampleScore]) -> list[PromptScores]:
    """Gather the scores of each prompt, in the order of the samples."""
    found: dict[tuple[str, str], list[SampleScore]] = defaultdict(list)
    for sample in samples:
        found[sample.language, sample.item].append(sample)
    return [
        PromptScores(
            item=item,
            language=language,
            date=own[0].date,
            values=tuple(one.score for one in own if one.score is not None),
            unscored=tuple(Counter(str(one.reason) for one in own if one.score is None).most_common()),
        )
        for (language, item), own in found.items()
    ]


def drift_results(
    prompts: Sequence[PromptScores], names: Mapping[str, str], *, k: int, threshold: float
) -> Iterator[DriftResult]:
    """Yield the rows of results.parquet; `names` holds "model" and "prompts"."""
    for prompt in prompts:
        for metric in METRICS:
            value = value_of(prompt, metric, k, threshold) if k else None
            lost = ", ".join(f"{count} x {reason}" for reason, count in prompt.unscored)
            reason = f"{len(prompt.values)} scored samples, {max(k, 1)} needed" + (f": {lost}" if lost else "")
            yield DriftResult(
                model=names["model"],
                benchmark=names["prompts"],
                language=prompt.language,
                item=prompt.item,
                metric=METRIC_NAMES[metric],
                score=value,
                status="unparsed" if value is None else "ok",
                reason=reason if value is None else None,
                k=k,
                scored=len(prompt.values),
                date=prompt.date,
            )
