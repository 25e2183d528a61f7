"""Give text models the tensor names of the multimodal model that they are merged with (Aya Vision, arXiv 2505.08751)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from polylect.errors import MergeError
from polylect.merge.inputs import Checkpoint, Inputs
from polylect.merge.settings import Settings
from polylect.merge.tied import says_tied
from polylect.models.safetensors_file import TensorInfo

__all__ = ["is_multimodal", "resolve"]

_PARTS = ("vision_config", "audio_config", "speech_config", "encoder_config")


def is_multimodal(checkpoint: Checkpoint) -> bool:
    """Return whether a configuration describes a language model beside an encoder of pictures or sound."""
    return any(isinstance(checkpoint.config.get(key), dict) for key in _PARTS)


def resolve(inputs: Inputs, settings: Settings) -> tuple[Inputs, tuple[str, ...]]:
    """Return the inputs with one set of names, the multimodal model's, and notes; as they are where no kinds are mixed.

    Every tensor of the multimodal model that no text model has a part in is to be copied from it. Its place among the models is
    free: it only says which weight is whose.

    Raises:
        MergeError: more than one multimodal model among text models, a name map without one, or one that does not fit.
    """
    multimodal = [number for number, model in enumerate(inputs.models) if is_multimodal(model)]
    if len(multimodal) in {0, len(inputs.models)} and not (multimodal and len(inputs.models) == 1 and settings.names):
        if settings.names is not None:
            kinds = "multimodal" if multimodal else "text models"
            raise MergeError(f"names {_shown(settings.names)}: all models are {kinds}, so no names need a map. Leave it out.")
        return inputs, ()
    if len(multimodal) > 1:
        listed = ", ".join(inputs.models[number].label for number in multimodal)
        raise MergeError(
            f"text models can be merged into one multimodal model, here are {len(multimodal)}: {listed}. Choose one."
        )
    main = inputs.models[multimodal[0]]
    there = _infos(main)
    reached: set[str] = set()

    def renamed(checkpoint: Checkpoint) -> Checkpoint:
        if is_multimodal(checkpoint):
            return checkpoint
        result = _renamed(checkpoint, there, settings)
        if checkpoint is not inputs.base:
            reached.update(result.tensors)
        return result

    result = inputs.mapped(renamed)
    copied = frozenset(there) - reached
    note = f"{main.label}: {len(reached)} tensors of its language part are merged, {len(copied)} others are copied."
    return replace(result, main=multimodal[0], copied=copied), (note,)


def _renamed(checkpoint: Checkpoint, there: Mapping[str, TensorInfo], settings: Settings) -> Checkpoint:
    from polylect.merge.names import language_map, tied_head

    here = _infos(checkpoint)
    tied = says_tied(checkpoint.config) is True
    try:
        mapping = language_map(here, there, settings.names, tied=tied, align=settings.vocabulary != "same")
    except MergeError as error:
        raise MergeError(f"{checkpoint.folder}: {error}") from error
    tensors = {mapping[name]: source for name, source in checkpoint.tensors.items() if name in mapping}
    for head, embedding in tied_head(here, there, mapping).items():
        tensors[head] = checkpoint.tensors[embedding]
    return checkpoint.with_tensors(tensors)


def _infos(checkpoint: Checkpoint) -> dict[str, TensorInfo]:
    return {name: source.tensor for name, source in checkpoint.tensors.items()}


def _shown(names: str | Mapping[str, str]) -> str:
    return repr(names if isinstance(names, str) else dict(names))[:80]
