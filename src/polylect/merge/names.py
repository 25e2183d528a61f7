"""Take the tensor names of a text model to those of the language part of a multimodal checkpoint, as they lie on disk.

Cross-modal merging merges the language part of a multimodal model with a text model of the same architecture and leaves vision
tower and projector alone (Aya Vision, arXiv 2505.08751: 0.4 of the multimodal and 0.6 of the text model kept the text ability).
The namings here are data; each was read from checkpoints that transformers 5.23 writes or converts on loading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from polylect.errors import MergeError, nearest
from polylect.models.safetensors_file import TensorInfo

__all__ = ["ARCHITECTURES", "LAYOUTS", "language_map", "tied_head"]

LAYOUTS: dict[str, dict[str, str]] = {
    "language_model": {"": "language_model."},
    "model.language_model": {"model.": "model.language_model.", "lm_head.": "lm_head."},
    "model.text_model": {"model.": "model.text_model.", "lm_head.": "lm_head."},
    "bare language_model": {"model.": "language_model.", "lm_head.": "lm_head."},
    "same names": {"": ""},
}
"""Ways to place a language model in a multimodal checkpoint: prefix in the text model -> prefix in the multimodal one."""

_LLAVA = ("language_model", "model.language_model", "bare language_model")
_QWEN = ("same names", "model.language_model")

ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "aya_vision": _LLAVA,
    "cohere2_vision": ("model.language_model", "language_model", "bare language_model"),
    "gemma3": _LLAVA,
    "idefics3": ("model.text_model",),
    "internvl": _LLAVA,
    "llama4": ("language_model",),
    "llava": _LLAVA,
    "mistral3": _LLAVA,
    "paligemma": _LLAVA,
    "qwen2_5_vl": _QWEN,
    "qwen2_vl": _QWEN,
    "qwen3_vl": ("model.language_model",),
    "smolvlm": ("model.text_model",),
    "vipllava": _LLAVA,
}
"""`model_type` of a multimodal config.json -> the layouts that its checkpoints come in."""

_HEAD = "lm_head.weight"
_EMBEDDING = "embed_tokens.weight"
_BY_TOKEN = (_HEAD, _EMBEDDING)
"""Endings of the tensors that have a row for every token."""

_RECOMPUTED = ".rotary_emb.inv_freq"
"""Ending of a buffer that old checkpoints store and every model computes from its configuration."""

_OWN_MAP = "give names as {prefix in the text model: prefix in the multimodal one}"


def language_map(
    text: Mapping[str, TensorInfo],
    multimodal: Mapping[str, TensorInfo],
    names: str | Mapping[str, str] | None = None,
    *,
    tied: bool = False,
    align: bool = False,
) -> dict[str, str]:
    """Return the name in the multimodal checkpoint of every tensor of the text model.

    Left out are buffers that every model recomputes and, when `tied`, a stored head that the multimodal model shares with its
    embedding. Multimodal tensors that no name leads to (vision tower, projector) belong to no text tensor.

    Args:
        text: tensors of the text model by name.
        multimodal: tensors of the multimodal checkpoint by name.
        names: None finds the one known layout that fits; a string is a key of ARCHITECTURES or LAYOUTS; a mapping is the
            user's own {prefix in the text model: prefix in the multimodal one}, the longest prefix that fits a name counts.
        tied: the text model's configuration ties its head to the embedding (tie_word_embeddings).
        align: embedding and head may differ in their number of rows, since the caller aligns them by token string.

    Raises:
        MergeError: no known map fits, several do, the name is unknown, two tensors get one name, a tensor has no counterpart of
            its shape, or the multimodal model has layers that the text model lacks (not asked of a user's own map).
    """
    maps = _candidates(text, names)
    found: dict[str, dict[str, str]] = {}
    problems: dict[str, tuple[int, str]] = {}
    for label, prefixes in maps.items():
        renamed = _rename(text, prefixes)
        fitting, problem = _compare(text, multimodal, renamed, tied, align)
        problem = problem or ("" if isinstance(names, Mapping) else _uncovered(multimodal, fitting))
        if problem:
            problems[label] = (len(fitting), problem)
        elif fitting not in found.values():
            found[label] = fitting
    if len(found) > 1:
        raise MergeError(f"names: {_quoted(found)} all take the text model into the multimodal one. Choose one of them as names.")
    if not found:
        label, (fits, problem) = max(problems.items(), key=lambda item: item[1][0])
        raise MergeError(_failure(label, fits, len(text), problem, names))
    return next(iter(found.values()))


def tied_head(text: Mapping[str, TensorInfo], multimodal: Mapping[str, TensorInfo], mapping: Mapping[str, str]) -> dict[str, str]:
    """Return {multimodal head: text embedding} where only the multimodal model stores a head, else {}.

    A text model that stores no head uses its embedding as one, so that is what the multimodal head has to be merged with: a head
    of its own is merged with the right values, and a stored copy of the embedding stays equal to the merged embedding.
    """
    if any(name.endswith(_HEAD) for name in text):
        return {}
    embeddings = [name for name in mapping if name.endswith(_EMBEDDING)]
    if len(embeddings) != 1:
        return {}
    taken = set(mapping.values())
    places = {mapping[embeddings[0]].removesuffix(_EMBEDDING).removesuffix("model.") + _HEAD, _HEAD}
    return {head: embeddings[0] for head in sorted(places) if head in multimodal and head not in taken}


def _candidates(text: Mapping[str, TensorInfo], names: str | Mapping[str, str] | None) -> dict[str, Mapping[str, str]]:
    """Return the prefix maps to try by label; a text model that was saved without its head class lacks the prefix "model."."""
    if isinstance(names, Mapping):
        if not names:
            raise MergeError(f"names {{}}: at least one prefix is needed: {_OWN_MAP}.")
        return {"names": names}
    if names is None:
        labels = tuple(LAYOUTS)
    elif names in LAYOUTS:
        labels = (names,)
    elif names in ARCHITECTURES:
        labels = ARCHITECTURES[names]
    else:
        known = sorted({*LAYOUTS, *ARCHITECTURES})
        raise MergeError(f"names {names!r} is unknown.{nearest(names, known)} Known: {', '.join(known)}; or {_OWN_MAP}.")
    if _EMBEDDING not in text:
        return {label: LAYOUTS[label] for label in labels}
    return {label: {"": LAYOUTS[label].get("model.", LAYOUTS[label].get("", "") + "model.")} for label in labels}


def _rename(text: Mapping[str, TensorInfo], prefixes: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield (text name, multimodal name or None when no prefix fits)."""
    longest_first = sorted(prefixes, key=len, reverse=True)
    for name in text:
        prefix = next((prefix for prefix in longest_first if name.startswith(prefix)), None)
        yield name, None if prefix is None else prefixes[prefix] + name[len(prefix) :]


def _compare(
    text: Mapping[str, TensorInfo],
    multimodal: Mapping[str, TensorInfo],
    renamed: Iterator[tuple[str, str | None]],
    tied: bool,
    align: bool,
) -> tuple[dict[str, str], str]:
    """Return the pairs that fit and what is wrong with the first that does not ("" when all is well)."""
    fitting: dict[str, str] = {}
    taken: dict[str, str] = {}
    first = ""
    for name, target in renamed:
        there = multimodal.get(target) if target is not None else None
        if there is None and (name.endswith(_RECOMPUTED) or (tied and name.endswith(_HEAD))):
            continue
        problem = _mismatch(name, text[name], target, there, align)
        if target in taken:
            problem = f"the text tensors {taken[target]!r} and {name!r} both become {target!r}"
        if target is None or problem:
            first = first or problem
        else:
            fitting[name] = target
            taken[target] = name
    return fitting, first


def _mismatch(name: str, here: TensorInfo, target: str | None, there: TensorInfo | None, align: bool) -> str:
    """Return why a text tensor has no counterpart, or "" when it has."""
    shape = list(here.shape)
    if target is None:
        return f"no prefix fits the text tensor {name!r} {shape}"
    if there is None:
        shared = " (it uses its embedding as the head, the text model has a head of its own)" if name.endswith(_HEAD) else ""
        return f"the text tensor {name!r} {shape} becomes {target!r}, which the multimodal model lacks{shared}"
    if here.shape == there.shape:
        return ""
    if name.endswith(_BY_TOKEN) and here.shape[1:] == there.shape[1:]:
        if align:
            return ""
        return (
            f"the text tensor {name!r} has rows for {here.shape[0]} tokens, {target!r} for {there.shape[0]}: align the "
            "vocabularies by token string (vocabulary: first, base or union)"
        )
    return f"the text tensor {name!r} has the shape {shape}, {target!r} has {list(there.shape)}"


def _uncovered(multimodal: Mapping[str, TensorInfo], fitting: Mapping[str, str]) -> str:
    """Return which tensor of the multimodal model's layers the text model lacks, or "".

    Layers are recognised by what stands before the first number of a name: `language_model.model.layers.`.
    """
    covered = set(fitting.values())
    stems = {stem for name in covered if (stem := _stem(name))}
    for name, tensor in multimodal.items():
        if name not in covered and _stem(name) in stems and not name.endswith(_RECOMPUTED):
            return f"the text model has no counterpart of {name!r} {list(tensor.shape)} in the multimodal model's language part"
    return ""


def _stem(name: str) -> str:
    number = re.search(r"\.\d+\.", name)
    return name[: number.start()] if number else ""


def _failure(label: str, fits: int, count: int, problem: str, names: str | Mapping[str, str] | None) -> str:
    if not fits and not isinstance(names, Mapping):
        tried = "no known map takes any" if names is None else f"{names!r} takes no"
        return f"names: {tried} tensor of the text model into the multimodal one: {problem}. {_OWN_MAP.capitalize()}."
    where = "your map" if isinstance(names, Mapping) else f"the map {label!r}"
    return (
        f"names: {where} takes {fits} of {count} text tensors into the multimodal model, but {problem}. "
        f"Merge with a text model of the same architecture and size, or {_OWN_MAP}."
    )


def _quoted(labels: Mapping[str, object]) -> str:
    return " and ".join(repr(label) for label in labels)
