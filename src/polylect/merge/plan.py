"""The plan of a merge: every tensor of the output and where its numbers come from, before any of them is read.

`polylect.merge.planning` makes a plan from headers, configurations and tokenizers; `polylect.merge.engine` carries it out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from polylect.merge.methods import Method, Values
from polylect.merge.settings import Settings
from polylect.models.safetensors_file import TensorInfo

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LowRank", "MergePlan", "OutputFile", "Source", "TensorPlan"]


@dataclass(frozen=True)
class LowRank:
    """An update of a matrix that a LoRA adapter makes: scale * B A, with A of shape (rank, columns) and B of (rows, rank).

    `transposed`: the base tensor stores the matrix as (columns, rows), as GPT-2's Conv1D does (PEFT's fan_in_fan_out).
    """

    a: TensorInfo
    b: TensorInfo
    scale: float
    transposed: bool = False


class Source(NamedTuple):
    """One input of one output tensor: the bytes of `tensor`, its rows rearranged, plus low-rank updates.

    `rows`: int64 array, for every row of the output the row of `tensor`, or -1 where this model lacks the token; None: as is.
    """

    tensor: TensorInfo
    rows: np.ndarray | None = None
    updates: tuple[LowRank, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the source is the tensor's bytes as they lie in the file."""
        return self.rows is None and not self.updates


@dataclass(frozen=True)
class TensorPlan:
    """One tensor of the output.

    `inputs` has one entry per model of the merge, None where that model abstains. `copy` is the source whose values are taken
    over instead of a merge (byte for byte when it is plain and of the same dtype). `layer` is the number in its name (-1: none).
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    inputs: tuple[Source | None, ...]
    base: Source | None
    values: Values
    copy: Source | None = None
    layer: int = -1

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class OutputFile:
    """A file of the output that holds no tensors: a copy of `source`, or `content`."""

    name: str
    source: Path | None = None
    content: bytes = b""


@dataclass(frozen=True)
class MergePlan:
    """All that the engine needs. `labels` name the models in tables and messages; `notes` are for the user to read."""

    settings: Settings
    method: Method
    labels: tuple[str, ...]
    tensors: tuple[TensorPlan, ...]
    files: tuple[OutputFile, ...] = ()
    notes: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
