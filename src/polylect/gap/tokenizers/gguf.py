"""The tokenizer that a GGUF file carries, without reading its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polylect.errors import ModelError

__all__ = ["read_gguf"]

# Patterns by the name in tokenizer.ggml.pre (ggml-org/llama.cpp, src/llama-vocab.cpp). They differ in how digits and
# contractions are cut; "smollm" is converted by polylect.models.
_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_PATTERNS = {
    "gpt-2": _GPT2,
    "llama-bpe": _CONTRACTIONS + _LETTERS + r"|\p{N}{1,3}" + _REST,
    "qwen2": _CONTRACTIONS + _LETTERS + r"|\p{N}" + _REST,
}


def read_gguf(path: Path) -> tuple[Any, int | None]:
    """Return the tokenizer of a GGUF file and the context of its model in tokens.

    Raises:
        ModelError: the file is damaged, or its vocabulary is of a kind that is not known here.
    """
    from tokenizers import Tokenizer as Backend

    from polylect.models.gguf_file import GgufFile

    try:
        with GgufFile(path) as file:
            metadata = dict(file.metadata)
    except (ValueError, OSError) as error:
        raise ModelError(f"{path}: not a GGUF file ({error}). Download it again.") from error
    window = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    try:
        content = _content(metadata)
    except KeyError as error:
        raise ModelError(f"{path}: its metadata has no {error.args[0]!r}. Name the model's tokenizer.json instead.") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error} Name the model's tokenizer.json instead.") from error
    return Backend.from_str(json.dumps(content)), int(window) if window else None


def _content(metadata: dict[str, Any]) -> dict[str, Any]:
    from polylect.models.gguf_tokenizer import tokenizer_json

    pattern = _PATTERNS.get(str(metadata.get("tokenizer.ggml.pre")))
    if metadata.get("tokenizer.ggml.model") != "gpt2" or pattern is None:
        return tokenizer_json(metadata)
    content = tokenizer_json({**metadata, "tokenizer.ggml.pre": "smollm"})
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, byte_level]}
    return content
