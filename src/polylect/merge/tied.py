"""Output heads: a model that ties its head to the embedding stores one tensor for both, another stores two.

What a configuration says (tie_word_embeddings) and what the files hold can differ. A head that is stored although it is tied is
taken for what it is: a copy of the embedding is redundant, other numbers are a head of their own, as transformers 5 decides too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polylect.errors import MergeError
from polylect.merge.inputs import Checkpoint, Inputs, language_config
from polylect.merge.layers import is_tower, layer
from polylect.merge.rules import Rules
from polylect.models.safetensors_file import TensorInfo

__all__ = ["Heads", "is_embedding", "is_head", "resolve", "says_tied"]

_HEADS = ("lm_head.weight", "embed_out.weight", "output.weight")
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight", "shared.weight")
_SAMPLES, _SAMPLE_BYTES = 64, 4096


@dataclass(frozen=True)
class Heads:
    """The inputs with one way to store heads, what to tell the user, and whether the output's configuration is to say untied."""

    inputs: Inputs
    notes: tuple[str, ...] = ()
    untie: bool = False


def is_head(name: str) -> bool:
    """Return whether the tensor `name` is an output head: the weights from hidden states to token scores."""
    return name.endswith(_HEADS) and layer(name) < 0 and not is_tower(name)


def is_embedding(name: str) -> bool:
    """Return whether the tensor `name` is the input embedding of tokens."""
    return name.endswith(_EMBEDDINGS) and layer(name) < 0 and not is_tower(name)


def says_tied(config: Mapping[str, Any]) -> bool | None:
    """Return what a configuration says about the head: tied, untied, or None where it leaves that to its class's default."""
    for part in (config, language_config(config)):
        if isinstance(part.get("tie_word_embeddings"), bool):
            return bool(part["tie_word_embeddings"])
    return None


def resolve(inputs: Inputs, rules: Rules) -> Heads:
    """Bring all inputs to the way in which the output stores its head.

    The output stores one if its main model has a head of its own; an input that ties them then gives its embedding for both.
    If the main model ties them, the output stores none: redundant heads are left out, and a head of another model's own is an
    error unless a rule drops it.

    Raises:
        MergeError: the main model ties its head and another model has one of its own.
    """
    main = inputs.models[inputs.main]
    notes: list[str] = []
    cleaned = inputs.mapped(lambda checkpoint: _without_copy(checkpoint, notes))
    own = {checkpoint.label: _head(checkpoint) for checkpoint in cleaned.everything}
    head = own[main.label]
    if head is None:
        kept = cleaned.mapped(lambda checkpoint: _checked(checkpoint, main, rules))
        return Heads(kept, tuple(notes))
    untie = says_tied(main.config) is True
    if untie:
        notes.append(
            f"{main.label}: ties its head to the embedding by its configuration but stores another; the output is untied."
        )
    return Heads(cleaned.mapped(lambda checkpoint: _with_head(checkpoint, head, notes)), tuple(notes), untie)


def _head(checkpoint: Checkpoint) -> str | None:
    return next((name for name in checkpoint.tensors if is_head(name)), None)


def _embedding(checkpoint: Checkpoint) -> str | None:
    found = [name for name in checkpoint.tensors if is_embedding(name)]
    return found[0] if len(found) == 1 else None


def _without_copy(checkpoint: Checkpoint, notes: list[str]) -> Checkpoint:
    """Return the checkpoint without a head that only repeats the embedding it is tied to."""
    head, embedding = _head(checkpoint), _embedding(checkpoint)
    if head is None or embedding is None or says_tied(checkpoint.config) is not True:
        return checkpoint
    one, two = checkpoint.tensors[head], checkpoint.tensors[embedding]
    if one.updates or two.updates or not _same_bytes(one.tensor, two.tensor):
        return checkpoint
    notes.append(f"{checkpoint.label}: {head} repeats {embedding}, which it is tied to; it is left out.")
    return checkpoint.with_tensors({name: source for name, source in checkpoint.tensors.items() if name != head})


def _checked(checkpoint: Checkpoint, main: Checkpoint, rules: Rules) -> Checkpoint:
    head = _head(checkpoint)
    if head is None or rules.find(head, -1).missing == "drop" or _embedding(main) is None:
        return checkpoint
    raise MergeError(
        f"{checkpoint.folder}: has an output head of its own ({head}), while {main.folder} uses its embedding as one, so the "
        f"output would lose it. Give {checkpoint.label} first (the output is then untied), or leave the head out by a rule: "
        f"tensors {head!r}, missing 'drop'."
    )


def _with_head(checkpoint: Checkpoint, head: str, notes: list[str]) -> Checkpoint:
    """Return the checkpoint with its embedding as the head if it stores none and ties them."""
    embedding = _embedding(checkpoint)
    if head in checkpoint.tensors or embedding is None or says_tied(checkpoint.config) is False:
        return checkpoint
    notes.append(f"{checkpoint.label}: uses {embedding} as its head; it is merged into {head} too.")
    return checkpoint.with_tensors({**checkpoint.tensors, head: checkpoint.tensors[embedding]})


def _same_bytes(one: TensorInfo, two: TensorInfo) -> bool:
    """Compare two tensors by 64 evenly spread pieces of 4 KiB: a trained head differs from an embedding everywhere."""
    if one.dtype != two.dtype or one.shape != two.shape:
        return False
    length = min(_SAMPLE_BYTES, one.bytes)
    offsets = sorted({(one.bytes - length) * number // (_SAMPLES - 1) for number in range(_SAMPLES)})
    with one.file.open("rb") as first, two.file.open("rb") as second:
        for offset in offsets:
            first.seek(one.start + offset)
            second.seek(two.start + offset)
            if first.read(length) != second.read(length):
                return False
    return True
