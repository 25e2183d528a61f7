"""Unite the merge lists of BPE tokenizers so that the order of each of them stays.

BPE applies the earliest merge of its list first (Sennrich et al. 2016, arXiv 1508.07909), so the order is what decides how
text is segmented. Lists that were cut from one list, as those of trimmed vocabularies are, agree on the order of what they
share; then there are united lists in which each keeps its order.

A merge is one int64 here, left id * 2**32 + right id, and a list an array of shape (merges,): half a million take 4 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from operator import add, itemgetter
from pathlib import Path
from typing import Any, Literal

import numpy as np

from polylect.errors import MergeError

__all__ = ["UnitedMerges", "encoded", "parts", "renumbered", "united", "without"]

_LEFT = 2**32


@dataclass(frozen=True)
class UnitedMerges:
    """One list of merges made from several.

    order: what decided: "reference" (the list that all were cut from), "lists" (each keeps its order; the earlier list goes
        first where that leaves a choice), or "contrary" (they contradict each other: the first list, then what only others have).
    unsettled: for "lists", how many pairs of merges could compete for the same symbols while no list says which comes
        first. One of a pair is in one list alone, the other in another, between the same shared merges, and the last symbol
        of one is the first of the other. Counted for every two lists; a third may settle some of them.
    """

    merges: np.ndarray
    order: Literal["reference", "lists", "contrary"]
    unsettled: int = 0


def encoded(path: Path, model: Mapping[str, Any], vocabulary: Mapping[str, int]) -> np.ndarray:
    """Return the merges of the `model` of a tokenizer.json.

    Raises:
        MergeError: an entry is neither "left right" nor [left, right], or names or makes a token that is not in the vocabulary.
    """
    merges = model.get("merges")
    if not isinstance(merges, list):
        raise MergeError(f"{path}: model.merges is missing or not a list. Copy the file from the original model again.")
    prefix = len(model.get("continuing_subword_prefix") or "")
    lefts, rights = _split(path, merges)
    made = map(add, lefts, (right[prefix:] for right in rights) if prefix else rights)
    try:
        # The results are looked up only to find out whether they are there.
        left, right, _ = (np.fromiter(map(vocabulary.__getitem__, part), np.int64, len(lefts)) for part in (lefts, rights, made))
    except KeyError as error:
        raise MergeError(f"{path}: model.merges needs {str(error.args[0])[:40]!r}, which is not in the vocabulary.") from error
    codes: np.ndarray = left * _LEFT + right
    return codes


def parts(merges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the left and the right ids of merges."""
    return merges // _LEFT, merges % _LEFT


