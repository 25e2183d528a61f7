"""Plans of merges, made from headers and configurations alone."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from polylect.errors import MergeError, ModelError
from polylect.merge.costs import estimate
from polylect.merge.estimate import as_dict, describe
from polylect.merge.layers import layer, part
from polylect.merge.plan import MergePlan
from polylect.merge.planning import plan
from polylect.merge.settings import Rule, Settings
from polylect.models.safetensors_file import TensorInfo, write

CONFIG = {"model_type": "tiny", "hidden_size": 4, "tie_word_embeddings": True, "dtype": "float32", "vocab_size": 6}
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
QUERY = "model.layers.{}.self_attn.q_proj.weight"


def _model(folder: Path, *, config: dict[str, Any] | None = None, layers: int = 2, **tensors: np.ndarray) -> Path:
    """Write a checkpoint with an embedding, `layers` queries and the tensors given (dots in names as "__")."""
    folder.mkdir(parents=True)
    values = {EMBEDDING: np.zeros((6, 4), np.float32)}
    values |= {QUERY.format(number): np.zeros((4, 4), np.float32) for number in range(layers)}
    values |= {name.replace("__", "."): value for name, value in tensors.items()}
    save_file(values, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**CONFIG, **(config or {})}))
    return folder


def _plan(*models: Path, method: str = "linear", **settings: Any) -> MergePlan:
    return plan(Settings(method=method, models=models, **settings))


def _names(planned: MergePlan) -> set[str]:
    return {tensor.name for tensor in planned.tensors}


def test_every_tensor_is_planned_with_all_inputs(tmp_path: Path) -> None:
    """Each tensor of the output has a source in every model and in the base, shape, dtype, layer and equal weights."""
    models = [_model(tmp_path / name) for name in ("a", "b", "c")]
    planned = _plan(*models, base=_model(tmp_path / "base"), method="ties", density=(0.2,))
    assert _names(planned) == {EMBEDDING, QUERY.format(0), QUERY.format(1)}
    query = next(tensor for tensor in planned.tensors if tensor.name == QUERY.format(1))
    assert (query.dtype, query.shape, query.layer, query.copy) == ("F32", (4, 4), 1, None)
    assert [source.tensor.file.parent for source in query.inputs if source] == models
    assert query.base is not None
    assert query.base.tensor.file.parent == tmp_path / "base"
    # The method divides by the sum of the weights; 1 / 3 would be inexact.
    assert query.values.weights == (1.0,) * 3
    assert query.values.density == (0.2,) * 3
    assert query.values.normalize
    assert planned.labels == ("a", "b", "c")
    assert planned.counts["merged"] == 3


def test_labels_are_the_shortest_distinct_endings(tmp_path: Path) -> None:
    """Models of one folder name are told apart by the folders above, those of one path by a number."""
    models = [_model(tmp_path / stage / "final") for stage in ("sft", "dpo")]
    assert _plan(*models, _model(tmp_path / "x")).labels == ("sft/final", "dpo/final", "x")
    planned = _plan(models[0], models[0])
    assert planned.labels == ("final", "final (2)")
    assert "final (2): this folder is given twice; it counts twice." in planned.notes


def test_dtype_of_the_output(tmp_path: Path) -> None:
    """Tensors keep the first model's dtype unless one is asked for, which the configuration then names; whole numbers stay."""
    halves = {"model__norm__weight": np.zeros(4, np.float16), "model__position_ids": np.arange(3)}
    singles = {"model__norm__weight": np.zeros(4, np.float32), "model__position_ids": np.arange(3)}
    one, two = _model(tmp_path / "one", **halves), _model(tmp_path / "two", **singles)
    planned = _plan(one, two)
    assert {t.name: t.dtype for t in planned.tensors}["model.norm.weight"] == "F16"
    assert "1 tensors have different dtypes: F16 in one, F32 in two; the output has that of one." in planned.notes
    asked = _plan(one, two, dtype="bfloat16")
    assert {t.dtype for t in asked.tensors} == {"BF16", "I64"}
    config = next(file for file in asked.files if file.name == "config.json")
    assert json.loads(config.content)["dtype"] == "bfloat16"


