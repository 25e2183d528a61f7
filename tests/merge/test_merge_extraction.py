"""A LoRA adapter from the difference of two checkpoints."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from polylect.cli.extract import command
from polylect.errors import MergeError
from polylect.merge import adapter_files
from polylect.merge.adapters import WEIGHTS_FILE, changes
from polylect.merge.extraction import extract
from polylect.models.safetensors_file import read_header

# PEFT 0.21 reads this property of transformers 5.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

UP = "model.layers.0.mlp.up_proj.weight"


def _tuned(base: Path, folder: Path, change: Any) -> Path:
    """Copy a checkpoint with `change(name, tensor)` added to its tensors."""
    shutil.copytree(base, folder)
    tensors = load_file(base / "model.safetensors")
    save_file({name: value + change(name, value) for name, value in tensors.items()}, folder / "model.safetensors")
    return folder


def _low(rank: int) -> Any:
    """Return a change of that rank for every matrix that LoRA can carry, none elsewhere."""

    def change(name: str, value: torch.Tensor) -> torch.Tensor:
        if "proj" not in name:
            return torch.zeros_like(value)
        generator = torch.Generator().manual_seed(len(name))
        left, right = (torch.randn(size, rank, generator=generator) for size in value.shape)
        return 0.02 * left @ right.T

    return change


def _falling(name: str, value: torch.Tensor) -> torch.Tensor:
    """Return a full-rank change whose singular values fall slowly (1 / k), of matrices alone."""
    if "proj" not in name:
        return torch.zeros_like(value)
    generator = torch.Generator().manual_seed(len(name))
    u, _, vt = torch.linalg.svd(torch.randn(value.shape, generator=generator), full_matrices=False)
    return (u / torch.arange(1, u.shape[1] + 1)) @ vt


def _difference(model: Path, base: Path, name: str) -> np.ndarray:
    ours, theirs = (load_file(folder / "model.safetensors")[name].double() for folder in (model, base))
    return (ours - theirs).numpy()


def _written(out: Path, name: str) -> np.ndarray:
    """Return B A as written, in float64."""
    tensors = load_file(out / WEIGHTS_FILE)
    path = "base_model.model." + name.removesuffix(".weight")
    return (tensors[f"{path}.lora_B.weight"].double() @ tensors[f"{path}.lora_A.weight"].double()).numpy()


def test_a_low_rank_change_comes_back(llama: Path, tmp_path: Path) -> None:
    """A change of rank 3 is found at rank 3 up to float32; with PEFT, base + adapter gives the tuned model's logits."""
    model = _tuned(llama, tmp_path / "model", _low(3))
    report = extract(model, llama, tmp_path / "out", rank=3)
    assert report.error < 1e-5
    assert report.adapted == 1
    assert len(report.modules) == 14
    tokens = torch.arange(3, 40)[None]
    tuned, base = (AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in (model, llama))
    expected, before = tuned(tokens).logits, base(tokens).logits
    logits = PeftModel.from_pretrained(base, tmp_path / "out").eval()(tokens).logits
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
    assert (before - expected).abs().max() > 0.1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_errors_are_those_of_the_written_adapter(llama: Path, tmp_path: Path, dtype: str) -> None:
    """The reported error is ||D - BA|| / ||D|| of the written numbers, within 2 % of the best rank's on a slow spectrum."""
    model = _tuned(llama, tmp_path / "model", _falling)
    report = extract(model, llama, tmp_path / "out", rank=4, dtype=dtype)
    for module in report.modules:
        exact = _difference(model, llama, f"{module.name}.weight")
        values = np.linalg.svd(exact, compute_uv=False)
        rest = np.linalg.norm(exact - _written(tmp_path / "out", module.name)) / np.linalg.norm(exact)
        assert module.error == pytest.approx(rest, rel=1e-9)
        assert module.norm == pytest.approx(np.linalg.norm(exact))
        assert module.error < 1.02 * np.linalg.norm(values[4:]) / np.linalg.norm(values)


def test_the_smallest_rank_for_an_error_is_taken(llama: Path, tmp_path: Path) -> None:
    """With an error to reach, every module has the smallest rank that reaches it, up to the cap."""
    model = _tuned(llama, tmp_path / "model", _falling)
    report = extract(model, llama, tmp_path / "out", rank=20, error=0.3)
    for module in report.modules:
        values = np.linalg.svd(_difference(model, llama, f"{module.name}.weight"), compute_uv=False)
        errors = np.sqrt(np.maximum(0, 1 - np.cumsum(values**2) / np.sum(values**2)))
        assert module.error <= 0.3
        assert errors[module.rank - 2] > 0.3
    capped = extract(model, llama, tmp_path / "capped", rank=2, error=0.01)
    assert {module.rank for module in capped.modules} == {2}


def test_what_is_left_out_is_listed_with_its_share(llama: Path, tmp_path: Path) -> None:
    """Norms and embeddings that changed are named, and their part of the change is in the total error."""

    def change(name: str, value: torch.Tensor) -> torch.Tensor:
        return torch.full_like(value, 0.5) if "norm" in name or "embed_tokens" in name else _low(2)(name, value)

    model = _tuned(llama, tmp_path / "model", change)
    report = extract(model, llama, tmp_path / "out", rank=2, targets=["up_proj", "model.layers.1.*"])
    reasons = {tensor.name: tensor.reason for tensor in report.left_out}
    assert reasons["model.norm.weight"] == "vector (norm or bias)"
    assert reasons["model.embed_tokens.weight"] == "embedding"
    assert reasons["model.layers.0.self_attn.q_proj.weight"] == "not among the targets"
    assert len(report.modules) == 1 + 7
    squares = {name: np.sum(_difference(model, llama, name) ** 2) for name in load_file(model / "model.safetensors")}
    lost = sum(squares[name] for name in reasons)
    assert report.norm == pytest.approx(np.sqrt(sum(squares.values())))
    assert report.total_error == pytest.approx(np.sqrt(lost / sum(squares.values())), rel=1e-6)
    assert report.unchanged == 1  # lm_head


