"""Merge methods: each is one file here with one pure function on arrays, found by name.

A function takes one chunk of every input as flat float64 arrays (NumPy or torch) and the tensor's `Values`, and returns the
merged chunk. It must be elementwise: what depends on the whole tensor (inner products, which entries are kept) the engine
computes in passes of its own, as the method declares, and hands over. The arrays it gets are scratch of the engine: it may
overwrite them, and return one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Literal

from polylect.errors import MergeError, nearest
from polylect.merge.forms import Form

__all__ = ["Method", "Values", "get", "method", "names"]

Array = Any
"""A flat float64 array of NumPy or torch: the arithmetic of both reads the same."""


@dataclass(frozen=True)
class Values:
    """The numbers of one merge for one tensor; `gram` holds the inner products of its K inputs over the whole tensor, (K, K)."""

    weights: tuple[float, ...]
    density: tuple[float, ...] = ()
    t: float = 0.5
    scale: float = 1.0
    normalize: bool = False
    rescale: Literal["density", "l1"] = "density"
    gram: tuple[tuple[float, ...], ...] = ()

    def with_gram(self, gram: tuple[tuple[float, ...], ...]) -> Values:
        """Return these values with the inner products filled in."""
        return replace(self, gram=gram)


@dataclass(frozen=True)
class Method:
    """What the engine must know of a method.

    `task_vectors`: the function gets task vectors (x_i - base) and returns the merged one, which the engine scales and adds to
    the base; otherwise it gets the models themselves. `keep`: which entries of the task vectors the engine leaves non-zero.
    `gram`: the function needs `Values.gram`. `normalize`: the default of that setting. `inputs`: fewest and most models (0: any).
    `form`: the same arithmetic as data, from the values, for the compiled kernel; None: the function is always called.
    """

    name: str
    function: Callable[[Sequence[Array], Values], Array]
    summary: str
    task_vectors: bool = False
    keep: Literal["all", "largest", "random"] = "all"
    gram: bool = False
    normalize: bool = False
    inputs: tuple[int, int] = (1, 0)
    form: Callable[[Values], Form] | None = None


_METHODS: dict[str, Method] = {}


def method(name: str, summary: str, **properties: Any) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Register the decorated function as the merge method `name`; `properties` are the fields of `Method`."""

    def register(function: Callable[..., Array]) -> Callable[..., Array]:
        _METHODS[name] = Method(name, function, summary, **properties)
        return function

    return register


def names() -> list[str]:
    """Return the names of all methods, sorted."""
    _load()
    return sorted(_METHODS)


def get(name: str) -> Method:
    """Return the method `name`.

    Raises:
        MergeError: there is none.
    """
    _load()
    if name not in _METHODS:
        raise MergeError(f"method {name!r} is unknown.{nearest(name, _METHODS)} Known: {', '.join(sorted(_METHODS))}.")
    return _METHODS[name]


def _load() -> None:
    """Import every file of this folder: a new method is one new file."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
