"""Merge LoRA adapters into one adapter, exactly, without ever forming a full matrix.

The merged update of a module, sum_i w_i s_i B_i A_i, is L M with L = [w_1 s_1 B_1 ... w_K s_K B_K] of shape (out, R) and
M = [A_1; ...; A_K] of shape (R, in), R the sum of the ranks. With QR factors L = Q1 R1 and M^T = Q2 R2, its singular values are
those of the small core R1 R2^T (R x R), so the best approximation of any rank comes from an SVD of that (Golub and Van Loan,
Matrix Computations, 4th edition, section 5.4; Eckart and Young 1936). All arithmetic is float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from polylect.errors import MergeError
from polylect.merge.adapter_files import AdapterWriter, matrix, one_blas_thread, relative, rounded
from polylect.merge.adapters import Adapter, Module, read_adapter
from polylect.progress import StepProgress

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LowRankReport", "MergedModule", "merge_adapters"]

_KEPT = ("task_type", "base_model_name_or_path", "revision", "fan_in_fan_out", "ensure_weight_tying")
"""Keys of adapter_config.json that the merged adapter takes from the first one."""


@dataclass(frozen=True)
class MergedModule:
    """One module of the merged adapter: its rank, the Frobenius norm of the exact update, the written one's relative error."""

    name: str
    rank: int
    norm: float
    error: float


@dataclass(frozen=True)
class LowRankReport:
    """What merging adapters did; `error` is the relative Frobenius error over all modules together, rounding included.

    `unchanged` names modules whose updates cancel or are zero; they are not in the result. `notes` are for the user to read.
    """

    weights: tuple[float, ...]
    modules: tuple[MergedModule, ...]
    unchanged: tuple[str, ...]
    error: float
    dtype: str
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def merge_adapters(
    folders: Sequence[Path],
    weights: Sequence[float] | None,
    out: Path,
    *,
    method: Literal["linear", "task-arithmetic"] = "linear",
    scale: float = 1.0,
    rank: int | None = None,
    dtype: str = "float32",
    progress: StepProgress | None = None,
) -> LowRankReport:
    """Write the adapter whose updates are the weighted sum of the given adapters' updates.

    A module that an adapter lacks counts as an update of zero there, so that base + result is the same merge of the full models.

    Args:
        folders: PEFT folders of LoRA adapters for one base.
        weights: one per adapter; None: 1 / number of adapters. Method "linear" divides them by their sum.
        out: new folder for the merged adapter.
        method: "linear", or "task-arithmetic" for the weights as given times `scale` (lambda).
        scale: factor of the merged update, task arithmetic only.
        rank: largest rank of a module; None keeps the exact sum, whose rank is at most the sum of the ranks.
        dtype: of the written matrices.
        progress: called with (modules done, modules in all, note).

    Raises:
        MergeError: an adapter cannot be merged exactly, adapters do not fit each other, or the settings are impossible.
        ModelError: a file is missing or damaged.
    """
    factors = _factors(len(folders), weights, method, scale)
    if rank is not None and rank < 1:
        raise MergeError(f"rank {rank}: at least 1 is needed.")
    adapters = [read_adapter(folder) for folder in folders]
    notes = _compare(adapters)
    names = sorted({name for adapter in adapters for name in adapter.modules})
    merged: list[MergedModule] = []
    unchanged: list[str] = []
    with one_blas_thread(), AdapterWriter(out, dtype) as writer:
        for done, name in enumerate(names, start=1):
            parts = [
                (factor, adapter.modules[name])
                for factor, adapter in zip(factors, adapters, strict=True)
                if name in adapter.modules
            ]
            result = _merge_module(parts, rank, dtype, writer)
            if result is None:
                unchanged.append(name)
            else:
                merged.append(result)
            if progress is not None:
                progress(done, len(names), name)
        report = LowRankReport(tuple(factors), tuple(merged), tuple(unchanged), _overall(merged), dtype, notes)
        config = {key: adapters[0].config[key] for key in _KEPT if key in adapters[0].config}
        settings = {"method": method, "scale": scale, "rank": rank, "inputs": [str(folder) for folder in folders]}
        writer.finish(config, {"stage": "merge-adapters", "settings": settings, **report.as_dict()})
    return report


def _factors(count: int, weights: Sequence[float] | None, method: str, scale: float) -> list[float]:
    """Return the factor of every adapter's update."""
    if not count:
        raise MergeError("no adapter to merge: give at least one PEFT folder.")
    if method not in {"linear", "task-arithmetic"}:
        raise MergeError(
            f"method {method!r} is not exact in low rank: use linear or task-arithmetic, or merge into the base (--base)."
        )
    given = [1 / count] * count if weights is None else list(weights)
    if len(given) != count or not all(map(math.isfinite, given)) or not math.isfinite(scale):
        raise MergeError(f"weights {given} (scale {scale}): one finite number per adapter ({count}) is needed.")
    if method == "task-arithmetic":
        return [weight * scale for weight in given]
    total = math.fsum(given)
    if total == 0:
        raise MergeError(f"weights {given}: their sum is 0, so linear cannot divide by it. Use task-arithmetic for differences.")
    return [weight / total for weight in given]


