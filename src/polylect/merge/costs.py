"""What a merge will take, from its plan: bytes, memory, and seconds by a short probe of this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polylect.merge.layers import is_tower, layer, part
from polylect.merge.methods import Values
from polylect.merge.plan import MergePlan, Source, TensorPlan
from polylect.merge.workers import cores
from polylect.models.safetensors_file import TensorInfo

if TYPE_CHECKING:
    import numpy as np

    from polylect.merge.kernel import Kernel

__all__ = ["Estimate", "Group", "estimate", "groups"]

_INTERPRETER = 42_000_000
"""Bytes that Python with NumPy takes before a buffer is made (measured: CPython 3.11, NumPy 2, x86-64 Linux)."""
_PER_BYTE = 16
"""Bytes of memory per byte of the largest tokenizer.json while it is parsed (measured there, the 16 MB of Gemma 3)."""
_WRITE_RATE = 1.2e9
"""Bytes per second into the page cache: a rough figure, not calibrated; a slow disk is slower once memory is full."""
_PASS = {"largest": 1.6, "random": 0.6, "all": 0.0}
"""Nanoseconds per entry of a task vector to choose which are kept (rough): a search for the threshold, a mask."""
_SECOND_PASS = 1.0
"""Nanoseconds per element of an input that an earlier pass takes: decoding and a sum (rough)."""
_COMPILED = 0.5
"""How much of these two the compiled kernel takes (rough)."""
_PROBE_ELEMENTS = 131_072
_PROBE_BYTES = 16_000_000


@dataclass(frozen=True)
class Group:
    """Tensors of one kind: `action` is "merge" or "copy", `parameters` the number of elements in all of them."""

    name: str
    action: str
    dtype: str
    tensors: int
    parameters: int


@dataclass(frozen=True)
class Estimate:
    """`passes`: how often the inputs of merged tensors are read. Bytes are of one pass; `seconds` is of the whole merge.

    `memory` is the most that the process will take. `rates` are what `seconds` was computed from: bytes per second read and
    written, nanoseconds of arithmetic per element of an input, threads.
    """

    passes: int
    bytes_read: int
    bytes_written: int
    memory: int
    seconds: float
    rates: dict[str, float]


def estimate(plan: MergePlan) -> Estimate:
    """Return what `plan` will take; reads up to 16 MB of an input and computes for a few hundredths of a second."""
    from polylect.merge.streaming import buffers

    settings, method = plan.settings, plan.method
    l1 = method.keep == "random" and settings.rescale == "l1"
    passes = 2 if method.gram or method.keep == "largest" or l1 else 1
    read = copied = elements = kept = 0
    for tensor in plan.tensors:
        if tensor.copy is not None:
            copied += _bytes(tensor.copy)
            continue
        sources = [source for source in _sources(plan, tensor) if source is not None]
        read += sum(map(_bytes, sources))
        elements += tensor.size * len(sources)
        kept += tensor.size * sum(source is not None for source in tensor.inputs)
    written = sum(TensorInfo(t.name, t.dtype, t.shape).bytes for t in plan.tensors)
    needed = max(buffers(tensor, method) for tensor in plan.tensors)
    workers = max(1, min(settings.threads or cores(), settings.max_memory // needed))
    threads = min(workers, cores())
    read_rate, arithmetic = _read_rate(plan), _arithmetic(plan)
    share = 1.0 if _kernel(plan) is None else _COMPILED
    earlier = elements * (passes - 1) * _SECOND_PASS + kept * _PASS[method.keep]
    computing = (elements * arithmetic + share * earlier) * 1e-9 / threads
    seconds = (read * passes + copied) / read_rate + written / _WRITE_RATE + computing
    memory = max(_INTERPRETER + workers * needed, _tokenizers(plan))
    rates = {"read": read_rate, "write": _WRITE_RATE, "arithmetic": arithmetic, "threads": threads}
    return Estimate(passes, read + copied, written, memory, seconds, rates)


def groups(plan: MergePlan) -> tuple[Group, ...]:
    """Return the tensors by kind (embedding, attention, MLP, ...), in the order in which they first appear."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for tensor in plan.tensors:
        key = (_kind(tensor.name), "merge" if tensor.copy is None else "copy", tensor.dtype)
        found.setdefault(key, []).append(tensor.size)
    return tuple(Group(*key, len(sizes), sum(sizes)) for key, sizes in found.items())


