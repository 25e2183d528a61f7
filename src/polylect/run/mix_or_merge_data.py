"""Mixed training data and chosen prompts of "mix or merge": what is taken, what is left out and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from polylect.errors import DataError
from polylect.records import Example, Pair, content_hash

if TYPE_CHECKING:
    from polylect.run.mix_or_merge_plan import Kind
    from polylect.safety.prompts import SafetyPrompt

__all__ = ["Mixed", "chosen", "kind_of", "mixed"]

R = TypeVar("R", Example, Pair)


@dataclass(frozen=True)
class Mixed(Generic[R]):
    """Mixed rows, how many of either sort there are, and what was left out, by reason."""

    rows: list[R]
    safety: int
    general: int
    dropped: Counter[str]

    @property
    def reached(self) -> float:
        """The share of safety rows that the data has."""
        return self.safety / max(len(self.rows), 1)


def kind_of(path: Path) -> Kind:
    """Tell whether a table of safety data holds rows of fine-tuning or preference pairs, by its columns.

    Raises:
        DataError: it is missing, unreadable, empty, or neither.
    """
    from polylect import tables

    problems = []
    kinds: tuple[tuple[Kind, type[Example] | type[Pair]], ...] = (("sft", Example), ("pairs", Pair))
    for kind, record in kinds:
        try:
            tables.read(path, record)
        except DataError as error:
            problems.append(str(error))
        else:
            return kind
    raise DataError(
        f"{path}: neither rows of fine-tuning ({problems[0]}) nor preference pairs ({problems[1]}). Give the sft.parquet or "
        "pairs.parquet of `polylect safety distil`, or a table with the columns of Example or Pair (docs/run-folder.md)."
    )


def mixed(general: Sequence[R], safety: Sequence[R], share: float, languages: Collection[str], seed: int) -> Mixed[R]:
    """Return general rows of which `share` are replaced by safety rows, language by language.

    The number of rows stays that of the general data, in every language, so that a mixed model is trained neither longer nor on
    less than the general one it is compared with: `polylect.safety.mixing.mix` adds rows, or leaves general ones out, until the
    share is met. Where a language has too few safety rows all of them are taken: none is repeated, and the share that was
    reached is told. At a share of 1 all safety rows are taken and no other.

    Args:
        general: rows without safety.
        safety: rows that teach safety.
        share: of safety rows, 0 to 1.
        languages: of the recipe; rows in others are left out.
        seed: of the choice; translations of one item are chosen together.

    Raises:
        DataError: no safety row is in these languages.
    """
    dropped: Counter[str] = Counter()
    own = [row for row in safety if row.language in languages]
    dropped["safety: not in a language of the recipe"] = len(safety) - len(own)
    if not own:
        raise DataError(f"safety data: no row is in {', '.join(languages)}. Give data in the recipe's languages.")
    if share == 1:
        return Mixed(_ordered(own, seed), len(own), 0, +dropped)
    ours: defaultdict[str, list[R]] = _by_language(general)
    theirs: defaultdict[str, list[R]] = _by_language(own)
    rows: list[R] = []
    taken = kept = 0
    for tag in sorted({*ours, *theirs} & set(languages)):
        # A mix without a safety row would be the general model under another name.
        wanted = max(1, round(share * len(ours[tag]))) if ours[tag] and share else 0
        safe = _ordered(theirs[tag], seed)[:wanted]
        plain = _ordered(ours[tag], seed)[: len(ours[tag]) - len(safe)]
        rows.extend(plain)
        rows.extend(safe)
        taken, kept = taken + len(safe), kept + len(plain)
        dropped["general: given up for safety rows"] += len(safe)
        dropped["safety: above the share"] += len(theirs[tag]) - len(safe)
    return Mixed(rows, taken, kept, +dropped)


def _by_language(rows: Sequence[R]) -> defaultdict[str, list[R]]:
    found: defaultdict[str, list[R]] = defaultdict(list)
    for row in rows:
        found[row.language].append(row)
    return found


def _ordered(rows: Sequence[R], seed: int) -> list[R]:
    """Return rows at random, the same way on every machine; the rows of one item stand together."""
    return sorted(rows, key=lambda row: (content_hash(seed, "mixture", row.item), row.id))


def chosen(
    prompts: Sequence[SafetyPrompt], languages: Collection[str], limit: int | None
) -> tuple[list[SafetyPrompt], Counter[str]]:
    """Return the prompts in some languages, at most `limit` per language and sort (harmful, harmless), and what was left out.

    Raises:
        DataError: no harmful prompt is in these languages.
    """
    dropped: Counter[str] = Counter()
    taken: Counter[tuple[str, bool]] = Counter()
    kept = []
    for prompt in prompts:
        place = prompt.language, prompt.harmful
        if prompt.language not in languages:
            dropped["not in a language of the recipe"] += 1
        elif limit is not None and taken[place] >= limit:
            dropped["above the limit per language"] += 1
        else:
            taken[place] += 1
            kept.append(prompt)
    if not any(prompt.harmful for prompt in kept):
        raise DataError(f"safety prompts: no harmful prompt is in {', '.join(languages)}: there is nothing to measure.")
    return kept, dropped
