"""LoRA adapters merged into one adapter."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

from polylect.errors import MergeError
from polylect.merge.adapters import CONFIG_FILE, WEIGHTS_FILE, read_adapter
from polylect.merge.low_rank import merge_adapters

# PEFT 0.21 reads this property of transformers 5.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

SHAPES = {"q_proj": (32, 32), "up_proj": (64, 32), "down_proj": (32, 64)}
"""(out, in) of the tiny Llama's layers."""


def _path(module: str) -> str:
    return f"model.layers.0.{'self_attn' if module == 'q_proj' else 'mlp'}.{module}"


def _write(folder: Path, modules: dict[str, int], *, seed: int, alpha: int = 8, **config: Any) -> Path:
    """Write a PEFT folder of random matrices; `modules` gives each one's rank."""
    random = np.random.default_rng(seed)
    tensors = {}
    for module, rank in modules.items():
        out, inner = SHAPES[module]
        tensors[f"base_model.model.{_path(module)}.lora_A.weight"] = random.normal(size=(rank, inner)).astype(np.float32)
        tensors[f"base_model.model.{_path(module)}.lora_B.weight"] = random.normal(size=(out, rank)).astype(np.float32)
    folder.mkdir()
    save_file(tensors, folder / WEIGHTS_FILE)
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": alpha, "target_modules": list(modules)}
    settings["rank_pattern"] = {module: rank for module, rank in modules.items() if rank != 4}
    (folder / CONFIG_FILE).write_text(json.dumps(settings | config))
    return folder


