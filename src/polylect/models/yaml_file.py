"""YAML files of settings, read without surprises: no objects, no key twice, no secrets, `no` is Norwegian and not false."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from polylect.errors import RecipeError

__all__ = ["read_mapping"]

_LONGEST = 1_000_000
_SECRET_KEYS = frozenset({"key", "apikey", "token", "accesstoken", "auth", "authorization", "bearer", "password", "secret"})
_SECRET_VALUES = re.compile(
    r"\b(sk|pk|rk|hf|gsk|xai|ghp|glpat|nvapi|AIza|AKIA)[-_]?[A-Za-z0-9_-]{16,}|\bBearer\s+\S|//[^/@\s]*:[^/@\s]*@"
    r"|[?&](api[-_]?)?(key|token)="
)


class _FaultError(Exception):
    """What is wrong with the file, as a sentence without its subject."""


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; only `true` and `false` are truth values, as in YAML 1.2.

    Raises:
        RecipeError: the file is missing, not YAML or no mapping, a key is there twice, an alias is used, or it seems to hold a
            key or password, which the message does not repeat.
    """
    import yaml

    if not path.is_file():
        raise RecipeError(f"{path}: no such file. Give the path of a YAML file.")
    if path.stat().st_size > _LONGEST:
        raise RecipeError(f"{path}: {path.stat().st_size} bytes is too long for settings. Give another file.")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _loader())  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        # The error's own text quotes the line, which may hold a key.
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RecipeError(
            f"{path}{line}: not readable as YAML ({error.problem or 'unknown problem'}). Correct the file."
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: not readable as YAML ({type(error).__name__}). Correct the file.") from None
    except _FaultError as fault:
        raise RecipeError(f"{path}: {fault}. Correct the file.") from fault
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a mapping of keys is needed; found {type(content).__name__}. Correct the file.")
    for where, why in _secrets(content, ""):
        raise RecipeError(
            f"{path}: {where}: {why}; it is not shown here. Keys stay out of files: put it into an environment variable and name "
            "that one, as in key_env: OPENAI_API_KEY."
        )
    return content


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """A safe loader that refuses duplicate keys and aliases, with which a short text can stand for a huge one."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise _FaultError("aliases (*name) are not allowed; write the value out")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            again = sorted({key for key in keys if keys.count(key) > 1 and isinstance(key, str)})
            if again:
                raise _FaultError(f"line {node.start_mark.line + 1}: the key {again[0][:60]!r} is there twice")
            return dict(super().construct_mapping(node, deep=deep))

    resolvers = {letter: list(found) for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    for letter, found in resolvers.items():
        resolvers[letter] = [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    Loader.yaml_implicit_resolvers = resolvers
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false", re.IGNORECASE), list("tTfF"))
    # YAML 1.1 takes 1e-3 for a text.
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+"), list("-+0123456789.")
    )
    return Loader


def _secrets(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Yield where the content seems to hold a secret, and why."""
    if isinstance(value, dict):
        for key, inner in value.items():
            at = f"{where}.{str(key)[:40]}" if where else str(key)[:40]
            if str(key).lower().replace("_", "").replace("-", "") in _SECRET_KEYS:
                yield at, "a key is not written into a file"
            yield from _secrets(inner, at)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _secrets(inner, f"{where}[{number}]")
    elif isinstance(value, str) and _SECRET_VALUES.search(value):
        yield where, "this looks like a key or a password"
