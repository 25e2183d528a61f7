"""From texts to token rows: where a continuation begins, what its options share, and which rows are computed together.

Token boundaries are those of lm-evaluation-harness (`_encode_pair` of its `api/model.py`, version 0.4.13), so that scores can be
compared item by item: spaces at the end of a context go to the continuation, both are encoded together, and what follows the
number of tokens that the context has alone is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from polylect.models.prompting import common_prefix

__all__ = ["Batch", "Encoded", "Row", "batched", "encode_options", "pack", "share", "split_spaces"]

_WORTH_SHARING = 32
"""Tokens that several rows must begin with before a pass of their own pays for them."""


class Encoded(NamedTuple):
    """One option: ids of its context, at least one, and of its continuation."""

    context: list[int]
    continuation: list[int]

    @property
    def read(self) -> list[int]:
        """The ids that the model reads; the last one is only predicted."""
        return (self.context + self.continuation)[:-1]


@dataclass(frozen=True)
class Row:
    """The options of one question in one row: what all of them begin with once, then what each goes on with (its branch).

    Attributes:
        index: of the question among those asked.
        ids: of the row.
        positions: of each id in its own option.
        branches: 0 for what all options share, k + 1 for what option k alone reads.
        scored: per option, (column whose state predicts, id that is to be predicted) for each token of its continuation.
        shareable: how many ids other rows may share: the state that predicts the first continuation stays in the row.
    """

    index: int
    ids: list[int]
    positions: list[int]
    branches: list[int]
    scored: tuple[tuple[tuple[int, int], ...], ...]
    shareable: int

    def after(self, shared: int) -> Row:
        """Return the row without its first `shared` ids; positions stay what they are."""
        if not shared:
            return self
        scored = tuple(tuple((column - shared, target) for column, target in option) for option in self.scored)
        rest = (self.ids[shared:], self.positions[shared:], self.branches[shared:])
        return Row(self.index, *rest, scored, self.shareable - shared)


@dataclass(frozen=True)
class Batch:
    """Rows that are computed in one pass, all of which begin with the ids `prefix`, which they no longer hold themselves."""

    prefix: tuple[int, ...]
    rows: tuple[Row, ...]

    @property
    def width(self) -> int:
        """Ids of the longest row."""
        return max(len(row.ids) for row in self.rows)


def split_spaces(context: str, continuation: str) -> tuple[str, str]:
    """Move the white space at the end of a context to the beginning of its continuation."""
    bare = context.rstrip()
    return bare, context[len(bare) :] + continuation


def encode_options(tokenizer: Any, options: Sequence[tuple[str, str]]) -> list[Encoded]:
    """Encode pairs of (context, continuation).

    Special tokens are those that the tokenizer puts around a text by itself, none where the text begins with its start
    token. An empty context is the start token (the end token where there is none).
    """
    pairs = [split_spaces(context, continuation) if context else ("", continuation) for context, continuation in options]
    texts = list(dict.fromkeys(text for context, continuation in pairs if context for text in (context, context + continuation)))
    ids = dict(zip(texts, _ids(tokenizer, texts), strict=True))
    encoded = []
    for context, continuation in pairs:
        if context:
            own = ids[context]
            encoded.append(Encoded(own, ids[context + continuation][len(own) :]))
        else:
            encoded.append(_without_context(tokenizer, continuation))
    return encoded


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    start = _start_token(tokenizer)
    begin = tokenizer.decode(start) if start is not None else None
    framed = [text for text in texts if not (begin and text.startswith(begin))]
    bare = [text for text in texts if begin and text.startswith(begin)]
    found = dict(zip(framed, tokenizer(framed)["input_ids"], strict=True)) if framed else {}
    if bare:
        found |= zip(bare, tokenizer(bare, add_special_tokens=False)["input_ids"], strict=True)
    return [list(found[text]) for text in texts]


def _without_context(tokenizer: Any, continuation: str) -> Encoded:
    ids = list(tokenizer(continuation, add_special_tokens=False)["input_ids"])
    start = _start_token(tokenizer)
    if start is None or ids[:1] == [start]:
        return Encoded(ids[:1], ids[1:])
    return Encoded([start], ids)


def _start_token(tokenizer: Any) -> int | None:
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return None if start is None else int(start)


def pack(index: int, options: Sequence[Encoded]) -> Row:
    """Lay the options of one question in one row."""
    read = [option.read for option in options]
    shared = common_prefix(read)
    ids, positions, branches = list(read[0][:shared]), list(range(shared)), [0] * shared
    scored = []
    for number, (option, own) in enumerate(zip(options, read, strict=True), start=1):
        begin = len(ids)
        ids += own[shared:]
        positions += range(shared, len(own))
        branches += [number] * (len(own) - shared)
        places = range(len(option.context) - 1, len(own))
        columns = [place if place < shared else begin + place - shared for place in places]
        scored.append(tuple(zip(columns, option.continuation, strict=True)))
    first = min(len(option.context) for option in options) - 1
    return Row(index, ids, positions, branches, tuple(scored), min(shared, first))


def share(rows: Sequence[Row]) -> list[tuple[int, list[Row]]]:
    """Group rows by what they begin with; return (number of shared ids, whole rows) per group.

    Sorted by their ids, rows with a common beginning are neighbours. A group grows while that saves more than the group
    saved without the next row. Rows without such neighbours make up the last group.
    """
    groups: list[tuple[int, list[Row]]] = []
    for row in sorted(rows, key=lambda row: row.ids):
        if groups:
            shared, members = groups[-1]
            both = min(row.shareable, common_prefix([members[-1].ids, row.ids]))
            new = min(both, members[0].shareable if len(members) == 1 else shared)
            if new >= _WORTH_SHARING and len(members) * new >= (len(members) - 1) * shared:
                groups[-1] = (new, [*members, row])
                continue
        groups.append((0, [row]))
    alone = [row for shared, (row, *_) in groups if not shared]
    return [group for group in groups if group[0]] + ([_rest(alone)] if alone else [])


def _rest(rows: list[Row]) -> tuple[int, list[Row]]:
    """Group the rows that share too little with a neighbour: the start token, which all of them have, is read once."""
    shared = min(common_prefix([row.ids for row in rows]), min(row.shareable for row in rows))
    return (shared if shared * (len(rows) - 1) >= _WORTH_SHARING else 0), rows


def batched(rows: Sequence[Row], *, tokens: int, most_rows: int | None, states: int, sharing: bool = True) -> list[Batch]:
    """Split rows into batches, longest rows first.

    Args:
        rows: whole rows.
        tokens: most ids of a batch, padding included; one row is always taken.
        most_rows: most rows of a batch; None: any number.
        states: most predictions of a batch: each is a row of logits as long as the vocabulary.
        sharing: whether rows may share what they begin with.
    """
    batches = []
    groups = share(rows) if sharing else [(0, list(rows))] if rows else []
    for shared, members in groups:
        prefix = tuple(members[0].ids[:shared])
        batches += [Batch(prefix, tuple(part)) for part in _parts([m.after(shared) for m in members], tokens, most_rows, states)]
    return sorted(batches, key=lambda batch: (batch.prefix, -batch.width))


def _parts(rows: Sequence[Row], tokens: int, most_rows: int | None, states: int) -> list[list[Row]]:
    parts: list[list[Row]] = []
    predicted = 0
    for row in sorted(rows, key=lambda row: (-len(row.ids), row.index)):
        own = len({column for option in row.scored for column, _ in option})
        last = parts[-1] if parts else []
        full = most_rows is not None and len(last) >= most_rows
        if last and not full and (len(last) + 1) * len(last[0].ids) <= tokens and predicted + own <= states:
            last.append(row)
            predicted += own
        else:
            parts.append([row])
            predicted = own
    return parts
