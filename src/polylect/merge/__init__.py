"""Arithmetic on checkpoints, tensor by tensor; the package itself can be called: `polylect.merge(models, out=...)`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.merge.api import merge
    from polylect.merge.linear import linear
    from polylect.merge.manifest import MergeReport
    from polylect.merge.settings import Rule, Settings

__all__ = ["MergeReport", "Rule", "Settings", "linear", "merge"]

_HOMES = {
    "MergeReport": "manifest",
    "Rule": "settings",
    "Settings": "settings",
    "linear": "linear",
    "merge": "api",
}


class _Package(ModuleType):
    """This package as a module that can be called, and that loads its public names when they are first used."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{self.__name__}.{_HOMES[name]}"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep a submodule that is loaded (`linear`) from hiding the public function of the same name."""
        if name not in _HOMES or not isinstance(value, ModuleType):
            super().__setattr__(name, value)

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        """Merge checkpoints: see `polylect.merge.api.merge`."""
        from polylect.merge.api import merge

        return merge(*arguments, **settings)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_HOMES})


sys.modules[__name__].__class__ = _Package
