"""A checkpoint in a second folder without a second copy of its weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["checkpoint_files", "copy_notices", "link_checkpoint"]

_NOTICES = ("LICENSE*", "NOTICE*", "*TERMS*")
"""Licence texts: they go wherever the weights go, as most model licences ask."""

_PARTS = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "*token*",
    "*.jinja",
    "*.model",
    "vocab*",
    "merges*",
    *_NOTICES,
)


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the files that make a checkpoint: weights, configuration, tokenizer, chat template; sorted."""
    return sorted({path for pattern in _PARTS for path in folder.glob(pattern) if path.is_file()})


def link_checkpoint(source: Path, target: Path) -> None:
    """Put the files of checkpoint `source` into `target`: weights as hard links (copies across disks), the rest copied.

    A manifest stays behind, since it speaks of the folder it lies in. Weights are never written in place, so a link is safe.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in checkpoint_files(source):
        if path.suffix == ".safetensors":
            _link(path.resolve(), target / path.name)
        else:
            shutil.copyfile(path, target / path.name)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without hard links.
        shutil.copyfile(source, target)


def copy_notices(source: Path, target: Path) -> None:
    """Copy the licence texts of checkpoint `source` to a model in the folder `target` that was made from it."""
    for path in {path for pattern in _NOTICES for path in source.glob(pattern) if path.is_file()}:
        shutil.copyfile(path, target / path.name)