def _update(folder: Path, module: str) -> np.ndarray:
    """Return scale * B A of a module in float64, zeros where the adapter lacks it."""
    found = read_adapter(folder).modules.get(_path(module))
    if found is None:
        return np.zeros(SHAPES[module])
    tensors = load_file(folder / WEIGHTS_FILE)
    return found.scale * (tensors[found.b.name].astype(np.float64) @ tensors[found.a.name].astype(np.float64))


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Three adapters with other ranks, scales and modules."""
    return [
        _write(tmp_path / "a", {"q_proj": 4, "up_proj": 4}, seed=1),
        _write(tmp_path / "b", {"q_proj": 3, "up_proj": 4, "down_proj": 2}, seed=2, alpha=1),
        _write(tmp_path / "c", {"up_proj": 40}, seed=3, use_rslora=True),
    ]


@pytest.mark.parametrize(
    ("method", "weights", "scale", "factors"),
    [
        ("linear", None, 1.0, (1 / 3, 1 / 3, 1 / 3)),
        ("linear", (1, 2, 5), 7.0, (1 / 8, 2 / 8, 5 / 8)),
        ("task-arithmetic", (1, -0.5, 2), 0.5, (0.5, -0.25, 1)),
    ],
)
def test_the_sum_is_exact(three: list[Path], tmp_path: Path, method: Any, weights: Any, scale: float, factors: Any) -> None:
    """In float64 the merged adapter equals the weighted sum of the full updates; a missing module counts as zero."""
    report = merge_adapters(three, weights, tmp_path / "out", method=method, scale=scale, dtype="float64")
    assert {module.name for module in report.modules} == {_path(module) for module in SHAPES}
    assert report.error < 1e-14
    for module in SHAPES:
        exact = sum(factor * _update(folder, module) for factor, folder in zip(factors, three, strict=True))
        np.testing.assert_allclose(_update(tmp_path / "out", module), exact, atol=1e-12)
    ranks = {module.name: module.rank for module in report.modules}
    assert ranks == {_path("q_proj"): 7, _path("up_proj"): 32, _path("down_proj"): 2}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_truncation_is_the_best_one_and_its_error_is_true(three: list[Path], tmp_path: Path, dtype: str) -> None:
    """At a given rank, no adapter is closer (Eckart-Young), and the reported error is that of the written numbers."""
    report = merge_adapters(three, None, tmp_path / "out", rank=3, dtype=dtype)
    missed = total = 0.0
    for module in report.modules:
        short = module.name.rsplit(".", 1)[-1]
        exact = sum(_update(folder, short) for folder in three) / 3
        values = np.linalg.svd(exact, compute_uv=False)
        tensors = torch_load(tmp_path / "out", module.name)
        error = np.linalg.norm(exact - tensors) / np.linalg.norm(exact)
        assert module.rank == min(3, np.linalg.matrix_rank(exact))
        assert module.norm == pytest.approx(np.linalg.norm(exact))
        assert module.error == pytest.approx(error, rel=1e-6, abs=1e-12)
        best = np.linalg.norm(values[3:]) / np.linalg.norm(values)
        assert module.error == pytest.approx(
            best, rel=1e-4 if dtype == "float32" else 0.05, abs=1e-6 if dtype == "float32" else 0.01
        )
        missed += (error * module.norm) ** 2
        total += module.norm**2
    assert report.error == pytest.approx(math.sqrt(missed / total))


def torch_load(folder: Path, name: str) -> np.ndarray:
    """Return B A of a module of a merged adapter (scale 1), whatever its dtype."""
    from safetensors.torch import load_file as load

    tensors = load(folder / WEIGHTS_FILE)
    a, b = (tensors[f"base_model.model.{name}.lora_{part}.weight"].double() for part in "AB")
    return (b @ a).numpy()


def test_peft_loads_it_and_gives_the_merged_models_logits(llama: Path, three: list[Path], tmp_path: Path) -> None:
    """Base + merged adapter in PEFT gives the logits of the base with the averaged update added to its weights."""
    merge_adapters(three, None, tmp_path / "out")
    tokens = torch.arange(3, 40)[None]
    model = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32).eval()
    before = model(tokens).logits
    with torch.no_grad():
        for module in SHAPES:
            update = sum(_update(folder, module) for folder in three) / 3
            model.get_submodule(_path(module)).weight += torch.from_numpy(update)
        expected = model(tokens).logits
    base = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    logits = PeftModel.from_pretrained(base, tmp_path / "out").eval()(tokens).logits
    torch.testing.assert_close(logits, expected, atol=1e-3, rtol=1e-4)
    assert (expected - before).abs().max() > 0.1


def test_updates_that_cancel_are_left_out(tmp_path: Path) -> None:
    """A module whose updates cancel is named as unchanged and not written; a result without any module is refused."""
    one = _write(tmp_path / "a", {"q_proj": 4}, seed=1)
    more = _write(tmp_path / "b", {"q_proj": 4, "up_proj": 4}, seed=1)
    report = merge_adapters([one, more], (1, -1), tmp_path / "out", method="task-arithmetic")
    assert report.unchanged == (_path("q_proj"),)
    assert json.loads((tmp_path / "out" / CONFIG_FILE).read_text())["target_modules"] == [_path("up_proj")]
    with pytest.raises(MergeError, match="no module is changed"):
        merge_adapters([one, one], (1, -1), tmp_path / "none", method="task-arithmetic")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "out"]


def test_unbalanced_factors_keep_their_digits(tmp_path: Path) -> None:
    """An adapter with a huge A and a tiny B is not lost beside one stored the other way round."""
    folders = [_write(tmp_path / name, {"q_proj": 4}, seed=seed) for name, seed in (("a", 1), ("b", 2))]
    for folder, size in zip(folders, (1e10, 1e-10), strict=True):
        tensors = load_file(folder / WEIGHTS_FILE)
        scaled = {name: value * np.float32(size if "lora_A" in name else 1 / size) for name, value in tensors.items()}
        save_file(scaled, folder / WEIGHTS_FILE)
    report = merge_adapters(folders, None, tmp_path / "out", dtype="float64")
    assert report.modules[0].rank == 8
    np.testing.assert_allclose(
        _update(tmp_path / "out", "q_proj"), sum(_update(folder, "q_proj") for folder in folders) / 2, atol=1e-11
    )


def test_the_manifest_says_what_was_merged(three: list[Path], tmp_path: Path) -> None:
    """The manifest has inputs, settings, errors and the hash of the weights; the same merge gives the same bytes."""
    for name in ("out", "again"):
        merge_adapters(three, None, tmp_path / name, rank=2)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["settings"]["inputs"] == [str(folder) for folder in three]
    assert manifest["weights"] == [1 / 3] * 3
    assert manifest["error"] > 0
    assert (tmp_path / "out" / WEIGHTS_FILE).read_bytes() == (tmp_path / "again" / WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": (1.0,)}, "one finite number per adapter"),
        ({"weights": (1.0, 1.0, math.nan)}, "one finite number per adapter"),
        ({"weights": (1.0, -1.0, 0.0)}, "their sum is 0"),
        ({"method": "ties"}, "'ties' is not exact in low rank"),
        ({"rank": 0}, "rank 0"),
        ({"dtype": "int8"}, "dtype 'int8'"),
    ],
)
def test_impossible_settings_are_refused(three: list[Path], tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    """Weights, methods, ranks and dtypes that make no sense are errors before anything is written."""
    with pytest.raises(MergeError, match=message):
        merge_adapters(three, settings.pop("weights", None), tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_adapters_that_do_not_fit_are_refused(three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another shape, numbers that are not finite and a folder in use are named."""
    monkeypatch.setitem(SHAPES, "q_proj", (32, 16))
    other = _write(tmp_path / "other", {"q_proj": 4}, seed=4)
    with pytest.raises(MergeError, match=r"q_proj' is \(32, 16\), in .* \(32, 32\)"):
        merge_adapters([three[0], other], None, tmp_path / "out")
    tensors = load_file(three[1] / WEIGHTS_FILE)
    next(iter(tensors.values()))[0, 0] = np.inf
    save_file(tensors, three[1] / WEIGHTS_FILE)
    with pytest.raises(MergeError, match="NaN or infinity"):
        merge_adapters(three, None, tmp_path / "out")
    with pytest.raises(MergeError, match="not empty"):
        merge_adapters(three, None, three[0])
