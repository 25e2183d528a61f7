"""Settings of a merge from a YAML file, from the options of the command line, or from both."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from polylect.errors import MergeError, nearest
from polylect.merge import methods
from polylect.merge.settings import Rule, Settings

__all__ = ["load", "parse_bytes", "settings_from"]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_CHOICES = {
    "rescale": ("density", "l1"),
    "vocabulary": ("same", "union", "base", "first"),
    "statistics": ("sampled", "exact", "none"),
    "missing": ("error", "abstain", "drop"),
}
_PER_MODEL = ("model", "weight", "density")
_LONGEST = 200_000
_ALIASES = {"lambda": "scale", "max-memory": "max_memory", "shard-size": "shard_size"}


class _Fault(Exception):  # noqa: N818 - carries what is wrong with a value to where file and key are known
    """What is wrong with a value, as a sentence without its subject."""


def load(path: Path) -> Settings:
    """Return the settings in a YAML file; relative paths of models start at the working directory, as on the command line.

    Raises:
        MergeError: the file is missing or not YAML, a key is unknown or given twice, a value is not of its kind.
    """
    return settings_from(path, {})


def settings_from(path: Path | None, options: Mapping[str, Any]) -> Settings:
    """Return the settings in the YAML file `path`, if there is one, with `options` in place of its values.

    Args:
        path: a YAML file with keys as on the command line (`lambda`, `max_memory: 400MB`), and `rules`.
        options: what the command line gives, by the same names; nothing that was not given.

    Raises:
        MergeError: the file is missing or not YAML, a key is unknown or given twice, a value is not of its kind, or no models.
    """
    content = _read(path) if path is not None else {}
    where = str(path) if path is not None else "settings"
    values = _settings(where, content)
    for key, value in options.items():
        values[_known(where, key, _READERS)] = _convert("command line", key, value, _READERS[_ALIASES.get(key, key)])
    if "models" in options and len(options["models"]) != len(content.get("models") or options["models"]):
        # One number per model of the file fits no other models.
        for key in ("weights", "density"):
            if key not in options and len(values.get(key) or ()) > 1:
                del values[key]
    values.setdefault("method", "linear")
    if "models" not in values:
        raise MergeError(f"{where}: no models. Give the folders to merge: on the command line, or as the list `models`.")
    try:
        return Settings(**values)
    except MergeError as error:
        raise MergeError(f"{where}: {error}") from error


def parse_bytes(text: str | int) -> int:
    """Return a number of bytes from "400MB", "2 GiB" or 400000000.

    Raises:
        MergeError: it is no number with a known unit, or not above 0.
    """
    try:
        return _bytes(text)
    except _Fault as fault:
        raise MergeError(f"{text!r}: {fault}.") from fault


def _read(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; tags that would build objects are not known to the safe loader."""
    import yaml

    if not path.is_file():
        raise MergeError(f"{path}: no such file. Give the YAML file with the settings of the merge.")
    if path.stat().st_size > _LONGEST:
        raise MergeError(f"{path}: {path.stat().st_size} bytes is too long for settings. Give another file.")

    class Loader(yaml.SafeLoader):
        """A safe loader that refuses duplicate keys and aliases, with which a short text can stand for a huge one."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise _Fault("aliases (*name) are not allowed; write the value out")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]  # type: ignore[no-untyped-call]
            again = [key for key, count in Counter(key for key in keys if isinstance(key, str)).items() if count > 1]
            if again:
                raise _Fault(f"the key {again[0][:60]!r} is there twice")
            return dict(super().construct_mapping(node, deep=deep))

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, OverflowError) as error:
        raise MergeError(f"{path}: not readable as YAML: {' '.join(str(error).split())[:200]}. Correct the file.") from error
    except _Fault as fault:
        raise MergeError(f"{path}: {fault}. Correct the file.") from fault
    if not isinstance(content, dict):
        raise MergeError(f"{path}: a mapping of settings is needed, such as `method: ties`. Correct the file.")
    return content


def _settings(where: str, content: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = _known(where, key, _READERS)
        if name in values:
            raise MergeError(f"{where}: {key}: this setting is there twice, under two names. Leave one out.")
        if name == "rules":
            values[name] = _rules(where, value)
        elif name == "models":
            values |= _models(where, value, content)
        elif value is not None:
            values[name] = _convert(where, key, value, _READERS[name])
    return values


def _models(where: str, value: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return models, and weights and density if the models carry them: {model: path, weight: 0.3, density: 0.5}."""
    if not isinstance(value, list) or not value:
        raise MergeError(f"{where}: models: a list of folders is needed, or of {{model, weight, density}}.")
    result: dict[str, Any] = {"models": []}
    entries = [entry if isinstance(entry, dict) else {"model": entry} for entry in value]
    for number, entry in enumerate(entries, start=1):
        at = f"models[{number}]"
        for key in entry:
            _known(f"{where}: {at}", key, dict.fromkeys(_PER_MODEL))
        result["models"].append(_convert(where, f"{at}.model", entry.get("model"), _path))
    for key, name in (("weight", "weights"), ("density", "density")):
        given = [entry.get(key) for entry in entries]
        if any(number is not None for number in given):
            if content.get(name) is not None:
                raise MergeError(f"{where}: {name} is given beside the models and within them. Leave one out.")
            if None in given:
                raise MergeError(f"{where}: models[{given.index(None) + 1}]: lacks {key}, which others have. Give it for all.")
            result[name] = tuple(
                _convert(where, f"models[{n}].{key}", number, _number) for n, number in enumerate(given, start=1)
            )
    result["models"] = tuple(result["models"])
    return result


