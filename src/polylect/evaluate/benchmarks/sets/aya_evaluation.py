"""The Aya evaluation suite: open-ended questions, Dolly translated by machine, edited by people, and written by people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polylect.evaluate.benchmarks.base import Column, Question, Row
from polylect.evaluate.benchmarks.config_names import language_of
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

_COLUMNS = {
    "id": Column("int"),
    "inputs": Column(),
    "targets": Column(required=False, empty=True),
    "language": Column(),
    "script": Column(required=False, empty=True),
}
_DOLLY = {**_COLUMNS, "source_id": Column("int")}
_COMMON: dict[str, Any] = {
    "hub_ids": ("CohereLabs/aya_evaluation_suite", "CohereForAI/aya_evaluation_suite"),
    "kind": "pairwise",
    "metrics": ("win_rate",),
    "language_in": "rows",
    "ask": lambda item, tag: Question(text=item.text),
    "prompt_languages": ("native",),
    "max_tokens": 1024,
    "licence": "Apache-2.0",
    "citation": "Singh et al. 2024, 'Aya Dataset', arXiv 2402.06619",
}
_SHARED = "the column source_id, the same in all languages and in both Dolly sets"


def _language(row: Row) -> str:
    """Return the code with its script where the table knows both (zho in Hans and Hant), else the code."""
    both = f"{row['language']}_{row.get('script')}"
    return both if row.get("script") and language_of(both) else str(row["language"])


def _items(row: Row, name: str, item: str) -> Iterator[Item]:
    references = (row["targets"],) if row.get("targets") else ()
    yield Item(benchmark=name, item=item, language=_language(row), text=row["inputs"], references=references)


@benchmark(
    name="dolly-machine-translated",
    configs=(),
    only_configs=("dolly_machine_translated",),
    columns=_DOLLY,
    items=_SHARED,
    **_COMMON,
)
def _read_machine(row: Row) -> Iterator[Item]:
    return _items(row, "dolly-machine-translated", f"dolly:{row['source_id']}")


@benchmark(
    name="dolly-human-edited",
    configs=("hin", "srp", "rus", "fra", "arb", "spa"),
    only_configs=("dolly_human_edited",),
    columns=_DOLLY,
    items=_SHARED,
    **_COMMON,
)
def _read_edited(row: Row) -> Iterator[Item]:
    return _items(row, "dolly-human-edited", f"dolly:{row['source_id']}")


@benchmark(
    name="aya-human-annotated",
    configs=("tur", "eng", "yor", "arb", "zho", "por", "tel"),
    only_configs=("aya_human_annotated",),
    columns=_COLUMNS,
    items="language and the column id: the questions of one language are not translations of another's",
    **_COMMON,
)
def _read_annotated(row: Row) -> Iterator[Item]:
    return _items(row, "aya-human-annotated", f"{row['language']}:{row['id']}")