def test_whole_numbers_have_all_inputs_and_no_copy(tmp_path: Path) -> None:
    """A whole-number tensor comes with all inputs, so that the engine can find them equal; mixed kinds are refused."""
    one, two = (_model(tmp_path / name, ids=np.arange(3)) for name in "ab")
    ids = next(tensor for tensor in _plan(one, two).tensors if tensor.name == "ids")
    assert (ids.dtype, ids.copy, len([source for source in ids.inputs if source])) == ("I64", None, 2)
    with pytest.raises(MergeError, match="tensor 'ids': stored as F32, I64; whole numbers cannot be merged"):
        _plan(one, _model(tmp_path / "c", ids=np.zeros(3, np.float32)))


def test_missing_and_unknown_tensors_are_named(tmp_path: Path) -> None:
    """A tensor that one input lacks is an error with its name, shape, the models and the rule that would settle it."""
    one, two = _model(tmp_path / "one", extra=np.zeros((2, 3), np.float32)), _model(tmp_path / "two")
    for models in ((one, two), (two, one)):
        with pytest.raises(MergeError, match=r"tensor 'extra' \[2, 3\] is missing in two but present in one.*missing 'abstain'"):
            _plan(*models)
    deep = _model(tmp_path / "deep", layers=5)
    with pytest.raises(MergeError, match=r"2\.self_attn.* 2 other tensors are not in all inputs either"):
        _plan(deep, two)


def test_rules_settle_missing_tensors(tmp_path: Path) -> None:
    """Rules leave a tensor out, merge those that have it, or keep one; what became of it is counted."""
    one, two = _model(tmp_path / "one", extra=np.zeros(2, np.float32)), _model(tmp_path / "two")
    three = _model(tmp_path / "three", extra=np.zeros(2, np.float32))
    dropped = _plan(one, two, rules=(Rule(tensors="extra", missing="drop"),))
    assert "extra" not in _names(dropped)
    assert dropped.counts["dropped"] == 1
    abstained = _plan(one, two, three, rules=(Rule(tensors="extra", missing="abstain"),))
    extra = next(tensor for tensor in abstained.tensors if tensor.name == "extra")
    assert [source is not None for source in extra.inputs] == [True, False, True]
    assert abstained.counts["abstained"] == 1
    kept = _plan(two, one, rules=(Rule(tensors="extra", keep="2"),))
    extra = next(tensor for tensor in kept.tensors if tensor.name == "extra")
    assert extra.copy is not None
    assert extra.copy.tensor.file.parent == one
    with pytest.raises(MergeError, match=r"two: tensor 'extra' is missing there, where a rule keeps it from"):
        _plan(two, one, rules=(Rule(tensors="extra", keep="1"),))


def test_slerp_copies_what_one_model_alone_has(tmp_path: Path) -> None:
    """Where one of two models abstains there is nothing to interpolate, so the other's tensor is taken."""
    one, two = _model(tmp_path / "one"), _model(tmp_path / "two", extra=np.zeros(2, np.float32))
    planned = _plan(one, two, method="slerp", rules=(Rule(tensors="extra", missing="abstain"),))
    assert next(tensor for tensor in planned.tensors if tensor.name == "extra").copy is not None


def test_a_base_that_lacks_a_tensor(tmp_path: Path) -> None:
    """Task vectors need the tensor in the base, whatever rules say of models; methods without them go on, with a note."""
    extra = {"extra": np.zeros(2, np.float32)}
    models = [_model(tmp_path / name, **extra) for name in "ab"]
    base = _model(tmp_path / "base")
    with pytest.raises(MergeError, match=r"tensor 'extra' .* is missing in the base"):
        _plan(*models, base=base, method="task-arithmetic")
    with pytest.raises(MergeError, match=r"the base lacks the tensor 'extra', and task-arithmetic needs it.*keep '1'"):
        _plan(*models, base=base, method="task-arithmetic", rules=(Rule(tensors="extra", missing="abstain"),))
    assert _names(_plan(*models, base=base)) >= {"extra"}


