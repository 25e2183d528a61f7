"""Mixed training data and chosen prompts of "mix or merge": what is taken, what is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from polylect.errors import DataError
from polylect.records import Example, Pair
from polylect.safety.mixing import mix

if TYPE_CHECKING:
    from polylect.run.mix_or_merge_wanted import Kind
    from polylect.safety.prompts import SafetyPrompt

__all__ = ["Mixed", "also_learnt", "chosen", "kind_of", "kinds_of", "mixed", "trained_texts"]

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


def kinds_of(paths: Sequence[Path]) -> dict[Kind, Path]:
    """Return kind of safety data -> its table.

    Raises:
        DataError: no table, two of one kind, or one that is neither.
    """
    found: dict[Kind, Path] = {}
    for path in paths:
        kind = kind_of(path)
        if kind in found:
            what = "rows of fine-tuning" if kind == "sft" else "preference pairs"
            raise DataError(
                f"--safety-data {path}: {what}, as {found[kind]} has. Give one table of each kind, or put them into one."
            )
        found[kind] = path
    if not found:
        raise DataError("--safety-data: no table. Give rows of fine-tuning, preference pairs, or one of each.")
    return found


def trained_texts(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """Return (language, texts) of each row of safety data: prompt and answer; of a pair both answers, each after its prompt."""
    from polylect import tables

    if kind_of(path) == "sft":
        return [(row.language, (row.completion, row.prompt)) for row in tables.read(path, Example)]
    pairs = tables.read(path, Pair)
    return [(row.language, (row.chosen, row.rejected, row.prompt, row.prompt)) for row in pairs]


def also_learnt(prompts: Collection[str], data: Iterable[Path]) -> str | None:
    """Return a sentence where texts of the prompts that measure safety are among those that teach it; None where none is."""
    taught = {text for path in data for _, texts in trained_texts(path) for text in texts[len(texts) // 2 :]}
    both = len(taught & set(prompts))
    if not both:
        return None
    return (
        f"{both:,} of {len(set(prompts)):,} prompts that measure safety are in the safety data, too: what is known by heart "
        "looks safe. Give prompts of other items"
    )


def mixed(general: Sequence[R], safety: Sequence[R], share: float, languages: Collection[str], seed: int) -> Mixed[R]:
    """Mix general and safety rows in some languages (`polylect.safety.mixing.mix`, fixed in size), and count what came of it.

    Args:
        general: rows without safety.
        safety: rows that teach safety.
        share: of safety rows, 0 to 1.
        languages: of the recipe; safety rows in others are left out.
        seed: of the choice.

    Raises:
        DataError: no safety row is in these languages.
    """
    ours = [row for row in general if row.language in languages]
    theirs = [row for row in safety if row.language in languages]
    if not theirs:
        raise DataError(f"safety data: no row is in {', '.join(languages)}. Give data in the recipe's languages.")
    rows = mix(ours, theirs, share, seed=seed, fixed_size=True)
    ids = {row.id for row in theirs}
    taken = sum(row.id in ids for row in rows)
    dropped = Counter({
        "safety: not in a language of the recipe": len(safety) - len(theirs),
        "safety: above the share": len(theirs) - taken,
        "general: given up for safety rows": len(ours) - (len(rows) - taken) if share < 1 else 0,
    })  # fmt: skip
    return Mixed(rows, taken, len(rows) - taken, +dropped)


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
