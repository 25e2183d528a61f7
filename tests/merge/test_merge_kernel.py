"""The compiled kernel gives NumPy's bits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import polylect.merge
from polylect.errors import MergeError
from polylect.merge import kernel, masks
from polylect.merge.arrays import FLOATS, NumpyArrays
from polylect.merge.forms import summed
from polylect.merge.kernel import Operation, codes, scratch_size
from polylect.merge.selection import BLOCK, cutoffs
from polylect.models.safetensors_file import TensorInfo, write

KERNEL, ARITHMETIC = kernel.load()
pytestmark = pytest.mark.skipif(KERNEL is None, reason=ARITHMETIC)
NUMPY = NumpyArrays()
SHAPES = {"a.weight": (5, 7), "b.weight": (3, 70_001), "c.weight": (1_100, 1_000), "norm.weight": (513,)}
METHODS = ("linear", "slerp", "task-arithmetic", "ties", "dare-linear", "dare-ties", "model-stock")


def model(folder: Path, seed: int, dtype: str = "BF16", scale: float = 0.02) -> Path:
    """Write a checkpoint whose values are coarse enough that magnitudes of task vectors often tie, with zeros and subnormals."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(0)
    infos, parts = [], []
    for name, shape in SHAPES.items():
        size = int(np.prod(shape))
        values = shared.standard_normal(size) * scale + np.round(rng.standard_normal(size), 1) * scale / 4
        values[::11], values[5::97] = 0.0, rng.standard_normal(len(values[5::97])) * 1e-39
        infos.append(TensorInfo(name, dtype, shape))
        parts.append(NUMPY.encode(values, dtype).tobytes())
    write(folder / "model.safetensors", infos, parts)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return folder


def merged(tmp_path: Path, device: str, **settings: object) -> polylect.merge.MergeReport:
    """Merge on `device`; the folder is named after it."""
    return polylect.merge(out=tmp_path / f"out-{device}", device=device, **settings)  # type: ignore[operator]


@pytest.mark.parametrize("dtype", list(FLOATS))
@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_bits_of_numpy(tmp_path: Path, method: str, dtype: str) -> None:
    """Weights that are no powers of two, several blocks, ties at the threshold: both write the same bytes and statistics."""
    count = 2 if method == "slerp" else 3
    models = [model(tmp_path / str(i), i, dtype) for i in range(count + 1)]
    settings = {"models": models[1:], "base": models[0], "method": method}
    if method in ("ties", "dare-linear", "dare-ties"):
        settings["density"] = (0.3,)
    if method not in ("slerp", "model-stock"):
        settings |= {"weights": (0.5, 0.3, 0.21), "scale": 1.0 if method == "linear" else 0.7}
    ours, theirs = merged(tmp_path, "cpu", **settings), merged(tmp_path, "numpy", **settings)
    assert ours.hash == theirs.hash
    assert ours.arithmetic.startswith("compiled kernel")
    assert theirs.arithmetic == "numpy"
    assert ours.distance == pytest.approx(theirs.distance, rel=1e-12)
    for mine, other in zip(ours.statistics.inputs, theirs.statistics.inputs, strict=True):
        for name, value in mine.items():
            assert value == (pytest.approx(other[name], rel=1e-9) if isinstance(value, float) else other[name]), name


@pytest.mark.parametrize("count", [1, 2, 8, 10])
@pytest.mark.parametrize("normalize", [True, False])
def test_elections_of_few_and_many_inputs_agree(tmp_path: Path, count: int, normalize: bool) -> None:
    """One input agrees with itself; beyond eight NumPy adds up weights in another way and gets the same."""
    models = [model(tmp_path / str(i), i) for i in range(count + 1)]
    weights = tuple(0.1 + 0.07 * i for i in range(count))
    settings = {"models": models[1:], "base": models[0], "method": "ties", "weights": weights, "normalize": normalize}
    assert merged(tmp_path, "cpu", **settings).hash == merged(tmp_path, "numpy", **settings).hash


