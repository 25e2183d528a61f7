"""Weighted linear averaging of checkpoints: sum(w_i x_i) / sum(w_i) (Aya Expanse 2.3; Wortsman et al. 2022).

One tensor is in memory at a time; all arithmetic is float32 with one rounding when it is saved.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.errors import MergeError, nearest
from polylect.models.safetensors_file import SINGLE_FILE, TensorInfo, read_header, read_tensor, weight_files, write

if TYPE_CHECKING:
    import torch

__all__ = ["MergeReport", "linear"]

_COPIED = ("*.json", "*.jinja", "*.model", "*.txt", "LICENSE*", "NOTICE*", "*TERMS*")


@dataclass(frozen=True)
class MergeReport:
    """What a merge did: `distance` is the mean over tensors of the relative L2 distance of each input to the merged model."""

    tensors: int
    parameters: int
    weights: tuple[float, ...]
    distance: tuple[float, ...]


def linear(
    models: Sequence[Path],
    weights: Sequence[float] | None,
    out: Path,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> MergeReport:
    """Average checkpoints tensor by tensor and write the result to `out`; configuration and tokenizer are the first one's.

    Args:
        models: checkpoint folders with the same tensors.
        weights: one per model, not all zero; None weighs all alike. They are normalised to sum to 1.
        out: folder of the result.
        progress: called with (tensors done, tensors in all, note).

    Raises:
        MergeError: a tensor is missing, unknown, of another shape or not finite; the weights do not fit.
        ModelError: a file is corrupt or cut off.
    """
    shares = _shares(models, weights)
    inputs = [_tensors(model) for model in models]
    names = _check(models, inputs)
    out.mkdir(parents=True, exist_ok=True)
    drifts: list[list[float]] = []

    def parts() -> Iterator[bytes]:
        for done, name in enumerate(names, start=1):
            data, drift = _average([tensors[name] for tensors in inputs], shares)
            drifts.append(drift)
            yield data
            if progress is not None:
                progress(done, len(names), "")

    write(out / SINGLE_FILE, [inputs[0][name] for name in names], parts())
    _copy_rest(models[0], out)
    means = tuple(math.fsum(column) / len(names) for column in zip(*drifts, strict=True))
    return MergeReport(len(names), sum(math.prod(inputs[0][name].shape) for name in names), tuple(shares), means)


def _tensors(model: Path) -> dict[str, TensorInfo]:
    """Return the tensors of a checkpoint folder by name, from the headers alone."""
    files = weight_files(model)
    if not files:
        raise MergeError(
            f"{model}: no safetensors file. Pickled checkpoints (.bin, .pt) are refused since loading one runs its code; "
            "save the model with safetensors first."
        )
    return {name: tensor for file in files for name, tensor in read_header(file).items()}


def _shares(models: Sequence[Path], weights: Sequence[float] | None) -> list[float]:
    if not models:
        raise MergeError("no model to merge: give at least one checkpoint folder.")
    weights = list(weights) if weights is not None else [1.0] * len(models)
    total = math.fsum(weights)
    if len(weights) != len(models) or not math.isfinite(total) or total == 0:
        raise MergeError(f"weights {weights}: one finite weight per model ({len(models)}) is needed, with a sum other than 0.")
    return [weight / total for weight in weights]


def _check(models: Sequence[Path], inputs: Sequence[Mapping[str, TensorInfo]]) -> list[str]:
    """Compare names and shapes of all inputs before any data is read; return the names in a fixed order."""
    first = inputs[0]
    for model, other in zip(models[1:], inputs[1:], strict=True):
        for name in sorted(first.keys() ^ other.keys()):
            missing, present = (model, other) if name in first else (models[0], first)
            raise MergeError(
                f"{missing}: tensor {name!r} is missing there but present in another input.{nearest(name, present)} "
                "Merge checkpoints of one architecture only."
            )
        for name, tensor in first.items():
            if other[name].shape != tensor.shape:
                raise MergeError(
                    f"{model}: tensor {name!r} has shape {other[name].shape}, in {models[0]} it has {tensor.shape}. "
                    "Merge checkpoints of one architecture and one vocabulary."
                )
    return sorted(first)


def _average(inputs: Sequence[TensorInfo], shares: Sequence[float]) -> tuple[bytes, list[float]]:
    """Return the bytes of the weighted mean and each input's relative distance to it."""
    import torch

    values = [_load(tensor) for tensor in inputs]
    if not values[0].is_floating_point():
        if any(not torch.equal(values[0], value) for value in values[1:]):
            raise MergeError(
                f"{inputs[0].file}: tensor {inputs[0].name!r} holds whole numbers that differ; it cannot be averaged."
            )
        return read_tensor(inputs[0]), [0.0] * len(inputs)
    mean = torch.zeros(inputs[0].shape, dtype=torch.float32)
    for value, share in zip(values, shares, strict=True):
        mean.add_(value.float(), alpha=share)
    for tensor, value in zip(inputs, values, strict=True):
        if not torch.isfinite(value).all():
            raise MergeError(f"{tensor.file}: tensor {tensor.name!r} holds NaN or infinity; that checkpoint is broken.")
    norm = float(mean.norm()) or 1.0
    drift = [float((value.float() - mean).norm()) / norm for value in values]
    data = mean.to(values[0].dtype).contiguous().view(-1).view(torch.uint8)
    return data.numpy().tobytes(), drift


def _load(tensor: TensorInfo) -> torch.Tensor:
    import torch

    dtypes = {
        "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
        "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    }  # fmt: skip
    return torch.frombuffer(bytearray(read_tensor(tensor)), dtype=dtypes[tensor.dtype]).view(tensor.shape)


def _copy_rest(source: Path, out: Path) -> None:
    """Copy configuration and tokenizer; an index of shards is left out, since the result is one file."""
    for pattern in _COPIED:
        for path in source.glob(pattern):
            if not path.name.endswith(".index.json") and path.name != "manifest.json":
                shutil.copyfile(path, out / path.name)
