"""The compiled kernel: what the NumPy code of this package does, on the bytes of checkpoints, with the same bits, faster.

It is compiled when Polylect is installed, or lies in the wheel. Where it is missing NumPy does the work; the report of a merge
says which did. Calls let go of Python's lock.
"""

from __future__ import annotations

import ctypes
import functools
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from polylect.merge.arrays import FLOATS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polylect.merge.forms import Form

__all__ = ["TILE", "Fault", "Kept", "Kernel", "Operation", "address", "codes", "load", "scratch_size"]

TILE = 512
_LIBRARY = Path(__file__).with_name("native") / "kernel.shared"
_SOURCE = Path(__file__).with_name("native") / "kernel.c"
_CODES = {name: code for code, name in enumerate(FLOATS)}
_KEEP = {"all": 0, "largest": 1, "random": 2}
_FAULTS = ("", "input", "result")


class Kept(ctypes.Structure):
    """Which entries of one input are kept in a block: `struct kept` of kernel.c."""

    _fields_ = (
        ("threshold", ctypes.c_double),
        ("equal", ctypes.c_int64),
        ("mask", ctypes.c_void_p),
        ("factor", ctypes.c_double),
    )


class _Operation(ctypes.Structure):
    _fields_ = (
        ("elect", ctypes.c_int32),
        ("task_vectors", ctypes.c_int32),
        ("keep", ctypes.c_int32),
        ("normalize", ctypes.c_int32),
        ("last", ctypes.c_double),
        ("divisor", ctypes.c_double),
        ("scale", ctypes.c_double),
        ("weights", ctypes.c_void_p),
    )


class Operation:
    """A form with what surrounds it: task vectors, what is kept, the factor of the merged task vector."""

    def __init__(self, form: Form, *, task_vectors: bool, keep: str, scale: float) -> None:
        self.count, self.task_vectors = len(form.weights), task_vectors
        self._weights = np.array(form.weights)
        values = (form.elect, task_vectors, _KEEP[keep], form.normalize, form.last, form.divisor, scale)
        self._struct = _Operation(*values, address(self._weights))
        self.pointer = ctypes.byref(self._struct)


class Fault(NamedTuple):
    """What is not finite, "input" or "result" ("": nothing), and from which element of the chunk on."""

    what: str
    place: int


def address(array: NDArray[Any]) -> int:
    """Return where the memory of an array begins that can be written to and is not empty."""
    # A quarter of the time of `array.ctypes.data`; small tensors are made of such calls.
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data))


