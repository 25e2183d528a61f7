"""Train one language model for many languages, and show whom it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.arbitrage.pipeline import arbitrate as arbitrage
    from polylect.merge.api import merge as merge

__version__ = "0.1.0"
__all__ = ["__version__", "arbitrage", "merge"]

_CALLABLE = ("arbitrage", "merge")


def __getattr__(name: str) -> Any:
    """Load `polylect.merge` or `polylect.arbitrage`, packages that can be called, when they are first used."""
    if name in _CALLABLE:
        from importlib import import_module

        return import_module(f"polylect.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
