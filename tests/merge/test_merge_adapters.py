"""LoRA folders written by PEFT, read back as low-rank updates of the base's tensors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from polylect.errors import MergeError, ModelError
from polylect.merge.adapters import CONFIG_FILE, WEIGHTS_FILE, Changes, changes, is_adapter, updates
from polylect.models.safetensors_file import TensorInfo, read_header

# PEFT 0.21 reads this property of transformers 5.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
Model = Any


def _adapter(model: Model, folder: Path, **settings: Any) -> Model:
    """Put a random LoRA on a model and save it; return the PEFT model."""
    torch.manual_seed(1)
    adapted = get_peft_model(model, LoraConfig(**settings))
    for name, parameter in adapted.named_parameters():
        if "lora_" in name or "modules_to_save" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted.save_pretrained(folder)
    return adapted


def _tensors(folder: Path) -> dict[str, TensorInfo]:
    return read_header(folder / "model.safetensors")


def _applied(base: Path, adapter: Path, found: Changes) -> dict[str, torch.Tensor]:
    """Return the changed tensors in float64, by the definition of `LowRank`."""
    own, stored = load_file(base / "model.safetensors"), load_file(adapter / WEIGHTS_FILE)
    result = {name: stored[tensor.name].double() for name, tensor in found.replaced.items()}
    for name, update in found.updates.items():
        product = update.scale * (stored[update.b.name].double() @ stored[update.a.name].double())
        result[name] = result.get(name, own[name].double()) + (product.T if update.transposed else product)
    return result


@pytest.fixture(scope="module")
def base(llama: Path) -> Model:
    """Return a function that loads the tiny Llama anew."""
    return lambda: AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)


@pytest.fixture(scope="module")
def plain(base: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA on two projections of every layer."""
    folder = tmp_path_factory.mktemp("plain")
    _adapter(base(), folder, r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"])
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 4, "lora_alpha": 16, "target_modules": "all-linear"},
        {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"], "use_rslora": True},
        {
            "r": 4,
            "target_modules": ["q_proj", "v_proj", "down_proj"],
            "rank_pattern": {"q_proj": 2, "^model.layers.1.self_attn.v_proj": 3},
            "alpha_pattern": {"down_proj": 5, "layers.0.self_attn.q_proj": 7},
        },
        {"r": 2, "target_modules": ["q_proj"], "modules_to_save": ["lm_head", "norm"]},
        pytest.param(
            {"r": 2, "target_modules": ["embed_tokens", "q_proj"]},
            marks=pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`"),
        ),
    ],
    ids=["plain", "rslora", "patterns", "modules-to-save", "embedding"],
)
def test_changes_are_those_of_peft(llama: Path, base: Model, tmp_path: Path, settings: dict[str, Any]) -> None:
    """Base + scale * B A, and the tensors replaced whole, are what PEFT's own merge makes, and all of it."""
    own = load_file(llama / "model.safetensors")
    merged = _adapter(base(), tmp_path / "lora", **settings).merge_and_unload().state_dict()
    found = changes(tmp_path / "lora", _tensors(llama))
    result = _applied(llama, tmp_path / "lora", found)
    assert {name for name in own if not torch.equal(merged[name], own[name])} == result.keys()
    for name, value in result.items():
        torch.testing.assert_close(value, merged[name].double(), atol=1e-6, rtol=1e-6)


def test_conv1d_is_transposed(tmp_path: Path) -> None:
    """GPT-2 stores its linear layers as (in, out): their updates are marked as transposed, square ones too."""
    model = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2))
    model.save_pretrained(tmp_path / "base")
    settings = {"r": 2, "target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True}
    merged = _adapter(model, tmp_path / "lora", **settings).merge_and_unload().state_dict()
    found = changes(tmp_path / "lora", _tensors(tmp_path / "base"))
    assert len(found.updates) == 3
    assert all(update.transposed for update in found.updates.values())
    for name, value in _applied(tmp_path / "base", tmp_path / "lora", found).items():
        torch.testing.assert_close(value, merged[name].double(), atol=1e-6, rtol=1e-6)


def test_names_match_across_wrappers(llama: Path, plain: Path) -> None:
    """Names that differ by wrapping parts alone, as between versions of transformers, match; two candidates are an error."""
    names = {name.replace("model.", "language_model.model.", 1): tensor for name, tensor in _tensors(llama).items()}
    assert "language_model.model.layers.0.mlp.up_proj.weight" in changes(plain, names).updates
    twice = names | {name.replace("language_model.", ""): tensor for name, tensor in names.items()}
    twice = {name.replace("model.layers", "model.model.layers"): tensor for name, tensor in twice.items()}
    with pytest.raises(MergeError, match="fits several tensors of the base"):
        changes(plain, twice)


def test_updates_without_a_base_have_the_adapters_names(plain: Path) -> None:
    """Without the base's tensors the names are module paths with ".weight"; scale is alpha / rank."""
    found = updates(plain)
    assert found["model.layers.1.self_attn.q_proj.weight"].scale == 2.0
    assert len(found) == 4


def test_whole_tensors_are_never_lost(base: Model, tmp_path: Path) -> None:
    """`updates` refuses an adapter that also replaces tensors, which only `changes` returns."""
    _adapter(base(), tmp_path / "lora", r=2, target_modules=["q_proj"], modules_to_save=["lm_head"])
    with pytest.raises(MergeError, match=r"replaces whole tensors \(lm_head.weight\)"):
        updates(tmp_path / "lora")


def test_adapter_and_model_are_told_apart(llama: Path, plain: Path, tmp_path: Path) -> None:
    """A folder is an adapter when it has an adapter's configuration and no weights of a model."""
    assert is_adapter(plain)
    assert not is_adapter(llama)
    assert not is_adapter(tmp_path)


def _copy(source: Path, target: Path, drop: Callable[[str], bool] | None = None, **config: Any) -> Path:
    """Copy an adapter with some tensors left out and some keys of its configuration changed."""
    target.mkdir()
    settings = json.loads((source / CONFIG_FILE).read_text())
    (target / CONFIG_FILE).write_text(json.dumps(settings | config))
    tensors = {name: value for name, value in load_file(source / WEIGHTS_FILE).items() if not (drop and drop(name))}
    save_file(tensors, target / WEIGHTS_FILE)
    return target


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"use_dora": True}, "use_dora is set: DoRA also rescales"),
        ({"lora_bias": True}, "lora_bias is set"),
        ({"alora_invocation_tokens": [5]}, "acts only after its invocation tokens"),
        ({"target_parameters": ["experts.down"]}, "target_parameters is set"),
        ({"init_lora_weights": "pissa_niter_4"}, "'pissa_niter_4' changed the base's weights"),
        ({"peft_type": "IA3"}, "peft_type 'IA3'"),
        ({"peft_type": None}, "peft_type None"),
        ({"r": 8}, "rank 8"),
        ({"rank_pattern": {"q_proj": 3}}, "rank 3"),
        ({"rank_pattern": {"(": 3}}, "is no regular expression"),
        ({"rank_pattern": ["q_proj"]}, "a mapping of module patterns is needed"),
        ({"lora_alpha": "much"}, "lora_alpha 'much'"),
    ],
)
def test_what_is_not_a_plain_sum_is_refused(plain: Path, tmp_path: Path, config: dict[str, Any], message: str) -> None:
    """Variants that are no sum with the base, and configurations that do not fit the weights, are refused with the reason."""
    with pytest.raises(MergeError, match=message):
        updates(_copy(plain, tmp_path / "lora", **config))


def test_half_a_module_is_refused(plain: Path, tmp_path: Path) -> None:
    """A lora_A without its lora_B is named."""
    folder = _copy(plain, tmp_path / "lora", lambda name: name.endswith("layers.0.mlp.up_proj.lora_B.weight"))
    with pytest.raises(MergeError, match=r"'model.layers.0.mlp.up_proj' has only A"):
        updates(folder)


def test_unknown_lora_tensor_is_refused(plain: Path, tmp_path: Path) -> None:
    """A tensor of a LoRA variant (DoRA's magnitudes) is refused even where the configuration is silent."""
    folder = _copy(plain, tmp_path / "lora")
    tensors = load_file(folder / WEIGHTS_FILE)
    save_file(tensors | {"base_model.model.x.lora_magnitude_vector": torch.ones(3)}, folder / WEIGHTS_FILE)
    with pytest.raises(MergeError, match="lora_magnitude_vector"):
        updates(folder)


def test_pickled_and_missing_weights_are_refused(plain: Path, tmp_path: Path) -> None:
    """Pickles are never opened; a folder without any weights says so."""
    folder = _copy(plain, tmp_path / "lora")
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match="missing"):
        updates(folder)
    (folder / "adapter_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(MergeError, match="only pickled weights"):
        updates(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda name, t: {}, "has no tensor in the base"),
        (lambda name, t: {name.replace(".weight", ".qweight"): t}, "quantised"),
        (lambda name, t: {name: TensorInfo(name, "U8", t.shape)}, "is U8"),
        (lambda name, t: {name: TensorInfo(name, t.dtype, (7, 9))}, r"the base's .* \(7, 9\)"),
    ],
    ids=["missing", "gptq", "4-bit", "shape"],
)
def test_a_base_that_does_not_fit_is_named(llama: Path, plain: Path, change: Any, message: str) -> None:
    """A target that the base lacks, stores quantised, or has in another shape is an error that names it."""
    tensors = _tensors(llama)
    name = "model.layers.1.mlp.up_proj.weight"
    with pytest.raises(MergeError, match=message) as error:
        changes(plain, tensors | change(name, tensors.pop(name)))
    assert "model.layers.1.mlp.up_proj" in str(error.value)


@pytest.mark.filterwarnings("ignore")
def test_tied_embedding_is_refused(llama: Path, base: Model, tmp_path: Path) -> None:
    """An adapted embedding that the base uses as its head too would change the head: refused."""
    _adapter(base(), tmp_path / "lora", r=2, target_modules=["embed_tokens"])
    tensors = _tensors(llama)
    del tensors["lm_head.weight"]
    with pytest.raises(MergeError, match="also uses as its output head"):
        changes(tmp_path / "lora", tensors)
