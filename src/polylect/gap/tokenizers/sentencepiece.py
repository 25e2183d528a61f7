"""SentencePiece `.model` files through the `sentencepiece` package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from polylect.errors import ModelError
from polylect.gap.tokenizers.interface import Encoded, Flags, Ints

__all__ = ["SentencePieceTokenizer"]

_INSTALL = "reading it needs the package 'sentencepiece'. Next: pip install 'sentencepiece>=0.2.3'"
_SPACE = "\u2581"


class SentencePieceTokenizer:
    """A SentencePiece model (a `Tokenizer` of the interface).

    Raises:
        ModelError: the file is no SentencePiece model, or the package is not installed.
    """

    def __init__(self, path: Path, name: str, fingerprint: str, window: int | None) -> None:
        if find_spec("sentencepiece") is None:
            raise ModelError(f"{name}: {_INSTALL}")
        from sentencepiece import SentencePieceProcessor  # type: ignore[import-not-found]

        self.name, self.kind, self.fingerprint, self.window = name, "sentencepiece", fingerprint, window
        self.notes: tuple[str, ...] = ()
        try:
            self._processor: Any = SentencePieceProcessor(model_file=str(path))
        except (RuntimeError, OSError) as error:
            raise ModelError(f"{path}: not a SentencePiece model ({error}). Download the file again.") from error
        unknown = int(self._processor.unk_id())
        self.unknown_id = unknown if unknown >= 0 else None

    def counts(self, texts: Sequence[str]) -> Ints:
        """Return the number of tokens of each text; see the interface."""
        import numpy as np

        return np.array([len(ids) for ids in self._processor.encode(list(texts), num_threads=2)], dtype=np.int64)

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """Encode texts, with positions; see the interface."""
        import numpy as np

        batches = self._processor.encode(list(texts), return_type="offset_mapping", num_threads=2)
        counts = np.array([len(batch["ids"]) for batch in batches], dtype=np.int64)
        total = int(counts.sum())
        ids = np.fromiter(chain.from_iterable(batch["ids"] for batch in batches), np.int64, total)
        offsets = chain.from_iterable(chain.from_iterable(batch["offsets"] for batch in batches))
        spans = np.fromiter(offsets, np.int64, 2 * total).reshape(total, 2)
        # Of the bytes of one character only the last is given a width; all of them stand for that character.
        return Encoded(ids, counts, spans[:, 0].copy(), np.maximum(spans[:, 1], spans[:, 0] + 1))

    @cached_property
    def fallback_ids(self) -> Flags:
        """Tell which ids are bytes; see the interface."""
        import numpy as np

        return np.array([self._processor.is_byte(index) for index in range(self._processor.get_piece_size())], dtype=np.bool_)

    def vocabulary(self) -> Sequence[bytes]:
        """Return the text of each id; see the interface."""
        return self._vocabulary

    @cached_property
    def _vocabulary(self) -> list[bytes]:
        model = self._processor
        return [self._text(index, model.id_to_piece(index)) for index in range(model.get_piece_size())]

    def _text(self, index: int, piece: str) -> bytes:
        model = self._processor
        if model.is_control(index) or model.is_unknown(index) or model.is_unused(index):
            return b""
        return bytes.fromhex(piece[3:5]) if model.is_byte(index) else piece.replace(_SPACE, " ").encode()
