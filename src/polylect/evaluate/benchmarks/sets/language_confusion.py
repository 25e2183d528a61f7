"""The language confusion benchmark: does the answer come in the language that was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from polylect.evaluate.benchmarks.base import Column, Question, Row
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item
from polylect.records import content_hash

__all__: list[str] = []


@benchmark(
    name="language-confusion",
    hub_ids=("CohereLabs/language-confusion", "CohereForAI/language-confusion"),
    kind="confusion",
    metrics=("line_pass_rate", "word_pass_rate", "language_confusion_pass_rate"),
    configs=("ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "pt", "ru", "tr", "vi", "zh"),
    columns={
        "prompt": Column(),
        "source": Column(),
        "language": Column(),
        "location": Column(required=False, empty=True),
        "phrasing": Column(required=False, empty=True),
        "task": Column(required=False, empty=True),
    },
    language_in="rows",
    ask=lambda item, tag: Question(text=item.text),
    prompt_languages=("native",),
    max_tokens=100,
    items=(
        "crosslingual: source and row number, as the files of all languages ask the same in one order; monolingual: a hash, as "
        "the prompts of one language are not translations of another's"
    ),
    subsets="monolingual (the prompt is in the language) or crosslingual (an English prompt names it), with the source",
    licence="Apache-2.0",
    citation="Marchisio et al. 2024, 'Understanding and Mitigating Language Confusion in LLMs', arXiv 2406.20052",
)
def _read(row: Row) -> Iterator[Item]:
    """The task is a column, or follows from the columns `location` and `phrasing`, which crosslingual prompts alone have."""
    crosslingual = bool(row.get("location") or row.get("phrasing"))
    task = str(row.get("task") or ("crosslingual" if crosslingual else "monolingual"))
    yield Item(
        benchmark="language-confusion",
        item=f"{row['source']}:{row.number}" if crosslingual else content_hash(row["source"], row["language"], row["prompt"]),
        language=row["language"],
        subset=f"{task}/{row['source']}",
        text=row["prompt"],
        fields={"task": task, "source": row["source"]},
    )
