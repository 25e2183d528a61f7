"""Exceptions per tensor pattern or layer range."""

from typing import Any

import pytest

from polylect.errors import MergeError
from polylect.merge.rules import Rules, model_index
from polylect.merge.settings import Rule

NAMES = ["model.embed_tokens.weight", *(f"model.layers.{n}.mlp.up_proj.weight" for n in range(4))]


def test_later_rules_override_and_others_stay() -> None:
    """Of several rules that fit, each later one replaces what it says and leaves the rest."""
    rules = Rules([Rule(tensors="*mlp*", t=0.1, scale=0.5), Rule(layers=(2, 3), t=0.9)], 2)
    assert (rules.find(NAMES[1], 0).t, rules.find(NAMES[1], 0).scale) == (0.1, 0.5)
    assert (rules.find(NAMES[3], 2).t, rules.find(NAMES[3], 2).scale) == (0.9, 0.5)
    assert rules.find(NAMES[0], -1) == Rule()


def test_layer_ranges_are_inclusive_and_spare_what_has_no_layer() -> None:
    """A rule on layers 1 to 2 fits these two alone; embeddings belong to no layer."""
    rules = Rules([Rule(layers=(1, 2), keep="base")], 2)
    assert [rules.find("x", number).keep for number in (-1, 0, 1, 2, 3)] == [None, None, "base", "base", None]


def test_patterns_are_case_sensitive_globs() -> None:
    """`*` and `?` and [sets] match; the whole name has to fit."""
    rules = Rules([Rule(tensors="model.layers.[01].mlp.*", t=0.0), Rule(tensors="mlp", t=1.0)], 1)
    assert rules.find(NAMES[1], 0).t == 0.0
    assert rules.find(NAMES[3], 2).t is None
    assert rules.find("model.layers.0.MLP.up", 0).t is None


def test_unused_rules_name_the_nearest_tensor() -> None:
    """A rule that fits nothing is an error with the tensor it may have meant."""
    rules = Rules([Rule(tensors="*up_proj*", t=0.1), Rule(tensors="*.MLP.*", t=0.1)], 1)
    for name in NAMES:
        rules.find(name, 0)
    with pytest.raises(
        MergeError, match=r"rule 2 \(tensors '\*.MLP.\*'\): no tensor fits it\..*'model.layers.0.mlp.up_proj.weight'"
    ):
        rules.check_used(NAMES)
    rules = Rules([Rule(tensors="model.embed_token.weight", t=0.1)], 1)
    with pytest.raises(MergeError, match=r"The nearest name is 'model.embed_tokens.weight'\."):
        rules.check_used(NAMES)
    rules = Rules([Rule(layers=(8, 9), t=0.1)], 1)
    with pytest.raises(MergeError, match="layers 8-9"):
        rules.check_used(NAMES)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"tensors": "x"}, "changes nothing"),
        ({"layers": (3, 1), "t": 0.0}, r"layers \[3, 1\]"),
        ({"weights": (1.0,)}, r"one finite number per model \(2\)"),
        ({"density": (0.0,)}, "above 0"),
        ({"t": 2.0}, "from 0 to 1"),
        ({"scale": float("nan")}, "lambda nan: a finite number"),
        ({"keep": "3"}, r"keep '3': 'base', 'first' or the number of a model \(1 to 2\)"),
        ({"missing": "skip"}, "missing 'skip'"),
    ],
)
def test_wrong_rules_are_numbered(rule: dict[str, Any], message: str) -> None:
    """A rule that is wrong in itself is named by its number before any tensor is looked at."""
    with pytest.raises(MergeError, match=f"rule 2 .*{message}"):
        Rules([Rule(t=0.1), Rule(**rule)], 2)


@pytest.mark.parametrize(("value", "index"), [("base", -1), ("first", 0), ("1", 0), ("12", 11)])
def test_model_index(value: str, index: int) -> None:
    """Models are counted from 1."""
    assert model_index("keep", value, 12) == index


@pytest.mark.parametrize("value", ["0", "13", "-1", "two", "", "²", "1" * 5000])
def test_model_index_refuses(value: str) -> None:
    """What is no model of the merge is refused."""
    with pytest.raises(MergeError, match="number of a model"):
        model_index("keep", value, 12)
