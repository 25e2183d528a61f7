"""Settings of a merge from YAML and from options."""

from dataclasses import fields
from pathlib import Path

import pytest

from polylect.errors import MergeError
from polylect.merge import yaml_config
from polylect.merge.settings import Rule, Settings
from polylect.merge.yaml_config import load, parse_bytes, settings_from

FULL = """
method: ties
models:
  - {model: a, weight: 0.3, density: 0.2}
  - {model: b/c, weight: 7e-1, density: 0.4}
base: base
lambda: 0.9
dtype: bfloat16
max_memory: 400MB
shard_size: 2 GiB
tokenizer: 2
names: {"model.": "language_model.model."}
rules:
  - {tensors: "*.mlp.*", layers: [0, 5], density: 0.2, lambda: 0.5}
  - {tensors: lm_head.weight, missing: drop}
  - {layers: 3, keep: 1}
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "merge.yaml"
    path.write_text(text)
    return path


def test_a_full_file(tmp_path: Path) -> None:
    """Keys are those of the command line; models carry their own weights; rules are a list."""
    assert load(_file(tmp_path, FULL)) == Settings(
        method="ties",
        models=(Path("a"), Path("b/c")),
        base=Path("base"),
        weights=(0.3, 0.7),
        density=(0.2, 0.4),
        scale=0.9,
        dtype="bfloat16",
        max_memory=400_000_000,
        shard_size=2 * 2**30,
        tokenizer="2",
        names={"model.": "language_model.model."},
        rules=(
            Rule(tensors="*.mlp.*", layers=(0, 5), density=(0.2,), scale=0.5),
            Rule(tensors="lm_head.weight", missing="drop"),
            Rule(layers=(3, 3), keep="1"),
        ),
    )


def test_options_go_before_the_file(tmp_path: Path) -> None:
    """What the command line gives replaces the file's value; method is linear where nobody names one."""
    path = _file(tmp_path, "models: [a, b]\nt: 0.2\nmax_memory: 1GB")
    settings = settings_from(path, {"method": "slerp", "t": 0.7, "max_memory": "2GB"})
    assert (settings.method, settings.t, settings.max_memory, settings.models) == (
        "slerp",
        0.7,
        2_000_000_000,
        (Path("a"), Path("b")),
    )
    assert settings_from(None, {"models": (Path("a"),)}).method == "linear"


def test_other_models_leave_the_files_weights_behind(tmp_path: Path) -> None:
    """Weights of two models in the file say nothing of three on the command line."""
    path = _file(tmp_path, "models: [a, b]\nweights: [0.1, 0.9]")
    assert settings_from(path, {"models": (Path("a"), Path("b"), Path("c"))}).weights is None


def test_every_setting_can_be_read() -> None:
    """A setting or a key of rules that is added to the dataclasses without a reader fails here."""
    assert list(yaml_config._READERS) == [field.name for field in fields(Settings)]
    assert list(yaml_config._RULE) == [field.name for field in fields(Rule)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metod: ties", "the key 'metod' is unknown. Did you mean 'method'"),
        ("method: tie", "method: 'tie': method 'tie' is unknown. Did you mean 'ties'"),
        ("models: [a]\nmax_memory: 4XB", "max_memory: '4XB': a number of bytes is needed"),
        ("models: [a]\nt: high", "t: 'high': a finite number is needed"),
        ("models: [a]\nt: true", "t: True: a finite number is needed"),
        ("models: [a]\nt: .inf", "t: inf: a finite number"),
        ("models: [a]\nnormalize: maybe", "normalize: 'maybe': true or false"),
        ("models: [a]\nseed: 1.5", "seed: 1.5: a whole number"),
        ("models: [a]\nvocabulary: unio", "vocabulary: 'unio': one of same, union, base, first"),
        ("models: [a]\ndensity: 2", r"density \[2.0\]: one number"),
        ("models: a", "models: a list of folders is needed"),
        ("models: [1]", r"models\[1\].model: 1: the path of a folder"),
        ("models: [{model: a, wight: 1}]", r"models\[1\]: the key 'wight' is unknown. Did you mean 'weight'"),
        ("models: [{model: a, weight: 1}, b]", r"models\[2\]: lacks weight, which others have"),
        ("models: [{model: a, weight: 1}]\nweights: [1]", "given beside the models and within them"),
        ("method: linear", "no models. Give the folders"),
        ("models: [a]\nrules: {t: 1}", "rules: a list is needed"),
        ("models: [a]\nrules: [{tensor: x}]", r"rules\[1\]: the key 'tensor' is unknown. Did you mean 'tensors'"),
        ("models: [a]\nrules: [{layers: [1], t: 0}]", r"rules\[1\]: layers: \[1\]: the first and the last layer"),
        ("models: [a]\nlambda: 1\nscale: 2", "scale: this setting is there twice"),
        ("models: [a]\nt: 1\nt: 2", "the key 't' is there twice"),
        ("models: &a [x]\nbase: *a", "aliases"),
        ("models: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("[" * 20_000, "not readable as YAML"),
        ("models: [a", "not readable as YAML: .*line 1"),
        ("- a", "a mapping of settings is needed"),
        ("", "a mapping of settings is needed"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    """Whatever is wrong with a file ends in one line that names the file, the key and what is needed."""
    with pytest.raises(MergeError, match=message) as caught:
        load(_file(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "merge.yaml"))
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(MergeError, match=r"none.yaml: no such file"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "count"), [("400MB", 400_000_000), ("1.5 GB", 1_500_000_000), ("2GiB", 2**31), ("64k", 64_000), (123, 123), ("7", 7)]
)
def test_bytes(text: str | int, count: int) -> None:
    """Numbers of bytes are read with decimal and binary units."""
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "4 parsecs", "1e3MB", "0", "9" * 40, True])
def test_wrong_bytes(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(MergeError, match="bytes"):
        parse_bytes(text)
