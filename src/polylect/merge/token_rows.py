"""Bring embeddings and heads of all inputs to one vocabulary: which row of which model each row of the output is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.errors import MergeError
from polylect.merge.inputs import Checkpoint, Inputs, language_config
from polylect.merge.layers import is_tower, layer
from polylect.merge.plan import Source
from polylect.merge.settings import Settings
from polylect.merge.tied import is_embedding, is_head
from polylect.models.checkpoint import TOKENIZERS

if TYPE_CHECKING:
    import numpy as np

    from polylect.merge.vocabulary import Alignment, Vocabulary

__all__ = ["Tokens", "has_tokenizer", "resolve"]

_TOKENIZER, *_OTHERS = TOKENIZERS
_BY_TOKEN = ("embed", "wte", "lm_head", "output", "shared", "decoder.bias", "final_logits_bias")


@dataclass(frozen=True)
class Tokens:
    """The inputs with aligned rows; `alignment` is None where all have one vocabulary. `counts` are for tables."""

    inputs: Inputs
    alignment: Alignment | None = None
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    def vocabulary_of(self, checkpoint: Checkpoint) -> Vocabulary:
        """Return the tokens of one of the aligned inputs."""
        assert self.alignment is not None
        known = [*self.alignment.vocabularies, self.alignment.base_vocabulary]
        return next(vocabulary for vocabulary in known if vocabulary is not None and vocabulary.folder == checkpoint.tokenizer)


def has_tokenizer(folder: Path) -> bool:
    """Return whether the folder holds tokenizer files of any kind."""
    return any((folder / name).is_file() for name in (_TOKENIZER, *_OTHERS))


def resolve(inputs: Inputs, settings: Settings) -> Tokens:
    """Compare the token lists of all inputs and, if the settings say how, align them by token string.

    Raises:
        MergeError: token lists differ and the settings say "same", or they cannot be aligned.
    """
    known = [checkpoint for checkpoint in inputs.everything if has_tokenizer(checkpoint.tokenizer)]
    notes = (
        [
            f"{checkpoint.label}: no tokenizer in {checkpoint.tokenizer}, so its tokens are taken to be the others'."
            for checkpoint in inputs.everything
            if checkpoint not in known
        ]
        if known
        else []
    )
    different = _first_difference(known)
    rows = [_row_count(checkpoint) for checkpoint in inputs.everything]
    if settings.vocabulary == "same":
        if different is not None:
            raise MergeError(_how_different(*different))
        return Tokens(inputs, notes=tuple(notes))
    if different is None and len(set(rows)) == 1:
        return Tokens(inputs, notes=(*notes, "All models have the same tokens; nothing is aligned."))
    return _aligned(inputs, settings, rows)


def _first_difference(known: list[Checkpoint]) -> tuple[Checkpoint, Checkpoint] | None:
    """Return the first pair of checkpoints whose tokens differ; equal files are not parsed."""
    for other in known[1:]:
        first = known[0]
        with_json = [(checkpoint.tokenizer / _TOKENIZER).is_file() for checkpoint in (first, other)]
        if all(with_json):
            from polylect.merge.vocabulary import same

            if not same(first.tokenizer, other.tokenizer):
                return first, other
        elif not _same_slow(first.tokenizer, other.tokenizer):
            return first, other
    return None


def _same_slow(first: Path, second: Path) -> bool:
    """Compare tokenizers by their files where one of them has no tokenizer.json."""
    names = [name for name in _OTHERS if (first / name).is_file() and (second / name).is_file()]
    return bool(names) and all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def _how_different(first: Checkpoint, second: Checkpoint) -> str:
    detail = "their tokenizer files differ"
    if all((checkpoint.tokenizer / _TOKENIZER).is_file() for checkpoint in (first, second)):
        from polylect.merge.vocabulary import difference

        detail = difference(first.tokenizer, second.tokenizer)
    return (
        f"the token lists of {first.label} and {second.label} differ: {detail}. Rows of their embeddings stand for other tokens. "
        "Align them by token string: --vocabulary union, base or first."
    )


def _row_count(checkpoint: Checkpoint) -> int:
    """Return the rows of a checkpoint's embedding: of the tensor, else what its configuration says, else 0."""
    for choose in (is_embedding, is_head):
        for name, source in checkpoint.tensors.items():
            if choose(name) and source.tensor.shape:
                return source.tensor.shape[0]
    size = language_config(checkpoint.config).get("vocab_size")
    return size if type(size) is int and size > 0 else 0


def _aligned(inputs: Inputs, settings: Settings, row_counts: list[int]) -> Tokens:
    from polylect.merge.vocabulary import align

    everything = inputs.everything
    # The first folder is the one whose vocabulary "first" and "union" start from: the main model's, wherever it stands.
    order = [inputs.main, *(number for number in range(len(inputs.models)) if number != inputs.main)]
    base = inputs.base.tokenizer if inputs.base is not None else None
    ordered_rows = [row_counts[number] for number in order] + row_counts[len(inputs.models) :]
    mode = settings.vocabulary
    assert mode != "same"
    alignment = align([inputs.models[number].tokenizer for number in order], base, mode, ordered_rows)
    rows: list[np.ndarray | None] = [None] * len(everything)
    notes: list[str] = list(alignment.notes)
    for place, number in enumerate(order):
        rows[number] = None if alignment.plain[place] else alignment.rows[place]
    if inputs.base is not None:
        rows[-1] = None if alignment.base_plain else alignment.base_rows
    changed = [_with_rows(checkpoint, count, row) for checkpoint, count, row in zip(everything, row_counts, rows, strict=True)]
    counts = {"vocabulary": alignment.size}
    for number, checkpoint in enumerate(everything):
        known = alignment.counts[order.index(number)] if number < len(order) else alignment.base_counts
        assert known is not None
        notes.append(
            f"{checkpoint.label}: {known.kept:,} tokens kept, {known.missing:,} of the output's are missing there, "
            f"{known.dropped:,} left out, {known.moved:,} under another id."
        )
    models = tuple(changed[: len(inputs.models)])
    result = replace(inputs, models=models, base=changed[-1] if inputs.base is not None else None)
    return Tokens(result, alignment, tuple(notes), counts)


def _with_rows(checkpoint: Checkpoint, count: int, rows: np.ndarray | None) -> Checkpoint:
    if rows is None:
        return checkpoint
    tensors: dict[str, Source] = {}
    for name, source in checkpoint.tensors.items():
        by_token = _is_by_token(name) and bool(source.tensor.shape) and source.tensor.shape[0] == count
        tensors[name] = source._replace(rows=rows) if by_token else source
    return checkpoint.with_tensors(tensors)


def _is_by_token(name: str) -> bool:
    """Return whether a tensor may have one row per token, by its name; its number of rows decides."""
    if is_embedding(name) or is_head(name):
        return True
    other = any(word in name for word in ("position", "wpe", "token_type", "norm"))
    return layer(name) < 0 and not is_tower(name) and not other and any(word in name for word in _BY_TOKEN)
