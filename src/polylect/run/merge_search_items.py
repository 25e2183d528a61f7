"""The items of a merge search: those it sees, and those that are kept from it for the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polylect.errors import DataError
from polylect.records import Prompt, content_hash

__all__ = ["Items", "divide"]

_DEFAULT = "validation"


@dataclass(frozen=True)
class Items:
    """Prompts of two disjoint sets of items, in the same languages. `dropped` counts what was left out, by reason."""

    search: tuple[Prompt, ...]
    heldout: tuple[Prompt, ...]
    dropped: Mapping[str, int]

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages, sorted."""
        return tuple(sorted({prompt.language for prompt in self.search}))


def divide(
    validation: Path | Sequence[Prompt],
    *,
    splits: Sequence[str] = (),
    heldout_splits: Sequence[str] = (),
    heldout_share: float = 0.5,
    per_language: int | None = None,
    seed: int = 0,
) -> Items:
    """Divide validation prompts by item, with all translations of an item on one side.

    Args:
        validation: a table of prompts with references (see `polylect.prompts.from_file`), or the prompts.
        splits: use rows of these splits; none given: "validation" where there are such rows, else all rows (but those of
            `heldout_splits`).
        heldout_splits: keep the rows of these splits from the search; none given: `heldout_share` of the items.
        heldout_share: of every kind of question, as far as it can be divided.
        per_language: at most so many items per language for the search, kinds of question in turn; None: all.
        seed: of the division.

    Raises:
        DataError: nothing left on one side, an item or a split on both, or a language on one side only.
    """
    rows = _read(validation)
    usable = [row for row in rows if row.references]
    chosen = _of_splits(usable, splits, heldout_splits)
    if heldout_splits:
        heldout = [row for row in usable if row.split in heldout_splits]
        search = chosen
        _check_disjoint(validation, search, heldout)
    else:
        if not 0 < heldout_share < 1:
            raise DataError(f"held-out share {heldout_share}: a number between 0 and 1 is needed, such as 0.5.")
        kept = _share(chosen, heldout_share, seed)
        search = [row for row in chosen if row.item not in kept]
        heldout = [row for row in chosen if row.item in kept]
    searched = _cap(search, per_language, seed)
    _check(validation, rows, searched, heldout)
    dropped = {
        "no references": len(rows) - len(usable),
        "another split": len(usable) - len(search) - len(heldout),
        "above the number of items per language": len(search) - len(searched),
    }
    return Items(_judged(searched), _judged(heldout), {reason: count for reason, count in dropped.items() if count})


def _read(validation: Path | Sequence[Prompt]) -> list[Prompt]:
    if not isinstance(validation, Path):
        return list(validation)
    from polylect.prompts import from_file

    return from_file(validation)


def _of_splits(rows: Sequence[Prompt], splits: Sequence[str], heldout_splits: Sequence[str]) -> list[Prompt]:
    present = {row.split for row in rows}
    for split in (*splits, *heldout_splits):
        if split not in present or (split in splits and split in heldout_splits):
            problem = "is asked for on both sides" if split in present else "has no rows with references"
            raise DataError(
                f"split {split!r} {problem}; the table has {', '.join(sorted(present)) or 'no rows with references'}."
            )
    wanted = set(splits) or ({_DEFAULT} if _DEFAULT in present - set(heldout_splits) else present - set(heldout_splits))
    return [row for row in rows if row.split in wanted]


def _share(rows: Iterable[Prompt], share: float, seed: int) -> set[str]:
    """Return the held-out items: at even steps through the items ordered by kind and, within a kind, at random."""
    kinds = {row.item: row.kind for row in rows}
    ordered = sorted(kinds, key=lambda item: (kinds[item], content_hash(seed, item)))
    return {item for number, item in enumerate(ordered) if int((number + 1) * share) > int(number * share)}


def _cap(rows: Sequence[Prompt], per_language: int | None, seed: int) -> list[Prompt]:
    """Return the rows of the first `per_language` items of each language, the kinds taking turns."""
    if per_language is None:
        return list(rows)
    kinds = {row.item: row.kind for row in rows}
    turn: Counter[str] = Counter()
    rank = {}
    for item in sorted(kinds, key=lambda item: content_hash(seed, item)):
        turn[kinds[item]] += 1
        rank[item] = (turn[kinds[item]], content_hash(seed, item))
    taken: Counter[str] = Counter()
    kept = []
    for row in sorted(rows, key=lambda row: (rank[row.item], row.id)):
        taken[row.language] += 1
        if taken[row.language] <= per_language:
            kept.append(row)
    return kept


def _judged(rows: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """Return the prompts as evaluation takes them, in an order that does not depend on the table's."""
    return tuple(replace(row, split="heldout") for row in sorted(rows, key=lambda row: (row.language, row.item, row.id)))


def _check_disjoint(validation: object, search: Sequence[Prompt], heldout: Sequence[Prompt]) -> None:
    shared = sorted({row.item for row in search} & {row.item for row in heldout})
    if shared:
        raise DataError(
            f"{_name(validation)}: item {shared[0]!r} (and {len(shared) - 1} more) is in both the searched and the held-out "
            "splits; the verdict would be about items that the search has seen. Give splits without common items."
        )


def _check(validation: object, rows: Sequence[Prompt], search: Sequence[Prompt], heldout: Sequence[Prompt]) -> None:
    if not search or not heldout:
        side = "to search on" if not search else "held out"
        raise DataError(
            f"{_name(validation)}: no prompt with references is left {side} ({len(rows)} rows read). Give a table with more "
            "items, or another split or share."
        )
    for language in sorted({row.language for row in search} ^ {row.language for row in heldout}):
        side = "held-out" if any(row.language == language for row in search) else "searched"
        raise DataError(
            f"{_name(validation)}: language {language!r} has no {side} items, so nothing could be said about it. Give more "
            "items in it, or leave the language out of the table."
        )


def _name(validation: object) -> str:
    return str(validation) if isinstance(validation, Path) else "validation prompts"
