"""Cross-modal merging, end to end, on tiny checkpoints of real multimodal architectures."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polylect.errors import MergeError
from polylect.merge.api import merge
from polylect.models.safetensors_file import TensorInfo, read_header, read_tensor

WORDS = 59
SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = {**SIZES, "num_key_value_heads": 1, "head_dim": 8, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
VISION = {**SIZES, "image_size": 28, "patch_size": 14}
PROCESSOR_FILES = {
    "preprocessor_config.json": json.dumps({"image_mean": [0.5, 0.5, 0.5], "size": {"height": 28, "width": 28}}),
    "processor_config.json": json.dumps({"image_seq_length": 4}),
    "chat_template.json": json.dumps({"chat_template": "{{ messages }}"}),
}

ARCHITECTURES: dict[str, tuple[str, str, str, dict[str, Any], int]] = {
    "gemma3": ("Gemma3", "gemma3_text", "siglip_vision_model", {"mm_tokens_per_image": 4, "image_token_index": WORDS}, 4),
    "llava": ("Llava", "llama", "clip_vision_model", {"image_token_index": WORDS, "image_seq_length": 4}, 4),
    "aya_vision": (
        "AyaVision",
        "cohere2",
        "siglip_vision_model",
        {"image_token_index": WORDS, "downsample_factor": 2, "vision_feature_select_strategy": "full"},
        1,
    ),
    "cohere2_vision": ("Cohere2Vision", "cohere2", "siglip_vision_model", {"image_token_id": WORDS, "downsample_factor": 2}, 1),
}
"""model_type -> transformers' name, text and vision model_type, further settings, image tokens of one image of 28 x 28 pixels."""


@dataclass(frozen=True)
class Pair:
    """A multimodal checkpoint, a text model of its language part, and the text model that both come from."""

    kind: str
    multimodal: Path
    text: Path
    base: Path


def _tokenizer(words: int) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<pad>": 0, "<bos>": 1, "<eos>": 2, **{f"w{number}": number for number in range(3, words)}}
    tokenizer = Tokenizer(models.WordLevel({**vocabulary, "<image>": words}))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    specials = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials)


def _save(model: Any, folder: Path, template: str, words: int = WORDS, **options: Any) -> Path:
    import torch

    with torch.no_grad():  # norms start as ones and Gemma's projector as zeros, which would hide mistakes
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    model.to(torch.bfloat16).save_pretrained(folder, **options)
    tokenizer = _tokenizer(words)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


def _build(kind: str, folder: Path, *, text_rows: int = WORDS + 1, text_tied: bool | None = None, **options: Any) -> Pair:
    """Write the three checkpoints, all with weights of their own.

    The text models have `text_rows` tokens; `text_tied`: their head is their embedding (None: as in the multimodal model).
    """
    import torch
    import transformers

    name, text_type, vision_type, settings, _ = ARCHITECTURES[kind]
    text_config = {**TEXT, "model_type": text_type, "vocab_size": WORDS + 1, "initializer_range": 0.3}
    vision_config = {**VISION, "model_type": vision_type, "initializer_range": 0.3}
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(text_config=text_config, vision_config=vision_config, **settings)
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    multimodal = _save(model, folder / "multimodal", "vision {{ messages }}", **options)
    for file, content in PROCESSOR_FILES.items():
        (multimodal / file).write_text(content)
    config.text_config.vocab_size = text_rows
    config.text_config.tie_word_embeddings = config.tie_word_embeddings if text_tied is None else text_tied
    texts = []
    for part in ("text", "base"):
        text = transformers.AutoModelForCausalLM.from_config(config.text_config)
        texts.append(_save(text, folder / part, "text {{ messages }}", text_rows - 1))
    return Pair(kind, multimodal, *texts)


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The checkpoints of one architecture."""
    return _build(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    """Build LLaVA checkpoints with other settings."""
    return lambda **options: _build("llava", tmp_path_factory.mktemp("llava"), **options)


def _tensors(folder: Path) -> dict[str, TensorInfo]:
    files = sorted(folder.glob("*.safetensors"))
    return {name: tensor for file in files for name, tensor in read_header(file).items()}


def _values(tensor: TensorInfo) -> np.ndarray:
    """Return a bfloat16 tensor in float64."""
    bits = np.frombuffer(read_tensor(tensor), np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32).astype(np.float64).reshape(tensor.shape)


def _rounded(values: np.ndarray) -> bytes:
    """Return float64 values rounded once to bfloat16, to nearest even: through float32 rounded to odd, which keeps ties apart."""
    single = values.astype(np.float32)
    too_far = np.abs(single.astype(np.float64)) > np.abs(values)
    bits = single.view(np.uint32) - too_far.astype(np.uint32)
    bits |= (bits.view(np.float32).astype(np.float64) != values).astype(np.uint32)
    bits += 0x7FFF + ((bits >> 16) & 1)
    return (bits >> 16).astype(np.uint16).tobytes()


def _language_name(name: str, multimodal: dict[str, TensorInfo]) -> str:
    """Return where the text model's tensor lies in a multimodal checkpoint, spelled out here independently of the code."""
    nested = name.replace("model.", "model.language_model.", 1) if name.startswith("model.") else name
    return f"language_model.{name}" if f"language_model.{name}" in multimodal else nested


