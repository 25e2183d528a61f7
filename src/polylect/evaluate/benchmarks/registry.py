"""The known benchmarks: one file in `sets/` each, registered by a decorator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeAlias

from polylect.errors import EvaluationError, nearest
from polylect.evaluate.benchmarks.base import Benchmark, Row
from polylect.evaluate.task_types import Item

__all__ = ["benchmark", "get", "names"]

Reader: TypeAlias = Callable[[Row], Iterable[Item]]

_REGISTERED: dict[str, Benchmark] = {}
# Organisations of the hub that were renamed; both names are accepted (METHODS: CohereForAI/* redirects to CohereLabs/*).
_RENAMED = {"cohereforai": "coherelabs"}


def benchmark(*, name: str, **description: Any) -> Callable[[Reader], Reader]:
    """Register a benchmark; the decorated function turns a checked row into items. Arguments: the fields of `Benchmark`.

    Raises:
        EvaluationError: the name is taken.
    """

    def register(read: Reader) -> Reader:
        if name in _REGISTERED:
            raise EvaluationError(f"benchmark {name!r}: the name is taken. Choose another one.")
        _REGISTERED[name] = Benchmark(name=name, read=read, **description)
        return read

    return register


def names() -> tuple[str, ...]:
    """Return the names of the known benchmarks, sorted."""
    return tuple(sorted(_known()))


def get(name: str) -> Benchmark:
    """Return a benchmark by its name, in any case and with `_` for `-`, or by its id on the hub where that has one set only.

    Raises:
        EvaluationError: there is none of this name.
    """
    known = _known()
    spelling = name.lower().replace("_", "-")
    if spelling in known:
        return known[spelling]
    found = [entry for _, entry in sorted(known.items()) if _hub_key(name) in {_hub_key(hub_id) for hub_id in entry.hub_ids}]
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(entry.name for entry in found)
        raise EvaluationError(f"benchmark {name!r}: this repository holds several sets: {choices}. Name one of them.")
    raise EvaluationError(
        f"benchmark {name!r} is not known.{nearest(spelling, known)} Known: {', '.join(sorted(known))}; or give the path of a "
        "YAML file that describes your own (docs/benchmarks.md)."
    )


def _hub_key(hub_id: str) -> str:
    organisation, _, repository = hub_id.lower().partition("/")
    return f"{_RENAMED.get(organisation, organisation)}/{repository}"


@cache
def _known() -> dict[str, Benchmark]:
    """Import every set, so that it registers itself."""
    from importlib import import_module
    from pkgutil import iter_modules

    from polylect.evaluate.benchmarks import sets

    for module in sorted(found.name for found in iter_modules(sets.__path__)):
        import_module(f"{sets.__name__}.{module}")
    return _REGISTERED
