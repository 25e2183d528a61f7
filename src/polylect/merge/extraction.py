"""Extract a LoRA adapter from the difference of two checkpoints, and say what it loses.

Every matrix of the task vector D = model - base gets a truncated SVD by the randomised subspace iteration of Halko, Martinsson
and Tropp (2011, arXiv 0909.4061, algorithms 4.4 and 5.1): P = (D^T D)^q Omega, orthonormalised after every step, Q = qr(D P),
then the SVD of the small matrix Q^T D. D is read from disk in blocks of rows, q + 4 times (first for its norm, last to measure
what the adapter as written leaves of it), and never in memory whole; all arithmetic is float64.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import MergeError, nearest
from polylect.merge.adapter_files import AdapterWriter, blocks, one_blas_thread, relative, rounded
from polylect.models.checkpoint import read_config
from polylect.models.safetensors_file import TensorInfo, read_header, read_tensor, weight_files
from polylect.progress import StepProgress

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ExtractedModule", "ExtractionReport", "LeftOut", "extract"]

_FLOATS = frozenset({"BF16", "F16", "F32", "F64"})
_FRACTION_BITS = {"BF16": 7, "F16": 10, "F32": 23, "F64": 52}
_EXPONENT = 0x7FF0000000000000
"""Of a float64's bits; alone they are the largest power of two that is not above the number."""

_TRANSPOSED = frozenset({"decision_transformer", "gpt2", "imagegpt", "openai-gpt"})
"""Architectures of transformers whose linear layers are Conv1D, stored as (in, out)."""

_HEADS = ("lm_head", "output", "embed_out")


@dataclass(frozen=True)
class ExtractedModule:
    """One adapted module: rank, Frobenius norm of its task vector and the written adapter's relative error.

    `rounding` estimates the part of that norm which is no change but the rounding of the model's numbers to their dtype.
    """

    name: str
    rank: int
    norm: float
    error: float
    rounding: float


@dataclass(frozen=True)
class LeftOut:
    """A changed tensor that the adapter does not carry, with the reason and the Frobenius norm of its task vector."""

    name: str
    reason: str
    norm: float


@dataclass(frozen=True)
class ExtractionReport:
    """What an extraction did. Norms are Frobenius norms over all tensors together.

    norm: of the whole task vector. adapted: share of its square that lies in adapted modules, 0 to 1.
    error: relative error over the adapted modules. total_error: over the whole task vector, left-out tensors included.
    rounding: relative error that the rounding of the model to its dtype makes by itself in the adapted modules (estimated: evenly
        spread over a unit in the last place). An error close to it is noise that no rank captures; above 1 the change is finer
        than the dtype resolves.
    unchanged: number of tensors that are the same in both checkpoints.
    """

    modules: tuple[ExtractedModule, ...]
    left_out: tuple[LeftOut, ...]
    unchanged: int
    norm: float
    adapted: float
    error: float
    total_error: float
    rounding: float

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class _Sketch:
    """How to factorise: see `extract`; `turned`: the base stores linear layers as (in, out)."""

    rank: int
    error: float | None
    oversampling: int
    iterations: int
    seed: int
    dtype: str
    turned: bool


@dataclass(frozen=True)
class _Factors:
    """What is written of one module: `a` (rank, in) and `b` (out, rank), rounded."""

    module: ExtractedModule
    a: np.ndarray
    b: np.ndarray


@dataclass(frozen=True)
class _Difference:
    """A tensor of both checkpoints; its task vector as (rows, columns), read anew by every pass."""

    name: str
    model: TensorInfo
    base: TensorInfo

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, float64 array of shape (rows, columns)) of model - base."""
        for (first, ours), (_, theirs) in zip(blocks(self.model), blocks(self.base), strict=True):
            ours -= theirs
            yield slice(first, first + len(ours)), ours

    def norms(self) -> tuple[float, float]:
        """Return the Frobenius norms of the task vector and (estimated) of the model's rounding (see `ExtractionReport`)."""
        import numpy as np

        ulp = 2.0 ** -_FRACTION_BITS[self.model.dtype]
        squares, steps = [], []
        for (_, ours), (_, theirs) in zip(blocks(self.model), blocks(self.base), strict=True):
            powers = (ours.view(np.uint64) & _EXPONENT).view(np.float64)
            steps.append(float(np.vdot(powers, powers)))
            ours -= theirs
            squares.append(float(np.vdot(ours, ours)))
        return math.sqrt(math.fsum(squares)), ulp * math.sqrt(math.fsum(steps) / 12)


