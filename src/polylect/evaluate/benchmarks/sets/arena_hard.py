"""m-ArenaHard: hard questions of users, machine-translated; answers of two models before a judge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polylect.evaluate.benchmarks.base import Column, Question, Row
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

_LANGUAGES = "ar cs de el en es fa fr he hi id it ja ko nl pl pt ro ru tr uk vi zh"
_COMMON: dict[str, Any] = {
    "kind": "pairwise",
    "metrics": ("win_rate",),
    "configs": tuple(_LANGUAGES.split()),
    "ask": lambda item, tag: Question(text=item.text),
    "prompt_languages": ("native",),
    "max_tokens": 1024,
    "items": "the column question_id, the same in all languages",
    "licence": "Apache-2.0",
    "citation": "Dang et al. 2024, 'Aya Expanse', arXiv 2412.04261; Li et al. 2024, 'Arena-Hard', arXiv 2406.11939",
}


@benchmark(
    name="m-arenahard",
    hub_ids=("CohereLabs/m-ArenaHard", "CohereForAI/m-ArenaHard"),
    columns={
        "question_id": Column(),
        "category": Column(required=False, empty=True),
        "cluster": Column(required=False, empty=True),
        "prompt": Column(),
    },
    **_COMMON,
)
def _read_first(row: Row) -> Iterator[Item]:
    yield Item(benchmark="m-arenahard", item=row["question_id"], language=row.language, text=row["prompt"])


@benchmark(
    name="m-arenahard-v2.0",
    hub_ids=("CohereLabs/m-ArenaHard-v2.0", "CohereForAI/m-ArenaHard-v2.0"),
    columns={
        "question_id": Column(),
        "category": Column(required=False, empty=True),
        "subcategory": Column(required=False, empty=True),
        "prompt": Column(),
        "language": Column(),
    },
    subsets="the subcategory",
    **_COMMON,
)
def _read_second(row: Row) -> Iterator[Item]:
    yield Item(
        benchmark="m-arenahard-v2.0",
        item=row["question_id"],
        language=row.language,
        subset=row.get("subcategory") or "",
        text=row["prompt"],
    )
