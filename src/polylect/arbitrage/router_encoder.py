"""A small multilingual transformer as the learned router's features: the mean of its last hidden states, not trained further."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["TransformerEncoder"]

_TOKENS = 128


class TransformerEncoder:
    """The mean vector of a text's tokens (Reimers and Gurevych 2019, arXiv 1908.10084, section 3), scaled to length 1.

    Args:
        model: a name or folder that `polylect.models.resolve` knows: safetensors and a tokenizer, no code of its own.

    Raises:
        ModelError: it is not there, or cannot be loaded as an encoder.
    """

    def __init__(self, model: str) -> None:
        from polylect.arbitrage.embeddings import mean_pooling
        from polylect.models import resolve

        self._vectors = mean_pooling(str(resolve(model)), max_tokens=_TOKENS)
        self.rows = int(self._vectors(["a"]).shape[1])

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the vectors of B texts, (B, D)."""
        import torch

        if not texts:
            return torch.empty(0, self.rows)
        return torch.nn.functional.normalize(torch.as_tensor(self._vectors(texts)).float(), dim=1)

    def embed(self, table: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """Return the vectors times the table (D, H), (B, H)."""
        return batch @ table