def extract(
    model: Path,
    base: Path,
    out: Path,
    *,
    rank: int = 16,
    error: float | None = None,
    targets: Sequence[str] | None = None,
    seed: int = 0,
    oversampling: int = 8,
    power_iterations: int = 2,
    dtype: str = "float32",
    threads: int | None = None,
    progress: StepProgress | None = None,
) -> ExtractionReport:
    """Write a PEFT adapter to `out` that, on `base`, comes as close to `model` as its rank allows.

    Args:
        model: fine-tuned checkpoint folder.
        base: the checkpoint that it was tuned from: same tensors, same shapes.
        out: new folder for the adapter.
        rank: rank of every module, at most.
        error: relative error that is enough; a module whose error gets there with a smaller rank has that rank.
        targets: modules to adapt, as ends of their paths (q_proj, mlp.up_proj) or globs; None: every linear layer.
        seed: of the random test matrices; each depends on (seed, tensor) alone.
        oversampling: columns of the test matrix beyond `rank`.
        power_iterations: q; two are enough for spectra that fall slowly.
        dtype: of the written matrices.
        threads: tensors at a time; None: as many as there are cores. The result does not depend on it.
        progress: called with (tensors done, tensors in all, note).

    Raises:
        MergeError: the checkpoints do not fit each other, a target fits no module, a number is not finite.
        ModelError: a file is missing or damaged.
    """
    _check(rank, error, oversampling, power_iterations)
    config = read_config(base)
    pairs = _pairs(model, base, config)
    reasons = {pair.name: _reason(pair.base) for pair in pairs}
    chosen = _chosen([name for name, reason in reasons.items() if not reason], targets)
    sketch = _Sketch(rank, error, oversampling, power_iterations, seed, dtype, config["model_type"] in _TRANSPOSED)
    modules: list[ExtractedModule] = []
    left_out: list[LeftOut] = []

    def work(pair: _Difference) -> _Factors | LeftOut | None:
        norm, rounding = pair.norms()
        if norm and pair.name in chosen:
            return _extract_one(pair, norm, rounding, sketch)
        return LeftOut(pair.name, reasons[pair.name] or "not among the targets", norm) if norm else None

    with one_blas_thread(), ThreadPoolExecutor(threads or os.cpu_count()) as pool, AdapterWriter(out, dtype) as writer:
        for done, result in enumerate(pool.map(work, pairs), start=1):
            if isinstance(result, _Factors):
                modules.append(result.module)
                writer.add(result.module.name, result.a, result.b)
            elif result is not None:
                left_out.append(result)
            if progress is not None:
                progress(done, len(pairs), pairs[done - 1].name)
        report = _report(modules, left_out, len(pairs))
        settings = {"rank": rank, "error": error, "targets": targets, "seed": seed, "dtype": dtype}
        settings |= {"oversampling": oversampling, "power_iterations": power_iterations}
        manifest = {"stage": "extract-adapter", "model": str(model), "base": str(base), "settings": settings}
        writer.finish(_peft(base, config, sketch.turned), {**manifest, **report.as_dict()})
    return report


def _check(rank: int, error: float | None, oversampling: int, power_iterations: int) -> None:
    if rank < 1 or oversampling < 0 or power_iterations < 0 or not (error is None or 0 < error < 1):
        raise MergeError(
            f"rank {rank}, error {error}, oversampling {oversampling}, power iterations {power_iterations}: needed are a rank of "
            "at least 1, an error between 0 and 1, and no negative numbers."
        )


def _peft(base: Path, config: Mapping[str, Any], turned: bool) -> dict[str, Any]:
    """Return the keys of adapter_config.json that depend on the base."""
    architecture = str((config.get("architectures") or [""])[0])
    generates = architecture.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"))
    return {
        "task_type": "CAUSAL_LM" if generates else None,
        "base_model_name_or_path": str(base),
        "fan_in_fan_out": turned,
    }


def _pairs(model: Path, base: Path, config: Mapping[str, Any]) -> list[_Difference]:
    """Return the tensors of both checkpoints, sorted by name, once it is sure that they fit each other."""
    ours, theirs = _tensors(model), _tensors(base)
    if config.get("tie_word_embeddings"):
        # Some tools write a tied head a second time; it is the embedding.
        ours.pop("lm_head.weight", None)
        theirs.pop("lm_head.weight", None)
    for name in sorted(ours.keys() ^ theirs.keys()):
        lacking, other = (model, ours) if name in theirs else (base, theirs)
        raise MergeError(f"{lacking}: tensor {name!r} is missing there.{nearest(name, other)} Give the model's own base.")
    for name, tensor in ours.items():
        if tensor.shape != theirs[name].shape:
            raise MergeError(
                f"{model}: tensor {name!r} has shape {tensor.shape}, in {base} {theirs[name].shape}. Give the model's own base; "
                "one with another vocabulary has to be aligned first."
            )
    floats = [name for name in sorted(ours) if {ours[name].dtype, theirs[name].dtype} <= _FLOATS]
    for name in sorted(ours.keys() - floats):
        if read_tensor(ours[name]) != read_tensor(theirs[name]):
            raise MergeError(
                f"{model}: tensor {name!r} ({ours[name].dtype}) differs from the base's ({theirs[name].dtype}); only "
                "floating-point numbers have a task vector. Take unquantised checkpoints."
            )
    return [_Difference(name, ours[name], theirs[name]) for name in floats]


