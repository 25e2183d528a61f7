"""`polylect merge` as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polylect.cli import main


@pytest.fixture(scope="module")
def models(make_model: Callable[..., Path]) -> list[str]:
    """Three tiny checkpoints of one shape."""
    return [str(make_model(seed=seed)) for seed in (1, 2, 3)]


def test_merge_prints_what_it_did(models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output is the mean of the models, and two lines say how much was done and where it lies; again: nothing to do."""
    out = tmp_path / "merged"
    assert main(["merge", *models[:2], "--weights", "1,3", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "21 tensors" in printed
    assert f"Written to {out}" in printed
    merged, a, b = (load_file(Path(folder) / "model.safetensors") for folder in (out, *models[:2]))
    name = "model.layers.1.mlp.up_proj.weight"
    assert torch.equal(merged[name], ((a[name].double() + 3 * b[name].double()) / 4).float())
    before = (out / "manifest.json").read_bytes()
    assert main(["merge", *models[:2], "--weights", "1,3", "--out", str(out)]) == 0
    assert (out / "manifest.json").read_bytes() == before


def test_dry_run_writes_nothing(models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is printed with bytes, memory and seconds, as JSON if asked, and no folder appears."""
    command = ["merge", *models, "--method", "ties", "--base", models[0], "--out", str(tmp_path / "out"), "--dry-run"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "method" in printed
    for part in ("reads", "writes", "memory", "time", "21 merged"):
        assert part in printed
    assert main([*command, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["method"] == "ties"
    assert plan["bytes_written"] > 0
    assert list(tmp_path.iterdir()) == []


def test_settings_come_from_a_file_and_the_command_line_wins(
    models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A YAML file has the same settings and rules; an option given beside it replaces its value."""
    config = tmp_path / "merge.yaml"
    config.write_text(
        f"method: slerp\nt: 0.2\nmodels: [{models[0]}, {models[1]}]\n"
        "rules:\n  - {tensors: '*.mlp.*', t: 0}\n  - {tensors: lm_head.weight, keep: 2}\n"
    )
    assert main(["merge", "--config", str(config), "--t", "1", "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tensors"] == 21
    merged, a, b = (load_file(Path(folder) / "model.safetensors") for folder in (tmp_path / "out", *models[:2]))
    for name, value in merged.items():
        assert torch.equal(value, a[name] if ".mlp." in name else b[name]), name


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["nowhere", "--out", "x"], "nowhere: does not exist"),
        (["MODEL", "MODEL", "--weights", "1", "--out", "x"], "one finite number per model (2)"),
        (["MODEL", "MODEL", "--weights", "1;2", "--out", "x"], "'1;2': numbers with commas between are needed"),
        (["MODEL", "MODEL", "--method", "ties", "--out", "x"], "Give it with --base"),
        (["MODEL", "--max-memory", "much", "--out", "x"], "a number of bytes is needed, such as 400MB"),
        (["MODEL"], "--out DIR is needed"),
        (["MODEL", "--rank", "3", "--out", "x"], "--rank is for adapters alone"),
        (["--out", "x"], "no models"),
    ],
)
def test_mistakes_are_one_line_with_exit_code_2(
    models: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    says: str,
) -> None:
    """What was wrong is named, nothing is written, and no traceback is shown."""
    monkeypatch.chdir(tmp_path)
    assert main(["merge", *(models[0] if option == "MODEL" else option for option in options)]) == 2
    printed = capsys.readouterr().err
    assert says in printed
    assert "Traceback" not in printed
    assert list(tmp_path.iterdir()) == []


def test_adapters_alone_become_an_adapter(models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Adapters without a base are merged in low rank; with one they become a model."""
    for number, model in enumerate(models[1:]):
        command = ["merge", "extract", model, "--base", models[0], "--rank", "4", "--out", str(tmp_path / f"adapter{number}")]
        assert main(command) == 0
    adapters = [str(tmp_path / f"adapter{number}") for number in range(2)]
    assert main(["merge", *adapters, "--out", str(tmp_path / "one")]) == 0
    assert "rank 8" in capsys.readouterr().out
    assert (tmp_path / "one" / "adapter_model.safetensors").is_file()
    assert main(["merge", *adapters, "--base", models[0], "--out", str(tmp_path / "model")]) == 0
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert main(["merge", *adapters, "--method", "ties", "--out", str(tmp_path / "two")]) == 2
    assert "is not exact in low rank" in capsys.readouterr().err


def test_report_of_a_merge(models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`polylect report` draws a merge as it draws a run."""
    out = tmp_path / "merged"
    assert main(["merge", *models[1:], "--base", models[0], "--out", str(out)]) == 0
    assert main(["report", str(out)]) == 0
    assert str(out / "report.html") in capsys.readouterr().out
