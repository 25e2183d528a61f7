"""Keys: a hash of everything that decides what a step will write, known before anything runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from polylect.errors import RecipeError, RunError
from polylect.run.steps import Step

__all__ = ["Identity", "canonical", "file_hashes", "identities", "library_version"]


@dataclass(frozen=True)
class Identity:
    """A step's key (SHA-256, hex) and the parts it was computed from, as they are stored in the manifest."""

    key: str
    parts: dict[str, Any]


def identities(steps: Sequence[Step]) -> dict[str, Identity]:
    """Return the identity of every step; `steps` are in an order in which inputs come first.

    Raises:
        RunError: settings that JSON cannot hold, or a library that is not installed.
    """
    found: dict[str, Identity] = {}
    for step in steps:
        parts = {
            "function": step.function,
            "version": step.version,
            "settings": _plain(step),
            "inputs": {role: {"step": source, "key": found[source].key} for role, source in step.inputs.items()},
            "files": dict(step.files),
            "seed": step.seed,
            "libraries": {name: library_version(name) for name in step.libraries},
        }
        found[step.name] = Identity(hashlib.sha256(canonical(parts).encode()).hexdigest(), parts)
    return found


def canonical(value: Any) -> str:
    """Return `value` as JSON that does not depend on the order of mappings; NaN and infinity are refused (ValueError)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(step: Step) -> Any:
    """Return the settings as they come back from JSON, so that a stored copy compares equal (tuples become lists)."""
    _check_json(step.settings, f"step {step.name!r}: settings")
    return json.loads(canonical(dict(step.settings)))


def _check_json(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise RunError(f"{where}: key {key!r} is not text. Settings are hashed as JSON: use text keys.")
            _check_json(inner, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            _check_json(inner, f"{where}[{number}]")
    elif value is not None and not isinstance(value, (str, int, float)):
        raise RunError(
            f"{where}: {value!r} is a {type(value).__name__}, not a JSON value. Convert it to text, a number or a list."
        )
    elif isinstance(value, float) and value - value != 0:
        raise RunError(f"{where}: {value!r} has no JSON form. Use a finite number or null.")


@cache
def library_version(name: str) -> str:
    """Return the installed version of a distribution.

    Raises:
        RunError: it is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        raise RunError(
            f"library {name!r} is not installed, but a step of this run needs it. Install it: pip install {name}"
        ) from None


def file_hashes(files: Mapping[str, str], key: str) -> dict[str, str]:
    """Return the SHA-256 of every outside file by its role: a changed file makes its step stale.

    Args:
        files: role -> path.
        key: the recipe's key that holds them, for messages.

    Raises:
        RecipeError: a file does not exist.
    """
    hashes = {}
    for role, name in files.items():
        path = Path(name)
        if not path.is_file():
            raise RecipeError(f"{key}.{role}: {name} does not exist. Paths are relative to the working directory.")
        hashes[role] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes
