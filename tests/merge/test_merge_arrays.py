"""Decoding and encoding of tensor bytes in NumPy and torch."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from polylect.errors import MergeError
from polylect.merge.arrays import NumpyArrays, backend

BITS = {"BF16": "u2", "F16": "u2", "F32": "u4", "F64": "u8"}
TORCH = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}
RNG = np.random.default_rng(3)


def all_of(dtype: str) -> NDArray[np.float64]:
    """Return every finite number of a 16-bit dtype that is not negative, in order."""
    codes = np.arange(0x7F80 if dtype == "BF16" else 0x7C00, dtype=np.uint16)
    return torch.from_numpy(codes.view(np.int16)).view(TORCH[dtype]).double().numpy()


def hard(dtype: str) -> NDArray[np.float64]:
    """Return what is hard to round: every midpoint of neighbours and the float64 numbers next to it, of both signs."""
    grid = all_of(dtype)
    middle = (grid[1:] + grid[:-1]) / 2
    top = grid[-1] + (grid[-1] - grid[-2]) / 2
    near = [middle, np.nextafter(middle, np.inf), np.nextafter(middle, 0), [top, np.nextafter(top, 0), np.nextafter(top, np.inf)]]
    positive = np.concatenate([*near, grid, [1e300, 1e-320]])
    return np.concatenate([positive, -positive])


def nearest_even(values: NDArray[np.float64], dtype: str) -> NDArray[np.uint16]:
    """Return the codes of the nearest numbers by search among all of them; a tie goes to the even code."""
    grid = all_of(dtype)
    following = np.append(grid, 2 * grid[-1] - grid[-2])  # what infinity stands for when rounding
    size = np.minimum(np.abs(values), following[-1])
    upper = np.clip(np.searchsorted(following, size), 1, following.size - 1)
    # Differences of neighbours in float64 are exact (Sterbenz), but for numbers near 0, where the grid is fine enough.
    below, above = size - following[upper - 1], following[upper] - size
    up = (above < below) | ((above == below) & (upper % 2 == 0))
    return np.where(up, upper, upper - 1).astype(np.uint16) | np.where(np.signbit(values), 0x8000, 0).astype(np.uint16)


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
@pytest.mark.parametrize("dtype", ["BF16", "F16"])
@pytest.mark.parametrize("sparse", [False, True])
def test_rounding_is_to_nearest_even_once(dtype: str, device: str, sparse: bool) -> None:
    """Every midpoint, and what lies next to it, rounds right; among many ordinary numbers as well as on its own."""
    values = hard(dtype)
    if sparse:
        ordinary = RNG.standard_normal(200_000) * 10.0 ** RNG.integers(-9, 9, 200_000)
        values = np.concatenate([ordinary, values[:: values.size // 1000], ordinary * 1e-36])
    arrays = backend(device)
    assert np.array_equal(arrays.encode(arrays.asarray(values), dtype).view("u2"), nearest_even(values, dtype))


@pytest.mark.parametrize("dtype", sorted(BITS))
def test_both_backends_give_the_same_bits(dtype: str) -> None:
    """NumPy and torch decode and encode alike, and what is decoded encodes to the same bytes."""
    numpy, other = backend("cpu"), backend("torch:cpu")
    values = np.concatenate([RNG.standard_normal(5000), RNG.standard_normal(500) * 1e-42, [0.0, -0.0, 7e4, -1e39, 1e-310]])
    raw = numpy.encode(values, dtype)
    assert np.array_equal(raw, other.encode(other.asarray(values), dtype))
    decoded = numpy.decode(raw, dtype)
    assert decoded.tobytes() == other.to_numpy(other.decode(raw, dtype)).tobytes()
    assert decoded.tobytes() == torch.from_numpy(raw.copy()).view(TORCH[dtype]).double().numpy().tobytes()
    assert np.array_equal(numpy.encode(decoded, dtype), raw)


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_every_code_decodes(dtype: str) -> None:
    """All 65,536 codes give torch's number; from bytes, a view of memory or an array; into an array at hand."""
    codes = np.arange(65536, dtype=np.uint16)
    expected = torch.from_numpy(codes.view(np.int16)).view(TORCH[dtype]).double().numpy()
    for raw in (codes, codes.tobytes(), memoryview(codes.tobytes()), bytearray(codes.tobytes()), codes.view(np.uint8)):
        out = np.empty(codes.size)
        assert backend("cpu").decode(raw, dtype, out) is out
        np.testing.assert_array_equal(out, expected)
    other = backend("torch:cpu")
    np.testing.assert_array_equal(other.to_numpy(other.decode(codes.tobytes(), dtype)), expected)


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
def test_what_is_not_finite_is_seen(device: str) -> None:
    """NaN, infinity and what overflows in the output's dtype are found, and a sum that overflows is no false alarm."""
    arrays = backend(device)
    for bad in (np.nan, np.inf, -np.inf):
        values = np.ones(1000)
        values[700] = bad
        assert not arrays.finite(arrays.asarray(values))
        for dtype in BITS:
            assert not arrays.finite_bits(arrays.encode(arrays.asarray(values), dtype), dtype)
    assert arrays.finite(arrays.asarray(np.full(1000, 1e308)))
    large = arrays.asarray(np.array([1.0, 65520.0, 3.4e38]))
    assert [arrays.finite_bits(arrays.encode(large, dtype), dtype) for dtype in ("F16", "BF16", "F32")] == [False, False, True]
    assert arrays.finite_bits(arrays.encode(large[:1], "F16"), "F16")


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
def test_inner_product(device: str) -> None:
    """It is the sum of products, for any length."""
    arrays = backend(device)
    for size in (0, 1, 4095, 4096, 30_000):
        a, b = RNG.standard_normal((2, size))
        expected = float(np.sum(a.astype(np.longdouble) * b))
        assert arrays.dot(arrays.asarray(a), arrays.asarray(b)) == pytest.approx(expected, abs=1e-10)


def test_inner_product_does_not_depend_on_threads() -> None:
    """BLAS may have one thread or two: the bits are the same."""
    code = (
        "import numpy as np; from polylect.merge.arrays import NumpyArrays; r = np.random.default_rng(0)\n"
        "print(NumpyArrays().dot(r.standard_normal(300000), r.standard_normal(300000)).hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OPENBLAS_NUM_THREADS": n},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "2")
    }
    assert len(found) == 1


def test_threads_share_a_backend() -> None:
    """Scratch memory is each thread's own."""
    arrays = NumpyArrays()
    inputs = [RNG.standard_normal(50_000) * i for i in range(1, 9)]
    alone = [arrays.encode(x, "BF16") for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for together in pool.map(lambda _: [arrays.encode(x, "BF16") for x in inputs], range(8)):
            assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
def test_quantised_and_whole_numbers_are_refused(device: str) -> None:
    """The message says what to do first."""
    for dtype in ("F8_E4M3", "I64"):
        with pytest.raises(MergeError, match=f"dtype {dtype}: .* dequantised first"):
            backend(device).decode(b"\0" * 8, dtype)
        with pytest.raises(MergeError, match="dequantised first"):
            backend(device).encode(backend(device).asarray(np.ones(1)), dtype)


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "torch:nothing"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    """The message has the device and the way out."""
    with pytest.raises(MergeError, match=rf"device '{device.removeprefix('torch:')}': torch cannot .* Use --device cpu"):
        backend(device)


def test_numpy_needs_no_torch() -> None:
    """Merging on the CPU never loads torch: it would take longer than many merges."""
    code = "import sys; from polylect.merge.arrays import backend; backend('cpu'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
