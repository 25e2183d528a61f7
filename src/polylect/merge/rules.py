"""Exceptions per tensor: which rules of the settings fit a tensor, and what they say together."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

from polylect.errors import MergeError, nearest
from polylect.merge.settings import Rule

__all__ = ["Rules", "model_index"]

_VALUES = tuple(field.name for field in fields(Rule) if field.name not in {"tensors", "layers"})


class Rules:
    """The rules of one merge of `count` models, checked; remembers which of them fitted a tensor.

    Raises:
        MergeError: a rule is wrong in itself, whatever the tensors are called.
    """

    def __init__(self, rules: Sequence[Rule], count: int) -> None:
        for number, rule in enumerate(rules, start=1):
            _check(f"rule {number} ({_describe(rule)})", rule, count)
        self._rules = [(rule, re.compile(fnmatch.translate(rule.tensors))) for rule in rules]
        self._used = [False] * len(rules)

    def find(self, name: str, layer: int) -> Rule:
        """Return one rule that holds all that the rules say of the tensor `name` in `layer`, each later one overriding."""
        merged = Rule()
        for number, (rule, pattern) in enumerate(self._rules):
            inside = rule.layers is None or rule.layers[0] <= layer <= rule.layers[1]
            if inside and pattern.match(name):
                self._used[number] = True
                said = {key: getattr(rule, key) for key in _VALUES if getattr(rule, key) is not None}
                merged = replace(merged, **said)
        return merged

    def check_used(self, names: Iterable[str]) -> None:
        """Raise MergeError for the first rule that fitted no tensor, naming the tensor of `names` that comes closest."""
        for number, (rule, _) in enumerate(self._rules, start=1):
            if not self._used[number - 1]:
                plain = rule.tensors.strip("*") or rule.tensors
                raise MergeError(
                    f"rule {number} ({_describe(rule)}): no tensor fits it.{_closest(plain, names)} "
                    "Correct the pattern or the layers (counted from 0), or leave the rule out."
                )


def model_index(key: str, value: str, count: int) -> int:
    """Return what "base", "first" or the number of a model (from 1) means: -1 for the base, else an index from 0.

    Raises:
        MergeError: `value` is none of these; the message calls it `key`.
    """
    if value == "base":
        return -1
    if value == "first":
        return 0
    if value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= count:
        return int(value) - 1
    raise MergeError(f"{key} {value!r}: 'base', 'first' or the number of a model (1 to {count}) is needed.")


def _check(where: str, rule: Rule, count: int) -> None:
    if not any(getattr(rule, key) is not None for key in _VALUES):
        raise MergeError(f"{where}: it changes nothing. Give it one of {', '.join(_VALUES)}.")
    if rule.layers is not None and not 0 <= rule.layers[0] <= rule.layers[1]:
        raise MergeError(f"{where}: layers {list(rule.layers)}: the first and the last layer are needed, counted from 0.")
    if rule.weights is not None and (len(rule.weights) != count or not all(map(math.isfinite, rule.weights))):
        raise MergeError(f"{where}: weights {list(rule.weights)}: one finite number per model ({count}) is needed.")
    if rule.density is not None and (len(rule.density) not in {1, count} or not all(0 < d <= 1 for d in rule.density)):
        raise MergeError(
            f"{where}: density {list(rule.density)}: one number, or one per model ({count}), each above 0 and at most 1, is "
            "needed."
        )
    if rule.t is not None and not 0 <= rule.t <= 1:
        raise MergeError(f"{where}: t {rule.t}: a number from 0 to 1 is needed.")
    if rule.scale is not None and not math.isfinite(rule.scale):
        raise MergeError(f"{where}: lambda {rule.scale}: a finite number is needed.")
    if rule.keep is not None:
        model_index(f"{where}: keep", rule.keep, count)
    if rule.missing not in {None, "error", "abstain", "drop"}:
        raise MergeError(f"{where}: missing {rule.missing!r}: 'error', 'abstain' or 'drop' is needed.")


def _describe(rule: Rule) -> str:
    layers = f", layers {rule.layers[0]}-{rule.layers[1]}" if rule.layers else ""
    return f"tensors {rule.tensors!r}{layers}"


def _closest(pattern: str, names: Iterable[str]) -> str:
    """Return the nearest tensor: one that holds the pattern's plain text whatever its case, else the one spelled most alike."""
    names = list(names)
    for name in names:
        if pattern.lower() in name.lower():
            return f" The nearest tensor is {name!r}."
    hint = nearest(pattern, names) or nearest(pattern, {part for name in names for part in name.split(".")})
    return hint.replace("Did you mean", "The nearest name is").rstrip("?") + ("." if hint else "")
