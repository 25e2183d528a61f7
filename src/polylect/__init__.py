"""Train one language model for many languages, and show whom it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.merge.api import merge as merge

__version__ = "0.1.0"
__all__ = ["__version__", "merge"]


def __getattr__(name: str) -> Any:
    """Load `polylect.merge`, a package that can be called, when it is first used."""
    if name == "merge":
        from importlib import import_module

        return import_module("polylect.merge")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
