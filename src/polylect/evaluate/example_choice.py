"""Which examples stand before a question: the first of a fixed list, or those most similar by their characters."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from polylect.errors import EvaluationError
from polylect.evaluate.task_types import Item

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ExamplePool", "Selection"]

Selection: TypeAlias = Literal["fixed", "similar"]

_GRAM = 3
# Scores that differ by less are equal, so that the order does not hang on the order of floating-point sums.
_DIGITS = 12


class ExamplePool:
    """Items with answers to choose examples from.

    Args:
        items: of the development split, any languages, in the order of the data.
    """

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            self._items[item.language].append(item)
        self._counterparts = {(item.language, item.subset, item.item): item for rows in self._items.values() for item in rows}
        self._indices: dict[str, _Index] = {}

    def __len__(self) -> int:
        """Return the number of items."""
        return sum(map(len, self._items.values()))

    def counterpart(self, item: Item, tag: str) -> Item | None:
        """Return the same item in another language, if the pool has it."""
        return self._counterparts.get((tag, item.subset, item.item))

    def choose(self, item: Item, number: int, selection: Selection) -> list[Item]:
        """Return `number` examples of the item's language, never the item itself nor one of its text.

        "fixed": the first ones in the order of the data, of the item's group where it has one (the subject of a question).
        "similar": those with the largest cosine of character trigram counts to the item, of all groups; the most similar one
        stands last, next to the question. Ties go by the order of the data, so that the choice is the same on every machine.

        Raises:
            EvaluationError: there are fewer.
        """
        if number == 0:
            return []
        rows = self._items.get(item.language, [])
        if selection == "fixed":
            fitting = [row for row in rows if row.group == item.group and _usable(row, item)][:number]
        else:
            fitting = self._similar(item, rows, number)
        if len(fitting) < number:
            group = f", group {item.group!r}" if item.group and selection == "fixed" else ""
            raise EvaluationError(
                f"{item.benchmark!r}, {item.language}{group}: {number} examples are asked for, the development split has "
                f"{len(fitting)} that can serve {item.item!r}. Ask for fewer (--shots {len(fitting)}), or add the split's files."
            )
        return fitting

    def _similar(self, item: Item, rows: list[Item], number: int) -> list[Item]:
        if item.language not in self._indices:
            self._indices[item.language] = _Index([row.text for row in rows])
        order = self._indices[item.language].nearest(item.text)
        fitting = (rows[place] for place in order if _usable(rows[place], item))
        return [row for row, _ in zip(fitting, range(number), strict=False)][::-1]


def _usable(example: Item, item: Item) -> bool:
    same_direction = (example.source_language, example.target_language) == (item.source_language, item.target_language)
    return same_direction and example.item != item.item and example.text != item.text


class _Index:
    """Character trigram counts of texts, as postings by trigram, for cosines with one text at a time."""

    def __init__(self, texts: list[str]) -> None:
        import numpy as np

        postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, text in enumerate(texts):
            for gram, weight in _unit(text).items():
                postings[gram].append((place, weight))
        self._size = len(texts)
        self._postings: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {
            gram: (np.array([place for place, _ in entries]), np.array([weight for _, weight in entries]))
            for gram, entries in postings.items()
        }

    def nearest(self, text: str) -> list[int]:
        """Return the places of all texts, the most similar first."""
        import numpy as np

        scores = np.zeros(self._size)
        for gram, weight in _unit(text).items():
            if gram in self._postings:
                places, weights = self._postings[gram]
                scores[places] += weight * weights
        order: list[int] = np.argsort(-scores.round(_DIGITS), kind="stable").tolist()
        return order


def _unit(text: str) -> dict[str, float]:
    """Return the trigram counts of a text as a vector of length 1; case, accents' encoding and white space do not count."""
    plain = f" {' '.join(unicodedata.normalize('NFC', text).casefold().split())} "
    counts = Counter(plain[start : start + _GRAM] for start in range(max(1, len(plain) - _GRAM + 1)))
    length = sum(count * count for count in counts.values()) ** 0.5
    return {gram: count / length for gram, count in counts.items()}
