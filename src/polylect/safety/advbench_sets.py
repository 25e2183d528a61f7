"""AdvBench and its translations ("multilingual AdvBench", M-AdvBench): the same instructions in the same order in each language.

| set | columns |
|---|---|
| AdvBench (Zou et al. 2023, arXiv 2307.15043), harmful_behaviors.csv, English | `goal target` |
| multilingual AdvBench, a folder per language: `fr/train-00000-of-00001.parquet` | `prompt target` |

Columns: data/advbench of github.com/llm-attacks/llm-attacks; dataset card of walledai/AdvBench (`prompt target`, 520 rows);
file list of simonycl/multilingual_advbench (23 folders), of which the card of VillanovaAI/Multi-AdvBench says that it has 520
pairs of prompt and target, the same in the same order in each language. The `target`, how an obliging answer would begin, is
not read.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from polylect import languages
from polylect.errors import DataError, LanguageError
from polylect.safety.prompts import SafetyPrompt
from polylect.safety.rows import Row

__all__ = ["ADVBENCH", "is_advbench", "read_advbench", "unequal"]

ADVBENCH = "advbench"

_ENGLISH = "harmful_behaviors"
"""Stem of the English table as its authors publish it."""
_PART = re.compile(r"(?:train|test|validation)(?:-\d+-of-\d+)?")


def is_advbench(columns: Collection[str]) -> bool:
    """Tell whether columns are those of AdvBench or of a translation."""
    found = set(columns)
    return "target" in found and bool(found & {"goal", "prompt"}) and not found & {"item", "type"}


def read_advbench(row: Row, file: Path, skipped: Counter[str]) -> Iterator[SafetyPrompt]:
    """Yield the prompt of a row; its place in the table is its item, in every language.

    Raises:
        DataError: neither the row nor the name of file or folder says the language.
    """
    text = row.text("prompt", "goal")
    if text is None:
        skipped["without a prompt"] += 1
        return
    language = _language(row, file)
    yield SafetyPrompt(
        item=f"{ADVBENCH}:{row.text('id', 'index') or row.place}",
        language=language,
        text=text,
        origin="native" if language == "en" else None,
        source="advbench" if language == "en" else "multilingual-advbench",
        licence="MIT" if language == "en" else "unknown",
    )


def unequal(prompts: Iterable[SafetyPrompt]) -> Iterator[str]:
    """Yield a note where languages do not have the same items: rows that were taken out move all that follow."""
    items: dict[str, set[str]] = defaultdict(set)
    for prompt in prompts:
        items[prompt.language].add(prompt.item)
    if len({frozenset(own) for own in items.values()}) > 1:
        counts = ", ".join(f"{tag} {len(own):,}" for tag, own in items.items())
        yield (
            f"The languages do not have the same rows ({counts}). Rows are matched by their place: if some were taken out, give "
            "the table a column id, or compare no languages."
        )


def _language(row: Row, file: Path) -> str:
    if row.text("language") is not None:
        return row.language()
    named = file.parent.name if _PART.fullmatch(file.stem) else re.split(r"[-_.]", file.stem)[-1]
    if file.stem.lower() == _ENGLISH:
        return "en"
    try:
        return languages.canonical(named)
    except LanguageError:
        raise DataError(
            f"{row.where}: no language: there is no column language, and {named!r} of {file.parent.name}/{file.name} is no tag. "
            "Keep the folders as published (fr/train-00000-of-00001.parquet), or name the table by its language, such "
            "as advbench_fr.csv."
        ) from None
