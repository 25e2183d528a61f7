"""What differs between the inputs beside their numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from polylect.errors import MergeError
from polylect.merge.plan import MergePlan
from polylect.merge.planning import plan
from polylect.merge.settings import Rule, Settings

CONFIG = {"model_type": "tiny", "hidden_size": 4, "num_hidden_layers": 1, "tie_word_embeddings": True, "bos_token_id": 1}
EMBEDDING = "model.embed_tokens.weight"


def _model(folder: Path, tokens: list[str] | None = None, rows: int = 0, **config: Any) -> Path:
    """Write a checkpoint with an embedding whose rows hold their own number, and a tokenizer of whole words."""
    folder.mkdir()
    rows = rows or len(tokens or "abc")
    table = np.repeat(np.arange(rows, dtype=np.float32)[:, None], 4, axis=1)
    save_file({EMBEDDING: table, "model.norm.weight": np.zeros(4, np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**CONFIG, "vocab_size": rows, **config}))
    if tokens is not None:
        content = {
            "version": "1.0",
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": None,
            "decoder": None,
            "model": {"type": "WordLevel", "vocab": {token: i for i, token in enumerate(tokens)}, "unk_token": tokens[0]},
        }
        (folder / "tokenizer.json").write_text(json.dumps(content))
    return folder


def _plan(*models: Path, method: str = "linear", **settings: Any) -> MergePlan:
    return plan(Settings(method=method, models=models, **settings))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "other"}, r'b: config.json model_type is "other", in .*a "tiny"'),
        ({"hidden_size": 8}, "hidden_size is 8, in .*a 4. Merge models of one architecture and size"),
        ({"num_hidden_layers": 2}, "num_hidden_layers is 2"),
        ({"text_config": {"hidden_size": 8}, "hidden_size": 6}, "hidden_size is 8|hidden_size is 6"),
    ],
)
def test_architectures_must_agree(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    """Another architecture or size is an error that names the key and both values, before tensors are compared."""
    with pytest.raises(MergeError, match=message):
        _plan(_model(tmp_path / "a"), _model(tmp_path / "b", **config))


def test_depth_may_differ_when_a_rule_says_how(tmp_path: Path) -> None:
    """Where rules settle missing tensors the number of layers is a note."""
    models = [_model(tmp_path / "a"), _model(tmp_path / "b", num_hidden_layers=2)]
    planned = _plan(*models, rules=(Rule(tensors="*norm*", missing="abstain"),))
    assert "config.json num_hidden_layers: 1 (a), 2 (b); the output has that of a." in planned.notes


def test_other_settings_are_notes(tmp_path: Path) -> None:
    """Differing values are told with their models, keys that only some give in one note, bookkeeping not at all."""
    one = _model(tmp_path / "a", rope_theta=1e4, transformers_version="5.1")
    two = _model(tmp_path / "b", rope_theta=1e6, transformers_version="5.2", extra=1)
    three = _model(tmp_path / "c", rope_theta=1e4)
    assert _plan(one, two, three).notes == (
        "config.json rope_theta: 10000.0 (a, c), 1000000.0 (b); the output has that of a.",
        "config.json: only some inputs give extra; the output is like a.",
    )


def test_special_tokens_and_templates_are_notes(tmp_path: Path) -> None:
    """Ids and strings of special tokens and chat templates are compared; the chosen tokenizer is named."""
    one, two = _model(tmp_path / "a", ["x", "y"]), _model(tmp_path / "b", ["x", "y"], bos_token_id=0)
    for folder, token, template in ((one, "x", "A"), (two, {"content": "y"}, "B")):
        (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": token, "chat_template": template}))
    notes = _plan(one, two, tokenizer="2").notes
    assert 'bos_token: "x" (a), "y" (b); the output has that of b.' in notes
    assert "config.json bos_token_id: 1 (a), 0 (b); the output has that of a." in notes
    assert any(note.startswith("chat template (hash): ") for note in notes)


def test_a_model_without_tokenizer_is_noted(tmp_path: Path) -> None:
    """A checkpoint without tokenizer files is taken to have the others' tokens, and the user is told."""
    notes = _plan(_model(tmp_path / "a", ["x", "y"]), _model(tmp_path / "b", rows=2)).notes
    assert notes[0].startswith("b: no tokenizer in ")


