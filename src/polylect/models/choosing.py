"""The next token of each row: the best one, or a sample whose noise depends on the row alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polylect.models.requests import Request, Sampling
from polylect.records import content_hash

if TYPE_CHECKING:
    import torch

__all__ = ["best", "choose", "noise_of", "nucleus"]

_BLOCK = 512
"""Values whose maximum is taken first."""


def noise_of(request: Request, sample: int, sampling: Sampling, device: str) -> torch.Generator | None:
    """Return the source of noise of one row, seeded by (seed, request key, sample); None where sampling is greedy."""
    import torch

    if sampling.temperature <= 0:
        return None
    seed = int(content_hash(sampling.seed, request.key, sample)[:15], 16)
    return torch.Generator(device=device).manual_seed(seed)


def choose(logits: torch.Tensor, noise: Sequence[torch.Generator | None], sampling: Sampling) -> torch.Tensor:
    """Choose the next token of each row from `logits` (B, V): the best, or a sample by the Gumbel-max trick.

    `noise` holds a generator per row (None where sampling is greedy); returns ids (B,).
    """
    import torch

    if sampling.temperature <= 0:
        return best(logits)
    logits = logits.float() / sampling.temperature
    if sampling.top_p < 1:
        logits = nucleus(logits, sampling.top_p)
    drawn = torch.empty_like(logits)
    for row, generator in zip(drawn, noise, strict=True):
        row.exponential_(generator=generator)
    return (logits - drawn.log()).argmax(-1)


def best(logits: torch.Tensor) -> torch.Tensor:
    """Return the first index of the largest value of each row of `logits` (B, V), as `argmax` does.

    The maximum of blocks comes first: torch computes it with vector instructions, `argmax` without (5 ms against 60 ms for 64
    rows of 262,144 values in bfloat16, one thread).
    """
    import torch

    rows, vocabulary = logits.shape
    padded = torch.nn.functional.pad(logits, (0, -vocabulary % _BLOCK), value=float("-inf")) if vocabulary % _BLOCK else logits
    blocks = padded.view(rows, -1, _BLOCK)
    block = blocks.amax(-1).float().argmax(-1)  # (B,)
    inside = blocks[torch.arange(rows, device=logits.device), block].float().argmax(-1)
    return block * _BLOCK + inside


def nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the smallest set of tokens whose probability reaches `top_p` (Holtzman et al. 2020); the best always stays."""
    ordered, order = logits.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    ordered = ordered.masked_fill(before >= top_p, float("-inf"))
    return logits.scatter(-1, order, ordered)
