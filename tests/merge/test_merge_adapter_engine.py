"""Adapters merged into their base by the engine, block by block."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from polylect.merge.adapters import WEIGHTS_FILE, changes
from polylect.merge.api import merge
from polylect.models.safetensors_file import read_header

# PEFT 0.21 reads this property of transformers 5.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

TARGETS = (["q_proj", "up_proj"], ["q_proj", "down_proj"])


@pytest.fixture
def base(llama: Path, tmp_path: Path) -> Path:
    """The tiny Llama in bfloat16."""
    import shutil

    folder = tmp_path / "base"
    shutil.copytree(llama, folder)
    tensors = load_file(llama / "model.safetensors")
    save_file({name: value.bfloat16() for name, value in tensors.items()}, folder / "model.safetensors")
    return folder


@pytest.fixture
def adapters(base: Path, tmp_path: Path) -> list[Path]:
    """Two random adapters of it that share one module."""
    folders = []
    for number, targets in enumerate(TARGETS):
        torch.manual_seed(number)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=targets))
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        folders.append(tmp_path / f"lora{number}")
        adapted.save_pretrained(folders[-1])
    return folders


def _tuned(base: Path, adapter: Path) -> dict[str, np.ndarray]:
    """Return base + scale * B A in float64, tensor by tensor."""
    found = changes(adapter, read_header(base / "model.safetensors")).updates
    stored = load_file(adapter / WEIGHTS_FILE)
    result = {name: value.double().numpy() for name, value in load_file(base / "model.safetensors").items()}
    for name, update in found.items():
        a, b = (stored[tensor.name].double().numpy() for tensor in (update.a, update.b))
        result[name] = result[name] + update.scale * (b @ a)
    return result


def _ties(base: np.ndarray, models: list[np.ndarray], density: float) -> np.ndarray:
    """Return TIES (Yadav et al. 2023) of flat arrays in plain float64, equal weights."""
    kept = []
    for model in models:
        change = (model - base).ravel()
        order = np.argsort(-np.abs(change), kind="stable")[: int(density * change.size)]
        trimmed = np.zeros_like(change)
        trimmed[order] = change[order]
        kept.append(trimmed)
    sign = np.sign(sum(kept))
    agree = [(np.sign(one) == sign) & (one != 0) for one in kept]
    total = sum(np.where(yes, one, 0) for yes, one in zip(agree, kept, strict=True))
    count = np.maximum(1, sum(yes.astype(int) for yes in agree))
    return base + (total / count).reshape(base.shape)


@pytest.mark.parametrize("method", ["linear", "ties"])
def test_adapters_merge_into_the_base_exactly(base: Path, adapters: list[Path], tmp_path: Path, method: str) -> None:
    """Merging adapters equals merging base + scale * B A in float64, rounded once to the base's bfloat16."""
    merge(adapters, method=method, base=base, out=tmp_path / "out")
    start = {name: value.double().numpy() for name, value in load_file(base / "model.safetensors").items()}
    models = [_tuned(base, adapter) for adapter in adapters]
    for name, value in load_file(tmp_path / "out" / "model.safetensors").items():
        inputs = [model[name] for model in models]
        exact = sum(inputs) / 2 if method == "linear" else _ties(start[name], inputs, 0.5)
        assert torch.equal(value, torch.from_numpy(exact).to(torch.bfloat16)), name


def test_one_adapter_gives_what_peft_merges(base: Path, adapters: list[Path], tmp_path: Path) -> None:
    """A single adapter merged into the base is PEFT's merge_and_unload in float32, within one rounding to bfloat16."""
    merge(adapters[:1], method="linear", base=base, out=tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    expected: dict[str, Any] = PeftModel.from_pretrained(model, adapters[0]).merge_and_unload().state_dict()
    for name, value in load_file(tmp_path / "out" / "model.safetensors").items():
        torch.testing.assert_close(value.float(), expected[name], atol=1e-6, rtol=2**-8)