def test_shapes_are_compared(tmp_path: Path) -> None:
    """Another shape is an error with both shapes; for embeddings it says how to align vocabularies."""
    one, two = _model(tmp_path / "one", w=np.zeros((2, 3), np.float32)), _model(tmp_path / "two", w=np.zeros((3, 2), np.float32))
    with pytest.raises(MergeError, match=r"two: tensor 'w' has the shape \[3, 2\], in .*one \[2, 3\]\. Merge checkpoints of one"):
        _plan(one, two)
    wide = _model(tmp_path / "wide", model__embed_tokens__weight=np.zeros((8, 4), np.float32))
    with pytest.raises(MergeError, match=r"embed_tokens.*\[8, 4\].*--vocabulary union"):
        _plan(_model(tmp_path / "three"), wide)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "ties"}, "ties: needs the model that all others were trained from. Give it with --base"),
        ({"method": "slerp", "count": 3}, "slerp: merges exactly 2 models, 3 given"),
        ({"method": "model-stock", "count": 1, "base": True}, "merges at least 2 models, 1 given"),
        ({"weights": (1.0, -1.0)}, r"weights \[1.0, -1.0\]: their sum is 0, and linear divides by it"),
        ({"weights": (0.1, 0.2, -0.3), "count": 3}, "their sum is 0"),
        ({"t": 0.3}, "linear: does not use t. Leave it out, or use --weights"),
        ({"method": "slerp", "weights": (0.5, 0.5)}, "slerp: does not use weights. Leave it out, or use --t"),
        ({"density": (0.2,)}, "linear: does not use density"),
        ({"scale": 2.0}, "linear: does not use lambda"),
        ({"method": "tie"}, "method 'tie' is unknown. Did you mean 'ties'"),
        ({"names": "gemma3"}, "names 'gemma3': all models are text models"),
        ({"tokenizer": "3"}, r"tokenizer '3': 'base', 'first' or the number of a model \(1 to 2\)"),
        ({"generation": "base"}, "generation 'base': no base was given"),
    ],
)
def test_settings_that_do_not_fit_the_method(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    """What a method lacks or would ignore is said before anything is read twice."""
    models = [_model(tmp_path / str(number)) for number in range(settings.pop("count", 2))]
    if settings.pop("base", False):
        settings["base"] = _model(tmp_path / "base")
    with pytest.raises(MergeError, match=message):
        _plan(*models, **settings)


def test_refused_folders(tmp_path: Path) -> None:
    """Pickled, quantised, empty and missing checkpoints are refused with the reason and the next step."""
    good = _model(tmp_path / "good")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text(json.dumps(CONFIG))
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"only pickled weights \(pytorch_model.bin\).*Convert the model to safetensors"):
        _plan(good, pickled)
    quantised = _model(tmp_path / "quantised", config={"quantization_config": {"quant_method": "gptq"}})
    with pytest.raises(MergeError, match=r"quantization_config, 'gptq'.*then quantise the result"):
        _plan(good, quantised)
    packed = _model(tmp_path / "packed", model__layers__0__mlp__qweight=np.zeros((2, 2), np.int32))
    with pytest.raises(MergeError, match=r"'model.layers.0.mlp.qweight' is quantised \(I32\)"):
        _plan(good, packed)
    with pytest.raises(ModelError, match=r"nowhere: does not exist"):
        _plan(good, tmp_path / "nowhere")


