"""Rebuild a BPE tokenizer over fewer tokens so that covered text keeps its segmentation.

Why it is exact. BPE applies, again and again, the best-ranked pair of neighbours. A final token grew from the characters of
its own span alone: a merge is never undone, so no merge crossed its borders, and within the span the pairs were taken in the
order in which they would be taken if the span stood alone. So all merges that produced a text are those that produce each of
its final tokens standing alone (`derivation`). If their parts and results are kept, every pair that the original tokenizer
picks is still there; the merges of the smaller tokenizer are a subset of the original's in the same order, so nothing better
ranked can come in between, and by induction each step is the same.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from polylect.errors import ModelError

__all__ = [
    "byte_tokens",
    "closure",
    "derivation",
    "is_byte_level",
    "is_fallback",
    "merge_ranks",
    "rebuild",
    "required_tokens",
    "supported",
]

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_ALPHABETS_END = 0x3100
"""Below this code point, blocks of 128 hold whole alphabets; above lie ideographs, Hangul syllables, emoji."""
_BLOCK = 128


def supported(content: Mapping[str, Any]) -> None:
    """Check that the tokenizer (the content of tokenizer.json) is BPE of a form that can be rebuilt.

    Raises:
        ModelError: another kind (Unigram, WordPiece, WordLevel), or BPE with sub-word prefixes or suffixes.
    """
    model = content["model"]
    if model.get("type") != "BPE":
        raise ModelError(
            f"the tokenizer is of kind {model.get('type')!r}; only BPE vocabularies can be trimmed (Unigram and WordPiece "
            "segment differently when tokens go). Train this model with its whole vocabulary."
        )
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise ModelError(f"the tokenizer sets {key} = {model[key]!r}, which trimming does not support.")


def _pairs(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    # Older files write a merge as "left right", newer ones as a pair.
    merges = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
    return [(left, right) for left, right in merges]


def derivation(token: str, ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """Return every symbol that BPE goes through when it segments `token` alone, from characters to the result."""
    symbols = list(token)
    seen = set(symbols)
    while len(symbols) > 1:
        rank, at = min((ranks.get(pair, len(ranks)), at) for at, pair in enumerate(pairwise(symbols)))
        if rank == len(ranks):
            break
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
        seen.add(symbols[at])
    return seen


def merge_ranks(content: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Return the rank of every merge: the pair with the lowest rank is merged first."""
    return {pair: rank for rank, pair in enumerate(_pairs(content["model"]))}


