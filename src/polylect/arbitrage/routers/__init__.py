"""Routers: who is asked, and whose answer is taken.

Each router is one file here with one class, registered under its name by `register`; a new one is one new file, or a class of
your own code decorated with `register`. Its settings are a frozen dataclass with defaults, read and checked by `router`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, TypeVar

from polylect.arbitrage.router_base import BaseRouter, Router, Teacher, serving
from polylect.arbitrage.router_settings import read_settings
from polylect.errors import DataError, RecipeError, nearest

__all__ = ["BaseRouter", "Router", "Teacher", "load", "names", "register", "router", "serving"]

R = TypeVar("R", bound=BaseRouter)

_ROUTERS: dict[str, type[BaseRouter]] = {}


def register(name: str) -> Callable[[type[R]], type[R]]:
    """Register the decorated class as the router `name`.

    Raises:
        RecipeError: another class has this name.
    """

    def add(kind: type[R]) -> type[R]:
        known = _ROUTERS.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
            raise RecipeError(f"Router {name!r} is registered already, by {known.__module__}. Choose another name.")
        kind.name = name
        _ROUTERS[name] = kind
        return kind

    return add


def names() -> list[str]:
    """Return the names of all routers, sorted."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return sorted(_ROUTERS)


def router(name: str, teachers: Sequence[Teacher], settings: Mapping[str, Any] | None = None) -> BaseRouter:
    """Return the router `name` over `teachers`.

    Args:
        name: one of `names()`.
        teachers: who may be asked, each with the languages it serves.
        settings: fields of the router's settings that differ from their defaults.

    Raises:
        RecipeError: unknown name or setting, a value of the wrong kind or out of range, no teachers or two of one name.
    """
    known = names()
    if name not in known:
        raise RecipeError(f"--router {name!r} is unknown.{nearest(name, known)} Known: {', '.join(known)}.")
    kind = _ROUTERS[name]
    return kind(teachers, read_settings(kind.Settings, settings or {}, where=f"router {name}"))


def load(folder: Path, teachers: Sequence[Teacher]) -> BaseRouter:
    """Return the router that `BaseRouter.save` wrote to `folder`, over the same teachers or some of them.

    Raises:
        DataError: the folder holds no router, or one that has not learned about one of `teachers`.
    """
    path = folder / "router.json"
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        name, settings, state = saved["router"], saved["settings"], saved["state"]
    except FileNotFoundError:
        raise DataError(f"{folder}: no router.json there. Give a folder that a finished arbitrage wrote its router to.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a saved router ({error!r}). Run the arbitrage that made it again.") from error
    loaded = router(name, teachers, settings)
    loaded.restore(folder, state)
    return loaded
