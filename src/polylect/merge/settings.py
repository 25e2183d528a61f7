"""Settings of one merge: typed, checked when made, the same from the command line, a YAML file and Python.

Plain dataclasses and no pydantic: merging small models takes less time than importing it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from polylect.errors import MergeError

__all__ = ["DTYPES", "Rule", "Settings"]

DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64"}
"""Names that users write -> safetensors dtypes."""

_CHOICES = {
    "rescale": ("density", "l1"),
    "vocabulary": ("same", "union", "base", "first"),
    "statistics": ("sampled", "exact", "none"),
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is different for some tensors of the output; of several rules that fit, each later one overrides.

    `tensors` is a glob on tensor names (`*.mlp.*`), `layers` an inclusive range of layer numbers; both must fit.
    `weights`, `density`, `t` and `scale` replace the values of the merge there. `keep` takes the tensor unchanged from one
    input: "base", or the number of a model, counted from 1. `missing` says what to do where some inputs lack the tensor: "error",
    "abstain" (merge those that have it) or "drop" (leave it out of the output).
    """

    tensors: str = "*"
    layers: tuple[int, int] | None = None
    weights: tuple[float, ...] | None = None
    density: tuple[float, ...] | None = None
    t: float | None = None
    scale: float | None = None
    keep: str | None = None
    missing: Literal["error", "abstain", "drop"] | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to merge and how. METHODS: linear, slerp, task-arithmetic, ties, dare-linear, dare-ties, model-stock.

    models: checkpoint folders (or adapter folders), in the order of the weights.
    base: the checkpoint that task vectors are taken against; methods without task vectors use it for statistics alone.
    weights: one per model; None weighs all alike, 1 / number of models.
    density: share of each task vector's entries that is kept (TIES, DARE); one per model, or one for all.
    t: SLERP's position between the first model (0) and the second (1).
    scale: factor of the merged task vector (lambda in the papers).
    normalize: divide by the sum of the weights that take part; None: as the method's paper does.
    rescale: what DARE divides the kept entries by: their density (the paper), or the share of the L1 norm that was kept.
    dtype: of the output's tensors; None keeps the first model's, tensor by tensor.
    seed: of DARE's masks; masks depend on (seed, tensor, model) alone.
    threads: workers; None: as many as there are cores.
    max_memory: bytes that the engine's buffers may take, all workers together. One worker is the least: for TIES it takes about
        33 MB and 10 MB per input, so that 37 inputs and more pass the default.
    device: "cpu" (the compiled kernel where it was installed, else NumPy), "numpy", or a torch device such as "cuda".
    vocabulary: "same" refuses models whose token lists differ; "union", "base" and "first" align them by token string.
    tokenizer, generation: whose tokenizer files and generation settings the output gets: "first", "base", or a model's number.
    names: name map of cross-modal merging: a known architecture, or {prefix in the text model: prefix in the multimodal one}.
    rules: exceptions per tensor pattern or layer range.
    shard_size: bytes of the largest file of the output.
    statistics: norms, cosines and sign conflicts from a sample of each large tensor, from all of it, or none.
    """

    method: str
    models: tuple[Path, ...]
    base: Path | None = None
    weights: tuple[float, ...] | None = None
    density: tuple[float, ...] = (0.5,)
    t: float = 0.5
    scale: float = 1.0
    normalize: bool | None = None
    rescale: Literal["density", "l1"] = "density"
    dtype: str | None = None
    seed: int = 0
    threads: int | None = None
    max_memory: int = 400_000_000
    device: str = "cpu"
    vocabulary: Literal["same", "union", "base", "first"] = "same"
    tokenizer: str = "first"
    generation: str = "first"
    names: str | Mapping[str, str] | None = None
    rules: tuple[Rule, ...] = ()
    shard_size: int = 5_000_000_000
    statistics: Literal["sampled", "exact", "none"] = "sampled"

    def __post_init__(self) -> None:
        count = len(self.models)
        if not count:
            raise MergeError("no model to merge: give at least one checkpoint folder.")
        _one_each("weights", self.weights, count)
        _fractions("density", self.density, count)
        if not 0 <= self.t <= 1:
            raise MergeError(f"t {self.t}: a number from 0 (the first model) to 1 (the second) is needed.")
        if not math.isfinite(self.scale):
            raise MergeError(f"lambda {self.scale}: a finite number is needed.")
        if self.dtype is not None and self.dtype not in DTYPES:
            raise MergeError(f"dtype {self.dtype!r}: one of {', '.join(DTYPES)} is needed.")
        if self.threads is not None and self.threads < 1:
            raise MergeError(f"threads {self.threads}: at least one is needed.")
        for key, known in _CHOICES.items():
            if getattr(self, key) not in known:
                raise MergeError(f"{key} {getattr(self, key)!r}: one of {', '.join(known)} is needed.")
        for key in ("max_memory", "shard_size"):
            if getattr(self, key) < 1:
                raise MergeError(f"{key} {getattr(self, key)}: a number of bytes above 0 is needed.")


def _one_each(key: str, values: tuple[float, ...] | None, count: int) -> None:
    if values is None:
        return
    if len(values) != count or not all(math.isfinite(value) for value in values):
        raise MergeError(f"{key} {list(values)}: one finite number per model ({count}) is needed.")


def _fractions(key: str, values: tuple[float, ...], count: int) -> None:
    if len(values) not in {1, count} or not all(0 < value <= 1 for value in values):
        raise MergeError(f"{key} {list(values)}: one number, or one per model ({count}), each above 0 and at most 1, is needed.")
