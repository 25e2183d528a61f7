"""What all commands have in common."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["CONTEXT"]

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}
"""Each command has it for itself: one that is called without its group would keep other names of the help option."""
