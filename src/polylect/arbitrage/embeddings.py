"""Sentence embeddings in many languages, and which texts of different languages lie close together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from polylect.errors import DataError, ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polylect.arbitrage.dedup import Encoder

__all__ = ["Vectors", "mean_pooling"]

_BLOCK = 2048
"""Rows of the matrix of cosines that are in memory at a time."""


class _Labelled(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def item(self) -> str: ...
    @property
    def language(self) -> str: ...


class Vectors:
    """Unit vectors of rows, in half precision: 2 bytes per dimension and row.

    Neighbours are found by comparing all pairs in blocks, exactly and in time that grows with the square of the rows.
    """

    def __init__(self) -> None:
        self._items: list[str] = []
        self._languages: list[str] = []
        self._parts: list[NDArray[np.float16]] = []

    def add(self, rows: Sequence[_Labelled], vectors: NDArray[np.floating]) -> None:
        """Take in the vectors, (rows, width), of some rows.

        Raises:
            DataError: the encoder gave another number of vectors, another width, or values that are not finite.
        """
        import numpy as np

        width = self._parts[0].shape[1] if self._parts else vectors.shape[-1]
        if vectors.shape != (len(rows), width) or not np.isfinite(vectors).all():
            raise DataError(
                f"the encoder gave an array of shape {vectors.shape} for {len(rows)} texts, of width {width} so far, or values "
                f"that are not finite (first text: id {rows[0].id!r}). It must give one finite vector of one width per text."
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._parts.append((vectors / np.maximum(lengths, 1e-12)).astype(np.float16))
        self._items += (row.item for row in rows)
        self._languages += (row.language for row in rows)

    def neighbours(self, threshold: float) -> Iterator[tuple[str, str]]:
        """Yield pairs of items that have rows of different languages with at least the cosine `threshold`."""
        import numpy as np

        if not self._parts:
            return
        items = np.unique(self._items, return_inverse=True)
        languages = np.unique(self._languages, return_inverse=True)[1]
        vectors = np.concatenate(self._parts)
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK].astype(np.float32)
            for column in range(start, len(vectors), _BLOCK):
                # Half precision moves a cosine by less than 0.001.
                one, other = np.nonzero(block @ vectors[column : column + _BLOCK].astype(np.float32).T >= threshold - 1e-3)
                one, other = one + start, other + column
                differ = (languages[one] != languages[other]) & (items[1][one] != items[1][other])
                pairs = np.unique(np.sort(np.stack((items[1][one[differ]], items[1][other[differ]]), 1), axis=1), axis=0)
                yield from ((str(items[0][a]), str(items[0][b])) for a, b in pairs.tolist())


def mean_pooling(model: str, *, batch: int = 32, max_tokens: int = 256, prefix: str = "") -> Encoder:
    """Return an encoder: the mean of a transformer's last hidden states over the tokens of a text (Reimers and Gurevych 2019).

    Args:
        model: name or folder of a model that transformers can load (`intfloat/multilingual-e5-small`, for example); its
            weights must be safetensors.
        batch: texts per forward pass; texts are sorted by length first.
        max_tokens: what is longer is cut.
        prefix: put before every text; E5 models want "query: ".

    Raises:
        ModelError: the model or its tokenizer cannot be loaded.
    """
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        network = AutoModel.from_pretrained(model, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{model}: cannot be loaded as an encoder ({error}). Give the name or folder of a transformer."
        ) from error

    def encode(texts: Sequence[str]) -> NDArray[np.floating]:
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        parts: dict[int, Any] = {}
        for start in range(0, len(order), batch):
            numbers = order[start : start + batch]
            chosen = [prefix + texts[number] for number in numbers]
            inputs = tokenizer(chosen, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
            parts.update(zip(numbers, _means(network, inputs), strict=True))
        import numpy as np

        return np.stack([parts[number] for number in range(len(texts))])

    return encode


def _means(network: Any, inputs: Any) -> NDArray[np.floating]:
    """Return the mean state of each text, (texts, width), over its tokens without padding."""
    import torch

    with torch.inference_mode():
        states = network(**inputs).last_hidden_state.float()
    mask = inputs["attention_mask"].unsqueeze(-1)
    means: NDArray[np.floating] = ((states * mask).sum(1) / mask.sum(1).clamp(min=1)).numpy()
    return means
