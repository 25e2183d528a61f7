"""Cross-lingual consistency: does a model choose the same option in every language of one item.

Wang et al. 2023, "SeaEval for Multilingual Foundation Models" (arXiv 2309.04766), section 4: consistency is the mean, over all
subsets of s languages, of whether the choices agree in all of them; AC3 is the harmonic mean of consistency and accuracy. Han et
al. 2025, "MuBench" (arXiv 2506.19468): multilingual consistency (MLC) is agreement with the model's own choice in English.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from math import comb

from polylect.records import MULTIPLE, Measurement

__all__ = ["SUBSET", "agreement", "consistency_rows", "mlc_rows"]

SUBSET = 3
"""Languages that must agree: s of the paper."""

_ENGLISH = "en"
Choices = Mapping[tuple[str, str], Mapping[str, int | None]]
"""By (subset, item): the option chosen in each language, None where there is none."""


def agreement(choices: Iterable[int], size: int = SUBSET) -> float | None:
    """Return the share of the subsets of `size` choices that agree; None for fewer choices than two.

    Counting replaces going through the subsets: those that agree lie within one option. With fewer choices than `size` all
    of them are the one subset.
    """
    counts = Counter(choices)
    number = counts.total()
    if number < 2:
        return None
    size = min(size, number)
    return sum(comb(count, size) for count in counts.values()) / comb(number, size)


def consistency_rows(model: str, benchmark: str, choices: Choices) -> list[Measurement]:
    """Return the consistency of every item, under the language "mul"; items chosen in fewer than two languages are unscored."""
    rows = []
    for (subset, item), by_language in choices.items():
        made = [choice for choice in by_language.values() if choice is not None]
        value = agreement(made)
        missing = len(by_language) - len(made)
        reason = "fewer than two languages have a choice" if value is None else None
        rows.append(
            Measurement(
                model=model,
                benchmark=benchmark,
                language=MULTIPLE,
                item=item,
                subset=subset,
                metric="consistency",
                score=value,
                status="skipped" if value is None else "ok",
                reason=reason or (f"{missing} languages have no choice" if missing else None),
            )
        )
    return rows


def mlc_rows(model: str, benchmark: str, choices: Choices) -> list[Measurement]:
    """Return, for every language but English, whether the choice is the one made in English."""
    rows = []
    for (subset, item), by_language in choices.items():
        english = by_language.get(_ENGLISH)
        for language, choice in by_language.items():
            if language == _ENGLISH:
                continue
            lost = "English" if english is None else "this language" if choice is None else None
            rows.append(
                Measurement(
                    model=model,
                    benchmark=benchmark,
                    language=language,
                    item=item,
                    subset=subset,
                    metric="mlc",
                    score=None if lost else float(choice == english),
                    status="skipped" if lost else "ok",
                    reason=f"no choice in {lost}" if lost else None,
                )
            )
    return rows


def by_item(made: Iterable[tuple[str, str, str, int | None]]) -> dict[tuple[str, str], dict[str, int | None]]:
    """Arrange (subset, item, language, choice)."""
    found: dict[tuple[str, str], dict[str, int | None]] = defaultdict(dict)
    for subset, item, language, choice in made:
        found[subset, item][language] = choice
    return found
