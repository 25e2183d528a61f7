"""M-RewardBench: which of two given answers is the better one."""

from __future__ import annotations

from collections.abc import Iterator

from polylect.errors import DataError
from polylect.evaluate.benchmarks.base import Column, Question, Row
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

# Lambert et al. 2024, "RewardBench" (arXiv 2403.13787), table 1: the sources of each section.
_SECTIONS = {
    "Chat": "alpacaeval-easy alpacaeval-length alpacaeval-hard mt-bench-easy mt-bench-med mt-bench-medium",
    "Chat Hard": (
        "mt-bench-hard llmbar-natural llmbar-adver-neighbor llmbar-adver-gptinst llmbar-adver-gptout llmbar-adver-manual"
    ),
    "Safety": "refusals-dangerous refusals-offensive xstest-should-refuse xstest-should-respond donotanswer",
    "Reasoning": "math-prm hep-cpp hep-go hep-java hep-js hep-python hep-rust",
}
_BY_NAME = {
    **{source: section for section, sources in _SECTIONS.items() for source in sources.split()},
    **{section.lower().replace(" ", "-"): section for section in _SECTIONS},
}
_CONFIGS = (
    "arb_Arab ces_Latn deu_Latn ell_Grek fra_Latn heb_Hebr hin_Deva ind_Latn ita_Latn jpn_Jpan kor_Hang nld_Latn "
    "pes_Arab pol_Latn por_Latn ron_Latn rus_Cyrl spa_Latn tur_Latn ukr_Cyrl vie_Latn zho_Hans zho_Hant"
)


@benchmark(
    name="m-rewardbench",
    hub_ids=("CohereLabsCommunity/multilingual-reward-bench", "C4AI-Community/multilingual-reward-bench"),
    kind="reward",
    metrics=("accuracy",),
    configs=tuple(_CONFIGS.split()),
    columns={
        "id": Column("int"),
        "prompt": Column(),
        "chosen": Column(),
        "rejected": Column(),
        "language": Column(),
        "chosen_model": Column(required=False, empty=True),
        "rejected_model": Column(required=False, empty=True),
        "source": Column(empty=True),
        "category": Column(empty=True),
    },
    ask=lambda item, tag: Question(text=item.text),
    prompt_languages=("native",),
    items="the column id, the same in all languages",
    subsets="Chat, Chat Hard, Safety, Reasoning: the score is the mean of the four",
    licence="ODC-By",
    citation="Gureja et al. 2024, 'M-RewardBench', arXiv 2410.15522",
)
def _read(row: Row) -> Iterator[Item]:
    """The options are (chosen, rejected): whoever shows them to a judge shows both orders."""
    names = [str(row[column] or "").strip().lower().replace("_", "-").replace(" ", "-") for column in ("category", "source")]
    section = next((_BY_NAME[name] for name in names if name in _BY_NAME), None)
    if section is None:
        raise DataError(
            f"{row.where}, columns 'category' and 'source': {row['category']!r} and {row['source']!r} belong to none of the "
            f"sections {', '.join(_SECTIONS)}. Correct the row."
        )
    yield Item(
        benchmark="m-rewardbench",
        item=str(row["id"]),
        language=row.language,
        subset=section,
        text=row["prompt"],
        options=(row["chosen"], row["rejected"]),
        answer=0,
        fields={"source": row["source"]},
    )
