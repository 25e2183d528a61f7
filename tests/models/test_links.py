"""A checkpoint in a second folder: whole, loadable, and its weights not copied."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from polylect.models import fingerprint, link_checkpoint
from polylect.models.checkpoint import check


def test_weights_are_linked_and_the_rest_is_copied(tmp_path: Path, llama: Path) -> None:
    """The new folder loads; its weights are the same file on disk, its tokenizer is not; a manifest stays behind."""
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    shutil.copytree(llama, source)
    (source / "manifest.json").write_text("{}")
    link_checkpoint(source, target)
    assert {path.name for path in target.iterdir()} == {path.name for path in llama.iterdir()}
    assert (source / "model.safetensors").samefile(target / "model.safetensors")
    assert not (source / "tokenizer.json").samefile(target / "tokenizer.json")
    assert fingerprint(check(target)) == fingerprint(source)
    assert AutoModelForCausalLM.from_pretrained(target).config.hidden_size == 32
    assert len(AutoTokenizer.from_pretrained(target)) == len(AutoTokenizer.from_pretrained(llama))


def test_links_of_a_cache_are_followed(tmp_path: Path, llama: Path) -> None:
    """Where the source's files are symbolic links, as in the hub's cache, the target gets files and not links."""
    source, target = tmp_path / "snapshot", tmp_path / "target"
    source.mkdir()
    for path in llama.iterdir():
        (source / path.name).symlink_to(path)
    link_checkpoint(source, target)
    assert not any(path.is_symlink() for path in target.iterdir())
    assert fingerprint(target) == fingerprint(llama)


def test_disk_without_links_gets_copies(tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a hard link is refused, the weights are copied; a file that is already there is replaced."""

    def refuse(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "target"
    target.mkdir()
    (target / "model.safetensors").write_bytes(b"old")
    link_checkpoint(llama, target)
    assert not (llama / "model.safetensors").samefile(target / "model.safetensors")
    assert fingerprint(target) == fingerprint(llama)
