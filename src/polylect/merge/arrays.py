"""Bytes of tensors to float64 arrays and back, with one rounding, in NumPy; the engine's other device is in `arrays_torch`.

A backend is safe to share between threads: scratch memory is kept per thread. Elements are little-endian, as safetensors has it.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from polylect.errors import MergeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.arrays_torch import TorchArrays

__all__ = ["FLOATS", "Backend", "NumpyArrays", "backend"]

FLOATS = {"BF16": 2, "F16": 2, "F32": 4, "F64": 8}
"""safetensors dtypes that can be merged -> bytes per element."""
Raw = Any
"""Bytes, a memoryview, or an array of any dtype whose memory holds the elements."""
PIECE = 4096
"""Elements per inner product: OpenBLAS splits only those above 10,000 among threads, which would change the last bits."""


class Backend(Protocol):
    """What the engine needs of an array library; flat float64 arrays throughout."""

    def decode(self, raw: Raw, dtype: str, out: Any = None) -> Any:
        """Return the elements as float64, in `out` if given."""

    def encode(self, values: Any, dtype: str, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Return the bytes of `values` in `dtype`, each element rounded once, to nearest even; in `out` if given."""

    def finite(self, values: Any) -> bool:
        """Return whether no element is NaN or infinite."""

    def dot(self, a: Any, b: Any) -> float:
        """Return the inner product, the same bits whatever the number of threads."""

    def asarray(self, values: NDArray[Any]) -> Any:
        """Return a NumPy array (float64 or bool) as an array of this backend."""

    def to_numpy(self, values: Any) -> NDArray[Any]:
        """Return an array of this backend as a NumPy array."""


def backend(device: str) -> NumpyArrays | TorchArrays:
    """Return the arrays of `device`: NumPy for "cpu" and "numpy", else torch there ("cuda"; "torch:cpu": on the CPU).

    Raises:
        MergeError: there is no such device, or torch cannot use it.
    """
    if device in ("cpu", "numpy"):
        return NumpyArrays()
    from polylect.merge.arrays_torch import TorchArrays

    return TorchArrays(device.removeprefix("torch:"))


def check_dtype(dtype: str) -> None:
    """Raise unless elements of `dtype` can be merged.

    Raises:
        MergeError: they are whole numbers, or floats of fewer than 16 bits.
    """
    if dtype not in FLOATS:
        raise MergeError(
            f"dtype {dtype}: merging needs one of {', '.join(FLOATS)}. Quantised checkpoints (F8 and the like) must be "
            "dequantised first: save the model in bfloat16."
        )


def as_bytes(raw: Raw) -> NDArray[np.uint8]:
    """Return the memory of `raw` as a flat array of bytes, without a copy."""
    if isinstance(raw, np.ndarray):
        return raw.reshape(-1).view(np.uint8)
    return np.frombuffer(raw, dtype=np.uint8)


class NumpyArrays:
    """Arrays of NumPy."""

    device = "cpu"

    def __init__(self) -> None:
        self._local = threading.local()

    def decode(self, raw: Raw, dtype: str, out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the elements of `raw` as float64: exact for every dtype, subnormals, infinities and NaN included.

        Args:
            raw: the bytes of n elements.
            dtype: safetensors dtype.
            out: flat float64 array of n elements to write to.

        Raises:
            MergeError: the dtype cannot be merged.
        """
        check_dtype(dtype)
        stored = as_bytes(raw).view(f"<u{FLOATS[dtype]}" if dtype == "BF16" else f"<f{FLOATS[dtype]}")
        if out is None:
            out = np.empty(stored.size)
        if dtype == "BF16":
            wide = self._scratch("wide", stored.size, np.uint32)
            np.copyto(wide, stored)
            wide <<= np.uint32(16)
            stored = wide.view(np.float32)
        # A signalling NaN is no reason to warn: `finite` finds it.
        with np.errstate(invalid="ignore"):
            np.copyto(out, stored)
        return out

    def encode(self, values: NDArray[np.float64], dtype: str, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Return the bytes of `values`, each rounded to nearest even once; what is too large becomes infinite.

        Args:
            values: n elements.
            dtype: safetensors dtype.
            out: array of as many bytes as n elements have, to write to.

        Raises:
            MergeError: the dtype cannot be merged.
        """
        check_dtype(dtype)
        if out is None:
            out = np.empty(values.size * FLOATS[dtype], np.uint8)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if dtype == "BF16":
                self._bfloat16(values, out.view(np.uint16))
            else:
                np.copyto(out.view(f"<f{FLOATS[dtype]}"), values, casting="same_kind")
        return out

    def _bfloat16(self, values: NDArray[np.float64], stored: NDArray[np.uint16]) -> None:
        """Round the float64 bits to the 8 bits of precision that bfloat16 has, half to even; float32 then holds them exactly.

        Adding just under half of the last place kept, and its parity, carries where rounding goes up. Numbers below the normal
        ones have fewer bits: they are counted in units of the smallest one. There, too, a NaN shows that the sum made overflow.
        """
        bits = values.view(np.uint64)
        spare = self._scratch("spare", values.size, np.uint64)
        single = self._scratch("single", values.size, np.float32)
        np.right_shift(bits, np.uint64(45), out=spare)
        spare &= np.uint64(1)
        spare += np.uint64((1 << 44) - 1)
        spare += bits
        spare &= np.uint64((1 << 64) - (1 << 45))
        np.copyto(single, spare.view(np.float64), casting="same_kind")
        upper = single.view(np.uint32)
        upper >>= np.uint32(16)
        np.copyto(stored, upper, casting="unsafe")
        exponents = np.bitwise_and(stored, np.uint16(0x7F80), out=self._scratch("exponents", values.size, np.uint16))
        if stored.size and not exponents.min():
            small = np.flatnonzero(exponents == 0)
            units = np.abs(values[small]) * 2.0**133
            units[np.isnan(units)] = 0x7FC0
            stored[small] = (stored[small] & np.uint16(0x8000)) | np.rint(units).astype(np.uint16)

    def finite(self, values: NDArray[np.float64]) -> bool:
        """Return whether no element is NaN or infinite: a finite sum shows it, else every element is looked at."""
        with np.errstate(over="ignore", invalid="ignore"):
            return math.isfinite(values.sum()) or bool(np.isfinite(values).all())

    def finite_bits(self, raw: Raw, dtype: str) -> bool:
        """Return whether no element of the stored bytes is NaN or infinite (its exponent is not all ones)."""
        check_dtype(dtype)
        stored = as_bytes(raw)
        if dtype == "BF16":
            return not stored.size or bool((stored.view("<u2") << np.uint16(1)).max() < 0xFF00)
        return bool(np.isfinite(stored.view(f"<f{FLOATS[dtype]}")).all())

    def dot(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Return the inner product, the same bits whatever the number of threads."""
        whole = a.size - a.size % PIECE
        pieces = np.vecdot(a[:whole].reshape(-1, PIECE), b[:whole].reshape(-1, PIECE))
        return float(pieces.sum() + np.dot(a[whole:], b[whole:]))

    def asarray(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the array itself."""
        return values

    def to_numpy(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the array itself."""
        return values

    def _scratch(self, name: str, size: int, dtype: type[np.generic]) -> NDArray[Any]:
        """Return this thread's buffer of that name, cut to size."""
        kept: NDArray[Any] | None = getattr(self._local, name, None)
        if kept is None or kept.size < size:
            kept = np.empty(size, dtype)
            setattr(self._local, name, kept)
        return kept[:size]
