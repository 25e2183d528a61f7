"""The registry of kinds of arbiter: a new kind is one new file of this package with one decorated function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.arbiters.base import Arbiter
from polylect.errors import RecipeError, nearest

if TYPE_CHECKING:
    from polylect.models.store import Store

__all__ = ["Context", "Kind", "arbiter", "get", "names"]


@dataclass(frozen=True)
class Context:
    """What a kind is built with beside its own settings.

    Attributes:
        where: the file and key that the settings stand at, for messages: "ARBITER.yaml: parts[1]".
        folder: that relative paths in the settings start at: that of ARBITER.yaml.
        store: keeps the answers of judges; None where there is none, which a kind that asks models refuses.
        cache: models that are open, by kind and spec, shared by the parts of a composite.
    """

    where: str
    folder: Path
    store: Store | None
    cache: dict[str, Any]

    def below(self, key: str) -> Context:
        """Return the context of the settings at `key` of these."""
        return replace(self, where=f"{self.where}: {key}")

    def path(self, value: str) -> Path:
        """Return a path of the settings, relative ones beside ARBITER.yaml."""
        return self.folder / Path(value).expanduser()

    def refuse(self, key: str, value: object, rule: str) -> RecipeError:
        """Return the error for a setting: where it stands, its value, and `rule`: what it broke and what to do."""
        return RecipeError(f"{self.where}: {key}: {value!r}: {rule}")


Build = Callable[[Mapping[str, Any], Context], Arbiter]


@dataclass(frozen=True)
class Kind:
    """A kind of arbiter: `build` makes one from its settings (without `kind`) and their context."""

    name: str
    summary: str
    build: Build


_KINDS: dict[str, Kind] = {}


def arbiter(name: str, summary: str) -> Callable[[Build], Build]:
    """Register the decorated function, which builds an arbiter, as the kind `name`."""

    def register(build: Build) -> Build:
        _KINDS[name] = Kind(name, summary, build)
        return build

    return register


def names() -> list[str]:
    """Return the names of all kinds, sorted."""
    _load()
    return sorted(_KINDS)


def get(name: str) -> Kind:
    """Return the kind `name`.

    Raises:
        RecipeError: there is none.
    """
    _load()
    if name not in _KINDS:
        raise RecipeError(f"kind {name!r} of arbiter is unknown.{nearest(name, _KINDS)} Known: {', '.join(sorted(_KINDS))}.")
    return _KINDS[name]


def _load() -> None:
    """Import every file of this package: those with a kind register it."""
    package = __name__.rpartition(".")[0]
    for module in iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")
