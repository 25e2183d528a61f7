"""Extend one tokenizer by the tokens of others: the union of their vocabularies, as one tokenizer.json.

The first tokenizer's ids stay, new tokens follow in the order of the other models' ids. What the union promises: text that
one of several trimmed versions of a tokenizer covers gets the tokens that the untrimmed tokenizer gives it. WordPiece takes
the longest token and Unigram the best-scored path; both were already that of the covering version, and no token outside the
untrimmed vocabulary comes in. BPE needs the order of the merges as well: see `polylect.merge.bpe_merges`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np

from polylect.errors import MergeError
from polylect.merge import bpe_merges
from polylect.merge.tokenizer_files import TokenizerFiles

__all__ = ["Union", "unite"]

_PARTS = ("normalizer", "pre_tokenizer", "decoder")
_MODEL_KEYS = {
    "BPE": ("unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges"),
    "Unigram": ("byte_fallback",),
    "WordPiece": ("unk_token", "continuing_subword_prefix", "max_input_chars_per_word"),
    "WordLevel": ("unk_token",),
}
_CONTRARY = (
    "BPE merges: the models order them differently; the first model's come first, then those that only others have. Text may be "
    "segmented differently than before."
)
_UNSETTLED = (
    "could compete for the same symbols no model says which comes first; the earlier model's does. Text of the first model is "
    "segmented as before, some of the others' may not be. If all are trimmed versions of one model, give that as base: its order "
    "decides."
)


@dataclass(frozen=True)
class Union:
    """A united tokenizer: its tokenizer.json, its vocabulary (token -> id, added tokens included), and what to know of it."""

    content: dict[str, Any]
    vocabulary: dict[str, int]
    notes: tuple[str, ...]


def unite(files: Sequence[TokenizerFiles], vocabularies: Sequence[Mapping[str, int]], order: TokenizerFiles | None) -> Union:
    """Return the first tokenizer extended by the tokens of the others.

    Args:
        files: the tokenizers, the one to extend first.
        vocabularies: of each, the tokens that take part (those with a row in the model).
        order: an untrimmed tokenizer whose order of BPE merges decides what the others leave open.

    Raises:
        MergeError: the tokenizers are of different types, or a part that gives token strings their meaning differs.
    """
    for other in files[1:]:
        _check_alike(files[0], other)
    vocabulary = dict(vocabularies[0])
    free = max(vocabulary.values(), default=-1) + 1
    for tokens in vocabularies[1:]:
        new = sorted((index, token) for token, index in tokens.items() if token not in vocabulary)
        vocabulary |= {token: free + position for position, (_, token) in enumerate(new)}
        free += len(new)
    model, notes = _MAKERS[files[0].kind](files, vocabulary, order)
    content = {**files[0].content, "added_tokens": _added(files, vocabulary), "model": model}
    return Union(content, vocabulary, notes)


def _check_alike(first: TokenizerFiles, other: TokenizerFiles) -> None:
    if first.kind != other.kind:
        raise MergeError(_refusal(first, other, "model.type", first.kind, other.kind))
    for part in _PARTS:
        if first.content.get(part) != other.content.get(part):
            raise MergeError(_refusal(first, other, part, _type(first.content.get(part)), _type(other.content.get(part))))
    one, two = first.content["model"], other.content["model"]
    for key in _MODEL_KEYS[first.kind]:
        # Older files leave keys out whose value is none, "" or false.
        if (one.get(key) or None) != (two.get(key) or None):
            raise MergeError(_refusal(first, other, f"model.{key}", ascii(one.get(key)), ascii(two.get(key))))


def _refusal(first: TokenizerFiles, other: TokenizerFiles, part: str, one: str, two: str) -> str:
    values = f"{one[:60]} and {two[:60]}" if one != two else f"two different settings of {one[:60]}"
    return (
        f"vocabulary union of {first.folder} and {other.folder}: their tokenizers differ in {part} ({values}), so equal token "
        'strings do not mean the same text. Use vocabulary "first" or "base", or models of one tokenizer family.'
    )


def _type(part: Any) -> str:
    if not isinstance(part, dict):
        return "none"
    steps = part.get("pretokenizers") or part.get("normalizers") or part.get("decoders")
    return "+".join(_type(step) for step in steps) if isinstance(steps, list) else str(part.get("type"))


def _added(files: Sequence[TokenizerFiles], vocabulary: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the added tokens of all tokenizers with their ids in the union; of entries for one token the earliest."""
    entries = {token: entry for one in reversed(files) for token, entry in one.added.items() if token in vocabulary}
    placed = [{**entry, "id": vocabulary[token]} for token, entry in entries.items()]
    return sorted(placed, key=lambda entry: entry["id"])


def _in_order(vocabulary: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(vocabulary.items(), key=lambda item: item[1]))


def _bpe(
    files: Sequence[TokenizerFiles], vocabulary: Mapping[str, int], order: TokenizerFiles | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    lists = [_placed(one, vocabulary) for one in files]
    reference = None if order is None or order.merges is None else _placed(order, vocabulary)
    united = bpe_merges.united(lists, reference)
    notes: tuple[str, ...] = (_CONTRARY,) if united.order == "contrary" else ()
    if united.unsettled:
        notes = (f"BPE merges: of {united.unsettled:,} pairs that {_UNSETTLED}",)
    by_id = {index: token for token, index in vocabulary.items()}
    left, right = (map(by_id.__getitem__, part.tolist()) for part in bpe_merges.parts(united.merges))
    # Added tokens stand in the model's vocabulary too: outside it `tokenizers` numbers them anew after the last token.
    merges = list(map(list, zip(left, right, strict=True)))
    return {**files[0].content["model"], "vocab": _in_order(vocabulary), "merges": merges}, notes


def _placed(files: TokenizerFiles, vocabulary: Mapping[str, int]) -> np.ndarray:
    """Return a tokenizer's merges in ids of the union, without those of tokens that take no part."""
    if files.merges is None:
        raise MergeError(f"{files.folder}: its merges were not read.")
    count = len(files.vocabulary)
    new = np.full(max(files.vocabulary.values()) + 1, -1, dtype=np.int64)
    ids = np.fromiter(files.vocabulary.values(), dtype=np.int64, count=count)
    new[ids] = np.fromiter(map(vocabulary.get, files.vocabulary, repeat(-1)), dtype=np.int64, count=count)
    prefix = len(files.content["model"].get("continuing_subword_prefix") or "")
    rowless = files.vocabulary.keys() - vocabulary.keys()
    return bpe_merges.renumbered(bpe_merges.without(files.merges, files.vocabulary, rowless, prefix), new)


def _unigram(
    files: Sequence[TokenizerFiles], vocabulary: Mapping[str, int], order: TokenizerFiles | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    first = files[0]
    scores: dict[str, float] = dict(map(tuple, first.content["model"]["vocab"]))
    different = 0
    for other in files[1:]:
        for piece, score in other.content["model"]["vocab"]:
            different += scores.setdefault(piece, score) != score
        _check_unknown(first, other)
    by_id = {index: token for token, index in vocabulary.items()}
    if holes := max(by_id, default=-1) + 1 - len(by_id):
        raise MergeError(
            f"{first.folder / 'tokenizer.json'}: {holes} ids belong to no token, which a Unigram vocabulary "
            'cannot say after it was extended. Use vocabulary "first" or "base".'
        )
    # Added tokens are taken out of the text before the model sees it; the lowest score keeps them out of other segmentations.
    lowest = min(scores.values())
    pieces = [[by_id[index], scores.get(by_id[index], lowest)] for index in range(len(by_id))]
    note = f"Unigram scores: {different:,} pieces have other scores in later models; the first model's are taken."
    return {**first.content["model"], "vocab": pieces}, (note,) if different else ()


def _check_unknown(first: TokenizerFiles, other: TokenizerFiles) -> None:
    one, two = (_piece(files, files.content["model"].get("unk_id")) for files in (first, other))
    if one != two:
        raise MergeError(_refusal(first, other, "model.unk_id", ascii(one), ascii(two)))


def _piece(files: TokenizerFiles, index: Any) -> str | None:
    pieces = files.content["model"]["vocab"]
    if index is None:
        return None
    if type(index) is not int or not 0 <= index < len(pieces):
        raise MergeError(f"{files.folder / 'tokenizer.json'}: model.unk_id {ascii(index)[:40]} is not the number of a piece.")
    return str(pieces[index][0])


def _plain(
    files: Sequence[TokenizerFiles], vocabulary: Mapping[str, int], order: TokenizerFiles | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    return {**files[0].content["model"], "vocab": _in_order(vocabulary)}, ()


_MAKERS = {"BPE": _bpe, "Unigram": _unigram, "WordPiece": _plain, "WordLevel": _plain}
