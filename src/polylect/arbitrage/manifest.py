"""What an output folder says of how it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polylect import folders
from polylect.arbitrage.teachers import Teacher

__all__ = ["SCHEMA", "file_hash", "made_by", "teachers_as_dict"]

SCHEMA = 1
"""Version of the manifest's layout."""

_PACKAGES = ("aiohttp", "polars", "pyarrow", "torch", "transformers", "vllm", "ray")


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def made_by(command: str) -> dict[str, Any]:
    """Return who makes an output: command, versions, time (UTC)."""
    return {"schema": SCHEMA, **folders.made_by(command, _PACKAGES)}


def teachers_as_dict(teachers: Sequence[Teacher]) -> dict[str, Any]:
    """Return what decides the teachers' answers, by name."""
    return {teacher.name: teacher.as_dict() for teacher in teachers}
