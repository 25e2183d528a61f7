"""Who sees whom in packed rows, and the keys and values of what rows share.

transformers takes a mask (B, 1, queries, keys) as it is, and models with sliding windows in some layers take one mask per kind of
layer. Windows count positions, not columns, so that an option far to the right in its row sees what it would see alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from polylect.models.kv_slots import windows
from polylect.models.likelihood_rows import Row

if TYPE_CHECKING:
    import torch

__all__ = ["PrefixCache", "masks"]


def masks(model: Any, rows: Sequence[Row], prefix: int) -> Any:
    """Return the additive masks of packed rows after `prefix` shared tokens: one tensor, or one per kind of layer.

    A token sees the shared tokens, those of its row that all options share, and those of its own option, up to its own
    position; with a sliding window of w the last w of these positions. Padding sees itself, or attention would divide by 0.
    """
    found = {window: _mask(model, rows, prefix, window) for window in set(windows(model))}
    kinds = getattr(model.config.get_text_config(), "layer_types", None)
    if len(found) == 1 or not kinds:
        return next(iter(found.values()))
    return {kind: found[window] for kind, window in zip(kinds, windows(model), strict=False)}


def _mask(model: Any, rows: Sequence[Row], prefix: int, window: int | None) -> torch.Tensor:
    """Return one mask (B, 1, T, prefix + T): 0 where a query sees a key, else the least number of the model's type."""
    import torch

    width, device = max(len(row.ids) for row in rows), model.device

    def padded(values: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
        return torch.tensor([[*row, *[filler] * (width - len(row))] for row in values], device=device)  # (B, T)

    position, branch = padded([row.positions for row in rows], 0), padded([row.branches for row in rows], -1)
    before = torch.arange(prefix, device=device).expand(len(rows), -1)
    key_position = torch.cat([before, position], dim=1)[:, None, :]  # (B, 1, K)
    key_branch = torch.cat([torch.zeros_like(before), branch], dim=1)[:, None, :]
    distance = position[:, :, None] - key_position  # (B, T, K)
    sees = (distance >= 0) & ((key_branch == 0) | (key_branch == branch[:, :, None])) & (branch[:, :, None] >= 0)
    if window is not None:
        sees &= distance < window
    column = torch.arange(width, device=device)
    sees[:, column, prefix + column] = True
    mask = torch.zeros(sees.shape, dtype=model.dtype, device=device)
    return mask.masked_fill_(~sees, torch.finfo(model.dtype).min)[:, None]


class _Layer:
    """One attention layer, as transformers' `Cache` asks it: shared keys and values (1, heads, prefix, head size).

    Filled by the first pass; after `freeze` it puts them before those of every batch and keeps nothing of it.
    """

    is_compileable, is_sliding = False, False

    def __init__(self) -> None:
        self.keys: torch.Tensor | None = None
        self.values: torch.Tensor | None = None
        self.frozen = False

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return all keys and values that the tokens of a pass may see."""
        import torch

        if not self.frozen:
            self.keys, self.values = keys, values
            return keys, values
        if self.keys is None or self.values is None:
            raise AssertionError("a layer was not filled by the pass over the shared tokens")
        before = (part.expand(len(keys), -1, -1, -1) for part in (self.keys, self.values))
        both = [torch.cat(pair, dim=2) for pair in zip(before, (keys, values), strict=True)]
        return both[0], both[1]

    def get_seq_length(self) -> int:
        """Return the number of shared tokens."""
        return 0 if self.keys is None or not self.frozen else self.keys.shape[2]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many columns a pass sees, and where they begin."""
        return self.get_seq_length() + query_length, 0


class PrefixCache:
    """Keys and values of tokens that rows share; `cache` is what the model is given as `past_key_values`."""

    def __init__(self, model: Any) -> None:
        from transformers.cache_utils import Cache, CacheLayerMixin

        CacheLayerMixin.register(_Layer)  # instead of a base class, which would import transformers with this module
        self._layers = [_Layer() for _ in windows(model)]
        self.cache = Cache(layers=self._layers)

    def freeze(self) -> None:
        """Keep what was read; later passes add nothing."""
        for layer in self._layers:
            layer.frozen = True
