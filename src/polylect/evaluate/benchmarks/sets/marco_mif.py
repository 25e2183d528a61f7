"""Marco-Bench-MIF: IFEval translated and adapted, one conversation turn with constraints that a program can check."""

from __future__ import annotations

from collections.abc import Iterator

from polylect.evaluate.benchmarks.base import Column, Question, Row
from polylect.evaluate.benchmarks.instructions import turn
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

_LANGUAGES = "ar az bn cs de el en es fa fr he hi hu id it ja kk ko ms ne nl pl pt ro ru th tr uk ur uz vi yo zh-Hans zh-Hant"


@benchmark(
    name="marco-mif",
    hub_ids=("AIDC-AI/Marco-Bench-MIF",),
    kind="instructions",
    metrics=("mean", "prompt_strict", "instruction_strict", "prompt_loose", "instruction_loose"),
    configs=tuple(_LANGUAGES.split()),
    columns={
        "key": Column("int"),
        "prompt": Column(),
        "instruction_id_list": Column("texts", least=1),
        "kwargs": Column("object"),
    },
    ask=lambda item, tag: Question(text=item.text),
    prompt_languages=("native",),
    max_tokens=1024,
    items="the column key, that of IFEval, the same in all languages",
    licence="Apache-2.0",
    citation="Zeng et al. 2025, 'Marco-Bench-MIF', arXiv 2507.11882; Zhou et al. 2023, 'IFEval', arXiv 2311.07911",
)
def _read(row: Row) -> Iterator[Item]:
    asked = turn(row.where, row["prompt"], row["instruction_id_list"], row["kwargs"], ("instruction_id_list", "kwargs"))
    yield Item(benchmark="marco-mif", item=str(row["key"]), language=row.language, text=row["prompt"], turns=(asked,))
