"""Which layer and which part of a network a tensor belongs to, from its name in a Hugging Face checkpoint."""

from __future__ import annotations

import re

__all__ = ["is_tower", "layer", "part"]

_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)(?=\.|$)")
_TOWER = re.compile(r"(?:^|\.)(vision|visual|audio|speech|image)[a-z_]*\.")
"""Encoders of pictures and sound that sit beside the language model; they have layers of their own."""
_WRAPPERS = re.compile(r"^(?:(?:model|transformer|language_model|gpt_neox|backbone|base_model)\.)+")
_LEAF = re.compile(r"\.(?:weight|bias)$")
_NUMBER = re.compile(r"\.\d+(?=\.|$)")


def is_tower(name: str) -> bool:
    """Return whether the tensor `name` belongs to an encoder of pictures or sound."""
    return _TOWER.search(name) is not None


def layer(name: str) -> int:
    """Return the number of the language model's layer that the tensor `name` belongs to; -1: none (embedding, head, tower)."""
    found = _LAYER.search(name)
    return int(found[1]) if found and len(found[1]) < 9 and not is_tower(name) else -1


def part(name: str) -> str:
    """Return what the tensor `name` is within its layer, such as "self_attn.q_proj"; experts lose their number.

    Outside the layers it is the name without its wrappers ("embed_tokens"); a tower goes in front ("vision_tower.mlp.fc1").
    """
    leaf = _LEAF.sub("", name)
    tower = _TOWER.search(name)
    found = _LAYER.search(leaf)
    rest = leaf[found.end() :].lstrip(".") if found else _WRAPPERS.sub("", leaf)
    if tower and found:
        rest = f"{tower[0].strip('.')}.{rest}"
    return _NUMBER.sub("", rest)