def closure(content: Mapping[str, Any], tokens: Iterable[str], ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """Return `tokens` with all intermediate tokens that their merges need (tokens of the vocabulary only)."""
    added = {entry["content"] for entry in content["added_tokens"]}
    wanted = set(tokens)
    steps = (derivation(token, ranks) for token in wanted if token not in added and not _BYTE.fullmatch(token))
    return wanted.union(*steps).intersection(added.union(content["model"]["vocab"]))


def byte_tokens(content: Mapping[str, Any]) -> set[str]:
    """Return the tokens that any text can fall back to: `<0xNN>`, or the 256 symbols of a byte-level alphabet."""
    vocabulary: dict[str, int] = content["model"]["vocab"]
    if content["model"].get("byte_fallback"):
        return {token for token in vocabulary if _BYTE.fullmatch(token)}
    return _byte_alphabet().intersection(vocabulary) if is_byte_level(content) else set()


def is_fallback(token: str, *, byte_level: bool) -> bool:
    """Say whether a token is a single byte that stands for a part of a character (any byte where `<0xNN>` is used)."""
    return len(token) == 1 and token in _high_bytes() if byte_level else bool(_BYTE.fullmatch(token))


def required_tokens(content: Mapping[str, Any], used: Iterable[str], ids: Iterable[int], *, keep_specials: bool) -> set[str]:
    """Return the tokens to keep besides those of the texts.

    Bytes, the unknown token, tokens of the post-processor, the tokens with the given `ids`, special tokens if
    `keep_specials`, and single characters: of the alphabets that occur in `used` all, of other characters both cases.
    """
    by_id = {index: token for token, index in content["model"]["vocab"].items()}
    by_id |= {entry["id"]: entry["content"] for entry in content["added_tokens"]}
    tokens = byte_tokens(content) | {by_id[index] for index in ids if index in by_id}
    tokens |= set(_processor_ids(content.get("post_processor")))
    if unknown := content["model"].get("unk_token"):
        tokens.add(unknown)
    if keep_specials:
        tokens |= {entry["content"] for entry in content["added_tokens"] if entry["special"]}
    if not is_byte_level(content):
        tokens |= _characters(content["model"]["vocab"], used)
    return tokens


def rebuild(content: Mapping[str, Any], keep: set[str]) -> tuple[dict[str, Any], list[int]]:
    """Return tokenizer.json over the tokens `keep`, and the old id of each new id, in order (new ids keep the old order)."""
    vocabulary = {token: index for token, index in content["model"]["vocab"].items() if token in keep}
    added = [dict(entry) for entry in content["added_tokens"] if entry["content"] in keep]
    old = sorted({*vocabulary.values(), *(entry["id"] for entry in added)})
    new = {index: position for position, index in enumerate(old)}
    smaller = copy.copy(dict(content))
    smaller["model"] = {
        **content["model"],
        "vocab": {token: new[index] for token, index in sorted(vocabulary.items(), key=lambda item: item[1])},
        "merges": [
            [left, right]
            for left, right in _pairs(content["model"])
            if left in vocabulary and right in vocabulary and left + right in vocabulary
        ],
    }
    smaller["added_tokens"] = [{**entry, "id": new[entry["id"]]} for entry in added]
    smaller["post_processor"] = _renumbered(content.get("post_processor"), new)
    if padding := content.get("padding"):
        smaller["padding"] = {**padding, "pad_id": new[padding["pad_id"]]}
    return smaller, old


def is_byte_level(content: Mapping[str, Any]) -> bool:
    """Say whether the vocabulary spells text as bytes (GPT-2's alphabet) rather than as characters."""
    parts = [content.get(name) or {} for name in ("normalizer", "pre_tokenizer", "decoder")]
    parts += [step for part in parts for key in ("normalizers", "pretokenizers", "decoders") for step in part.get(key, [])]
    return any(part.get("type") == "ByteLevel" for part in parts)


def _byte_alphabet() -> set[str]:
    """Return the 256 characters that stand for bytes in byte-level BPE (Radford et al. 2019, GPT-2, bytes_to_unicode)."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    return {chr(byte) for byte in printable} | {chr(0x100 + n) for n in range(256 - len(printable))}


def _high_bytes() -> set[str]:
    # The other characters from U+0100 on stand for bytes: 0x00-0x20 and 0x7F first (34), then 0x80-0xA0 and 0xAD.
    return {chr(byte) for byte in (*range(0xA1, 0xAD), *range(0xAE, 0x100))} | {chr(0x100 + n) for n in range(34, 68)}


def _characters(vocabulary: Mapping[str, int], used: Iterable[str]) -> set[str]:
    seen = {character for token in used for character in token}
    blocks = {ord(character) // _BLOCK for character in seen if ord(character) < _ALPHABETS_END} | {0}
    both_cases = {form for character in seen for form in (character, character.lower(), character.upper())}
    return {token for token in vocabulary if len(token) == 1 and (token in both_cases or ord(token) // _BLOCK in blocks)}


def _processor_ids(processor: Any) -> dict[str, int]:
    """Return the tokens that a post-processor inserts, with their ids."""
    if not processor:
        return {}
    if processor["type"] == "Sequence":
        return {token: index for step in processor["processors"] for token, index in _processor_ids(step).items()}
    if processor["type"] == "TemplateProcessing":
        special = processor["special_tokens"].values()
        return {token: index for entry in special for token, index in zip(entry["tokens"], entry["ids"], strict=True)}
    return {processor[key][0]: processor[key][1] for key in ("cls", "sep") if key in processor}


def _renumbered(processor: Any, new: Mapping[int, int]) -> Any:
    if not processor:
        return processor
    if processor["type"] == "Sequence":
        return {**processor, "processors": [_renumbered(step, new) for step in processor["processors"]]}
    if processor["type"] == "TemplateProcessing":
        special = {
            name: {**entry, "ids": [new[index] for index in entry["ids"]]} for name, entry in processor["special_tokens"].items()
        }
        return {**processor, "special_tokens": special}
    return {**processor, **{key: [processor[key][0], new[processor[key][1]]] for key in ("cls", "sep") if key in processor}}
