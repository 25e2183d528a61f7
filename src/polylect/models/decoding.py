"""The decoding loop: prompts of like length are read together, finished rows make room for waiting ones.

The loop is ours because of what `generate` of transformers does not do, and what decides the speed on small machines: padding
is kept small, tokens that many prompts begin with are read once, samples of one prompt share its reading, rows that are
finished leave at once and others take their place, keys and values are not copied, and text is decoded when it is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from polylect.models.choosing import choose
from polylect.models.kv_slots import Slots
from polylect.models.requests import Request, Sampling

if TYPE_CHECKING:
    import torch

_Shared: TypeAlias = "list[tuple[torch.Tensor, torch.Tensor]]"
"""Keys and values of the tokens that all prompts begin with, per layer."""

__all__ = ["Decoder", "Interrupted", "Prompt", "Row"]

_READ_TOKENS = 1024
"""Tokens, padding included, that are read in one pass: enough to keep the processor busy, few enough to need little padding."""
_REFILL = 8
"""Waiting prompts are read when this part of the rows is free: reading a few tokens alone costs a pass over the weights."""


class Interrupted(Exception):  # noqa: N818 (not an error: whoever asked has gone)
    """The decoding was told to stop before its rows were finished."""


@dataclass
class Row:
    """An answer in the making: `ids` grows by one token a step; finished when `finish_reason` is set."""

    request: Request
    sample: int
    noise: torch.Generator | None
    ids: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""


@dataclass
class Prompt:
    """What is read once for all its rows: the token ids after those that all prompts share."""

    ids: list[int]
    rows: list[Row]


@dataclass
class Decoder:
    """A model with what its decoding needs.

    Args:
        model: of transformers, for causal language modelling.
        tokenizer: of the model.
        ends: ids that end an answer.
        stopped: asked before every pass; when it returns True the decoding raises `Interrupted`.
    """

    model: Any
    tokenizer: Any
    ends: set[int]
    stopped: Callable[[], bool] = lambda: False

    def run(self, prefix: list[int], prompts: Sequence[Prompt], sampling: Sampling, width: int) -> None:
        """Answer `prompts`, all of which begin with the ids `prefix`, `width` rows at a time; fills their rows.

        Raises:
            Interrupted: `stopped` returned True.
        """
        import torch

        samples = max(len(prompt.rows) for prompt in prompts)
        width = max(samples, min(width, sum(len(prompt.rows) for prompt in prompts)))
        longest = len(prefix) + max(len(prompt.ids) for prompt in prompts) + sampling.max_tokens
        waiting = deque(sorted(prompts, key=lambda prompt: -len(prompt.ids)))
        # Half as many columns again as a row can need: rows that leave make columns free, which are gathered now and then.
        slots = Slots(self.model, width, longest + (longest // 2 if len(waiting) * samples > width else 0))
        active: list[Row] = []
        with torch.inference_mode():
            shared = self._read_prefix(prefix)
            while waiting or active:
                if self.stopped():
                    raise Interrupted
                rows_waiting = sum(len(prompt.rows) for prompt in waiting)
                if waiting and slots.free >= min(max(samples, width // _REFILL), rows_waiting):
                    active += self._admit(shared, len(prefix), waiting, slots, sampling)
                else:
                    active = self._step(active, slots, sampling)

    def _read_prefix(self, prefix: list[int]) -> _Shared:
        """Return keys and values of the shared tokens, per layer (1, heads, prefix, head size); nothing for no prefix."""
        import torch

        if not prefix:
            return []
        cache = _growing_cache()
        ids = torch.tensor([prefix], device=self.model.device)
        self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _admit(
        self,
        shared: list[tuple[torch.Tensor, torch.Tensor]],
        prefix: int,
        waiting: deque[Prompt],
        slots: Slots,
        sampling: Sampling,
    ) -> list[Row]:
        """Read the next waiting prompts in one pass, and return their rows that are not finished by their first token."""
        group = [waiting.popleft()]
        most = max(1, _READ_TOKENS // len(group[0].ids))
        rows = len(group[0].rows)
        while waiting and len(group) < most and rows + len(waiting[0].rows) <= slots.free:
            group.append(waiting.popleft())
            rows += len(group[-1].rows)
        layers, logits = self._read(shared, prefix, group)
        every = [(index, row) for index, prompt in enumerate(group) for row in prompt.rows]
        if len(every) > len(group):
            logits = logits[[index for index, _ in every]]
        self._extend([row for _, row in every], logits, sampling)
        left = [(index, row) for index, row in every if not row.finish_reason]
        for index, _ in left:
            slots.add(layers, index, prefix, len(group[index].ids))
        return [row for _, row in left]

    def _read(self, shared: _Shared, prefix: int, group: Sequence[Prompt]) -> tuple[list[Any], torch.Tensor]:
        """Read prompts (left-padded after the shared tokens); return the layers with all keys and values, and logits (B, V)."""
        import torch

        cache, device = _growing_cache(), self.model.device
        for index, (keys, values) in enumerate(shared):
            cache.update(keys.expand(len(group), -1, -1, -1), values.expand(len(group), -1, -1, -1), index)
        width = max(len(prompt.ids) for prompt in group)
        pad = self.tokenizer.pad_token_id or 0
        gaps = [width - len(prompt.ids) for prompt in group]
        ids = torch.tensor([[pad] * gap + prompt.ids for gap, prompt in zip(gaps, group, strict=True)], device=device)
        mask = None
        if any(gaps):
            mask = torch.tensor([[1] * prefix + [0] * gap + [1] * (width - gap) for gap in gaps], device=device)
        columns = torch.arange(prefix, prefix + width, device=device)
        positions = (columns - torch.tensor(gaps, device=device)[:, None]).clamp(min=0)  # (B, width)
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return cache.layers, output.logits[:, -1]

    def _step(self, active: list[Row], slots: Slots, sampling: Sampling) -> list[Row]:
        """Give every active row one more token; return those that are not finished, in the order of their slots."""
        import torch

        mask, positions = slots.step()
        output = self.model(
            input_ids=torch.tensor([row.ids[-1:] for row in active], device=self.model.device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=slots.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        slots.advance()
        self._extend(active, output.logits[:, -1], sampling)
        left = [index for index, row in enumerate(active) if not row.finish_reason]
        return active if len(left) == len(active) else [active[index] for index in slots.keep(left)]

    def _extend(self, rows: Sequence[Row], logits: torch.Tensor, sampling: Sampling) -> None:
        tokens = choose(logits, [row.noise for row in rows], sampling)
        for row, token in zip(rows, tokens.tolist(), strict=True):
            self.append(row, token, sampling)

    def append(self, row: Row, token: int, sampling: Sampling) -> None:
        """Add one token to a row; set its text and finish reason when it ends."""
        ended = token in self.ends
        if not ended:
            row.ids.append(token)
        full = len(row.ids) >= sampling.max_tokens
        if not (ended or full or self._may_hold_stop(row, sampling)):
            return
        text = self.tokenizer.decode(row.ids, skip_special_tokens=True)
        # A stop text ends an answer that has begun: line breaks before the first character are passed over.
        begin = len(text) - len(text.lstrip())
        cuts = [cut for stop in sampling.stop if (cut := text.find(stop, begin)) >= 0]
        if cuts or ended or full:
            row.text = text[: min(cuts, default=None)].strip()
            row.finish_reason = "stop" if cuts or ended else "length"

    def _may_hold_stop(self, row: Row, sampling: Sampling) -> bool:
        """Whether the last tokens hold a stop text; the whole text decides.

        A character is up to four tokens (bytes), so that a stop text which this token completes lies in that many.
        """
        if not sampling.stop:
            return False
        longest = max(len(stop) for stop in sampling.stop)
        tail = self.tokenizer.decode(row.ids[-4 * longest - 4 :], skip_special_tokens=True)
        return any(stop in tail for stop in sampling.stop)


def _growing_cache() -> Any:
    """Return an empty cache that keeps every token in every layer; masks, not the cache, see to sliding windows."""
    from transformers.cache_utils import Cache, DynamicLayer

    return Cache(layer_class_to_replicate=DynamicLayer)