def encoded(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return the kernel's bytes of float64 values."""
    out, scratch = np.empty(values.size * FLOATS[dtype], np.uint8), np.empty(scratch_size(1))
    operation = Operation(summed([1.0]), task_vectors=False, keep="all", scale=1.0)
    KERNEL.combine(operation, [values.view(np.uint8)], codes(("F64",)), None, values.size, out, dtype, scratch, check=False)
    return out


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_rounding_is_to_nearest_even_everywhere(dtype: str) -> None:
    """Halfway values and their neighbours, subnormals, zeros of both signs and the largest numbers are rounded as NumPy does."""
    rng = np.random.default_rng(5)
    wide = rng.standard_normal(40_000) * 10.0 ** rng.integers(-45, 5, 40_000)
    halves = np.arange(-600, 600) * 2.0**-26, np.arange(-600, 600) * 2.0**-135, (1 + np.arange(600) * 2.0**-12)
    values = np.concatenate([wide, *halves, np.nextafter(halves[2], 0), [0.0, -0.0, 6e-8, 65519.9, -65519.9]])
    assert np.array_equal(encoded(values, dtype), NUMPY.encode(values, dtype))


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_every_16_bit_number_is_decoded(dtype: str) -> None:
    """All 65,536 patterns come out as NumPy has them; infinity and NaN are told."""
    raw = np.arange(1 << 16, dtype=np.uint16)
    finite = np.isfinite(NUMPY.decode(raw, dtype))
    out = np.empty(int(finite.sum()))
    assert KERNEL.decode(raw[finite].view(np.uint8), dtype, None, "", out, check=2)
    assert np.array_equal(out.view(np.uint64), NUMPY.decode(raw[finite], dtype).view(np.uint64))
    for pattern in raw[~finite][::37]:
        broken = np.append(raw[:700], pattern)
        assert not KERNEL.decode(broken.view(np.uint8), dtype, None, "", np.empty(701), check=1)


@pytest.mark.parametrize("density", [0.1, 0.5, 1 / 3, 0.999])
@pytest.mark.parametrize("size", [1, 13, 100_001])
def test_masks_are_those_of_numpy(density: float, size: int) -> None:
    """The kernel's SFC64 continues NumPy's, for undecided elements too."""
    plain = masks.bernoulli(density, size, 1, "tensor", 2, 3)
    assert np.array_equal(plain, masks.bernoulli(density, size, 1, "tensor", 2, 3, KERNEL))


@pytest.mark.parametrize("coarse", [True, False])
def test_selection_finds_the_same_cutoffs(coarse: bool) -> None:
    """Few distinct magnitudes or all different ones: the kernel's counts lead to NumPy's cutoffs."""
    values = np.random.default_rng(2).standard_normal(3 * BLOCK // 2)
    values = np.round(values, 1) if coarse else values
    parts = [values[:BLOCK], values[BLOCK:]]

    def scan(function):
        return [function([part]) for part in parts]

    for size in (1, 70_000, values.size - 5):
        plain = cutoffs([size], scan, values.size)
        assert plain == cutoffs([size], scan, values.size, kernel=KERNEL)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["linear", "ties", "slerp"])
def test_what_is_not_finite_is_named(tmp_path: Path, method: str, value: float) -> None:
    """The kernel only says that something is wrong; the error is the same that NumPy gives."""
    models = [model(tmp_path / str(i), i) for i in range(3)]
    with (models[2] / "model.safetensors").open("r+b") as file:
        header = int.from_bytes(file.read(8), "little")
        start = json.loads(file.read(header))["b.weight"]["data_offsets"][0]
        file.seek(8 + header + start + 2 * 140_011)
        file.write(NUMPY.encode(np.array([value]), "BF16").tobytes())
    with pytest.raises(MergeError, match=r"2/model.safetensors: tensor 'b.weight' holds NaN or infinity, first at \[2, 9\]"):
        merged(tmp_path, "cpu", models=models[1:], base=models[0], method=method)


def test_a_result_that_is_too_large_is_named(tmp_path: Path) -> None:
    """Finite inputs whose sum float16 cannot hold end in an error, not in infinity."""
    models = [model(tmp_path / str(i), i, "F16", scale=9_000.0) for i in range(3)]
    with pytest.raises(MergeError, match=r"merged value at index \d+ is too large for F16"):
        merged(tmp_path, "cpu", models=models[1:], base=models[0], method="task-arithmetic", scale=100.0)


def test_without_a_kernel_numpy_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing library or one of another source is not used, and the report names the reason."""
    monkeypatch.setattr(kernel, "_LIBRARY", tmp_path / "none.so")
    assert kernel.load.__wrapped__() == (None, "numpy (no kernel was compiled: install a C compiler, then Polylect again)")
    other = tmp_path / "kernel.c"
    other.write_text("/* another one */")
    monkeypatch.undo()
    monkeypatch.setattr(kernel, "_SOURCE", other)
    assert kernel.load.__wrapped__()[1] == "numpy (the compiled kernel is of another version: install Polylect again)"
