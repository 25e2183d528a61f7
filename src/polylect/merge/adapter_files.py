"""Matrices read by rows, and PEFT LoRA folders written module by module, so that no model and no adapter is in memory whole."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from polylect import __version__
from polylect.errors import MergeError
from polylect.merge.adapters import CONFIG_FILE, WEIGHTS_FILE
from polylect.merge.settings import DTYPES
from polylect.models.safetensors_file import TensorInfo, write

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BLOCK", "AdapterWriter", "blocks", "matrix", "one_blas_thread", "relative", "rounded"]

BLOCK = 1 << 20
"""Elements of a tensor that are decoded at a time: 8 MiB in float64."""

_COPIED = 1 << 24
"""Bytes that are copied at a time when the matrices are put together to one file."""


def relative(part: float, whole: float) -> float:
    """Return part / whole; nothing of nothing is 0."""
    return part / whole if whole else 0.0


def matrix(tensor: TensorInfo) -> np.ndarray:
    """Return a matrix of a safetensors file in float64, of shape (rows, columns).

    Raises:
        MergeError: it holds NaN or infinity.
    """
    import numpy as np

    return np.concatenate([block for _, block in blocks(tensor)])


def blocks(tensor: TensorInfo) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, float64 array of shape (rows, columns)) over a tensor; axes after the first all count as columns.

    Raises:
        MergeError: it holds NaN or infinity.
    """
    from polylect.merge.arrays import FLOATS, NumpyArrays

    arrays = NumpyArrays()
    if not tensor.size:
        return
    rows = tensor.shape[0] if tensor.shape else 1
    columns = tensor.size // rows
    step = max(1, BLOCK // columns)
    with tensor.file.open("rb") as handle:
        handle.seek(tensor.start)
        for first in range(0, rows, step):
            count = min(step, rows - first)
            values = arrays.decode(handle.read(count * columns * FLOATS[tensor.dtype]), tensor.dtype)
            if not arrays.finite(values):
                raise MergeError(
                    f"{tensor.file}: tensor {tensor.name!r} holds NaN or infinity in rows {first} to {first + count - 1}; "
                    "that checkpoint is broken. Take an earlier one."
                )
            yield first, values.reshape(count, columns)


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return a matrix rounded to `dtype` (as users write it), in float64.

    Raises:
        MergeError: a number is too large for it.
    """
    from polylect.merge.arrays import NumpyArrays

    arrays = NumpyArrays()
    stored = arrays.decode(arrays.encode(values.ravel(), DTYPES[dtype]), DTYPES[dtype]).reshape(values.shape)
    if not arrays.finite(stored):
        raise MergeError(f"dtype {dtype}: the adapter's numbers are too large for it. Write the adapter in float32.")
    return stored


def one_blas_thread() -> AbstractContextManager[object]:
    """Return a context in which NumPy's matrix products use one thread.

    The products here are narrow (16 to 100 columns): BLAS threads mostly wait for each other, ten times the time in all on two
    busy cores. One thread also gives the same bits on every machine with the same BLAS, however many cores it has.
    """
    import numpy as np  # noqa: F401  (only a BLAS that is loaded can be limited)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits


class AdapterWriter:
    """Writes a PEFT LoRA folder whose scale is 1 everywhere; the folder appears at `finish`, whole, or not at all.

    Use it as a context manager: what is unfinished when the block is left is removed.
    """

    def __init__(self, out: Path, dtype: str) -> None:
        if dtype not in DTYPES:
            raise MergeError(f"dtype {dtype!r}: one of {', '.join(DTYPES)} is needed.")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise MergeError(f"{out}: exists and is not empty. Give a new folder, or delete it.")
        self.out = out
        self.dtype = DTYPES[dtype]
        self.ranks: dict[str, int] = {}
        self._tensors: list[TensorInfo] = []

    def __enter__(self) -> AdapterWriter:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f".{self.out.name}-", dir=self.out.parent))
        self._spool = (self._folder / "spool").open("w+b")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._spool.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, path: str, a: np.ndarray, b: np.ndarray, *, embedding: bool = False) -> None:
        """Store the matrices of the module `path`, a (rank, in) and b (out, rank), which `rounded` has made."""
        from polylect.merge.arrays import NumpyArrays

        for part, values in (("A", a), ("B", b)):
            name = f"base_model.model.{path}." + (f"lora_embedding_{part}" if embedding else f"lora_{part}.weight")
            self._tensors.append(TensorInfo(name, self.dtype, values.shape))
            self._spool.write(NumpyArrays().encode(values.ravel(), self.dtype).data)
        self.ranks[path] = a.shape[0]

    def finish(self, config: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
        """Write weights, adapter_config.json (ranks and targets filled in over `config`) and manifest.json, then publish.

        Raises:
            MergeError: no module was added.
        """
        if not self.ranks:
            raise MergeError(f"{self.out}: no module is changed, so there is no adapter to write. Are the inputs what you meant?")
        self._spool.seek(0)
        write(self._folder / WEIGHTS_FILE, self._tensors, iter(lambda: self._spool.read(_COPIED), b""))
        with (self._folder / WEIGHTS_FILE).open("rb") as weights:
            digest = hashlib.file_digest(weights, "sha256").hexdigest()
        self._json(CONFIG_FILE, {**config, **_config(self.ranks)})
        self._json("manifest.json", {"polylect": __version__, **manifest, "sha256": {WEIGHTS_FILE: digest}})
        (self._folder / "spool").unlink()
        self._folder.chmod(0o755)
        self._folder.replace(self.out)

    def _json(self, name: str, content: Mapping[str, Any]) -> None:
        (self._folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _config(ranks: Mapping[str, int]) -> dict[str, Any]:
    """Return the part of adapter_config.json that says which modules have which rank; alpha equals the rank, so scale is 1."""
    usual = Counter(ranks.values()).most_common(1)[0][0]
    others = {f"^{path}": rank for path, rank in sorted(ranks.items()) if rank != usual}
    return {
        "peft_type": "LORA",
        "r": usual,
        "lora_alpha": usual,
        "rank_pattern": others,
        "alpha_pattern": others,
        "target_modules": sorted(ranks),
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "init_lora_weights": True,
        "modules_to_save": None,
        "inference_mode": True,
    }