def _kind(name: str) -> str:
    if is_tower(name):
        return part(name).split(".")[0]
    first = part(name).split(".")[0]
    return "norms" if "norm" in first or first.startswith("ln_") else first if layer(name) < 0 else f"layers {first}"


def _sources(plan: MergePlan, tensor: TensorPlan) -> Iterator[Source | None]:
    yield from tensor.inputs
    if plan.method.task_vectors or plan.settings.statistics == "exact":
        yield tensor.base


def _bytes(source: Source) -> int:
    whole = source.tensor.bytes + sum(update.a.bytes + update.b.bytes for update in source.updates)
    if source.rows is None or not source.tensor.shape or not source.tensor.shape[0]:
        return whole
    return whole * min(len(source.rows), source.tensor.shape[0]) // source.tensor.shape[0]


def _tokenizers(plan: MergePlan) -> int:
    """Return the memory that aligning vocabularies takes before the merge begins."""
    if "vocabulary" not in plan.counts:
        return 0
    folders = (*plan.settings.models, *((plan.settings.base,) if plan.settings.base is not None else ()))
    paths = [folder / "tokenizer.json" for folder in folders]
    return _INTERPRETER + _PER_BYTE * max((path.stat().st_size for path in paths if path.is_file()), default=0)


def _read_rate(plan: MergePlan) -> float:
    """Return bytes per second of the largest input tensor's first megabytes, wherever they are: in the page cache or on disk."""
    tensors = [source.tensor for t in plan.tensors for source in (*t.inputs, t.copy) if source is not None]
    largest = max(tensors, key=lambda tensor: tensor.bytes)
    if largest.bytes < 100_000:
        return 1e9
    with largest.file.open("rb", buffering=0) as handle:
        handle.seek(largest.start)
        start = time.perf_counter()
        done = 0
        while done < min(largest.bytes, _PROBE_BYTES) and time.perf_counter() - start < 0.05:
            done += len(handle.read(min(1_000_000, largest.bytes - done)))
        return done / max(time.perf_counter() - start, 1e-9)


def _arithmetic(plan: MergePlan) -> float:
    """Return nanoseconds per element of an input: decoding, the method itself, its share of encoding; the best of five."""
    import numpy as np

    from polylect.merge.arrays import NumpyArrays
    from polylect.merge.kernel import Operation, codes, scratch_size

    count = max(plan.method.inputs[0], min(len(plan.labels), plan.method.inputs[1] or len(plan.labels)))
    tensor = max(plan.tensors, key=lambda tensor: tensor.size)
    dtype = tensor.dtype if tensor.dtype in {"BF16", "F16", "F32", "F64"} else "BF16"
    numbers = np.random.default_rng(0).standard_normal((count, _PROBE_ELEMENTS))
    arrays = NumpyArrays()
    raw = [arrays.encode(row, dtype).copy() for row in numbers]
    values = Values(weights=(1 / count,) * count, density=(0.5,) * count, normalize=True, gram=_gram(numbers))
    compiled = _kernel(plan)

    def once() -> None:
        if compiled is not None and plan.method.form is not None:
            operation = Operation(plan.method.form(values), task_vectors=False, keep="all", scale=1.0)
            out, scratch = np.empty(raw[0].size, np.uint8), np.empty(scratch_size(count))
            numbered = codes((dtype,) * count)
            compiled.combine(operation, raw, numbered, None, _PROBE_ELEMENTS, out, dtype, scratch, check=True)
        else:
            arrays.encode(plan.method.function([arrays.decode(part, dtype) for part in raw], values), dtype)

    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        once()
        best = min(best, time.perf_counter() - start)
    return best * 1e9 / (count * _PROBE_ELEMENTS)


def _kernel(plan: MergePlan) -> Kernel | None:
    from polylect.merge.kernel import load

    return load()[0] if plan.settings.device == "cpu" else None


def _gram(numbers: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in numbers @ numbers.T)
