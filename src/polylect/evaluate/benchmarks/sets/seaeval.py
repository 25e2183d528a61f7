"""SeaEval's Cross-MMLU and Cross-LogiQA: the same question in several languages, compared answer by answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polylect.errors import DataError
from polylect.evaluate.benchmarks.base import Column, Row
from polylect.evaluate.benchmarks.config_names import language_of
from polylect.evaluate.benchmarks.multiple_choice import lettered
from polylect.evaluate.benchmarks.parallel_choice import letter_free, option_fields, right_option
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

_COMMON: dict[str, Any] = {
    "hub_ids": ("SeaEval/SeaEval_datasets",),
    "kind": "consistency",
    "metrics": ("accuracy", "consistency", "ac3"),
    "configs": ("English", "Chinese", "Indonesian", "Spanish", "Vietnamese", "Malay", "Filipino"),
    "columns": {"id": Column(required=False)},
    "language_in": "rows",
    "render": lettered,
    "prompt_language": "en",
    "items": "the column id: a row holds all languages of one question",
    "licence": "CC-BY-NC-4.0",
    "citation": "Wang et al. 2023, 'SeaEval for Multilingual Foundation Models', arXiv 2309.04766",
}


def _items(row: Row, name: str) -> Iterator[Item]:
    languages = {column: value for column, value in row.values.items() if language_of(column) and isinstance(value, Mapping)}
    if not languages:
        raise DataError(
            f"{row.where}: no column holds a language; expected columns such as 'English' with question, choices and answer; "
            f"found {', '.join(map(repr, row.values))}."
        )
    for column, value in languages.items():
        where = f"{row.where}, column {column!r}"
        question, choices = value.get("question"), value.get("choices")
        if not isinstance(question, str) or not isinstance(choices, list) or len(choices) < 2:
            raise DataError(f"{where}: expected a text 'question' and a list 'choices'; found {str(dict(value))[:120]}.")
        options = letter_free(choices)
        yield Item(
            benchmark=name,
            item=str(row.get("id") or row.number),
            language=column,
            text=question,
            options=options,
            answer=right_option(where, value.get("answer"), choices, options),
            fields=option_fields(question, options),
        )


@benchmark(name="cross-mmlu", only_configs=("cross_mmlu",), **_COMMON)
def _read_mmlu(row: Row) -> Iterator[Item]:
    return _items(row, "cross-mmlu")


@benchmark(name="cross-logiqa", only_configs=("cross_logiqa",), **_COMMON)
def _read_logiqa(row: Row) -> Iterator[Item]:
    return _items(row, "cross-logiqa")
