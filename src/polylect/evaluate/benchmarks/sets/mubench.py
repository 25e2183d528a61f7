"""MuBench: twelve choice sets in 61 languages, aligned item by item; consistency is agreement with the English prediction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polylect.errors import DataError
from polylect.evaluate.benchmarks.base import Choice, Column, Row
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

_LANGUAGES = (
    "af ar az bg bn ca ceb cs da de el en es et fa fi fr ga gu he hi hr hu id is it ja jv kk km kn ko lt lv ml mr ms "
    "my nl no pa pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh"
)


def _render(item: Item, tag: str) -> Choice:
    """The prompt of the data as it is; the choices behind a space, unless the prompt ends in white space already."""
    prompt = str(item.fields["prompt"])
    separator = "" if prompt[-1:].isspace() else " "
    return Choice(
        contexts=(prompt,) * len(item.options), continuations=tuple(separator + option.lstrip() for option in item.options)
    )


_COMMON: dict[str, Any] = {
    "hub_ids": ("aialt/MuBench",),
    "kind": "consistency",
    "metrics": ("accuracy", "mlc"),
    "configs": tuple(_LANGUAGES.split()),
    "columns": {
        "_id": Column("any"),
        "prompt": Column(),
        "choices": Column("texts", least=2),
        "label": Column("int", least=0),
    },
    "render": _render,
    "items": "the set's name and the column _id, the same in all languages",
    "subsets": "the set (MMLUDataset, StoryClozeDataset, ...)",
    "licence": "CC-BY-4.0",
    "citation": "Han et al. 2025, 'MuBench', arXiv 2506.19468",
}


def _items(row: Row, name: str, mode: str) -> Iterator[Item]:
    if row["label"] >= len(row["choices"]):
        raise DataError(
            f"{row.where}, column 'label': {row['label']} is no index of the {len(row['choices'])} choices. Correct the row."
        )
    subset = row.config.partition(f"_{mode}")[0]
    yield Item(
        benchmark=name,
        item=f"{subset}:{row['_id']}",
        language=row.language,
        subset=subset,
        text=row["prompt"],
        options=row["choices"],
        answer=row["label"],
        fields={"prompt": row["prompt"]},
    )


@benchmark(name="mubench", only_configs=("*Dataset_local_template_*",), prompt_languages=("native",), **_COMMON)
def _read_local(row: Row) -> Iterator[Item]:
    return _items(row, "mubench", "local_template")


@benchmark(name="mubench-en", only_configs=("*Dataset_en_template_*",), prompt_language="en", prompt_languages=("en",), **_COMMON)
def _read_english(row: Row) -> Iterator[Item]:
    return _items(row, "mubench-en", "en_template")


@benchmark(name="mubench-cloze", only_configs=("*Dataset_lighteval_*",), prompt_languages=("native",), **_COMMON)
def _read_cloze(row: Row) -> Iterator[Item]:
    return _items(row, "mubench-cloze", "lighteval")