def _compare(adapters: Sequence[Adapter]) -> tuple[str, ...]:
    """Check that adapters fit each other, module by module; return notes on what the user should know."""
    first = adapters[0]
    notes = []
    for adapter in adapters:
        changed = sorted(adapter.whole.keys() - adapter.copies)
        if changed:
            raise MergeError(
                f"{adapter.folder}: replaces whole tensors ({', '.join(changed[:3])}), which are no low-rank updates. "
                "Merge the adapters into their base (--base)."
            )
        if adapter.copies:
            notes.append(f"{adapter.folder}: the copy of the base's embedding in it ({', '.join(adapter.copies)}) is left out.")
        if bool(adapter.config.get("fan_in_fan_out")) != bool(first.config.get("fan_in_fan_out")):
            raise MergeError(f"{adapter.folder}: fan_in_fan_out differs from {first.folder}. Merge adapters of one base only.")
        bases = [one.config.get("base_model_name_or_path") for one in (first, adapter)]
        if bases[0] != bases[1]:
            notes.append(f"{adapter.folder} names the base {bases[1]!r}, {first.folder} {bases[0]!r}.")
        for name, module in adapter.modules.items():
            _fits(adapter, module, next(one for one in adapters if name in one.modules))
    return tuple(notes)


def _fits(adapter: Adapter, module: Module, other: Adapter) -> None:
    same = other.modules[module.name]
    if module.shape != same.shape or module.embedding != same.embedding:
        raise MergeError(
            f"{adapter.folder}: module {module.name!r} is {module.shape}, in {other.folder} {same.shape}. "
            "Merge adapters of one base only."
        )


def _merge_module(
    parts: Sequence[tuple[float, Module]], rank: int | None, dtype: str, writer: AdapterWriter
) -> MergedModule | None:
    """Merge one module and write it; None where the sum is zero."""
    import numpy as np

    pairs = [_balanced(factor * module.scale * matrix(module.b), matrix(module.a)) for factor, module in parts]
    left = np.concatenate([pair[0] for pair in pairs], axis=1)
    right = np.concatenate([pair[1] for pair in pairs])
    b, a, values = _compress(left, right)
    if not len(values):
        return None
    kept = len(values) if rank is None else min(rank, len(values))
    first = parts[0][1]
    stored_a, stored_b = rounded(a[:kept], dtype), rounded(b[:, :kept], dtype)
    writer.add(first.name, stored_a, stored_b, embedding=first.embedding)
    norm = float(np.linalg.norm(values))
    # Of the matrices as written: truncation and rounding together, again without forming a full matrix.
    rest = _core(np.concatenate([left, -stored_b], axis=1), np.concatenate([right, stored_a]))[1]
    return MergedModule(first.name, kept, norm, relative(float(np.linalg.norm(rest)), norm))


def _balanced(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors with norms of one size and the same product; a power of two loses no bit.

    An adapter may be stored with a tiny B and a huge A: beside another one, its part of the core would drown in rounding error.
    """
    import numpy as np

    sizes = float(np.linalg.norm(left)), float(np.linalg.norm(right))
    if not all(sizes):
        return left, right
    shift = round((math.log2(sizes[1]) - math.log2(sizes[0])) / 2)
    return np.ldexp(left, shift), np.ldexp(right, -shift)


def _compress(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return B (out, k), A (k, in) with B A = left @ right, and its k singular values above rounding error, largest first.

    Each singular value is shared evenly (its root on both sides), which keeps both factors in the range of a narrow dtype.
    """
    import numpy as np

    (q_left, q_right), core = _core(left, right)
    u, values, vt = np.linalg.svd(core)
    # Relative to the factors, not to the sum: where updates cancel, all that is left is rounding error.
    size = float(np.linalg.norm(left) * np.linalg.norm(right))
    floor = size * max(left.shape[0], right.shape[1]) * np.finfo(np.float64).eps
    kept = int(np.count_nonzero(values > floor))
    root = np.sqrt(values[:kept])
    return q_left @ (u[:, :kept] * root), (vt[:kept].T * root).T @ q_right.T, values[:kept]


def _core(left: np.ndarray, right: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Return orthonormal bases (out, p), (in, q) and the core (p, q) with left @ right = first @ core @ second^T."""
    import numpy as np

    q_left, r_left = np.linalg.qr(left)
    q_right, r_right = np.linalg.qr(right.T)
    return (q_left, q_right), r_left @ r_right.T


def _overall(modules: Sequence[MergedModule]) -> float:
    """Return the relative Frobenius error over all modules."""
    missed = math.fsum((module.error * module.norm) ** 2 for module in modules)
    return relative(math.sqrt(missed), math.sqrt(math.fsum(module.norm**2 for module in modules)))
