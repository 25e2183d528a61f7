"""Hugging Face tokenizers: `tokenizer.json` through the Rust library, other folders through transformers' conversion."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError
from polylect.gap.tokenizers.interface import Encoded, Flags, Ints, is_text, unencodable

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

__all__ = ["HuggingFaceTokenizer"]

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "\u2581"
# A noncharacter that no vocabulary holds as a token of its own: what comes out is bytes, the unknown token, or nothing.
_PROBE = "\U0010fffe"


class HuggingFaceTokenizer:
    """A tokenizer of the `tokenizers` library (a `Tokenizer` of the interface).

    Args:
        backend: the library's tokenizer; its truncation and padding are turned off.
        name: see the interface, as for `kind`, `fingerprint`, `window`, `notes`.
    """

    def __init__(
        self, backend: Backend, name: str, fingerprint: str, window: int | None, *, kind: str = "huggingface",
        notes: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.name, self.kind, self.fingerprint, self.window, self.notes = name, kind, fingerprint, window, notes
        self._backend = backend
        backend.no_truncation()
        backend.no_padding()

    def counts(self, texts: Sequence[str]) -> Ints:
        """Return the number of tokens of each text; see the interface."""
        import numpy as np

        return np.array([len(encoding) for encoding in self._encode(texts, positions=False)], dtype=np.int64)

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """Encode texts, with positions; see the interface."""
        import numpy as np

        encodings = self._encode(texts, positions=True)
        counts = np.array([len(encoding) for encoding in encodings], dtype=np.int64)
        total = int(counts.sum())
        ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int64, total)
        offsets = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings))
        spans = np.fromiter(offsets, np.int64, 2 * total).reshape(total, 2)
        return Encoded(ids, counts, spans[:, 0].copy(), spans[:, 1].copy())

    @cached_property
    def fallback_ids(self) -> Flags:
        """Tell which ids are bytes; see the interface."""
        import numpy as np

        if self._is_byte_level:
            return np.array([not is_text(text) for text in self.vocabulary()], dtype=np.bool_)
        flags = np.zeros(len(self._tokens), dtype=np.bool_)
        if self._has_byte_tokens:
            flags[[index for index, token in enumerate(self._tokens) if _BYTE.fullmatch(token)]] = True
        return flags

    @cached_property
    def unknown_id(self) -> int | None:
        """Return the unknown token's id, found by encoding what no vocabulary has; see the interface."""
        try:
            ids = self._encode([_PROBE], positions=False)[0].ids
        except ModelError:
            return None
        candidates = [index for index in ids if not self.fallback_ids[index] and self.vocabulary()[index] != b" "]
        return candidates[0] if candidates else None

    def vocabulary(self) -> Sequence[bytes]:
        """Return the text of each id; see the interface."""
        return self._vocabulary

    @cached_property
    def _vocabulary(self) -> list[bytes]:
        special = {index for index, token in self._backend.get_added_tokens_decoder().items() if token.special}
        read = _from_byte_level if self._is_byte_level else self._from_pieces
        return [b"" if index in special else read(token) for index, token in enumerate(self._tokens)]

    @cached_property
    def _tokens(self) -> list[str]:
        ids = self._backend.get_vocab(with_added_tokens=True)
        tokens = [""] * (max(ids.values(), default=-1) + 1)
        for token, index in ids.items():
            tokens[index] = token
        return tokens

    @cached_property
    def _is_byte_level(self) -> bool:
        parts = (self._backend.pre_tokenizer, self._backend.decoder)
        return any('"ByteLevel"' in json.dumps(json.loads(part.__getstate__())) for part in parts if part is not None)

    @cached_property
    def _has_byte_tokens(self) -> bool:
        return not self._is_byte_level and self._backend.token_to_id("<0x00>") is not None

    def _from_pieces(self, token: str) -> bytes:
        if self._has_byte_tokens and (byte := _BYTE.fullmatch(token)):
            return bytes.fromhex(byte[1])
        return token.removeprefix("##").replace(_SPACE, " ").encode("utf-8", "replace")

    def _encode(self, texts: Sequence[str], *, positions: bool) -> list[Any]:
        encode = self._backend.encode_batch if positions else self._backend.encode_batch_fast
        try:
            return list(encode(list(texts), add_special_tokens=False))
        except Exception as error:
            raise ModelError(unencodable(self.name, error)) from error


def _from_byte_level(token: str) -> bytes:
    table = _byte_table()
    try:
        return bytes(table[character] for character in token)
    except KeyError:
        # An added token is written as it is.
        return token.encode("utf-8", "replace")


def _byte_table() -> dict[str, int]:
    """Return GPT-2's alphabet: the character that stands for each byte (openai/gpt-2, encoder.py, bytes_to_unicode)."""
    if not _BYTES:
        shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        hidden = [byte for byte in range(256) if byte not in shown]
        _BYTES.update({chr(byte): byte for byte in shown})
        _BYTES.update({chr(0x100 + place): byte for place, byte in enumerate(hidden)})
    return _BYTES


_BYTES: dict[str, int] = {}