def test_fp8_weights_are_refused(tmp_path: Path) -> None:
    """Eight-bit floats are codes with a scale elsewhere, so their average means nothing."""
    folder = _model(tmp_path / "a")
    write(folder / "model.safetensors", [TensorInfo("w", "F8_E4M3", (4,))], [bytes(4)])
    with pytest.raises(MergeError, match=r"'w' is quantised \(F8_E4M3\)"):
        _plan(folder, _model(tmp_path / "b"))


def test_a_repeated_head_of_tied_models_is_left_out(tmp_path: Path) -> None:
    """A head that a tied model stores as a copy of its embedding is redundant, and the user is told."""
    table = np.arange(24, dtype=np.float32).reshape(6, 4)
    one = _model(tmp_path / "one", model__embed_tokens__weight=table, lm_head__weight=table)
    planned = _plan(one, _model(tmp_path / "two"))
    assert HEAD not in _names(planned)
    assert "one: lm_head.weight repeats model.embed_tokens.weight, which it is tied to; it is left out." in planned.notes


def test_a_head_of_its_own_in_a_model_said_to_be_tied(tmp_path: Path) -> None:
    """If the stored head holds other numbers the model is not tied, whatever its configuration says; the output says so."""
    table = np.arange(24, dtype=np.float32).reshape(6, 4)
    one = _model(tmp_path / "one", model__embed_tokens__weight=table, lm_head__weight=table + 1)
    planned = _plan(one, _model(tmp_path / "two"))
    head = next(tensor for tensor in planned.tensors if tensor.name == HEAD)
    assert [source.tensor.name for source in head.inputs if source] == [HEAD, EMBEDDING]
    config = next(file for file in planned.files if file.name == "config.json")
    assert json.loads(config.content)["tie_word_embeddings"] is False


def test_tied_and_untied_models(tmp_path: Path) -> None:
    """A tied input gives its embedding as the head of an untied output; an untied head never vanishes in a tied output."""
    untied = _model(tmp_path / "untied", config={"tie_word_embeddings": False}, lm_head__weight=np.ones((6, 4), np.float32))
    tied = _model(tmp_path / "tied")
    planned = _plan(untied, tied, base=tied, method="task-arithmetic")
    head = next(tensor for tensor in planned.tensors if tensor.name == HEAD)
    assert [source.tensor.name for source in (*head.inputs, head.base) if source] == [HEAD, EMBEDDING, EMBEDDING]
    assert "tied: uses model.embed_tokens.weight as its head; it is merged into lm_head.weight too." in planned.notes
    with pytest.raises(MergeError, match=r"untied: has an output head of its own \(lm_head.weight\).*Give untied first"):
        _plan(tied, untied)
    assert HEAD not in _names(_plan(tied, untied, rules=(Rule(tensors=HEAD, missing="drop"),)))


def test_licences_of_all_inputs_are_kept(tmp_path: Path) -> None:
    """Notices of every input go to the output; of two different files of one name the second gets its model's label."""
    models = [_model(tmp_path / name) for name in "abc"]
    for model, text in zip(models, ("one", "two", "one"), strict=True):
        (model / "LICENSE.txt").write_text(text)
    files = {file.name: file.source for file in _plan(*models).files}
    assert files["LICENSE.txt"] == models[0] / "LICENSE.txt"
    assert files["LICENSE-b.txt"] == models[1] / "LICENSE.txt"
    assert len(files) == 3


def test_generation_settings_are_chosen(tmp_path: Path) -> None:
    """generation_config.json is that of the model that was named."""
    models = [_model(tmp_path / name) for name in "ab"]
    for model, temperature in zip(models, (0.5, 0.7), strict=True):
        (model / "generation_config.json").write_text(json.dumps({"temperature": temperature}))
    planned = _plan(*models, generation="2")
    assert {file.name: file.source for file in planned.files}["generation_config.json"] == models[1] / "generation_config.json"
    assert "generation_config.json temperature: 0.5 (a), 0.7 (b); the output has that of b." in planned.notes


