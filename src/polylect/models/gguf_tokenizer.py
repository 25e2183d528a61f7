"""Rebuild a Hugging Face fast tokenizer (`tokenizer.json`) from the vocabulary that a GGUF file carries.

Two kinds are known: SentencePiece BPE ("llama": scores, byte fallback; Gemma) and byte-level BPE ("gpt2": merges; SmolLM2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from polylect.errors import ModelError

__all__ = ["sentencepiece_merges", "tokenizer_config", "tokenizer_json"]

# Token types of GGUF (ggml-org/ggml, docs/gguf.md, tokenizer.ggml.token_type).
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
_SPACE = "\u2581"
_UNUSED = re.compile(r"<unused\d+>")


def tokenizer_json(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of `tokenizer.json` for the metadata of a GGUF file.

    Raises:
        ModelError: the vocabulary is of a kind other than "llama" (SentencePiece BPE) and "gpt2" (byte-level BPE).
    """
    kind = metadata.get("tokenizer.ggml.model")
    if kind == "llama":
        return _sentencepiece(metadata)
    if kind == "gpt2":
        return _byte_level(metadata)
    raise ModelError(f"tokenizer.ggml.model is {kind!r}; only 'llama' and 'gpt2' vocabularies can be converted.")


def tokenizer_config(metadata: Mapping[str, Any], context: int) -> dict[str, Any]:
    """Return the content of `tokenizer_config.json`: special tokens by name, the chat template if the model has one."""
    tokens = metadata["tokenizer.ggml.tokens"]
    names = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
    special = {
        name: tokens[metadata[f"tokenizer.ggml.{key}_token_id"]]
        for key, name in names.items()
        if f"tokenizer.ggml.{key}_token_id" in metadata
    }
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        # Batches of prompts are padded on the left: the next token then follows the last one in every row.
        "padding_side": "left",
    }
    if template := metadata.get("tokenizer.chat_template"):
        config["chat_template"] = template
    return config


def sentencepiece_merges(vocabulary: Mapping[str, int], pieces: list[str], runs: list[str]) -> list[tuple[str, str]]:
    """Return the BPE merges that segment as SentencePiece does: the pair whose union has the best score goes first.

    `pieces` are the learnt tokens, best score first; `runs` are user-defined runs of one character, which SentencePiece
    takes whole before any merge: their merges come first, the longest left part first, so that a run grows from its left end.
    Any split of a piece into two known tokens can be its last step. Among the splits of one piece the longer left part comes
    first, as in the conversion of transformers (`convert_slow_tokenizer.generate_merges`).
    """
    merges = sorted(
        ((run[:cut], run[cut:]) for run in runs for cut in range(1, len(run))), key=lambda pair: (-len(pair[0]), -len(pair[1]))
    )
    mergeable = set(pieces)
    for piece in pieces:
        for cut in range(len(piece) - 1, 0, -1):
            left, right = piece[:cut], piece[cut:]
            if left in mergeable and right in mergeable:
                merges.append((left, right))
    return [(left, right) for left, right in merges if left in vocabulary and right in vocabulary]


def _sentencepiece(metadata: Mapping[str, Any]) -> dict[str, Any]:
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    scores = metadata["tokenizer.ggml.scores"]
    # GGUF stores user-defined runs of spaces as spaces; in the vocabulary a space is the character U+2581.
    names = [_SPACE * len(token) if token and not token.strip(" ") else token for token in tokens]
    runs = [name for name, kind in zip(names, types, strict=True) if kind == _USER_DEFINED and len(set(name)) == 1]
    vocabulary = {name: i for i, name in enumerate(names)}
    learnt = sorted((i for i, kind in enumerate(types) if kind == _NORMAL), key=lambda i: -scores[i])
    merges = sentencepiece_merges(vocabulary, [tokens[i] for i in learnt], runs)
    bos = tokens[metadata["tokenizer.ggml.bos_token_id"]]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [entry for entry in _added_tokens(names, types) if not entry["content"].startswith(_SPACE)],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE},
        "pre_tokenizer": None,
        "post_processor": _starts_with(bos, vocabulary[bos]) if metadata.get("tokenizer.ggml.add_bos_token", True) else None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": _bpe(vocabulary, merges, unk_token=tokens[metadata["tokenizer.ggml.unknown_token_id"]], byte_fallback=True),
    }


def _byte_level(metadata: Mapping[str, Any]) -> dict[str, Any]:
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    pre = metadata.get("tokenizer.ggml.pre")
    if pre != "smollm":
        raise ModelError(f"tokenizer.ggml.pre is {pre!r}; of byte-level vocabularies only 'smollm' can be converted.")
    vocabulary = {token: i for i, token in enumerate(tokens)}
    merges = [(left, right) for left, right in (merge.split(" ") for merge in metadata["tokenizer.ggml.merges"])]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added_tokens(tokens, types),
        "normalizer": None,
        # "smollm" of llama.cpp: every digit is a token of its own, then GPT-2's pattern.
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": _bpe(vocabulary, merges, unk_token=None, byte_fallback=False),
    }


def _added_tokens(tokens: list[str], types: list[int]) -> list[dict[str, Any]]:
    """List the tokens that are matched in the raw text; control tokens are special, reserved `<unusedN>` are not."""
    return [
        {
            "id": i,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": kind == _CONTROL and not _UNUSED.fullmatch(token),
        }
        for i, (token, kind) in enumerate(zip(tokens, types, strict=True))
        if kind in (_CONTROL, _USER_DEFINED)
    ]


def _starts_with(token: str, index: int) -> dict[str, Any]:
    begin = {"SpecialToken": {"id": token, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [
            begin,
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": token, "type_id": 1}},
            {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {token: {"id": token, "ids": [index], "tokens": [token]}},
    }


def _bpe(
    vocabulary: dict[str, int], merges: list[tuple[str, str]], *, unk_token: str | None, byte_fallback: bool
) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": unk_token,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": byte_fallback,
        "byte_fallback": byte_fallback,
        "ignore_merges": False,
        "vocab": vocabulary,
        "merges": merges,
    }