def _check_rest(pair: Pair, out: Path) -> set[str]:
    """Check that all but the language part is the multimodal model's, byte for byte; return the names of the language part."""
    before, after, text = _tensors(pair.multimodal), _tensors(out), _tensors(pair.text)
    language = {_language_name(name, before) for name in text}
    assert after.keys() == before.keys()
    assert language < before.keys()
    for name in before.keys() - language:
        assert (after[name].dtype, after[name].shape) == (before[name].dtype, before[name].shape)
        assert read_tensor(after[name]) == read_tensor(before[name]), name
    return language


def _logits(kind: str, folder: Path) -> Any:
    """Load with transformers, every weight matched, and run one prompt with an image."""
    import torch
    import transformers

    name, _, _, _, tokens = ARCHITECTURES[kind]
    loader = getattr(transformers, f"{name}ForConditionalGeneration")
    model, info = loader.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    image = torch.linspace(-1, 1, 3 * 28 * 28).reshape(1, 3, 28, 28)
    ids = torch.tensor([[1, 5, *[WORDS] * tokens, 7, 9]])
    with torch.no_grad():
        logits = model(input_ids=ids, pixel_values=image, attention_mask=torch.ones_like(ids)).logits
        other = model(input_ids=ids, pixel_values=-image, attention_mask=torch.ones_like(ids)).logits
    assert torch.isfinite(logits).all()
    assert not torch.equal(logits, other), "the image changes nothing"
    return logits


def test_linear_merges_the_language_part_and_copies_the_rest(pair: Pair, tmp_path: Path) -> None:
    """0.4 of the multimodal and 0.6 of the text model, correctly rounded; vision tower and projector byte for byte."""
    out = tmp_path / "out"
    merge([pair.multimodal, pair.text], method="linear", weights=(0.4, 0.6), out=out)
    before, after, text = _tensors(pair.multimodal), _tensors(out), _tensors(pair.text)
    for name, tensor in text.items():
        target = _language_name(name, before)
        expected = _rounded(0.4 * _values(before[target]) + 0.6 * _values(tensor))
        assert read_tensor(after[target]) == expected, target
    _check_rest(pair, out)


def test_the_result_is_the_multimodal_model_with_its_files(pair: Pair, tmp_path: Path) -> None:
    """Configuration, processor and tokenizer files are the multimodal model's, wherever it stands among the inputs."""
    first, second = tmp_path / "first", tmp_path / "second"
    merge([pair.multimodal, pair.text], method="linear", weights=(0.4, 0.6), out=first)
    merge([pair.text, pair.multimodal], method="linear", weights=(0.6, 0.4), out=second)
    for out in (first, second):
        names = {path.name for path in pair.multimodal.iterdir() if path.suffix in {".json", ".jinja"}}
        assert {*PROCESSOR_FILES, "config.json", "tokenizer.json", "chat_template.jinja"} <= names
        for name in names - {"model.safetensors.index.json", "config.json"}:
            assert (out / name).read_bytes() == (pair.multimodal / name).read_bytes(), name
        config, expected = (json.loads((folder / "config.json").read_text()) for folder in (out, pair.multimodal))
        assert config == expected
    tensors = [_tensors(out) for out in (first, second)]
    assert all(read_tensor(tensors[0][name]) == read_tensor(tensors[1][name]) for name in tensors[0])


def test_the_result_sees_images(pair: Pair, tmp_path: Path) -> None:
    """Transformers loads the result as the multimodal class, and its answer depends on the image and on both inputs."""
    import torch

    out = tmp_path / "out"
    merge([pair.multimodal, pair.text], method="linear", weights=(0.4, 0.6), out=out)
    assert not torch.equal(_logits(pair.kind, out), _logits(pair.kind, pair.multimodal))


def test_slerp_and_ties_merge_the_language_part_too(pair: Pair, tmp_path: Path) -> None:
    """SLERP lies between both; TIES of density 1 and one model's weight alone gives that model over the text base."""
    merge([pair.multimodal, pair.text], method="slerp", t=0.0, out=tmp_path / "slerp")
    language = _check_rest(pair, tmp_path / "slerp")
    before, after = _tensors(pair.multimodal), _tensors(tmp_path / "slerp")
    assert all(read_tensor(after[name]) == read_tensor(before[name]) for name in language)

    ties = {"method": "ties", "base": pair.base, "density": (0.5,), "weights": (0.4, 0.6)}
    merge([pair.multimodal, pair.text], **ties, out=tmp_path / "ties")
    _check_rest(pair, tmp_path / "ties")
    after, text, base = _tensors(tmp_path / "ties"), _tensors(pair.text), _tensors(pair.base)
    for name, tensor in text.items():
        target = _language_name(name, before)
        models, origin = [_values(before[target]), _values(tensor)], _values(base[name])
        assert read_tensor(after[target]) == _rounded(origin + _ties([m - origin for m in models], (0.4, 0.6))), target