def test_plans_are_deterministic_and_light(tmp_path: Path) -> None:
    """Two plans of one merge are equal, and none of torch, transformers, pydantic, polars or tokenizers is imported for it."""
    models = [_model(tmp_path / name) for name in "ab"]
    assert _plan(*models) == _plan(*models)
    code = (
        "import sys; from pathlib import Path; from polylect.merge.planning import plan;"
        "from polylect.merge.settings import Settings;"
        f"plan(Settings(method='linear', models=(Path({str(models[0])!r}), Path({str(models[1])!r}))));"
        "print(sorted({'torch', 'transformers', 'pydantic', 'polars', 'tokenizers', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.serial
def test_four_thousand_tensors_take_less_than_half_a_second(tmp_path: Path) -> None:
    """Planning takes time in proportion to the tensors: 4 models of 4,000 within 0.5 s (best of three, as other work may run)."""
    infos = [TensorInfo(f"model.layers.{i // 10}.mlp.experts.{i % 10}.up.weight", "BF16", (2, 2)) for i in range(4000)]
    models = [tmp_path / name for name in "abcd"]
    for model in models:
        model.mkdir()
        write(model / "model.safetensors", infos, [bytes(8 * len(infos))])
        (model / "config.json").write_text("{}")
    times = []
    for _ in range(3):
        start = time.perf_counter()
        assert len(_plan(*models).tensors) == 4000
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


def test_estimate_counts_bytes(tmp_path: Path) -> None:
    """Reads are the inputs' bytes per pass, writes the output's; two passes where the method needs the whole tensor first."""
    models = [_model(tmp_path / name) for name in "ab"]
    bytes_of_one = (24 + 16 + 16) * 4
    linear = estimate(_plan(*models))
    assert (linear.passes, linear.bytes_read, linear.bytes_written) == (1, 2 * bytes_of_one, bytes_of_one)
    ties = estimate(_plan(*models, base=models[0], method="ties", dtype="float16"))
    assert (ties.passes, ties.bytes_read, ties.bytes_written) == (2, 3 * bytes_of_one, bytes_of_one // 2)
    assert ties.memory < 400_000_000
    assert ties.seconds > 0


def test_describe_tells_what_matters(tmp_path: Path) -> None:
    """The text of --dry-run names method, models, weights, tensors by kind, bytes, rules and notes; JSON says the same."""
    models = [_model(tmp_path / name) for name in "ab"]
    planned = _plan(*models, weights=(0.3, 0.7), rules=(Rule(tensors="*q_proj*", layers=(1, 1), keep="2"),))
    text = describe(planned)
    for line in ("linear: weighted average", "a  weight 0.3", "3 with 56 parameters: 2 merged, 1 copied", "embed_tokens"):
        assert line in text
    assert "rules: 1, which change 1 of 3 tensors" in text
    told = json.loads(json.dumps(as_dict(planned)))
    assert told["copied"] == [QUERY.format(1)]
    assert told["bytes_written"] == 224
    assert told["weights"] == [0.3, 0.7]


@pytest.mark.parametrize(
    ("name", "number", "what"),
    [
        ("model.layers.12.self_attn.q_proj.weight", 12, "self_attn.q_proj"),
        ("transformer.h.3.attn.c_attn.bias", 3, "attn.c_attn"),
        ("bert.encoder.layer.5.attention.self.query.weight", 5, "attention.self.query"),
        ("model.language_model.layers.7.mlp.down_proj.weight", 7, "mlp.down_proj"),
        ("language_model.model.layers.0.mlp.experts.17.gate_proj.weight", 0, "mlp.experts.gate_proj"),
        ("vision_tower.vision_model.encoder.layers.4.mlp.fc1.weight", -1, "vision_tower.mlp.fc1"),
        ("visual.blocks.31.attn.qkv.weight", -1, "visual.attn.qkv"),
        ("model.embed_tokens.weight", -1, "embed_tokens"),
        ("lm_head.weight", -1, "lm_head"),
        ("multi_modal_projector.linear_1.weight", -1, "multi_modal_projector.linear_1"),
    ],
)
def test_layer_and_part_of_names(name: str, number: int, what: str) -> None:
    """Layer numbers are those of the language model; a tower of its own has none."""
    assert (layer(name), part(name)) == (number, what)


def _text_and_multimodal(folder: Path) -> tuple[Path, Path]:
    """Write a text model and a multimodal one whose language part has its names below `language_model`."""
    text = _model(folder / "text")
    multimodal = folder / "multimodal"
    multimodal.mkdir()
    language = {EMBEDDING: (6, 4), QUERY.format(0): (4, 4), QUERY.format(1): (4, 4)}
    values = {f"language_model.{name}": np.zeros(shape, np.float32) for name, shape in language.items()}
    values["vision_tower.encoder.layers.0.mlp.fc1.weight"] = np.zeros((3, 3), np.float32)
    save_file(values, multimodal / "model.safetensors")
    (multimodal / "preprocessor_config.json").write_text("{}")
    config = {"model_type": "gemma3", "text_config": CONFIG, "vision_config": {"hidden_size": 3}}
    (multimodal / "config.json").write_text(json.dumps(config))
    return text, multimodal


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_text_models_merge_into_a_multimodal_one(tmp_path: Path, order: tuple[int, int]) -> None:
    """In either order the output is the multimodal model: its language part merged, the rest and its files copied."""
    both = _text_and_multimodal(tmp_path)
    planned = _plan(both[order[0]], both[order[1]], weights=(0.25, 0.75))
    assert planned.labels == tuple(both[place].name for place in order)
    tower = next(tensor for tensor in planned.tensors if tensor.name.startswith("vision_tower"))
    assert tower.copy is not None
    assert tower.copy.tensor.file.parent == both[1]
    query = next(tensor for tensor in planned.tensors if tensor.name == f"language_model.{QUERY.format(1)}")
    assert query.copy is None
    assert [source.tensor.file.parent for source in query.inputs if source] == [both[place] for place in order]
    assert query.layer == 1
    files = {file.name: file.source for file in planned.files}
    assert files == {name: both[1] / name for name in ("config.json", "preprocessor_config.json")}
    assert (planned.counts["merged"], planned.counts["copied"]) == (3, 1)


def _adapter(folder: Path, base: Path | None = None) -> Path:
    folder.mkdir()
    name = "base_model.model." + QUERY.format(0).removesuffix(".weight")
    values = {f"{name}.lora_A.weight": np.zeros((2, 4), np.float32), f"{name}.lora_B.weight": np.zeros((4, 2), np.float32)}
    save_file(values, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": str(base) if base else None}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_adapters_are_their_base_with_updates(tmp_path: Path) -> None:
    """An adapter merges as base + update: its own tensors as low-rank updates, all others the base's."""
    base = _model(tmp_path / "base")
    planned = _plan(_adapter(tmp_path / "one", base), _adapter(tmp_path / "two"), base=base, method="task-arithmetic")
    changed = {tensor.name for tensor in planned.tensors if any(source and source.updates for source in tensor.inputs)}
    assert changed == {QUERY.format(0)}
    query = next(tensor for tensor in planned.tensors if tensor.name == QUERY.format(0))
    assert [source.updates[0].scale for source in query.inputs if source] == [2.0, 2.0]
    assert {file.name: file.source for file in planned.files}["config.json"] == base / "config.json"
    assert len(_plan(_adapter(tmp_path / "three", base), base).tensors) == 3


def test_an_adapter_needs_its_base(tmp_path: Path) -> None:
    """Without a base, and where the adapter names none that is a folder here, nothing can be merged."""
    with pytest.raises(MergeError, match=r"needs the model that it was trained on \(.*gone\), which is no folder here.*--base"):
        _plan(_adapter(tmp_path / "one", tmp_path / "gone"), _model(tmp_path / "two"))
