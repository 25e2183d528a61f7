"""What an output folder says of how it was made."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import polylect

__all__ = ["made_by"]

_PACKAGES = ("aiohttp", "numpy", "polars", "pyarrow", "sacrebleu", "tokenizers", "torch", "transformers")


def made_by(command: str) -> dict[str, Any]:
    """Return who makes an output: command, versions, time (UTC)."""
    return {
        "command": command,
        "polylect": polylect.__version__,
        "python": platform.python_version(),
        "platform": sys.platform,
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