def _ties(deltas: list[np.ndarray], weights: tuple[float, ...]) -> np.ndarray:
    """TIES (Yadav et al. 2023) of density 0.5 in plain float64; ties at the threshold go to the lowest index."""
    kept = []
    for delta, weight in zip(deltas, weights, strict=True):
        largest = np.argsort(-np.abs(delta.ravel()), kind="stable")[: delta.size // 2]
        mask = np.zeros(delta.size)
        mask[largest] = weight
        kept.append((delta.ravel() * (mask > 0), mask))
    total = sum(delta * mask for delta, mask in kept)
    agreeing = [(delta, mask * (np.sign(delta) == np.sign(total)) * (delta != 0)) for delta, mask in kept]
    share = sum(mask for _, mask in agreeing)
    merged = sum(delta * mask for delta, mask in agreeing) / np.where(share == 0, 1, share)
    return np.asarray(merged).reshape(deltas[0].shape)


def test_the_naming_of_the_modules_is_understood_too(llava: Callable[..., Pair], tmp_path: Path) -> None:
    """A checkpoint saved in transformers' own names, `model.language_model.`, merges to the same values under those names."""
    pair = llava(save_original_format=False)
    assert "model.language_model.embed_tokens.weight" in _tensors(pair.multimodal)
    merge([pair.multimodal, pair.text], method="linear", weights=(0.4, 0.6), out=tmp_path / "out")
    language = _check_rest(pair, tmp_path / "out")
    before, after = _tensors(pair.multimodal), _tensors(tmp_path / "out")
    assert all(read_tensor(after[name]) != read_tensor(before[name]) for name in language)
    _logits("llava", tmp_path / "out")


def test_a_head_of_its_own_is_merged_with_the_tied_embedding(llava: Callable[..., Pair], tmp_path: Path) -> None:
    """A text model without a stored head answers with its embedding, so the multimodal head is merged with that."""
    pair = llava(text_tied=True)
    assert "lm_head.weight" not in _tensors(pair.text)
    merge([pair.multimodal, pair.text], method="linear", weights=(0.4, 0.6), out=tmp_path / "out")
    head = "language_model.lm_head.weight"
    before, text = _values(_tensors(pair.multimodal)[head]), _values(_tensors(pair.text)["model.embed_tokens.weight"])
    assert read_tensor(_tensors(tmp_path / "out")[head]) == _rounded(0.4 * before + 0.6 * text)


def test_image_tokens_that_the_text_model_lacks_ask_for_alignment(llava: Callable[..., Pair], tmp_path: Path) -> None:
    """A smaller vocabulary is refused, or aligned by token string: rows that only the multimodal model has stay its own."""
    pair = llava(text_rows=WORDS - 3)
    with pytest.raises(MergeError, match=r"56|token"):
        merge([pair.multimodal, pair.text], method="linear", weights=(0.4, 0.6), out=tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    merge([pair.multimodal, pair.text], method="linear", weights=(0.4, 0.6), vocabulary="first", out=tmp_path / "out")
    name = "language_model.model.embed_tokens.weight"
    before, after = (_values(_tensors(folder)[name]) for folder in (pair.multimodal, tmp_path / "out"))
    text = _values(_tensors(pair.text)["model.embed_tokens.weight"])
    images = WORDS - 4  # the row of the text model's <image>
    assert after.shape == before.shape
    assert np.array_equal(after[images:WORDS], before[images:WORDS])
    assert _rounded(after[:images]) == _rounded(0.4 * before[:images] + 0.6 * text[:images])
    assert _rounded(after[WORDS]) == _rounded(0.4 * before[WORDS] + 0.6 * text[images])
    _check_rest(pair, tmp_path / "out")


def test_a_text_model_of_another_size_is_refused(llava: Callable[..., Pair], tmp_path: Path) -> None:
    """A text model with fewer layers would leave the others unmerged: the error names the first of them, nothing is written."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**{**TEXT, "num_hidden_layers": 1, "vocab_size": WORDS + 1})
    small = _save(LlamaForCausalLM(config), tmp_path / "small", "text")
    with pytest.raises(MergeError, match=r"no counterpart of 'language_model.model.layers.1.*names"):
        merge([llava().multimodal, small], method="linear", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
