"""Global-MMLU and Global-MMLU-Lite: exam questions, culturally sensitive and agnostic ones apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polylect.evaluate.benchmarks.base import Column, Row
from polylect.evaluate.benchmarks.multiple_choice import LETTERS, lettered
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

# CS: culturally sensitive, CA: culturally agnostic; "-": not annotated (most of the full set).
_SUBSETS = {"CS": "CS", "CA": "CA", "-": "unannotated"}
_OPTIONS = ("option_a", "option_b", "option_c", "option_d")
_ANNOTATIONS = ("required_knowledge", "time_sensitive", "reference", "culture", "region", "country")

_FULL = (
    "am ar bn cs de el en es fa fil fr ha he hi id ig it ja ko ky lt mg ms ne nl ny pl pt ro ru si sn so sr sv sw te "
    "tr uk vi yo zh"
)
_LITE = "ar bn de en es fr hi id it ja ko my pt sw yo zh"

_COMMON: dict[str, Any] = {
    "kind": "choice",
    "metrics": ("accuracy",),
    "columns": {
        "sample_id": Column(),
        "subject": Column(),
        "subject_category": Column(),
        "question": Column(),
        **{name: Column() for name in _OPTIONS},
        "answer": Column(values=tuple("ABCD")),
        **{name: Column(empty=True) for name in _ANNOTATIONS},
        "cultural_sensitivity_label": Column(values=tuple(_SUBSETS)),
        "is_annotated": Column("bool", empty=True),
    },
    "dev": "dev",
    "shots": 5,
    "prompt_language": "en",
    "render": lettered,
    "translated": ("question", *_OPTIONS),
    "items": "the column sample_id, the same in all languages",
    "subsets": "CS (culturally sensitive), CA (culturally agnostic), unannotated",
    "licence": "Apache-2.0",
    "citation": "Singh et al. 2024, 'Global MMLU', arXiv 2412.03304",
    "source": "lm-evaluation-harness 0.4.13, tasks global_mmlu and global_mmlu_full; examples are the first of the same subject",
}


def _items(row: Row, name: str) -> Iterator[Item]:
    yield Item(
        benchmark=name,
        item=row["sample_id"],
        language=row.language,
        subset=_SUBSETS[row["cultural_sensitivity_label"]],
        text=row["question"],
        options=tuple(row[option] for option in _OPTIONS),
        answer=LETTERS.index(row["answer"]),
        group=row["subject"],
        fields={"question": row["question"], **{option: row[option] for option in _OPTIONS}},
    )


@benchmark(
    name="global-mmlu", hub_ids=("CohereLabs/Global-MMLU", "CohereForAI/Global-MMLU"), configs=tuple(_FULL.split()), **_COMMON
)
def _read_full(row: Row) -> Iterator[Item]:
    return _items(row, "global-mmlu")


@benchmark(
    name="global-mmlu-lite",
    hub_ids=("CohereLabs/Global-MMLU-Lite", "CohereForAI/Global-MMLU-Lite"),
    configs=tuple(_LITE.split()),
    **_COMMON,
)
def _read_lite(row: Row) -> Iterator[Item]:
    return _items(row, "global-mmlu-lite")
