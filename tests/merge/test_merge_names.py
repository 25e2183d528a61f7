"""Names of a text model's tensors in a multimodal checkpoint."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from polylect.errors import MergeError
from polylect.merge.names import ARCHITECTURES, LAYOUTS, language_map, tied_head
from polylect.models.safetensors_file import TensorInfo, read_header

SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28}
TEXT = {**SIZES, "num_key_value_heads": 1, "head_dim": 8, "vocab_size": 64, "pad_token_id": 0, "eos_token_id": 2}
VISION = {**SIZES, "patch_size": 14, "num_heads": 2, "depth": 2, "embed_dim": 16, "out_hidden_size": 16}
VISION |= {"deepstack_visual_indexes": [1], "fullatt_block_indexes": [1]}

BUILT = {
    "aya_vision": ("AyaVision", "cohere2", "siglip_vision_model"),
    "cohere2_vision": ("Cohere2Vision", "cohere2", "siglip_vision_model"),
    "gemma3": ("Gemma3", "gemma3_text", "siglip_vision_model"),
    "idefics3": ("Idefics3", "llama", "idefics3_vision"),
    "internvl": ("InternVL", "qwen2", "internvl_vision"),
    "llava": ("Llava", "llama", "clip_vision_model"),
    "mistral3": ("Mistral3", "mistral", "pixtral"),
    "paligemma": ("PaliGemma", "gemma2", "siglip_vision_model"),
    "qwen2_vl": ("Qwen2VL", "qwen2_vl_text", ""),
    "qwen2_5_vl": ("Qwen2_5_VL", "qwen2_5_vl_text", ""),
    "qwen3_vl": ("Qwen3VL", "qwen3_vl_text", ""),
    "smolvlm": ("SmolVLM", "llama", "smolvlm_vision"),
    "vipllava": ("VipLlava", "llama", "clip_vision_model"),
}
"""model_type -> transformers' name, text model_type, vision model_type."""
TEXT_CLASSES = {"qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2", "qwen3_vl_text": "qwen3"}


def _save(model: Any, folder: Path, **options: Any) -> dict[str, TensorInfo]:
    model.save_pretrained(folder, **options)
    return read_header(folder / "model.safetensors")


def _text(model_type: str, tied: bool, folder: Path) -> dict[str, TensorInfo]:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(TEXT_CLASSES.get(model_type, model_type), **TEXT, tie_word_embeddings=tied)
    return _save(AutoModelForCausalLM.from_config(config), folder)


def _multimodal(name: str, text: str, vision: str) -> Any:
    import transformers

    vision_config = {**VISION, **({"model_type": vision} if vision else {})}
    config = getattr(transformers, f"{name}Config")(text_config={**TEXT, "model_type": text}, vision_config=vision_config)
    return getattr(transformers, f"{name}ForConditionalGeneration")(config)


@pytest.mark.parametrize("kind", sorted(BUILT))
def test_checkpoints_of_transformers_are_recognised(kind: str, tmp_path: Path) -> None:
    """Every tensor of the text model gets its tensor, in the naming transformers writes and in that of its modules."""
    name, text_type, vision_type = BUILT[kind]
    model = _multimodal(name, text_type, vision_type)
    text = _text(text_type, bool(model.config.tie_word_embeddings), tmp_path / "text")
    for original in (True, False):
        multimodal = _save(model, tmp_path / str(original), save_original_format=original)
        mapping = language_map(text, multimodal)
        assert mapping == language_map(text, multimodal, kind)
        assert mapping.keys() == text.keys()
        assert all(multimodal[mapping[name]].shape == tensor.shape for name, tensor in text.items())
        rest = multimodal.keys() - mapping.values()
        assert any("vis" in name for name in rest)
        assert not [name for name in rest if "embed_tokens" in name or "language_model" in name or "text_model" in name]


def test_every_known_architecture_has_known_layouts() -> None:
    """Architectures name layouts that exist, and all but Llama 4, which is only listed, are built in the test above."""
    assert {layout for layouts in ARCHITECTURES.values() for layout in layouts} <= set(LAYOUTS)
    assert set(ARCHITECTURES) - set(BUILT) == {"llama4"}


def test_the_documentation_lists_all_layouts_and_architectures() -> None:
    """docs/cross-modal.md names every layout, and every architecture with its layouts in their order."""
    page = (Path(__file__).parents[2] / "docs" / "cross-modal.md").read_text(encoding="utf-8")
    assert all(f"| `{layout}` |" in page for layout in LAYOUTS)
    for architecture, layouts in ARCHITECTURES.items():
        row = next(line for line in page.splitlines() if line.startswith("| `") and f"`{architecture}`" in line.split("|")[1])
        assert row.endswith(f"| {', '.join(f'`{layout}`' for layout in layouts)} |"), architecture


def _tensors(names: Iterable[str], shapes: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, TensorInfo]:
    return {name: TensorInfo(name, "BF16", (shapes or {}).get(name.rsplit(".", 2)[-2], (8, 8))) for name in names}


LAYERS = [f"model.layers.{number}.mlp.{part}_proj.weight" for number in range(3) for part in ("up", "down")]
TIED_TEXT = _tensors(["model.embed_tokens.weight", *LAYERS, "model.norm.weight"])
UNTIED_TEXT = TIED_TEXT | _tensors(["lm_head.weight"])
VISION_PART = _tensors(["vision_tower.layers.0.mlp.up_proj.weight", "projector.weight"])


