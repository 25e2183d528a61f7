"""Duplicates among prompts: found within a language by their text, and items brought together that belong in one split.

Within a language a row repeats another when their normalised texts are the same, or when the Jaccard similarity of their
character n-grams reaches a threshold (candidates by MinHash, then verified exactly) and their numbers are the same: "12 + 5"
and "12 + 6" are two questions, however alike. Across languages nothing is removed, since translations are wanted; but
texts that mean the same, by the cosine of multilingual sentence embeddings, have their items joined. Splits that go by the
joined item keep training and test apart (a pitfall of Odumakinde et al. 2024, arXiv 2408.14960).

What is found does not depend on the order of the rows or on how they are cut into windows: of two repeats the row with the
smaller id stays.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol, TypeAlias

from polylect.arbitrage.union import Union
from polylect.errors import DataError
from polylect.languages.shingles import folded, shingle_length

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Deduplicator", "Duplicates", "Encoder", "Repeat", "Row", "Windows"]


class Row(Protocol):
    """What is compared: a `Prompt`, or anything else with these four."""

    @property
    def id(self) -> str:
        """Unique in the table."""

    @property
    def item(self) -> str:
        """The same for all translations."""

    @property
    def language(self) -> str:
        """Canonical tag."""

    @property
    def text(self) -> str:
        """What is compared."""


Windows: TypeAlias = Callable[[], Iterable[Sequence[Row]]]
"""Reads the table from the start, in windows; called once per pass."""

Encoder: TypeAlias = "Callable[[Sequence[str]], NDArray[np.floating]]"
"""Texts of any language -> (texts, width) vectors; they need not be of unit length."""


@dataclass(frozen=True)
class Repeat:
    """A row that repeats the row `of`, which stays. `kind` is "exact" or "near"; `similarity` is the Jaccard similarity."""

    id: str
    of: str
    language: str
    kind: str
    similarity: float


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        rows: rows looked at.
        repeats: by id, the rows to remove, each with the row that it repeats.
        groups: item -> name of its group (its smallest item), for the items that were joined with another one.
        counts: (language, kind) -> rows to remove.
        candidates: pairs that were verified.
    """

    rows: int
    repeats: Mapping[str, Repeat]
    groups: Mapping[str, str]
    counts: Mapping[tuple[str, str], int]
    candidates: int

    def group(self, item: str) -> str:
        """Return what splits go by: the item's group, or the item itself."""
        return self.groups.get(item, item)


