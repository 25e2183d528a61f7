"""XWinograd: which of two names fills the blank of a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from polylect.errors import DataError
from polylect.evaluate.benchmarks.base import Choice, Column, Row
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []


def _render(item: Item, tag: str) -> Choice:
    """Partial scoring: the sentence up to the blank with the option is the context, the rest is the same target for both.

    Trinh and Le 2018 (arXiv 1806.02847, section 3.1); as the task `xwinograd` of lm-evaluation-harness 0.4.13 has it.
    """
    before, _, after = str(item.fields["sentence"]).partition("_")
    target = f" {after.strip()}"
    return Choice(contexts=tuple(before + option for option in item.options), continuations=(target,) * len(item.options))


@benchmark(
    name="xwinograd",
    hub_ids=("Muennighoff/xwinograd",),
    kind="choice",
    metrics=("accuracy",),
    configs=("en", "fr", "jp", "pt", "ru", "zh"),
    columns={"sentence": Column(), "option1": Column(), "option2": Column(), "answer": Column(values=("1", "2"))},
    render=_render,
    items="language and row number: the sentences of one language are not translations of another's",
    licence="CC-BY-4.0",
    citation="Tikhonov and Ryabinin 2021, 'It's All in the Heads', arXiv 2106.12066; Muennighoff et al. 2022, arXiv 2211.01786",
    source="lm-evaluation-harness 0.4.13, task xwinograd",
)
def _read(row: Row) -> Iterator[Item]:
    sentence = row["sentence"]
    if "_" not in sentence or not sentence.partition("_")[2].strip():
        raise DataError(
            f"{row.where}, column 'sentence': {sentence!r} has no blank (_) with text behind it, which is what is scored. "
            "Correct the row."
        )
    yield Item(
        benchmark="xwinograd",
        item=f"{row.language}:{row.number}",
        language=row.language,
        text=sentence,
        options=(row["option1"], row["option2"]),
        answer=int(row["answer"]) - 1,
        fields={"sentence": sentence},
    )
