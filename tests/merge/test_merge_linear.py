"""Weighted linear averaging of checkpoints."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from polylect.errors import MergeError, ModelError
from polylect.merge import linear


def _model(folder: Path, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return folder


def test_average_is_exact_in_float32(tmp_path: Path) -> None:
    """The result is the float32 weighted mean, rounded once to the inputs' dtype."""
    torch.manual_seed(0)
    values = [torch.randn(33, 7).bfloat16() for _ in range(3)]
    models = [_model(tmp_path / str(i), w=value) for i, value in enumerate(values)]
    report = linear(models, [1, 2, 5], tmp_path / "out")
    merged = load_file(tmp_path / "out" / "model.safetensors")["w"]
    expected = sum(v.double() * w for v, w in zip(values, (1, 2, 5), strict=True)) / 8
    assert torch.equal(merged, expected.to(torch.bfloat16))
    assert report.parameters == 33 * 7
    assert report.weights == (0.125, 0.25, 0.625)


def test_one_model_is_copied_unchanged(tmp_path: Path) -> None:
    """Merging one model gives that model, its configuration too."""
    value = torch.randn(5).half()
    linear([_model(tmp_path / "a", w=value)], None, tmp_path / "out")
    assert torch.equal(load_file(tmp_path / "out" / "model.safetensors")["w"], value)
    assert (tmp_path / "out" / "config.json").exists()


def test_whole_numbers_must_agree(tmp_path: Path) -> None:
    """Integer tensors are kept where they agree and refused where they differ."""
    same = [_model(tmp_path / n, i=torch.tensor([1, 2])) for n in "ab"]
    linear(same, None, tmp_path / "out")
    other = _model(tmp_path / "c", i=torch.tensor([1, 3]))
    with pytest.raises(MergeError, match="'i' holds whole numbers that differ"):
        linear([same[0], other], None, tmp_path / "out2")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"v": torch.zeros(2)}, r"tensor '[vw]' \[2\] is missing"),
        ({"w": torch.zeros(3)}, r"'w' has the shape \[3\], in .* \[2\]"),
        ({"w": torch.tensor([0.0, float("nan")])}, "'w' holds NaN"),
    ],
)
def test_inputs_that_do_not_fit_are_named(tmp_path: Path, tensors: dict[str, torch.Tensor], message: str) -> None:
    """A missing, differently shaped or broken tensor is an error that names it."""
    models = [_model(tmp_path / "a", w=torch.zeros(2)), _model(tmp_path / "b", **tensors)]
    with pytest.raises(MergeError, match=message):
        linear(models, None, tmp_path / "out")


def test_weights_must_fit(tmp_path: Path) -> None:
    """The number of weights is the number of models and their sum is not zero."""
    model = _model(tmp_path / "a", w=torch.zeros(2))
    for weights in ([1.0, 2.0], [0.0]):
        with pytest.raises(MergeError, match="one finite weight per model"):
            linear([model], weights, tmp_path / "out")


def test_corrupt_and_pickled_checkpoints_are_refused(tmp_path: Path) -> None:
    """A cut file, a nonsense header and a folder of pickles each give one line with the next step."""
    model = _model(tmp_path / "a", w=torch.zeros(64))
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ModelError, match="where the header promises"):
        linear([model], None, tmp_path / "out")
    path.write_bytes(struct.pack("<Q", 1 << 40) + json.dumps({}).encode())
    with pytest.raises(ModelError, match="not a safetensors file"):
        linear([model], None, tmp_path / "out")
    path.unlink()
    (model / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match="only pickled weights"):
        linear([model], None, tmp_path / "out")
