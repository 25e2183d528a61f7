"""Vocabularies of byte pairs by rank: `.tiktoken` files, Llama 3 and 4's `tokenizer.model`, Mistral's `tekken.json`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from polylect.errors import ModelError
from polylect.gap.tokenizers.interface import Encoded, Flags, Ints, is_text

__all__ = ["TiktokenTokenizer", "is_tiktoken", "read_ranks", "read_tekken"]

# How text is cut into pieces before pairs are merged. A .tiktoken file holds ranks only; the pattern belongs to the model.
# Source: openai/tiktoken, tiktoken_ext/openai_public.py; Llama 3 and Qwen use the first with other limits for digits.
_CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_R50K = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_INSTALL = "reading it needs the package 'tiktoken'. Next: pip install tiktoken"


def is_tiktoken(path: Path) -> bool:
    """Tell whether a file begins like ranks: a token in base64, a space, the rank 0 or another number."""
    with path.open("rb") as file:
        first = file.readline(400).split()
    if len(first) != 2 or not first[1].isdigit():
        return False
    try:
        base64.b64decode(first[0], validate=True)
    except binascii.Error:
        return False
    return True


def read_ranks(path: Path) -> tuple[dict[bytes, int], str, str]:
    """Return the ranks of a .tiktoken file, the pattern to cut text with, and a note on where the pattern is from.

    Raises:
        ModelError: a line is not a token in base64 and its rank.
    """
    ranks = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except ValueError as error:
            raise ModelError(
                f"{path}, line {number}: not a token in base64 and its rank ({error}). Download the file again."
            ) from error
    name, pattern = ("r50k_base", _R50K) if len(ranks) < 60_000 else ("cl100k_base", _CL100K)
    if len(ranks) > 190_000:
        name, pattern = "o200k_base", _O200K
    return ranks, pattern, f"the file has no pattern: text is cut as {name} cuts it, which its {len(ranks):,} ranks suggest"


def read_tekken(path: Path) -> tuple[dict[bytes, int], str, str]:
    """Return the ranks and the pattern of Mistral's tekken.json: the vocabulary less its special tokens.

    Raises:
        ModelError: the file is not of that form.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        config = content["config"]
        size = config["default_vocab_size"] - config["default_num_special_tokens"]
        ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in content["vocab"][:size]}
        return ranks, config["pattern"], ""
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a Tekken vocabulary ({type(error).__name__}: {error}). Download it again.") from error


class TiktokenTokenizer:
    """Byte pairs merged by rank with the `tiktoken` package (a `Tokenizer` of the interface).

    Raises:
        ModelError: `tiktoken` is not installed.
    """

    def __init__(
        self,
        ranks: dict[bytes, int],
        pattern: str,
        name: str,
        fingerprint: str,
        window: int | None,
        *,
        notes: tuple[str, ...] = (),
    ) -> None:
        if find_spec("tiktoken") is None:
            raise ModelError(f"{name}: {_INSTALL}")
        from tiktoken import Encoding  # type: ignore[import-not-found]

        self.name, self.kind, self.fingerprint, self.window, self.notes = name, "tiktoken", fingerprint, window, notes
        self.unknown_id = None
        self._encoding = Encoding(name=name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        self._vocabulary = [b""] * (max(ranks.values()) + 1)
        for token, rank in ranks.items():
            self._vocabulary[rank] = token

    def counts(self, texts: Sequence[str]) -> Ints:
        """Return the number of tokens of each text; see the interface."""
        import numpy as np

        return np.array([len(ids) for ids in self._encoding.encode_ordinary_batch(list(texts), num_threads=2)], dtype=np.int64)

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """Encode texts, with positions: a token's bytes tell which characters it covers, in whole or in part."""
        import numpy as np

        batches = self._encoding.encode_ordinary_batch(list(texts), num_threads=2)
        counts = np.array([len(ids) for ids in batches], dtype=np.int64)
        ids = np.fromiter((index for batch in batches for index in batch), np.int64, int(counts.sum()))
        ends = np.cumsum(self._lengths[ids])
        starts = ends - self._lengths[ids]
        joined = np.frombuffer("".join(texts).encode(), dtype=np.uint8)
        # character[i]: how many characters begin at or before byte i, less one. Continuation bytes are 0b10xxxxxx.
        character = np.cumsum((joined & 0xC0) != 0x80) - 1
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        base = np.repeat(np.cumsum(lengths) - lengths, counts)
        return Encoded(ids, counts, character[starts] - base, character[ends - 1] + 1 - base)

    @cached_property
    def fallback_ids(self) -> Flags:
        """Tell which ids are not whole characters; see the interface."""
        import numpy as np

        return np.array([not is_text(token) for token in self._vocabulary], dtype=np.bool_)

    def vocabulary(self) -> Sequence[bytes]:
        """Return the bytes of each id."""
        return self._vocabulary

    @cached_property
    def _lengths(self) -> Ints:
        import numpy as np

        return np.array([len(token) for token in self._vocabulary], dtype=np.int64)