def _nested(text: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
    """A multimodal checkpoint in LLaVA's naming with this language part."""
    inside = {f"language_model.{name}": tensor._replace(name=f"language_model.{name}") for name, tensor in text.items()}
    return VISION_PART | inside


def test_a_map_of_the_user_takes_the_longest_prefix() -> None:
    """Exact names and longer prefixes win over shorter ones; tensors that no name leads to stay unmapped."""
    multimodal = VISION_PART | _tensors([name.replace("model.", "decoder.") for name in TIED_TEXT if "norm" not in name])
    multimodal |= _tensors(["final.weight"])
    mapping = language_map(TIED_TEXT, multimodal, {"model.": "decoder.", "model.norm.": "final."})
    assert mapping["model.norm.weight"] == "final.weight"
    assert mapping[LAYERS[0]] == "decoder.layers.0.mlp.up_proj.weight"
    assert not set(mapping.values()) & set(VISION_PART)


def test_a_text_model_saved_without_its_head_class_fits() -> None:
    """Names without the prefix "model.", as AutoModel saves them, are understood."""
    bare = {name.removeprefix("model."): tensor for name, tensor in TIED_TEXT.items()}
    mapping = language_map(bare, _nested(TIED_TEXT))
    assert mapping["embed_tokens.weight"] == "language_model.model.embed_tokens.weight"
    assert len(mapping) == len(bare)


def test_other_families_keep_their_names_inside() -> None:
    """A text model whose backbone is called `transformer` is found under the prefix of the language part."""
    text = _tensors(["transformer.wte.weight", "transformer.h.0.attn.weight"])
    assert language_map(text, _nested(text))["transformer.wte.weight"] == "language_model.transformer.wte.weight"


def test_a_head_that_only_the_multimodal_model_stores_goes_with_the_embedding() -> None:
    """The text model's embedding is its head, so it is merged with the stored head."""
    mapping = language_map(TIED_TEXT, _nested(UNTIED_TEXT))
    expected = {"language_model.lm_head.weight": "model.embed_tokens.weight"}
    assert tied_head(TIED_TEXT, _nested(UNTIED_TEXT), mapping) == expected
    assert tied_head(TIED_TEXT, _nested(TIED_TEXT), mapping) == {}
    assert tied_head(UNTIED_TEXT, _nested(UNTIED_TEXT), language_map(UNTIED_TEXT, _nested(UNTIED_TEXT))) == {}


def test_a_head_that_only_the_text_model_stores_must_be_a_tied_one() -> None:
    """A stored copy of the embedding is left out; a head of its own has nowhere to go and is an error."""
    assert "lm_head.weight" not in language_map(UNTIED_TEXT, _nested(TIED_TEXT), tied=True)
    with pytest.raises(MergeError, match=r"'lm_head.weight' \[8, 8\].*head of its own"):
        language_map(UNTIED_TEXT, _nested(TIED_TEXT))


def test_more_tokens_in_the_multimodal_embedding_ask_for_alignment() -> None:
    """Another number of rows is an error that names both, unless the caller aligns rows by token string."""
    multimodal = _nested(UNTIED_TEXT | _tensors(["model.embed_tokens.weight", "lm_head.weight"], {"embed_tokens": (9, 8)}))
    with pytest.raises(MergeError, match=r"'model.embed_tokens.weight' has rows for 8 tokens, .* for 9: .*vocabulary"):
        language_map(UNTIED_TEXT, multimodal)
    assert len(language_map(UNTIED_TEXT, multimodal, align=True)) == len(UNTIED_TEXT)


def test_buffers_that_models_recompute_are_left_out() -> None:
    """Rotary frequencies, which old checkpoints store, neither need a counterpart nor hide the layout."""
    buffer = _tensors(["model.layers.0.self_attn.rotary_emb.inv_freq"])
    assert language_map(TIED_TEXT | buffer, _nested(TIED_TEXT)).keys() == TIED_TEXT.keys()
    assert language_map(TIED_TEXT, _nested(TIED_TEXT | buffer)).keys() == TIED_TEXT.keys()


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        (TIED_TEXT, "gema3", r"'gema3' is unknown. Did you mean 'gemma3'\?"),
        (TIED_TEXT, "qwen2_vl", r"'qwen2_vl' takes no tensor .*'model.embed_tokens.weight' \[8, 8\] becomes"),
        (TIED_TEXT, {}, "at least one prefix is needed"),
        (TIED_TEXT, {"model.layers.": "language_model.model.layers."}, r"6 of 8 .*no prefix fits .*'model.embed_tokens.weight'"),
        (_tensors(["encoder.x.weight"]), None, r"no known map takes any tensor .*'encoder.x.weight' \[8, 8\].*Give names as"),
        (TIED_TEXT | _tensors([LAYERS[3]], {"down_proj": (8, 9)}), None, r"7 of 8 .*layers.1.mlp.down_proj.*\[8, 9\].*\[8, 8\]"),
        ({n: t for n, t in TIED_TEXT.items() if ".2." not in n}, None, r"no counterpart of 'language_model.model.layers.2.mlp"),
        (TIED_TEXT, {"model.": "language_model.model.", "model.layers.1.": "language_model.model.layers.0."}, "both become"),
    ],
)
def test_what_does_not_fit_is_named(text: dict[str, TensorInfo], names: Any, message: str) -> None:
    """An error names the first tensor without a counterpart, both shapes, and what to give as names."""
    with pytest.raises(MergeError, match=message):
        language_map(text, _nested(TIED_TEXT), names)


def test_two_maps_that_fit_are_not_chosen_between() -> None:
    """A checkpoint with two language models of the same shape needs the user's choice, which then decides."""
    both = _nested(TIED_TEXT) | TIED_TEXT
    with pytest.raises(MergeError, match="'language_model' and 'same names'"):
        language_map(TIED_TEXT, both)
    assert language_map(TIED_TEXT, both, "language_model")["model.norm.weight"] == "language_model.model.norm.weight"
