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

    def encode(self, values: Any, dtype: str) -> NDArray[np.uint8]:
        """Return the bytes of `values` in `dtype`, each element rounded once, to nearest even."""

    def finite(self, values: Any) -> bool:
        """Return whether no element is NaN or infinite."""

    def dot(self, a: Any, b: Any) -> float:
        """Return the inner product, the same bits whatever the number of threads."""

    def asarray(self, values: NDArray[Any]) -> Any:
        """Return a NumPy array (float64 or bool) as an array of this backend."""

    def to_numpy(self, values: Any) -> NDArray[Any]:
        """Return an array of this backend as a NumPy array."""


def backend(device: str) -> NumpyArrays | TorchArrays:
    """Return the arrays of `device`: NumPy for "cpu", else torch there ("cuda", "cuda:1"; "torch:cpu" is torch on the CPU).

    Raises:
        MergeError: there is no such device, or torch cannot use it.
    """
    if device == "cpu":
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

    def encode(self, values: NDArray[np.float64], dtype: str) -> NDArray[np.uint8]:
        """Return the bytes of `values`, each rounded to nearest even once; what is too large becomes infinite.

        The NaN that arithmetic makes stays NaN; one that was read may not, if its payload is all ones: check what is read.

        Raises:
            MergeError: the dtype cannot be merged.
        """
        check_dtype(dtype)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if dtype == "BF16":
                return self._bfloat16(values).view(np.uint8)
            stored = np.empty(values.size, f"<f{FLOATS[dtype]}")
            np.copyto(stored, values, casting="same_kind")
        return stored.view(np.uint8)

    def _bfloat16(self, values: NDArray[np.float64]) -> NDArray[np.uint16]:
        """Round by way of float32, whose last 16 bits are then rounded off in integer arithmetic.

        Adding half of the last place kept and cutting rounds right except where those 16 bits are exactly half. There a step down
        keeps the number from being rounded up.
        """
        single = self._scratch("single", values.size, np.float32)
        np.copyto(single, values, casting="same_kind")
        bits = single.view(np.uint32)
        spare = self._scratch("wide", values.size, np.uint32)
        half = self._scratch("half", values.size, np.bool_)
        np.left_shift(bits, np.uint32(16), out=spare)
        np.equal(spare, np.uint32(0x80000000), out=half)
        places = np.flatnonzero(half)
        if places.size <= values.size // 64:
            _decide_halves(values, single, places)
        else:
            # Averages of two bfloat16 numbers are often exact halves: those go to even all at once.
            back = self._scratch("back", values.size, np.float64)
            np.copyto(back, single)
            half &= values != back
            _decide_halves(values, single, np.flatnonzero(half))
            np.right_shift(bits, np.uint32(16), out=spare)
            spare &= np.uint32(1)
            bits += spare
            bits -= np.uint32(1)
        bits += np.uint32(0x8000)
        bits >>= np.uint32(16)
        stored = np.empty(values.size, np.uint16)
        np.copyto(stored, bits, casting="unsafe")
        return stored

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


def _decide_halves(values: NDArray[np.float64], single: NDArray[np.float32], places: NDArray[np.intp]) -> None:
    """Move float32 numbers whose last 16 bits are exactly half one step to the side where the float64 value is, or to even.

    Half may itself be the outcome of rounding to float32: only the float64 value knows on which side it was.
    """
    exact, rounded = np.abs(values[places]), np.abs(single[places])
    bits = single.view(np.uint32)
    found = bits[places]
    even = (found & np.uint32(0x10000)) == 0
    down = (exact < rounded) | ((exact == rounded) & even)
    bits[places] = found + (exact > rounded).view(np.uint8) - down.view(np.uint8)
