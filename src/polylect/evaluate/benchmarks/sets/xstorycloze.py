"""XStoryCloze: which of two endings fits a story of four sentences."""

from __future__ import annotations

from collections.abc import Iterator

from polylect.evaluate.benchmarks.base import Choice, Column, Row
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

_STORY = tuple(f"input_sentence_{number}" for number in range(1, 5))
_ENDINGS = ("sentence_quiz1", "sentence_quiz2")


def _render(item: Item, tag: str) -> Choice:
    """The four sentences joined by spaces, in every script; as lm-evaluation-harness 0.4.13 has it."""
    context = " ".join(str(item.fields[name]) for name in _STORY)
    return Choice(contexts=(context,) * 2, continuations=tuple(f" {item.fields[name]}" for name in _ENDINGS))


@benchmark(
    name="xstorycloze",
    hub_ids=("juletxara/xstory_cloze",),
    kind="choice",
    metrics=("accuracy",),
    configs=("ar", "en", "es", "eu", "hi", "id", "my", "ru", "sw", "te", "zh"),
    columns={
        **{name: Column() for name in (*_STORY, *_ENDINGS)},
        "answer_right_ending": Column("int", values=(1, 2)),
        "story_id": Column(required=False),
    },
    test="eval",
    dev="train",
    render=_render,
    translated=(*_STORY, *_ENDINGS),
    items="the column story_id, or the row number: all languages are translations of the English stories",
    licence="CC-BY-SA-4.0",
    citation="Lin et al. 2022, 'Few-shot Learning with Multilingual Generative Language Models', arXiv 2112.10668",
    source="lm-evaluation-harness 0.4.13, task xstorycloze",
)
def _read(row: Row) -> Iterator[Item]:
    yield Item(
        benchmark="xstorycloze",
        item=f"{row.split}:{row.get('story_id', row.number)}",
        language=row.language,
        text=" ".join(row[name] for name in _STORY),
        options=tuple(row[name] for name in _ENDINGS),
        answer=row["answer_right_ending"] - 1,
        fields={name: row[name] for name in (*_STORY, *_ENDINGS)},
    )