def test_different_tokens_are_refused_with_counts(tmp_path: Path) -> None:
    """With vocabulary "same" differing token lists are an error with counts, first tokens and the options."""
    one, two = _model(tmp_path / "a", ["x", "y", "z"]), _model(tmp_path / "b", ["x", "z", "w"])
    with pytest.raises(
        MergeError, match=r"token lists of a and b differ: 1 tokens only in .*'y'.*--vocabulary union, base or first"
    ):
        _plan(one, two)


def test_tokenizers_written_differently_are_the_same(tmp_path: Path) -> None:
    """Files with other bytes and the same tokens merge without alignment, with a note."""
    one, two = _model(tmp_path / "a", ["x", "y"]), _model(tmp_path / "b", ["x", "y"])
    (two / "tokenizer.json").write_text(json.dumps(json.loads((two / "tokenizer.json").read_text()), indent=1))
    planned = _plan(one, two)
    assert planned.tensors[0].inputs[1] is not None
    assert planned.tensors[0].inputs[1].rows is None
    assert "tokenizer.json differs though the tokens are the same; the output has that of a." in planned.notes


def test_rows_are_aligned_by_token(tmp_path: Path) -> None:
    """With "first" the second model's rows are put in the first one's order, and a token it lacks is -1; counts are told."""
    one, two = _model(tmp_path / "a", ["x", "y", "z"]), _model(tmp_path / "b", ["x", "z", "w"])
    planned = _plan(one, two, vocabulary="first")
    table = next(tensor for tensor in planned.tensors if tensor.name == EMBEDDING)
    first, second = table.inputs
    assert first is not None
    assert first.rows is None
    assert second is not None
    assert second.rows is not None
    assert second.rows.tolist() == [0, -1, 1]
    assert table.shape == (3, 4)
    assert planned.counts["vocabulary"] == 3
    assert any(
        note.startswith("b: 2 tokens kept, 1 of the output's are missing there, 1 left out, 1 under") for note in planned.notes
    )
    norm = next(tensor for tensor in planned.tensors if tensor.name == "model.norm.weight")
    assert all(source is not None and source.plain for source in norm.inputs)


def test_a_union_grows_embedding_and_configuration(tmp_path: Path) -> None:
    """The union has the tokens of both, its vocab_size is in the configuration, and its tokenizer comes with the plan."""
    one, two = _model(tmp_path / "a", ["x", "y", "z"]), _model(tmp_path / "b", ["x", "z", "w"])
    planned = _plan(one, two, vocabulary="union")
    table = next(tensor for tensor in planned.tensors if tensor.name == EMBEDDING)
    assert table.shape == (4, 4)
    files = {file.name: file.content for file in planned.files}
    assert json.loads(files["config.json"])["vocab_size"] == 4
    assert json.loads(files["tokenizer.json"])["model"]["vocab"] == {"x": 0, "y": 1, "z": 2, "w": 3}


def test_padded_rows_are_aligned(tmp_path: Path) -> None:
    """Models of one tokenizer whose embeddings are padded to different sizes merge at the first one's size when asked to."""
    one, two = _model(tmp_path / "a", ["x", "y", "z"], rows=4), _model(tmp_path / "b", ["x", "y", "z"], rows=8)
    with pytest.raises(MergeError, match=r"shape \[8, 4\], in .* \[4, 4\]\. Align the vocabularies"):
        _plan(one, two)
    table = next(tensor for tensor in _plan(one, two, vocabulary="first").tensors if tensor.name == EMBEDDING)
    assert table.shape == (4, 4)
    assert table.inputs[1] is not None
    assert table.inputs[1].rows is not None
    assert table.inputs[1].rows.tolist() == [0, 1, 2, 3]


def test_the_tokenizer_of_an_alignment_is_decided(tmp_path: Path) -> None:
    """Another tokenizer than the alignment's would not fit its rows."""
    one, two = _model(tmp_path / "a", ["x", "y"]), _model(tmp_path / "b", ["y", "x"])
    with pytest.raises(MergeError, match="tokenizer '2': with vocabulary 'first' the tokenizer is decided already"):
        _plan(one, two, vocabulary="first", tokenizer="2")
