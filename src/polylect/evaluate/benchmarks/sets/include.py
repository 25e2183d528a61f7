"""INCLUDE: exam questions that were written in each language, not translated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polylect.errors import DataError
from polylect.evaluate.benchmarks.base import Column, Row
from polylect.evaluate.benchmarks.multiple_choice import lettered
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item
from polylect.records import content_hash

__all__: list[str] = []

_OPTIONS = ("option_a", "option_b", "option_c", "option_d")
_LANGUAGES = (
    "Albanian,Arabic,Armenian,Azerbaijani,Basque,Belarusian,Bengali,Bulgarian,Chinese,Croatian,Dutch,Estonian,Finnish,French,"
    "Georgian,German,Greek,Hebrew,Hindi,Hungarian,Indonesian,Italian,Japanese,Kazakh,Korean,Lithuanian,Malay,Malayalam,Nepali,"
    "North Macedonian,Persian,Polish,Portuguese,Russian,Serbian,Spanish,Tagalog,Tamil,Telugu,Turkish,"
    "Ukrainian,Urdu,Uzbek,Vietnamese"
)

_COMMON: dict[str, Any] = {
    "kind": "choice",
    "metrics": ("accuracy",),
    "configs": tuple(_LANGUAGES.split(",")),
    "columns": {
        "language": Column(),
        "country": Column(empty=True),
        "domain": Column(empty=True),
        "subject": Column(empty=True),
        "regional_feature": Column(empty=True),
        "level": Column(empty=True),
        "question": Column(),
        "choices": Column("texts", required=False, empty=True, least=4, most=4),
        **{name: Column(required=False, empty=True) for name in _OPTIONS},
        "answer": Column("int", values=(0, 1, 2, 3)),
    },
    # The set has no other split: examples are its first questions, never the one that is asked.
    "dev": "test",
    "render": lettered,
    "prompt_language": "en",
    "translated": ("question", *_OPTIONS),
    "items": "a hash of language, question and options: the questions of one language are not translations of another's",
    "subsets": "the domain",
    "licence": "Apache-2.0",
    "citation": "Romanou et al. 2024, 'INCLUDE', arXiv 2411.19799",
    "source": "lm-evaluation-harness 0.4.13, task include, without the line break and spaces that it has before 'D.'",
}


def _options(row: Row) -> tuple[str, ...]:
    """Return the options of either form of the set: one list, or four columns."""
    options = row.get("choices") or tuple(row.get(name) or "" for name in _OPTIONS)
    if not all(option.strip() for option in options):
        raise DataError(
            f"{row.where}, columns 'choices' or 'option_a' to 'option_d': {options!r} are not four texts. Correct the row."
        )
    return tuple(options)


def _items(row: Row, name: str) -> Iterator[Item]:
    options = _options(row)
    yield Item(
        benchmark=name,
        item=content_hash(row.language, row["question"], options),
        language=row.language,
        subset=row["domain"],
        text=row["question"],
        options=options,
        answer=row["answer"],
        fields={"question": row["question"], **dict(zip(_OPTIONS, options, strict=True))},
    )


@benchmark(name="include-base-44", hub_ids=("CohereLabs/include-base-44", "CohereForAI/include-base-44"), **_COMMON)
def _read_base(row: Row) -> Iterator[Item]:
    return _items(row, "include-base-44")


@benchmark(name="include-lite-44", hub_ids=("CohereLabs/include-lite-44", "CohereForAI/include-lite-44"), **_COMMON)
def _read_lite(row: Row) -> Iterator[Item]:
    return _items(row, "include-lite-44")
