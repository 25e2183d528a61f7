"""Merging through files: every method against plain formulas in float64, many tensors, shards, faults of inputs and disk."""

from __future__ import annotations

import errno
import gc
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from polylect.errors import MergeError
from polylect.merge.api import merge
from polylect.models.safetensors_file import TensorInfo, write

SHAPES = {
    "model.embed_tokens.weight": (1111, 1024),
    "model.layers.0.mlp.up_proj.weight": (33, 70),
    "model.layers.0.norm.weight": (70,),
    "model.layers.1.self_attn.q_proj.weight": (64, 70),
    "model.scale": (),
}
WEIGHTS = (0.5, 1.25, 0.75)
Vectors = list[np.ndarray]


def _folder(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    path.mkdir(parents=True)
    save_file(tensors, path / "model.safetensors")
    (path / "config.json").write_text('{"model_type": "llama"}')
    return path


def _models(folder: Path, dtype: torch.dtype, count: int = 3) -> list[Path]:
    """Return a base and `count` checkpoints near it; many entries of their task vectors are equal, and some are 0."""
    torch.manual_seed(0)
    base = {name: (torch.randn(shape, dtype=torch.float64) * 0.05).to(dtype) for name, shape in SHAPES.items()}
    made = [_folder(folder / "base", base)]
    for number in range(count):
        moved = {
            name: (value.double() + torch.randint(-3, 4, value.shape) * 0.001 * (number + 1)).to(dtype)
            for name, value in base.items()
        }
        made.append(_folder(folder / f"model{number}", moved))
    return made


def _nearest(values: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Round float64 once, half to even, by looking at the neighbours of a first guess."""
    exact = torch.from_numpy(np.ascontiguousarray(values))
    if dtype in (torch.float32, torch.float64):
        return exact.to(dtype)
    best = exact.to(dtype)
    for step in (-1, 1):
        other = (best.view(torch.int16) + step).view(dtype)
        away, distance = (other.double() - exact).abs(), (best.double() - exact).abs()
        even = (other.view(torch.int16) & 1) == 0
        best = torch.where((away < distance) | ((away == distance) & even), other, best)
    return best


def _linear(x: Vectors, base: np.ndarray) -> np.ndarray:
    return sum(w * v for w, v in zip(WEIGHTS, x, strict=True)) / sum(WEIGHTS)


def _slerp(x: Vectors, base: np.ndarray) -> np.ndarray:
    a, b = x
    norms = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    cosine = float(a @ b) / norms
    if abs(cosine) > 0.9995:
        return 0.75 * a + 0.25 * b
    theta = math.acos(cosine)
    return math.sin(0.75 * theta) / math.sin(theta) * a + math.sin(0.25 * theta) / math.sin(theta) * b


def _task_arithmetic(x: Vectors, base: np.ndarray) -> np.ndarray:
    return base + 0.5 * sum(w * (v - base) for w, v in zip(WEIGHTS, x, strict=True))


def _ties(x: Vectors, base: np.ndarray) -> np.ndarray:
    taus = []
    for v in x:
        tau = v - base
        kept = np.argsort(-np.abs(tau), kind="stable")[: int(0.4 * tau.size)]
        taus.append(np.zeros_like(tau))
        taus[-1][kept] = tau[kept]
    sign = np.sign(sum(w * tau for w, tau in zip(WEIGHTS, taus, strict=True)))
    agree = [(np.sign(tau) == sign) & (tau != 0) for tau in taus]
    total = sum(w * tau * a for w, tau, a in zip(WEIGHTS, taus, agree, strict=True))
    weight = sum(w * a for w, a in zip(WEIGHTS, agree, strict=True))
    return base + 0.5 * (total / np.where(weight == 0, 1, weight))


def _model_stock(x: Vectors, base: np.ndarray) -> np.ndarray:
    taus = [v - base for v in x]
    pairs = [(0, 1), (0, 2), (1, 2)]
    norms = [math.sqrt(float(tau @ tau)) for tau in taus]
    cosines = [float(taus[i] @ taus[j]) / norms[i] / norms[j] if norms[i] and norms[j] else 0.0 for i, j in pairs]
    c = min(max(sum(cosines) / 3, 0.0), 1.0)
    return base + 3 * c / (1 + 2 * c) * (sum(taus) / 3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize(
    ("method", "options", "formula"),
    [
        ("linear", {"weights": WEIGHTS}, _linear),
        ("slerp", {"t": 0.25}, _slerp),
        ("task-arithmetic", {"weights": WEIGHTS, "scale": 0.5}, _task_arithmetic),
        ("ties", {"weights": WEIGHTS, "scale": 0.5, "density": 0.4}, _ties),
        ("model-stock", {}, _model_stock),
    ],
)
def test_every_element_is_the_formula_rounded_once(
    tmp_path: Path, dtype: torch.dtype, method: str, options: dict[str, Any], formula: Callable[..., np.ndarray]
) -> None:
    """In files of any dtype each merged element is the float64 value of the formula, rounded to nearest even."""
    count = 2 if method == "slerp" else 3
    base, *models = _models(tmp_path, dtype, count)
    merge(models, base=base, method=method, out=tmp_path / "out", **options)
    merged = load_file(tmp_path / "out" / "model.safetensors")
    stored = [load_file(path / "model.safetensors") for path in (*models, base)]
    assert {name: tuple(value.shape) for name, value in merged.items()} == SHAPES
    for name, value in merged.items():
        *x, b = (one[name].double().numpy().ravel() for one in stored)
        expected = _nearest(formula(x, b), dtype)
        assert torch.equal(value.ravel(), expected), name


def test_dare_keeps_its_density(tmp_path: Path) -> None:
    """The kept entries are divided by the density, the others are the base's, and the kept share lies within 4 sigma."""
    base, model = _models(tmp_path, torch.float32, 1)
    merge([model], base=base, method="dare-linear", density=0.3, seed=7, out=tmp_path / "out")
    name = "model.embed_tokens.weight"
    merged, before, after = (load_file(p / "model.safetensors")[name].double() for p in (tmp_path / "out", base, model))
    tau = after - before
    kept = merged != before
    n = int((tau != 0).sum())
    assert abs(int(kept.sum()) / n - 0.3) < 4 * math.sqrt(0.21 / n)
    assert torch.allclose(merged[kept], (before + tau / 0.3)[kept], rtol=1e-6, atol=0)
    merge([model], base=base, method="dare-linear", density=0.3, seed=8, out=tmp_path / "other")
    assert not torch.equal(load_file(tmp_path / "other" / "model.safetensors")[name].double(), merged)


def test_shards_load_in_transformers(make_model: Callable[..., Path], tmp_path: Path) -> None:
    """Shards and their index load as one model, whose logits are those of averaging in memory."""
    models = [make_model(seed=seed) for seed in (1, 2)]
    merge(models, out=tmp_path / "out", shard_size=20_000)
    shards = sorted(path.name for path in (tmp_path / "out").glob("model-*.safetensors"))
    assert len(shards) > 2
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(shards)
    loaded, first, second = (AutoModelForCausalLM.from_pretrained(path) for path in (tmp_path / "out", *models))
    mean = {name: ((a.double() + second.state_dict()[name].double()) / 2).float() for name, a in first.state_dict().items()}
    first.load_state_dict(mean)
    tokens = torch.arange(3, 40)[None]
    with torch.inference_mode():
        assert torch.equal(loaded(tokens).logits, first(tokens).logits)


def _many(path: Path, count: int, seed: int) -> Path:
    path.mkdir()
    infos = [TensorInfo(f"model.layers.{i // 7}.part{i % 7}.weight", "BF16", (16,)) for i in range(count)]
    values = np.random.default_rng(seed).integers(0x3C00, 0x3E00, count * 16, dtype=np.uint16)
    write(path / "model.safetensors", infos, [values.tobytes()])
    (path / "config.json").write_text('{"model_type": "llama"}')
    return path


@pytest.fixture
def _frozen_heap() -> Iterator[None]:
    """Keep the test suite's own hundreds of thousands of objects out of the garbage collector while time is taken."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.serial
@pytest.mark.usefixtures("_frozen_heap")
def test_four_thousand_tensors_add_less_than_a_second(tmp_path: Path) -> None:
    """Time grows with bytes, not with the number of tensors (best of five, as other work may run)."""
    many = [_many(tmp_path / f"many{seed}", 4000, seed) for seed in (1, 2)]
    few = [_many(tmp_path / f"few{seed}", 4, seed) for seed in (1, 2)]
    taken = {}
    for name, models in (("few", few), ("many", many)):
        times = []
        for attempt in range(5):
            start = time.perf_counter()
            merge(models, out=tmp_path / f"{name}-{attempt}")
            times.append(time.perf_counter() - start)
        taken[name] = min(times)
    assert taken["many"] - taken["few"] < 1.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_broken_inputs_are_named(tmp_path: Path, value: float) -> None:
    """NaN or infinity in an input stops the merge with file, tensor and place, and leaves nothing behind."""
    base, *models = _models(tmp_path, torch.bfloat16)
    tensors = load_file(models[1] / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"][3, 5] = value
    save_file(tensors, models[1] / "model.safetensors")
    message = (
        r"model1/model\.safetensors: tensor 'model\.layers\.0\.mlp\.up_proj\.weight' holds NaN or infinity, first at \[3, 5\]"
    )
    with pytest.raises(MergeError, match=message):
        merge(models, base=base, method="ties", out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "model0", "model1", "model2"]


def test_results_too_large_for_the_dtype_are_an_error(tmp_path: Path) -> None:
    """A merge that overflows float16 is stopped and not written as infinity."""
    base, *models = _models(tmp_path, torch.float16, 2)
    with pytest.raises(MergeError, match=r"too large for F16\. Lower lambda"):
        merge(models, base=base, method="task-arithmetic", scale=1e9, out=tmp_path / "out")


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int) -> None:
    """The error names the folder and the next step; once there is room the merge goes on and ends whole."""
    base, *models = _models(tmp_path, torch.bfloat16)
    calls = 0
    pwrite = os.pwrite

    def full(*arguments: Any) -> int:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise OSError(fault, os.strerror(fault))
        return pwrite(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(
            MergeError, match="the disk is full: the merge takes" if fault == errno.ENOSPC else "cannot be written"
        ):
            merge(models, base=base, method="ties", out=tmp_path / "out")
    assert calls > 4, "the engine writes another way: this test would not notice a full disk"
    assert not (tmp_path / "out").exists()
    merge(models, base=base, method="ties", out=tmp_path / "out")
    merge(models, base=base, method="ties", out=tmp_path / "whole")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def test_rules_change_single_tensors(tmp_path: Path) -> None:
    """A rule keeps a tensor of one model, or gives other weights to some layers."""
    from polylect.merge.settings import Rule

    models = _models(tmp_path, torch.float32, 2)[1:]
    rules: Sequence[Rule] = [Rule(tensors="*.norm.weight", keep="2"), Rule(layers=(1, 1), weights=(1.0, 0.0))]
    merge(models, rules=rules, out=tmp_path / "out")
    merged, first, second = (load_file(p / "model.safetensors") for p in (tmp_path / "out", *models))
    assert torch.equal(merged["model.layers.0.norm.weight"], second["model.layers.0.norm.weight"])
    name = "model.layers.1.self_attn.q_proj.weight"
    assert torch.equal(merged[name], first[name])
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(merged[name], ((first[name].double() + second[name].double()) / 2).float())


def test_torch_gives_the_bytes_of_numpy(tmp_path: Path) -> None:
    """The arithmetic of other devices, here torch on the CPU, writes the same file."""
    base, *models = _models(tmp_path, torch.bfloat16)
    for method in ("linear", "ties", "dare-ties", "model-stock"):
        for device in ("cpu", "torch:cpu"):
            merge(models, base=base, method=method, device=device, out=tmp_path / f"{method}-{device}")
        numpy, other = (tmp_path / f"{method}-{device}" / "model.safetensors" for device in ("cpu", "torch:cpu"))
        assert numpy.read_bytes() == other.read_bytes(), method


def test_manifest_tells_what_was_made_of_what(tmp_path: Path) -> None:
    """Settings, inputs with hashes, a hash and statistics per tensor, and what the merge took."""
    base, *models = _models(tmp_path, torch.bfloat16, 2)
    report = merge(models, base=base, method="ties", density=0.4, out=tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["method"] == "ties"
    assert manifest["settings"]["density"] == [0.4]
    assert manifest["hash"] == report.hash
    assert [row["model"] for row in manifest["inputs"]] == ["model0", "model1", "base"]
    assert all(row["hash"] and row["hashed"] == len(SHAPES) for row in manifest["files"])
    entry = manifest["tensors"]["model.layers.0.mlp.up_proj.weight"]
    x, y, b, m = (
        load_file(p / "model.safetensors")["model.layers.0.mlp.up_proj.weight"].double().ravel()
        for p in (*models, base, tmp_path / "out")
    )
    found = entry["statistics"]
    assert found["norm"] == pytest.approx([float((v - b).norm()) for v in (x, y)])
    assert found["cosine"][0][0] == pytest.approx(float(torch.cosine_similarity(x - b, y - b, dim=0)))
    conflict = [float((((v - b) * (m - b)) < 0).sum() / ((v - b) != 0).sum()) for v in (x, y)]
    assert found["sign_conflict"] == pytest.approx(conflict)
