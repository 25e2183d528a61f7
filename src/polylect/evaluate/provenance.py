"""What the folder of an evaluation says of how it was made, beside what every folder says."""

from __future__ import annotations

__all__ = ["PACKAGES"]

PACKAGES = ("aiohttp", "numpy", "polars", "pyarrow", "sacrebleu", "tokenizers", "torch", "transformers")
"""Packages whose versions may decide a result."""
