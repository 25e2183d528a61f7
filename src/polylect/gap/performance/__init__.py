"""Disparity between languages: how far behind, from any result tables."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.gap.performance.disparity import gap_performance

__all__ = ["gap_performance"]


def __getattr__(name: str) -> Any:
    """Import the function when it is first asked for: its modules need numpy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from polylect.gap.performance.disparity import gap_performance

    return gap_performance
