"""Keys and values of the rows that are being decoded, in buffers that are written in place.

A row's tokens lie in neighbouring columns, and the last tokens of all rows in the same column: left padding. So rows of any
length can come and go, and the distance of two columns is the distance of two tokens, which sliding windows count.
transformers' own dynamic cache copies all keys and values at every step, and again whenever a row leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError

if TYPE_CHECKING:
    import torch

__all__ = ["Slots"]


class _Layer:
    """One attention layer, as transformers' `Cache` asks it: keys and values (slots, heads, columns, head size)."""

    is_compileable = False

    def __init__(self, slots: Slots, window: int | None) -> None:
        self._slots, self._window = slots, window
        self.is_sliding = window is not None
        self.keys: torch.Tensor | None = None
        self.values: torch.Tensor | None = None

    def _first(self) -> int:
        """Return the first column that the token of this step can see."""
        end = self._slots.end
        return self._slots.start if self._window is None else max(self._slots.start, end + 1 - self._window)

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the keys and values of one token per row, (rows, heads, 1, head size); return those that it sees."""
        if self.keys is None or self.values is None:
            raise AssertionError("a layer that shares no keys was not filled by the first pass over the prompts")
        rows, end, first = len(keys), self._slots.end, self._first()
        self.keys[:rows, :, end], self.values[:rows, :, end] = keys[:, :, 0], values[:, :, 0]
        return self.keys[:rows, :, first : end + 1], self.values[:rows, :, first : end + 1]

    def get_seq_length(self) -> int:
        """Return the columns before the token of this step."""
        return self._slots.end - self._slots.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many columns a step sees, and where they begin in the attention mask."""
        return self._slots.end + query_length - self._first(), self._first() - self._slots.start


class Slots:
    """Room for `rows` rows of up to `columns` tokens.

    Attributes:
        cache: what the model is given as `past_key_values`.
        start: first column that any row uses.
        end: column of the tokens of the next step.
    """

    def __init__(self, model: Any, rows: int, columns: int) -> None:
        import torch
        from transformers.cache_utils import Cache, CacheLayerMixin

        CacheLayerMixin.register(_Layer)  # instead of a base class, which would import transformers with this module
        self.columns, self.rows, self.start, self.end = columns, rows, 0, 0
        self.cache = Cache(layers=[_Layer(self, window) for window in windows(model)])
        self._lengths: list[int] = []
        self._valid = torch.zeros(rows, columns, dtype=torch.long, device=model.device)

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def free(self) -> int:
        """The number of rows that can be added."""
        return self.rows - len(self)

    def add(self, layers: Sequence[Any], row: int, prefix: int, own: int) -> None:
        """Add a row: of `layers` (each with `keys` and `values`) the first `prefix` and the last `own` columns of row `row`.

        Rows come longest first: one that is longer than every row here needs an empty `Slots`.
        """
        length, slot = prefix + own, len(self)
        if not self._lengths:
            self.start, self.end = 0, length
        begin = self.end - length
        if begin < 0:
            raise AssertionError(f"a row of {length} tokens came after shorter ones that end at column {self.end}")
        for target, source in zip(self.cache.layers, layers, strict=False):
            if target.keys is None:
                target.keys, target.values = (self._room(part) for part in (source.keys, source.values))
            for into, given in ((target.keys, source.keys), (target.values, source.values)):
                into[slot, :, begin : begin + prefix] = given[row, :, :prefix]
                into[slot, :, begin + prefix : self.end] = given[row, :, given.shape[2] - own :]
        self._valid[slot] = 0
        self._valid[slot, begin : self.end] = 1
        self._lengths.append(length)
        self._narrow()

    def _room(self, like: torch.Tensor) -> torch.Tensor:
        return like.new_zeros(self.rows, like.shape[1], self.columns, like.shape[3])

    def _narrow(self) -> None:
        self.start = self.end - max(self._lengths, default=0)

    def step(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Make room for one more token per row; return the attention mask (rows, columns) and its positions (rows, 1)."""
        import torch

        if self.end == self.columns:
            self._shift()
        self._valid[: len(self), self.end] = 1
        positions = torch.tensor(self._lengths, device=self._valid.device)[:, None]
        return self._valid[: len(self), self.start : self.end + 1], positions

    def advance(self) -> None:
        """Count the token that the model has just written."""
        self.end += 1
        self._lengths = [length + 1 for length in self._lengths]

    def _shift(self) -> None:
        """Move all rows to the first columns: those before them belonged to rows that have left."""
        used, rows = self.end - self.start, len(self)
        tensors = [part for layer in self.cache.layers if layer.keys is not None for part in (layer.keys, layer.values)]
        for tensor in tensors:
            tensor[:rows, :, :used] = tensor[:rows, :, self.start : self.end].clone()
        valid = self._valid[:rows, self.start : self.end].clone()
        self._valid[:rows] = 0
        self._valid[:rows, :used] = valid
        self.start, self.end = 0, used

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Let all rows but `rows` (ascending) go; return the rows in their new order.

        Rows from behind fill the gaps, so that few are moved.
        """
        order = list(rows)
        movers = [row for row in order if row >= len(order)]
        staying = {row for row in order if row < len(order)}
        placed = [slot if slot in staying else movers.pop() for slot in range(len(order))]
        moved = [(slot, row) for slot, row in enumerate(placed) if slot != row]
        if moved:
            into, given = ([pair[side] for pair in moved] for side in (0, 1))
            for layer in self.cache.layers:
                for tensor in (layer.keys, layer.values):
                    if tensor is not None:
                        tensor[into, :, self.start : self.end] = tensor[given, :, self.start : self.end]
            self._valid[into] = self._valid[given]
        self._lengths = [self._lengths[row] for row in placed]
        self._narrow()
        return placed


def windows(model: Any) -> list[int | None]:
    """Return the sliding window of each layer of a model, None for those that see everything.

    Raises:
        ModelError: the model keeps a state that is not keys and values per token (linear attention, chunks).
    """
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    layers = DynamicCache(config=model.config).layers
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if kinds or any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers):
        what = ", ".join(sorted(kinds)) or "a state"
        raise ModelError(
            f"{model.name_or_path}: its layers keep more than keys and values of each token ({what}); rows of unequal "
            "length cannot share such layers here. Serve the model (vLLM, llama.cpp) and ask it as served:URL#NAME."
        )
    return [getattr(layer, "sliding_window", None) for layer in layers]
