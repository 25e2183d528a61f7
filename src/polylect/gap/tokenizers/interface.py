"""What the measurement asks of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]
else:
    Ints = Flags = Any

__all__ = ["Encoded", "Flags", "Ints", "Tokenizer", "is_text", "unencodable"]


class Encoded(NamedTuple):
    """The tokens of a batch of texts, one after another.

    `ids` (tokens,), `counts` (texts,) tokens of each text; `starts` and `ends` (tokens,) are the characters of its own text that
    a token covers, in the order of the text; None where the tokenizer does not say.
    """

    ids: Ints
    counts: Ints
    starts: Ints | None
    ends: Ints | None


class Tokenizer(Protocol):
    """A tokenizer as measured: text in, ids and positions out; no special tokens are added, nothing is cut.

    Attributes:
        name: how reports call it.
        kind: "huggingface", "tiktoken", "sentencepiece" or "gguf".
        fingerprint: first 16 hexadecimal digits of the SHA-256 of the file that it was read from (GGUF: of the
            tokenizer in it).
        window: context of its model in tokens, None if its files do not say.
        notes: what a reader of its numbers must know.
    """

    name: str
    kind: str
    fingerprint: str
    window: int | None
    notes: tuple[str, ...]

    @property
    def fallback_ids(self) -> Flags:
        """Tell of each id whether it is a byte, or bytes that are no whole characters, shape (ids,)."""

    @property
    def unknown_id(self) -> int | None:
        """Return the id that stands for what the tokenizer cannot write; None if it has none."""

    def vocabulary(self) -> Sequence[bytes]:
        """Return the text of each id in UTF-8, b"" for special tokens and unused ids."""

    def counts(self, texts: Sequence[str]) -> Ints:
        """Return the number of tokens of each text, shape (texts,).

        Raises:
            ModelError: the tokenizer cannot encode a text.
        """

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """Encode texts, with positions.

        Raises:
            ModelError: the tokenizer cannot encode a text.
        """


def is_text(token: bytes) -> bool:
    """Tell whether the bytes of a token are whole characters in UTF-8."""
    try:
        token.decode()
    except UnicodeDecodeError:
        return False
    return True


def unencodable(name: str, error: Exception) -> str:
    """Return the message for a text that a tokenizer cannot encode."""
    return (
        f"{name}: the tokenizer has no unknown token and cannot write the text ({error}). Its cost is not defined there: leave "
        "the language out (`--languages`), or name a tokenizer with byte fallback."
    )
