"""One logged sample of lm-evaluation-harness as measurements, and its options as rows of `options.parquet`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from polylect.evaluate.benchmarks import get
from polylect.evaluate.benchmarks.base import Row
from polylect.evaluate.benchmarks.checking import checked
from polylect.evaluate.interop.lm_eval_samples import Option, Sample
from polylect.evaluate.interop.lm_eval_tasks import Task
from polylect.evaluate.task_types import Item
from polylect.records import Measurement

__all__ = ["SampleRows"]

_METRICS = {"acc": "accuracy"}
"""The harness's names of metrics that are ours by another name."""

_UNREAD = "[invalid]"
"""What the harness's regular-expression filters give where they find nothing."""

_UNFILTERED = "none"


@dataclass
class SampleRows:
    """Makes the rows of one task's samples.

    Args:
        task: what the task's name says.
        model: the model's name.
        prompts: whether prompts are kept.
        notes: counts what was left out or is odd.
    """

    task: Task
    model: str
    prompts: bool
    notes: Counter[str] = field(default_factory=Counter)

    def item(self, sample: Sample) -> Item | None:
        """Return our item of a sample; None where the task is not one of our benchmarks.

        Raises:
            DataError: the sample's document lacks the columns of our benchmark.
        """
        if not self.task.known:
            return None
        entry = get(self.task.benchmark)
        row = Row(
            values={**sample.doc, **checked(sample.where, sample.doc, entry.columns, False)},
            language=self.task.language,
            config="",
            split=entry.test,
            number=sample.doc_id,
            where=sample.where,
        )
        return next(iter(entry.read(row)))

    def measurements(self, sample: Sample, item: Item | None) -> Iterator[Measurement]:
        """Yield one measurement per metric that has a value for the document."""
        for name in sample.corpus_metrics:
            self.notes[f"metric {name!r} has no value per document"] += 1
        output, reference = _answer(sample, item)
        for name, value in sample.metrics.items():
            status, reason = _status(sample, value)
            if name == "acc" and _contradicts(sample, item, value):
                self.notes["accuracy is not that of the most likely option"] += 1
            yield Measurement(
                model=self.model,
                benchmark=self.task.benchmark,
                language=self.task.language,
                item=item.item if item else str(sample.doc_id),
                metric=_METRICS.get(name, name) + ("" if sample.filter == _UNFILTERED else f":{sample.filter}"),
                score=value if math.isfinite(value) else None,
                status=status,
                reason=reason,
                subset=item.subset if item else self.task.part,
                prompt=sample.prompt if self.prompts else "",
                output=output,
                reference=reference,
            )

    def options(self, sample: Sample, item: Item | None) -> Iterator[dict[str, object]]:
        """Yield a row per option, as `polylect eval` writes them; the harness does not log numbers of tokens."""
        best = _best(sample) if sample.options else None
        for place, option in enumerate(sample.options):
            yield {
                "model": self.model,
                "benchmark": self.task.benchmark,
                "language": self.task.language,
                "item": item.item if item else str(sample.doc_id),
                "subset": item.subset if item else self.task.part,
                "option": place,
                "label": item.options[place] if item and place < len(item.options) else _label(sample.options, place),
                "continuation": option.continuation,
                "logprob": option.logprob,
                "tokens": None,
                "bytes": len(option.continuation.removeprefix(" ").encode()),
                "greedy": option.greedy,
                "gold": item.answer == place if item else None,
                "chosen": place == best,
            }


def _best(sample: Sample) -> int:
    values = [option.logprob for option in sample.options]
    return values.index(max(values))


def _contradicts(sample: Sample, item: Item | None, value: float) -> bool:
    return bool(sample.options) and item is not None and value != float(_best(sample) == item.answer)


def _answer(sample: Sample, item: Item | None) -> tuple[str, str]:
    """Return what the model chose or wrote, and the right answer."""
    if not sample.options:
        return "\n".join(sample.texts), sample.target
    best = _best(sample)
    if item is not None and item.answer is not None and len(item.options) == len(sample.options):
        return item.options[best], item.options[item.answer]
    return _label(sample.options, best), sample.target


def _label(options: Sequence[Option], place: int) -> str:
    """Return the text of an option: its continuation, or with one continuation for all (partial scoring) its number."""
    if len({option.continuation for option in options}) == 1 and len(options) > 1:
        return f"option {place + 1}"
    return options[place].continuation.strip()


def _status(sample: Sample, value: float) -> tuple[str, str | None]:
    if not math.isfinite(value):
        return "failed", f"the harness gave {value}"
    if sample.options or sample.extracted is None:
        return "ok", None
    if sample.extracted.strip() == _UNREAD:
        return "unparsed", f"the filter {sample.filter!r} found no answer"
    return ("ok", None) if any(text.strip() for text in sample.texts) else ("unparsed", "empty answer")