def renumbered(merges: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return merges with the ids new[id], without those of which a part has none (-1)."""
    left, right = (new[part] for part in parts(merges))
    codes: np.ndarray = left * _LEFT + right
    return codes if min(left.min(initial=0), right.min(initial=0)) >= 0 else codes[(left >= 0) & (right >= 0)]


def without(merges: np.ndarray, vocabulary: Mapping[str, int], results: Set[str], prefix: int) -> np.ndarray:
    """Return the merges that do not make one of the tokens `results`; `prefix` is the length of the sub-word prefix."""
    if not results:
        return merges
    token_of = {index: token for token, index in vocabulary.items()}
    left, right = (map(token_of.__getitem__, part.tolist()) for part in parts(merges))
    return merges[[one + two[prefix:] not in results for one, two in zip(left, right, strict=True)]]


def united(lists: Sequence[np.ndarray], reference: np.ndarray | None = None) -> UnitedMerges:
    """Return one list of all merges in which each of `lists` keeps its order, if that is possible.

    Without a reference, a merge of a later list comes before one of the first only if some merge that both have lies between
    them. So text that the first tokenizer covers is segmented as by the list that all were cut from: what comes earlier here
    came earlier there, and a merge that came earlier there and applied would be one of the first tokenizer's.

    Args:
        lists: merge lists, the most important first; of a merge that occurs twice the last counts, as in `tokenizers`.
        reference: a longer list that all of them may have been cut from; if they were, its order is taken.
    """
    codes, dense = np.unique(np.concatenate([*lists, *([] if reference is None else [reference])]), return_inverse=True)
    numbered = [_last_of_each(part, len(codes)) for part in np.split(dense, np.cumsum([len(merges) for merges in lists]))]
    places, longer = numbered[: len(lists)], numbered[len(lists)]
    if reference is not None and all(_within(merges, longer, len(codes)) for merges in places):
        return UnitedMerges(codes[longer[_members(np.concatenate(places), len(codes))[longer]]], "reference")
    distinct: list[int] = []
    for at in sorted(range(len(places)), key=lambda at: -len(places[at])):
        if not any(_within(places[at], places[other], len(codes)) for other in distinct):
            distinct.append(at)
    order = _interleaved([places[at] for at in sorted(distinct)], len(codes))
    if order is None:
        return UnitedMerges(codes[list(dict.fromkeys(np.concatenate(places).tolist()))], "contrary")
    return UnitedMerges(
        codes[order], "lists", sum(_open(codes, one, two) for at, one in enumerate(places) for two in places[:at])
    )


def _split(path: Path, merges: list[Any]) -> tuple[list[str], list[str]]:
    """Return left and right parts; older files write a merge as "left right", newer ones as a list."""
    if set(map(type, merges)) == {str}:
        merges = [merge.split(" ") for merge in merges]
    kinds = set(map(type, merges))
    if kinds <= {list} and set(map(len, merges)) <= {2}:
        left, right = (list(map(itemgetter(side), merges)) for side in (0, 1))
        if set(map(type, left)) | set(map(type, right)) <= {str}:
            return left, right
    position = next(at for at, merge in enumerate(merges) if not _is_pair(merge))
    raise MergeError(f"{path}: entry {position} of model.merges is not a pair of tokens.")


def _is_pair(merge: Any) -> bool:
    return type(merge) is list and len(merge) == 2 and all(type(part) is str for part in merge)


def _last_of_each(numbers: np.ndarray, count: int) -> np.ndarray:
    """Return numbers below `count` without those that come again."""
    places = np.arange(len(numbers))
    last = np.empty(count, dtype=np.int64)
    last[numbers] = places
    return np.compress(last[numbers] == places, numbers)


def _members(numbers: np.ndarray, count: int) -> np.ndarray:
    """Return a table that says of every number below `count` whether it is among `numbers`."""
    table = np.zeros(count, dtype=bool)
    table[numbers] = True
    return table


def _within(merges: np.ndarray, longer: np.ndarray, count: int) -> bool:
    """Say whether `merges` is `longer` with some entries left out."""
    return len(merges) <= len(longer) and bool(np.array_equal(longer[_members(merges, count)[longer]], merges))


def _interleaved(lists: Sequence[np.ndarray], count: int) -> np.ndarray | None:
    """Return a topological order of the entries of all lists, numbers below `count`; None if there is none.

    Stretches that are the same in all lists that have them are ordered as one, so few of half a million merges are looked at.
    """
    joined = _joined(lists, count)
    run, offset = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for merges in lists:
        starts = np.flatnonzero(~joined[merges])
        lengths = np.diff(starts, append=len(merges))
        run[merges] = np.repeat(merges[starts], lengths)
        offset[merges] = np.arange(len(merges)) - np.repeat(starts, lengths)
    heads = _sorted([merges[~joined[merges]].tolist() for merges in lists])
    if heads is None:
        return None
    rank = np.zeros(count, dtype=np.int64)
    rank[heads] = np.arange(len(heads))
    entries = np.flatnonzero(_members(np.concatenate(lists), count))
    return entries[np.lexsort((offset[entries], rank[run[entries]]))]


def _joined(lists: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Return, for every entry, whether it follows the same entry in all lists that have it, and these have that one too."""
    holders = np.bincount(np.concatenate(lists), minlength=count)
    before = np.full(count, -1, dtype=np.int64)
    for merges in lists:
        before[merges[1:]] = merges[:-1]
    agree = np.zeros(count, dtype=np.int64)
    for merges in lists:
        agree[merges[1:]] += before[merges[1:]] == merges[:-1]
    joined: np.ndarray = (agree == holders) & (before >= 0) & (holders[before] == holders)
    return joined


def _sorted(rows: list[list[int]]) -> list[int] | None:
    """Return a topological order of the entries of all rows: one goes out once it is next in every row that has it."""
    holders: dict[int, int] = {}
    for row in rows:
        for entry in row:
            holders[entry] = holders.get(entry, 0) + 1
    waiting = dict.fromkeys(holders, 0)
    for row in rows:
        row.reverse()
        if row:
            waiting[row[-1]] += 1
    result: list[int] = []
    while len(result) < len(holders):
        ready = (row[-1] for row in rows if row and waiting[row[-1]] == holders[row[-1]])
        if (entry := next(ready, -1)) < 0:
            return None
        result.append(entry)
        for row in rows:
            if row and row[-1] == entry:
                row.pop()
                if row:
                    waiting[row[-1]] += 1
    return result


def _open(codes: np.ndarray, first: np.ndarray, second: np.ndarray) -> int:
    first_left, first_right = _own_symbols(codes, first, second)
    second_left, second_right = _own_symbols(codes, second, first)
    return _matches(first_right, second_left) + _matches(second_right, first_left)


def _own_symbols(codes: np.ndarray, merges: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return left and right symbols of the merges that `other` lacks, each with the number of shared merges before it."""
    shared = _members(other, len(codes))[merges]
    stretch = np.cumsum(shared)[~shared] * _LEFT
    left, right = parts(codes[merges[~shared]])
    return stretch + left, stretch + right


def _matches(one: np.ndarray, two: np.ndarray) -> int:
    """Return the number of pairs of equal entries."""
    ordered = np.sort(two)
    return int((np.searchsorted(ordered, one, "right") - np.searchsorted(ordered, one, "left")).sum())
