"""What differs between the inputs beside their numbers: architecture (an error), settings and special tokens (notes)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from polylect.errors import MergeError
from polylect.merge.cross_modal import is_multimodal
from polylect.merge.inputs import Checkpoint, Inputs, language_config, read_json

__all__ = ["architectures", "chat_template", "configurations", "generation", "tokenizers"]

_STRUCTURE = frozenset({
    "activation_function", "d_ff", "d_model", "dim", "ffn_dim", "head_dim", "hidden_act", "hidden_activation", "hidden_size",
    "intermediate_size", "layer_types", "model_type", "n_embd", "n_head", "n_inner", "n_layer", "n_routed_experts",
    "num_attention_heads", "num_experts", "num_experts_per_tok", "num_heads", "num_hidden_layers", "num_key_value_heads",
    "num_layers", "num_local_experts",
})  # fmt: skip
"""Keys of config.json, at any depth, in which models that are merged must agree: they change what each number is for."""

_DEPTH = frozenset({"n_layer", "num_hidden_layers", "num_layers", "layer_types"})
_IGNORED = frozenset({
    "_name_or_path", "dtype", "tie_word_embeddings", "torch_dtype", "transformers_version", "use_cache", "vocab_size",
    "_from_model_config", "_attn_implementation_autoset",
})  # fmt: skip
_ROLES = ("bos_token", "eos_token", "pad_token", "unk_token")
_GENERATION = "generation_config.json"
_ABSENT = object()


def architectures(inputs: Inputs, *, depth_may_differ: bool = False) -> None:
    """Refuse inputs whose configurations differ in a key that models must share to be merged.

    Args:
        inputs: the models and the base.
        depth_may_differ: rules say what happens to tensors that a shallower model lacks, so the number of layers is no error.

    Raises:
        MergeError: naming the key and both values.
    """
    main = inputs.models[inputs.main]
    flat = _configurations(inputs)
    ours = flat[inputs.main]
    for key in sorted(key for key in ours if key.rpartition(".")[2] in _STRUCTURE):
        if depth_may_differ and key.rpartition(".")[2] in _DEPTH:
            continue
        for config, checkpoint in zip(flat, inputs.everything, strict=True):
            # A key that is left out stands for a default of the class; shapes are compared anyway.
            if config.get(key, ours[key]) != ours[key]:
                here, there = _short(config[key]), _short(ours[key])
                raise MergeError(
                    f"{checkpoint.folder}: config.json {_name(key)} is {here}, in {main.folder} {there}. "
                    "Merge models of one architecture and size."
                )


def configurations(inputs: Inputs, *, ids: bool = True) -> tuple[str, ...]:
    """Return what differs between the configurations, by key; the output's is that of the main model.

    `ids`: compare the ids of special tokens too, which is senseless where every model numbers its tokens in its own way.
    """
    flat = _configurations(inputs)
    ignored = _IGNORED if ids else _IGNORED | {key for config in flat for key in config if "token" in key.rpartition(".")[2]}
    return tuple(_notes("config.json", flat, inputs.everything, inputs.models[inputs.main], ignored))


def generation(inputs: Inputs, chosen: Checkpoint) -> tuple[str, ...]:
    """Return what differs between the generation settings; the output's are those of `chosen`."""
    paths = [checkpoint.home / _GENERATION for checkpoint in inputs.everything]
    here = [(c, dict(_flat(read_json(path)))) for c, path in zip(inputs.everything, paths, strict=True) if path.is_file()]
    lacking = [c.label for c, path in zip(inputs.everything, paths, strict=True) if not path.is_file()]
    notes = (
        [f"{_GENERATION}: missing in {', '.join(lacking)}; the output has that of {chosen.label}."] if here and lacking else []
    )
    return (*notes, *_notes(_GENERATION, [content for _, content in here], [c for c, _ in here], chosen, _IGNORED))


def tokenizers(inputs: Inputs, chosen: Checkpoint) -> tuple[str, ...]:
    """Return how special tokens, chat templates and tokenizer.json differ; the output has those of `chosen`."""
    known = [c for c in inputs.everything if (c.tokenizer / "tokenizer_config.json").is_file()]
    content = [read_json(c.tokenizer / "tokenizer_config.json") for c in known]
    notes = []
    for role in _ROLES:
        values = [_token(settings.get(role)) for settings in content]
        if any(value != values[0] for value in values):
            notes.append(f"{role}: {_grouped(values, known)}; the output has that of {chosen.label}.")
    templates = [_digest(chat_template(c.tokenizer, settings)) for c, settings in zip(known, content, strict=True)]
    if len(set(templates)) > 1:
        notes.append(f"chat template (hash): {_grouped(templates, known)}; the output has that of {chosen.label}.")
    with_json = [c for c in inputs.everything if (c.tokenizer / "tokenizer.json").is_file()]
    if len(with_json) > 1 and any(not _same_file(with_json[0], other) for other in with_json[1:]):
        notes.append(f"tokenizer.json differs though the tokens are the same; the output has that of {chosen.label}.")
    return tuple(notes)


def chat_template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """Return the chat template of a checkpoint: its own file, else what tokenizer_config.json holds, None if it has none."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace")
    inside = settings.get("chat_template")
    return inside if isinstance(inside, str) else None if inside is None else json.dumps(inside, sort_keys=True)


def _configurations(inputs: Inputs) -> list[dict[str, Any]]:
    """Return all configurations flat; of their language models alone where text and multimodal models are mixed."""
    mixed = len({is_multimodal(checkpoint) for checkpoint in inputs.everything}) > 1
    return [dict(_flat(language_config(c.config) if mixed else c.config)) for c in inputs.everything]


def _notes(
    file: str, flat: Sequence[Mapping[str, Any]], everything: Sequence[Checkpoint], chosen: Checkpoint, ignored: Set[str]
) -> Iterator[str]:
    """Yield a note per key with different values, and one on all the keys that not every input gives."""
    some = []
    for key in sorted({key for content in flat for key in content}):
        if key.rpartition(".")[2] in ignored:
            continue
        values = [content.get(key, _ABSENT) for content in flat]
        given = [value for value in values if value is not _ABSENT]
        if any(value != given[0] for value in given):
            yield f"{file} {_name(key)}: {_grouped(values, everything)}; the output has that of {chosen.label}."
        elif len(given) < len(values):
            some.append(_name(key))
    if some:
        listed = ", ".join(some[:6]) + (f" and {len(some) - 6} more" if len(some) > 6 else "")
        yield f"{file}: only some inputs give {listed}; the output is like {chosen.label}."


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of nested objects."""
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _grouped(values: Iterable[Any], everything: Sequence[Checkpoint]) -> str:
    """Return "1 (a, c), 2 (b)" in the order of the models."""
    groups: dict[str, list[str]] = {}
    for value, checkpoint in zip(values, everything, strict=True):
        groups.setdefault(_short(value), []).append(checkpoint.label)
    return ", ".join(f"{value} ({', '.join(labels)})" for value, labels in groups.items())


def _short(value: Any) -> str:
    text = "not given" if value is _ABSENT or value is None else json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _name(key: str) -> str:
    return key if key.isprintable() and len(key) <= 80 else f"{key[:80]!r}"


def _token(value: Any) -> Any:
    return value.get("content") if isinstance(value, dict) else value


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]


def _same_file(one: Checkpoint, two: Checkpoint) -> bool:
    first, second = one.tokenizer / "tokenizer.json", two.tokenizer / "tokenizer.json"
    if first.stat().st_size != second.stat().st_size:
        return False
    return first.samefile(second) or first.read_bytes() == second.read_bytes()
