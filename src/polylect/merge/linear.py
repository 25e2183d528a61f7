"""Weighted linear averaging of checkpoints: sum(w_i x_i) / sum(w_i) (Aya Expanse 2.3; Wortsman et al. 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.errors import MergeError
from polylect.progress import StepProgress

if TYPE_CHECKING:
    from polylect.merge.manifest import MergeReport

__all__ = ["linear"]


def linear(
    models: Sequence[Path],
    weights: Sequence[float] | None,
    out: Path,
    *,
    base: Path | None = None,
    progress: StepProgress | None = None,
) -> MergeReport:
    """Average checkpoints tensor by tensor and write the result to `out`; configuration and tokenizer are the first one's.

    Args:
        models: checkpoint folders with the same tensors.
        weights: one per model, not all zero; None weighs all alike. They are normalised to sum to 1.
        out: folder of the result: new, or empty.
        base: what the models were trained from, for statistics of task vectors.
        progress: called with (tensors done, tensors in all, note).

    Raises:
        MergeError: a tensor is missing, unknown, of another shape or not finite; the weights do not fit.
        ModelError: a file is corrupt or cut off.
    """
    from polylect.merge.api import merge

    return merge(list(models), weights=_shares(len(models), weights), base=base, out=out, progress=progress)


def _shares(count: int, weights: Sequence[float] | None) -> list[float] | None:
    """Return the weights as shares of their sum."""
    if weights is None:
        return None
    total = math.fsum(weights)
    if len(weights) != count or not math.isfinite(total) or total == 0:
        raise MergeError(f"weights {list(weights)}: one finite weight per model ({count}) is needed, with a sum other than 0.")
    return [weight / total for weight in weights]