def _rules(where: str, value: Any) -> tuple[Rule, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise MergeError(f"{where}: rules: a list is needed, each rule a mapping such as {{tensors: '*.mlp.*', scale: 0.5}}.")
    rules = []
    for number, entry in enumerate(value, start=1):
        at = f"{where}: rules[{number}]"
        rules.append(
            Rule(
                **{_known(at, key, _RULE): _convert(at, key, item, _RULE[_ALIASES.get(key, key)]) for key, item in entry.items()}
            )
        )
    return tuple(rules)


def _known(where: str, key: Any, readers: Mapping[str, Any]) -> str:
    """Return the field that a key names.

    Raises:
        MergeError: it names none; the message has the nearest.
    """
    name = _ALIASES.get(key, key) if isinstance(key, str) else key
    if name in readers and isinstance(name, str):
        return name
    names = ["lambda" if known == "scale" else known for known in readers]
    raise MergeError(f"{where}: the key {str(key)[:60]!r} is unknown.{nearest(str(key), names)} Known: {', '.join(names)}.")


def _convert(where: str, key: str, value: Any, reader: Callable[[Any], Any]) -> Any:
    try:
        return reader(value)
    except _Fault as fault:
        shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}..."
        raise MergeError(f"{where}: {key}: {shown}: {fault}.") from fault


def _fault(text: str) -> NoReturn:
    raise _Fault(text)


def _number(value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+", value):
        value = float(value)  # YAML 1.1 takes 1e-3 for a text
    if type(value) not in {int, float} or not math.isfinite(value):
        _fault("a finite number is needed")
    return float(value)


def _numbers(value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(_number(item) for item in values) or _fault("at least one number is needed")


def _whole(value: Any) -> int:
    return value if type(value) is int else _fault("a whole number is needed")


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else _fault("a text is needed")


def _model(value: Any) -> str:
    return str(value) if type(value) is int else _text(value)


def _path(value: Any) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        _fault("the path of a folder is needed")
    return Path(value).expanduser() if value.startswith("~/") else Path(value)


def _paths(value: Any) -> tuple[Path, ...]:
    return tuple(map(_path, value)) if isinstance(value, list | tuple) and value else _fault("a list of folders is needed")


def _bytes(value: Any) -> int:
    found = re.fullmatch(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*([a-zA-Z]*)\s*", str(value)) if type(value) in {int, str} else None
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        _fault("a number of bytes is needed, such as 400MB or 2GiB")
    return int(float(found[1]) * unit) or _fault("more than 0 bytes are needed")


def _flag(value: Any) -> bool:
    return value if isinstance(value, bool) else _fault("true or false is needed")


def _method(value: Any) -> str:
    try:
        return methods.get(_text(value)).name
    except MergeError as error:
        return _fault(str(error).rstrip("."))


def _layers(value: Any) -> tuple[int, int]:
    values = value if isinstance(value, list | tuple) else [value, value]
    if len(values) != 2 or not all(type(number) is int for number in values):
        _fault("the first and the last layer are needed, such as [0, 11], counted from 0")
    return values[0], values[1]


def _names(value: Any) -> str | dict[str, str]:
    if isinstance(value, dict) and all(isinstance(part, str) for pair in value.items() for part in pair):
        return value
    return _text(value)


def _choice(name: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        known = _CHOICES[name]
        return str(value) if value in known else _fault(f"one of {', '.join(known)} is needed")

    return read


_READERS: dict[str, Callable[[Any], Any]] = {
    "method": _method, "models": _paths, "base": _path, "weights": _numbers, "density": _numbers, "t": _number,
    "scale": _number, "normalize": _flag, "rescale": _choice("rescale"), "dtype": _text, "seed": _whole, "threads": _whole,
    "max_memory": _bytes, "device": _text, "vocabulary": _choice("vocabulary"), "tokenizer": _model, "generation": _model,
    "names": _names, "rules": lambda value: value, "shard_size": _bytes, "statistics": _choice("statistics"),
}  # fmt: skip
_RULE: dict[str, Callable[[Any], Any]] = {
    "tensors": _text, "layers": _layers, "weights": _numbers, "density": _numbers, "t": _number, "scale": _number,
    "keep": _model, "missing": _choice("missing"),
}  # fmt: skip