@dataclass(frozen=True, kw_only=True)
class Deduplicator:
    """Finds duplicates in a table that is read window by window; about 200 bytes are kept per row, and twice that at the peak.

    Attributes:
        threshold: least Jaccard similarity of near duplicates, in (0, 1].
        numbers: whether texts with different numbers are different whatever their similarity.
        encoder: of sentences in many languages, to join items across languages; None leaves items as they are.
        meaning: least cosine of two texts whose items are joined.
        seed: of the permutations.
    """

    threshold: float = 0.8
    numbers: bool = True
    encoder: Encoder | None = None
    meaning: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("threshold", "meaning"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise DataError(f"deduplication: {name} is {value}, which is no similarity. Give a number above 0, at most 1.")

    def find(self, windows: Windows) -> Duplicates:
        """Return the duplicates of a table.

        The table is read once for signatures, once more to verify the candidates, and with an `encoder` a third time.

        Raises:
            DataError: an id occurs twice.
        """
        index = _Index()
        for window in windows():
            index.add(window, self)
        first = index.exact()
        pairs = index.candidates(first)
        edges = _verified(windows, index, pairs, self.threshold)
        repeats = _repeats(index, first, edges)
        joined = Union()
        for one in repeats.values():
            joined.join(index.items[one.id], index.items[one.of])
        if self.encoder is not None:
            _join_by_meaning(windows, repeats, joined, self.encoder, self.meaning)
        counts = Counter((one.language, one.kind) for one in repeats.values())
        return Duplicates(len(index.ids), repeats, joined.groups(), dict(sorted(counts.items())), len(pairs))


@dataclass
class _Index:
    """What is kept of every row: ids, items, a hash of the normalised text and the hashes of the bands.

    Rows are numbered as they come; `order` brings them into the order of their ids, in which decisions are taken.
    """

    ids: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    items: dict[str, str] = field(default_factory=dict)
    keys: list[NDArray[np.uint64]] = field(default_factory=list)
    bands: list[NDArray[np.uint32]] = field(default_factory=list)

    def add(self, window: Sequence[Row], settings: Deduplicator) -> None:
        """Take in the rows of a window."""
        import numpy as np

        from polylect.arbitrage.minhash import BANDS, band_hashes

        for row in window:
            if row.id in self.items:
                raise DataError(f"id {row.id!r} occurs twice. Ids are hashes of the content: remove the repeated row.")
            self.items[row.id] = row.item
        self.ids += (row.id for row in window)
        self.languages += (row.language for row in window)
        texts = [folded(row.text) for row in window]
        self.keys.append(np.array([_key(row.language, text) for row, text in zip(window, texts, strict=True)], np.uint64))
        groups = np.array(
            [_group(row.language, text, settings.numbers) for row, text in zip(window, texts, strict=True)], np.uint32
        )
        bands = np.empty((len(window), BANDS), np.uint32)
        lengths = np.array([shingle_length(row.language) for row in window])
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            bands[rows] = band_hashes([texts[row] for row in rows], length, groups[rows], seed=settings.seed)
        self.bands.append(bands)

    def exact(self) -> NDArray[np.int64]:
        """Return, for each row by number, the number of the row with the same text that has the smallest id."""
        import numpy as np

        if not self.ids:
            return np.empty(0, np.int64)
        order = self.order
        _, first, group = np.unique(np.concatenate(self.keys)[order], return_index=True, return_inverse=True)
        found = np.empty(len(order), np.int64)
        found[order] = order[first][group]
        return found

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The numbers of the rows in the order of their ids, once all have been added."""
        import numpy as np

        return np.array(sorted(range(len(self.ids)), key=self.ids.__getitem__), np.int64)

    def candidates(self, first: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Return the pairs of rows to verify, the one with the smaller id first, in the order of ids."""
        import numpy as np

        from polylect.arbitrage.minhash import candidate_pairs

        if not self.ids:
            return []
        order = self.order
        places = np.flatnonzero(first[order] == order)
        pairs = order[candidate_pairs(np.concatenate(self.bands)[order[places]], places)]
        return [(one, other) for one, other in pairs.tolist() if self.languages[one] == self.languages[other]]


def _key(language: str, text: str) -> int:
    return int.from_bytes(blake2b(f"{language}\0{text}".encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def _group(language: str, text: str, numbers: bool) -> int:
    """Return the hash that near duplicates share: of their language and, in order, their numbers in any digits."""
    return zlib.crc32(f"{language}\0{_numbers(text) if numbers else ''}".encode())


def _numbers(text: str) -> str:
    return " ".join(str(int(digits)) if len(digits) < 20 else digits for digits in re.findall(r"\d+", text))


def _verified(
    windows: Windows, index: _Index, pairs: Sequence[tuple[int, int]], threshold: float
) -> dict[int, list[tuple[int, float]]]:
    """Return row -> [(row with a smaller id that it nearly repeats, similarity)], both by number.

    Only the texts of candidates are looked at again; their shingles are in memory together.
    """
    from polylect.arbitrage.minhash import jaccard, shingle_sets

    if not pairs:
        return {}
    wanted = {index.ids[row] for pair in pairs for row in pair}
    sets: dict[str, NDArray[np.uint32]] = {}
    for window in windows():
        rows = [row for row in window if row.id in wanted]
        for length in sorted({shingle_length(row.language) for row in rows}):
            part = [row for row in rows if shingle_length(row.language) == length]
            found = shingle_sets([folded(row.text) for row in part], length)
            sets.update(zip((row.id for row in part), found, strict=True))
    edges: dict[int, list[tuple[int, float]]] = {}
    for one, other in pairs:
        similarity = jaccard(sets[index.ids[one]], sets[index.ids[other]])
        if similarity >= threshold:
            edges.setdefault(other, []).append((one, similarity))
    return edges


def _repeats(index: _Index, first: NDArray[np.int64], edges: Mapping[int, Sequence[tuple[int, float]]]) -> dict[str, Repeat]:
    """Return the rows to remove, in the order of their ids.

    A row goes if a row that stays has a smaller id and is nearly the same, so that no chain of small differences removes
    what is like nothing that stays. A row with the very text of another goes with it.
    """
    near: dict[int, tuple[int, float]] = {}
    found: dict[str, Repeat] = {}
    for row in index.order.tolist():
        same = int(first[row])
        if same == row:
            staying = [(one, similarity) for one, similarity in edges.get(row, ()) if one not in near]
            if staying:
                near[row] = min(staying, key=lambda edge: (-edge[1], index.ids[edge[0]]))
        of, similarity = near.get(same, (same, 1.0))
        if of != row:
            kind = "exact" if same != row and of == same else "near"
            found[index.ids[row]] = Repeat(index.ids[row], index.ids[of], index.languages[row], kind, similarity)
    return found


def _join_by_meaning(windows: Windows, repeats: Mapping[str, Repeat], joined: Union, encoder: Encoder, threshold: float) -> None:
    """Join the items of rows of different languages whose vectors have at least the cosine `threshold`."""
    from polylect.arbitrage.embeddings import Vectors

    vectors = Vectors()
    for window in windows():
        rows = [row for row in window if row.id not in repeats]
        if rows:
            vectors.add(rows, encoder([row.text for row in rows]))
    for one, other in vectors.neighbours(threshold):
        joined.join(one, other)