def test_result_does_not_depend_on_threads_but_on_the_seed(llama: Path, tmp_path: Path) -> None:
    """One thread and four give the same bytes; another seed gives others."""
    model = _tuned(llama, tmp_path / "model", _falling)
    files = []
    for name, threads, seed in (("one", 1, 0), ("four", 4, 0), ("seed", 4, 1)):
        extract(model, llama, tmp_path / name, rank=4, threads=threads, seed=seed)
        files.append((tmp_path / name / WEIGHTS_FILE).read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_matrices_are_read_in_blocks(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of three rows give what whole matrices give, up to rounding."""
    model = _tuned(llama, tmp_path / "model", _falling)
    extract(model, llama, tmp_path / "whole", rank=4)
    monkeypatch.setattr(adapter_files, "BLOCK", 100)
    extract(model, llama, tmp_path / "blocks", rank=4)
    whole, parts = (_written(tmp_path / name, UP) for name in ("whole", "blocks"))
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_rounding_of_the_model_is_estimated(llama: Path, tmp_path: Path) -> None:
    """For a bfloat16 model the estimate is what rounding did: the error that stays at the change's true rank."""
    base = _tuned(llama, tmp_path / "base", lambda name, value: torch.zeros_like(value))
    half = {name: value.bfloat16() for name, value in load_file(llama / "model.safetensors").items()}
    save_file(half, base / "model.safetensors")
    model = _tuned(llama, tmp_path / "model", lambda name, value: torch.zeros_like(value))
    save_file({name: (v.float() + _low(3)(name, v)).bfloat16() for name, v in half.items()}, model / "model.safetensors")
    report = extract(model, base, tmp_path / "out", rank=3)
    assert 0.005 < report.rounding < 0.1
    assert report.error == pytest.approx(report.rounding, rel=0.25)


def test_conv1d_gives_a_transposed_adapter(tmp_path: Path) -> None:
    """The adapter of a GPT-2, whose layers are stored as (in, out), loads and carries the change."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "base")
    linear = ("c_attn.weight", "c_fc.weight", "c_proj.weight")
    change = _low(2)
    model = _tuned(tmp_path / "base", tmp_path / "model", lambda n, v: change("proj", v) if n.endswith(linear) else 0 * v)
    report = extract(model, tmp_path / "base", tmp_path / "out", rank=2)
    assert report.error < 1e-5
    assert len(report.modules) == 4
    found = changes(tmp_path / "out", read_header(tmp_path / "base" / "model.safetensors"))
    assert all(update.transposed for update in found.updates.values())
    tokens = torch.arange(3, 20)[None]
    tuned, base = (AutoModelForCausalLM.from_pretrained(tmp_path / name, dtype=torch.float32) for name in ("model", "base"))
    expected = tuned(tokens).logits
    logits = PeftModel.from_pretrained(base, tmp_path / "out").eval()(tokens).logits
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)


def test_checkpoints_that_do_not_fit_are_refused(llama: Path, tmp_path: Path) -> None:
    """A missing tensor, another shape, NaN, no change and a target that fits nothing are named; nothing is written."""
    model = _tuned(llama, tmp_path / "model", _low(1))
    with pytest.raises(MergeError, match=r"target 'up_pro' fits no linear layer. Did you mean 'up_proj'"):
        extract(model, llama, tmp_path / "out", targets=["up_pro"])
    with pytest.raises(MergeError, match="no module is changed"):
        extract(llama, llama, tmp_path / "out")
    with pytest.raises(MergeError, match="error 2"):
        extract(model, llama, tmp_path / "out", error=2)
    good = load_file(model / "model.safetensors")
    broken = good[UP].clone()
    broken[3, 3] = torch.nan
    for value, message in ((good[UP][:5].clone(), r"shape \(5, 32\)"), (broken, "NaN or infinity")):
        save_file(good | {UP: value}, model / "model.safetensors")
        with pytest.raises(MergeError, match=message):
            extract(model, llama, tmp_path / "out")
    save_file({name: value for name, value in good.items() if name != UP}, model / "model.safetensors")
    with pytest.raises(MergeError, match=rf"model: tensor '{UP}' is missing"):
        extract(model, llama, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_command_prints_errors_and_what_is_lost(llama: Path, tmp_path: Path) -> None:
    """`polylect merge extract` prints the worst modules and what is left out; --json prints the report."""

    def change(name: str, value: torch.Tensor) -> torch.Tensor:
        return torch.full_like(value, 0.5) if "norm" in name else _low(2)(name, value)

    model = _tuned(llama, tmp_path / "model", change)
    arguments = [str(model), "--base", str(llama), "--rank", "2", "--out"]
    text = CliRunner().invoke(command, [*arguments, str(tmp_path / "out")], catch_exceptions=False).stdout
    assert "14 modules adapted, rank 2" in text
    assert "Not carried, vector (norm or bias): 5 tensors" in text
    result = CliRunner().invoke(command, [*arguments, str(tmp_path / "json"), "--json"], catch_exceptions=False)
    assert json.loads(result.stdout)["error"] < 1e-5