def _tensors(folder: Path) -> dict[str, TensorInfo]:
    tensors = {name: tensor for file in weight_files(folder) for name, tensor in read_header(file).items()}
    if not tensors:
        raise MergeError(f"{folder}: no *.safetensors file, so there are no weights to compare. Save the model with safetensors.")
    return tensors


def _reason(tensor: TensorInfo) -> str:
    """Return why a LoRA cannot carry a tensor, "" when it can."""
    *path, last = tensor.name.split(".")
    if len(tensor.shape) < 2:
        return "vector (norm or bias)"
    if len(tensor.shape) > 2:
        return f"not a matrix ({len(tensor.shape)} axes)"
    if last != "weight":
        return "not the weight of a layer"
    if (
        path
        and ("embed" in path[-1] or path[-1] in {"wte", "wpe", "shared", "relative_attention_bias"})
        and path[-1] != "embed_out"
    ):
        return "embedding"
    return ""


def _chosen(names: Sequence[str], targets: Sequence[str] | None) -> set[str]:
    """Return the tensors whose module fits a target: the end of its path, whole parts only, or a glob on all of it."""
    if targets is None:
        return set(names)
    chosen: set[str] = set()
    for target in targets:
        fits = {name for name in names if _fits(name.removesuffix(".weight"), target)}
        if not fits:
            known = {name.removesuffix(".weight").rsplit(".", 1)[-1] for name in names}
            raise MergeError(
                f"target {target!r} fits no linear layer.{nearest(target, known)} There are: {', '.join(sorted(known))}."
            )
        chosen |= fits
    return chosen


def _fits(path: str, target: str) -> bool:
    return path == target or path.endswith(f".{target}") or fnmatchcase(path, target)


def _extract_one(pair: _Difference, norm: float, rounding: float, sketch: _Sketch) -> _Factors:
    """Factorise one task vector, round the factors and measure what they leave of it."""
    import numpy as np

    u, values, vt = _svd(pair, sketch)
    root = np.sqrt(values[: _rank(values, norm, sketch)])
    left = rounded(u[:, : len(root)] * root, sketch.dtype)
    right = rounded(root[:, None] * vt[: len(root)], sketch.dtype)
    rest = []
    for rows, block in pair.blocks():
        block -= left[rows] @ right
        rest.append(float(np.vdot(block, block)))
    name = pair.name.removesuffix(".weight")
    module = ExtractedModule(name, len(root), norm, math.sqrt(math.fsum(rest)) / norm, rounding)
    turned = sketch.turned and not name.endswith(_HEADS)
    return _Factors(module, left.T, right.T) if turned else _Factors(module, right, left)


def _svd(pair: _Difference, sketch: _Sketch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U (m, l), singular values (l,) and V^T (l, n) of the projection of D on its leading left subspace."""
    import numpy as np

    rows, columns = pair.base.shape
    width = min(sketch.rank + sketch.oversampling, rows, columns)
    p = _generator(sketch.seed, pair.name).standard_normal((columns, width))
    for _ in range(sketch.iterations):
        z = np.zeros((columns, width))
        for _, block in pair.blocks():
            z += block.T @ (block @ p)
        p = np.linalg.qr(z)[0]
    y = np.empty((rows, width))
    for part, block in pair.blocks():
        np.matmul(block, p, out=y[part])
    q = np.linalg.qr(y)[0]
    b = np.zeros((width, columns))
    for part, block in pair.blocks():
        b += q[part].T @ block
    u, values, vt = np.linalg.svd(b, full_matrices=False)
    return q @ u, values, vt


def _generator(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one tensor: a function of the seed and the name, whatever else is extracted."""
    import numpy as np

    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest, "little")))


def _rank(values: np.ndarray, norm: float, sketch: _Sketch) -> int:
    """Return how many singular values to keep: those above rounding error, no more than asked for, or than the error needs."""
    import numpy as np

    kept = min(sketch.rank, max(1, int(np.count_nonzero(values > values[0] * 1e-13))))
    if sketch.error is not None:
        left = norm**2 - np.cumsum(values[:kept] ** 2)
        enough = np.flatnonzero(left <= (sketch.error * norm) ** 2)
        kept = int(enough[0]) + 1 if len(enough) else kept
    return kept


def _report(modules: Sequence[ExtractedModule], left_out: Sequence[LeftOut], tensors: int) -> ExtractionReport:
    adapted = math.fsum(module.norm**2 for module in modules)
    lost = math.fsum(tensor.norm**2 for tensor in left_out)
    missed = math.fsum((module.error * module.norm) ** 2 for module in modules)
    return ExtractionReport(
        tuple(modules),
        tuple(left_out),
        tensors - len(modules) - len(left_out),
        math.sqrt(adapted + lost),
        relative(adapted, adapted + lost),
        math.sqrt(relative(missed, adapted)),
        math.sqrt(relative(missed + lost, adapted + lost)),
        math.sqrt(relative(math.fsum(module.rounding**2 for module in modules), adapted)),
    )