class Kernel:
    """The functions of kernel.c for the instructions that this processor has."""

    def __init__(self, library: ctypes.CDLL, level: int) -> None:
        self.level = level
        number, pointer, size = ctypes.c_int, ctypes.c_void_p, ctypes.c_int64
        self._decode = _function(library, "decode", level, [pointer, number, pointer, number, size, number, pointer], number)
        kinds = [pointer, number, pointer, pointer, pointer, size, number, pointer, number, pointer, pointer]
        self._combine = _function(library, "combine", level, kinds, number)
        double = ctypes.c_double
        self._measure = _function(library, "measure", level, [number, pointer, pointer, size, pointer, pointer], None)
        self._split = _function(library, "split", level, [pointer, size, double, double, pointer, pointer], size)
        self._largest = _function(library, "largest", level, [pointer, size, size, pointer, pointer], double)
        kinds = [number, pointer, pointer, pointer, size, pointer, pointer, pointer]
        self._cutoffs = _function(library, "cutoffs", level, kinds, number)
        self._bernoulli = _function(library, "bernoulli", level, [pointer, size, number, ctypes.c_uint64, pointer], None)

    def decode(
        self,
        raw: NDArray[np.uint8],
        dtype: str,
        base: NDArray[np.uint8] | None,
        base_dtype: str,
        out: NDArray[np.float64],
        *,
        check: int,
    ) -> bool:
        """Put `raw` as float64, less the base, into `out`; return whether all was finite.

        `check`: 0 looks at nothing, 1 at `raw`, 2 at the base as well.
        """
        start = address(base) if base is not None else None
        code = _CODES[base_dtype] if base is not None else 0
        return bool(self._decode(address(raw), _CODES[dtype], start, code, out.size, check, address(out)))

    def combine(
        self,
        operation: Operation,
        raws: Sequence[NDArray[np.uint8]],
        codes: ctypes.Array[ctypes.c_int32],
        kept: ctypes.Array[Kept] | None,
        size: int,
        out: NDArray[np.uint8],
        dtype: str,
        scratch: NDArray[np.float64],
        *,
        check: bool,
    ) -> Fault:
        """Merge `size` elements of all inputs (and, last, the base) into the bytes `out`; `scratch` is as `scratch_size` says."""
        pointers = (ctypes.c_void_p * len(raws))(*map(address, raws))
        place = ctypes.c_int64()
        fault = self._combine(
            operation.pointer, operation.count, pointers, codes, kept, size, check, address(out), _CODES[dtype], address(scratch),
            ctypes.byref(place),
        )  # fmt: skip
        return Fault(_FAULTS[fault], place.value)

    def measure(
        self,
        raws: Sequence[NDArray[np.uint8] | None],
        codes: ctypes.Array[ctypes.c_int32],
        size: int,
        scratch: NDArray[np.float64],
    ) -> list[float]:
        """Return the sums of `polylect.merge.statistics.Sums` over `size` elements, in the order that kernel.c says.

        `raws` are the inputs, the merged tensor and the base (None: there is none), `codes` the numbers of their dtypes.
        """
        count = len(raws) - 2
        pointers = (ctypes.c_void_p * len(raws))(*(None if raw is None else address(raw) for raw in raws))
        sums = (ctypes.c_double * ((count + 1) ** 2 + 3 * count + 1))()
        self._measure(count, pointers, codes, size, address(scratch), sums)
        return list(sums)

    def split(
        self, values: NDArray[np.float64], low: float, high: float, between: NDArray[np.float64]
    ) -> tuple[int, int, int, int]:
        """Sort out magnitudes by a bracket: return how many are above, at its high end, at its low end and between.

        Those between are put into `between`, which has room for as many as there are values.
        """
        counts = (ctypes.c_int64 * 3)()
        found = self._split(address(values), values.size, low, high, counts, address(between))
        return counts[0], counts[1], counts[2], found

    def largest(self, values: NDArray[np.float64], k: int) -> tuple[float, int, int]:
        """Return the k-th largest magnitude, how many are above it, and how many equal it; k from 1 to the number of values."""
        counts, sizes = (ctypes.c_int64 * 2)(), np.empty(values.size)
        found = self._largest(address(values), values.size, k, counts, address(sizes))
        return float(found), counts[0], counts[1]

    def cutoffs(
        self,
        raws: Sequence[NDArray[np.uint8]],
        codes: ctypes.Array[ctypes.c_int32],
        sizes: Sequence[int],
        size: int,
        scratch: NDArray[np.float64],
    ) -> list[tuple[float, int, int]] | None:
        """Return `largest` of every task vector of `size` elements; None where something is not finite.

        `raws` are the inputs and, last, the base, `codes` their dtypes' numbers, `sizes` the places, each above 0 and below
        `size`; `scratch` has twice as many numbers as there are elements.
        """
        count = len(sizes)
        pointers = (ctypes.c_void_p * len(raws))(*map(address, raws))
        thresholds, counts = (ctypes.c_double * count)(), (ctypes.c_int64 * (2 * count))()
        places = (ctypes.c_int64 * count)(*sizes)
        if not self._cutoffs(count, pointers, codes, places, size, thresholds, counts, address(scratch)):
            return None
        return [(thresholds[i], counts[2 * i], counts[2 * i + 1]) for i in range(count)]

    def bernoulli(self, state: NDArray[np.uint64], coarse: int, fine: int, size: int) -> NDArray[np.bool_]:
        """Return `size` truth values from a state of SFC64; see `polylect.merge.masks.bernoulli`."""
        mask = np.empty(size, np.bool_)
        self._bernoulli(address(state), size, coarse, fine, address(mask))
        return mask


@functools.lru_cache(maxsize=256)
def codes(dtypes: tuple[str, ...]) -> ctypes.Array[ctypes.c_int32]:
    """Return the kernel's numbers of dtypes; not to be changed, as the next who asks gets the same array."""
    return (ctypes.c_int32 * len(dtypes))(*(_CODES[dtype] for dtype in dtypes))


def scratch_size(count: int) -> int:
    """Return the float64 numbers that `Kernel.combine` needs for `count` inputs."""
    return (count + 2) * TILE


def _function(library: ctypes.CDLL, name: str, level: int, arguments: list[Any], result: Any) -> Any:
    function = getattr(library, f"{name}_{level}")
    function.argtypes, function.restype = arguments, result
    return function


@functools.cache
def load() -> tuple[Kernel | None, str]:
    """Return the kernel, if it is installed, and what does the arithmetic, for the report."""
    if not _LIBRARY.exists():
        return None, "numpy (no kernel was compiled: install a C compiler, then Polylect again)"
    try:
        library = ctypes.CDLL(str(_LIBRARY))
        if ctypes.c_uint32(library.source()).value != zlib.crc32(_SOURCE.read_bytes()):
            return None, "numpy (the compiled kernel is of another version: install Polylect again)"
        level = int(library.level())
        return Kernel(library, level), f"compiled kernel, level {level}"
    except (OSError, AttributeError) as error:
        return None, f"numpy (the compiled kernel cannot be loaded: {error})"
