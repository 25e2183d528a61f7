"""Read PEFT folders with LoRA adapters: which tensor of the base each one changes, and by what.

LoRA (Hu et al. 2021, arXiv 2106.09685, section 4.1) adds scale * B A to a matrix, with A of shape (rank, in) and B of
(out, rank); scale is alpha / rank, or alpha / sqrt(rank) for rsLoRA (Kalajdzievski 2023, arXiv 2312.03732). An adapter whose
effect is not such a sum, or not on the base as it is, is refused by name: merging it as if it were would give another model.
Only headers and the configuration are read here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polylect.errors import MergeError, nearest
from polylect.merge.plan import LowRank
from polylect.models.safetensors_file import TensorInfo, read_header, weight_files

__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "Adapter", "Changes", "Module", "changes", "is_adapter", "read_adapter", "updates"]

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"

_PART = re.compile(r"(?P<module>.+)\.(?:lora_(?P<part>[AB])\.weight|lora_embedding_(?P<embedding>[AB]))")
_FLOATS = frozenset({"BF16", "F16", "F32", "F64"})
_WRAPPERS = frozenset({"language_model", "model", "transformer"})
"""Leading parts of tensor names that transformers adds, drops and swaps between versions and model classes."""

_HEADS = ("lm_head.weight", "output.weight", "embed_out.weight")
_ORIGINAL = "Merge it with PEFT (merge_and_unload) on its own base and give the merged model."
_REFUSED = {
    "use_dora": "DoRA also rescales every column of the merged matrix, which is no sum with a low-rank matrix",
    "lora_bias": "biases on lora_B change the layers' biases as well",
    "use_qalora": "QA-LoRA pools the layer's input in groups before A",
    "use_bdlora": "block-diagonal adapters store blocks in place of whole matrices",
    "kasa_config": "KaSA weighs the rank by trained singular values",
    "monteclora_config": "MonteCLoRA adds parameters of a distribution",
    "arrow_config": "Arrow chooses between adapters token by token",
    "alora_invocation_tokens": "activated LoRA acts only after its invocation tokens, so no fixed matrix equals it",
    "layer_replication": "the adapter was trained on a model with repeated layers, which the base lacks",
    "target_parameters": "it adapts parameters (of experts) that are no linear layers",
    "trainable_token_indices": "it trains single rows of the embedding",
}
"""Keys of adapter_config.json that make an adapter something else than scale * B A, with the reason (PEFT 0.21, LoraConfig)."""

_MOVED_BASES = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations that change the base's own weights first: the adapter is a difference from those, not from the base."""


@dataclass(frozen=True)
class Module:
    """One adapted module: `name` is its path in the model, `a` is (rank, in), `b` is (out, rank), the update scale * B A.

    `embedding`: of an embedding, whose matrix is stored as (in, out) = (tokens, width).
    """

    name: str
    a: TensorInfo
    b: TensorInfo
    scale: float
    embedding: bool = False

    @property
    def rank(self) -> int:
        """Number of rows of A."""
        return self.a.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of B A."""
        return self.b.shape[0], self.a.shape[1]


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter: its modules by path, and whole tensors (PEFT's modules_to_save, biases) by tensor name.

    `copies` names the whole tensors that PEFT stored beside a LoRA on the same embedding: the base's own weights as they were.
    """

    folder: Path
    config: Mapping[str, Any]
    modules: Mapping[str, Module]
    whole: Mapping[str, TensorInfo] = field(default_factory=dict)
    copies: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Changes:
    """What an adapter does to a base, by the base's tensor names: `replaced` tensors come first, `updates` are added to them."""

    updates: Mapping[str, LowRank]
    replaced: Mapping[str, TensorInfo]


def is_adapter(folder: Path) -> bool:
    """Return whether `folder` holds a PEFT adapter and no model of its own."""
    if not (folder / CONFIG_FILE).is_file():
        return False
    return not any(path.name != WEIGHTS_FILE for path in weight_files(folder))


def updates(folder: Path, base: Mapping[str, TensorInfo] | None = None) -> dict[str, LowRank]:
    """Return the updates of an adapter by the base's tensor name; `base` (tensors by name) checks names and shapes.

    Without `base` the names are the adapter's own module paths with ".weight".

    Raises:
        MergeError: as `changes`, or the adapter also brings whole tensors, which `changes` returns and this would lose.
    """
    adapter = read_adapter(folder)
    if adapter.whole:
        raise MergeError(
            f"{folder}: besides LoRA the adapter replaces whole tensors ({', '.join(sorted(adapter.whole)[:3])}). {_ORIGINAL}"
        )
    if base is None:
        turned = bool(adapter.config.get("fan_in_fan_out"))
        return {f"{path}.weight": _low_rank(m, m.embedding or turned) for path, m in adapter.modules.items()}
    return dict(_matched(adapter, base).updates)


def changes(folder: Path, base: Mapping[str, TensorInfo]) -> Changes:
    """Return all that an adapter does to the tensors of `base`, whole tensors included.

    Raises:
        MergeError: the folder is no LoRA adapter that this can merge exactly (see `read_adapter`), or a tensor of it has no
            target, several, or one of another shape in the base.
    """
    return _matched(read_adapter(folder), base)


def read_adapter(folder: Path) -> Adapter:
    """Return the adapter of a PEFT folder, after checking its configuration and every tensor's name and shape.

    Raises:
        MergeError: not LoRA, a LoRA variant that is no plain sum, pickled weights, or tensors that do not fit each other.
        ModelError: the safetensors file is missing or damaged.
    """
    config = _config(folder)
    if not (folder / WEIGHTS_FILE).is_file() and (folder / "adapter_model.bin").is_file():
        raise MergeError(
            f"{folder}: only pickled weights (adapter_model.bin). A pickle can run code when it is read, so it is refused. "
            "Load the adapter with PEFT where you trust it and call save_pretrained, which writes safetensors."
        )
    pairs: dict[str, dict[str, TensorInfo]] = {}
    whole: dict[str, TensorInfo] = {}
    copies: set[str] = set()
    for name, tensor in read_header(folder / WEIGHTS_FILE).items():
        if tensor.dtype not in _FLOATS:
            raise MergeError(f"{folder}: tensor {name!r} is {tensor.dtype}; an adapter of floating-point numbers is needed.")
        path = name.removeprefix("base_model.model.")
        found = _PART.fullmatch(path)
        if found:
            key = found["part"] or f"embedding {found['embedding']}"
            pairs.setdefault(found["module"], {})[key] = tensor
        elif "lora_" in path:
            raise MergeError(f"{folder}: tensor {name!r} belongs to a variant of LoRA that cannot be merged exactly. {_ORIGINAL}")
        else:
            plain = path.replace(".base_layer.", ".")
            whole[plain] = tensor
            copies |= {plain} if plain != path else set()
    if not pairs:
        raise MergeError(f"{folder / WEIGHTS_FILE}: holds no LoRA matrix (lora_A, lora_B). Save the adapter again.")
    modules = {path: _module(folder, config, path, pair) for path, pair in sorted(pairs.items())}
    return Adapter(folder, config, modules, whole, frozenset(copies))


def _config(folder: Path) -> dict[str, Any]:
    """Return adapter_config.json once it is sure that the adapter is a plain sum with the base."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise MergeError(f"{file}: missing, so {folder.name!r} is no PEFT adapter. Give the folder that save_pretrained wrote.")
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MergeError(f"{file}: not valid JSON ({error}). Save the adapter again.") from error
    kind = config.get("peft_type") if isinstance(config, dict) else None
    if kind != "LORA":
        raise MergeError(f"{file}: peft_type {kind!r}; of adapters only 'LORA' can be merged exactly. {_ORIGINAL}")
    for key, reason in _REFUSED.items():
        if config.get(key):
            raise MergeError(f"{file}: {key} is set: {reason}. {_ORIGINAL}")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.startswith(_MOVED_BASES):
        raise MergeError(
            f"{file}: init_lora_weights {start!r} changed the base's weights before training, so the adapter does not fit the "
            "base as it is. Save it with path_initial_model_for_weight_conversion (PEFT), or give the merged model."
        )
    return config


def _module(folder: Path, config: Mapping[str, Any], path: str, pair: Mapping[str, TensorInfo]) -> Module:
    """Check the two matrices of one module and work out its scale."""
    if set(pair) not in ({"A", "B"}, {"embedding A", "embedding B"}):
        raise MergeError(f"{folder}: module {path!r} has only {', '.join(sorted(pair))} of its two LoRA matrices. Save it again.")
    a, b = (tensor for _, tensor in sorted(pair.items()))
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise MergeError(f"{folder}: module {path!r} is a convolution ({a.shape}); only matrices can be merged. {_ORIGINAL}")
    rank = _pattern(folder, config, "rank_pattern", path, config.get("r"))
    if not a.shape[0] == b.shape[1] == rank or not rank:
        raise MergeError(
            f"{folder}: module {path!r} has A of {a.shape} and B of {b.shape} where {CONFIG_FILE} says rank {rank!r}. "
            "Configuration and weights are from different adapters: save it again."
        )
    alpha = _pattern(folder, config, "alpha_pattern", path, config.get("lora_alpha"))
    if not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise MergeError(f"{folder / CONFIG_FILE}: lora_alpha {alpha!r} of module {path!r}: a finite number is needed.")
    scale = alpha / (math.sqrt(a.shape[0]) if config.get("use_rslora") else a.shape[0])
    return Module(path, a, b, scale, "embedding A" in pair)


def _pattern(folder: Path, config: Mapping[str, Any], key: str, path: str, default: Any) -> Any:
    """Return the value of a module: the first pattern that fits the end of its path, whole parts only, as in PEFT."""
    patterns = config.get(key) or {}
    if not isinstance(patterns, dict):
        raise MergeError(f"{folder / CONFIG_FILE}: {key} {patterns!r}: a mapping of module patterns is needed.")
    for pattern, value in patterns.items():
        try:
            if re.match(rf"(.*\.)?({pattern})$", path):
                return value
        except re.error as error:
            raise MergeError(f"{folder / CONFIG_FILE}: {key} {pattern!r} is no regular expression ({error}).") from error
    return default


def _matched(adapter: Adapter, base: Mapping[str, TensorInfo]) -> Changes:
    """Find the base's tensor of every change and compare shapes."""
    by_path: dict[str, list[str]] = {}
    for name in base:
        by_path.setdefault(_core(name), []).append(name)
    replaced = {}
    for name, tensor in adapter.whole.items():
        target = _target(adapter.folder, name, base, by_path)
        if base[target].shape != tensor.shape:
            raise MergeError(
                f"{adapter.folder}: tensor {name!r} has shape {tensor.shape}, the base's {target!r} {base[target].shape}. "
                "Was the adapter trained with another vocabulary? Resize the base first, or give the merged model."
            )
        if name not in adapter.copies:
            _untied(adapter, name, base)
        replaced[target] = tensor
    found: dict[str, LowRank] = {}
    for path, module in adapter.modules.items():
        target = _target(adapter.folder, f"{path}.weight", base, by_path)
        if target in found:
            raise MergeError(
                f"{adapter.folder}: two modules change the base's {target!r}; the second is {path!r}. Save it again."
            )
        if module.embedding:
            _untied(adapter, path, base)
        found[target] = _low_rank(module, _turned(adapter, module, base[target]))
    return Changes(found, replaced)


def _untied(adapter: Adapter, name: str, base: Mapping[str, TensorInfo]) -> None:
    """Refuse a changed embedding where the base has no head of its own: a merge would change the head, the adapter does not."""
    is_embedding = any("embed" in part or part == "wte" for part in name.split("."))
    if is_embedding and not adapter.config.get("ensure_weight_tying") and not any(n.endswith(_HEADS) for n in base):
        raise MergeError(
            f"{adapter.folder}: changes the embedding {name!r}, which the base also uses as its output head; merging changes "
            "the head as well. Give a base that stores its head (lm_head.weight)."
        )


def _target(folder: Path, name: str, base: Mapping[str, TensorInfo], by_path: Mapping[str, list[str]]) -> str:
    """Return the base's name of a tensor: the same, else the only one that differs by wrapping parts alone."""
    if name in base:
        return name
    close = by_path.get(_core(name), [])
    if len(close) == 1:
        return close[0]
    if f"{name.removesuffix('.weight')}.qweight" in base:
        raise MergeError(f"{folder}: the base stores {name!r} quantised; low-rank updates need the unquantised base.")
    said = f"fits several tensors of the base ({', '.join(close[:3])})" if close else "has no tensor in the base"
    tied = " The base ties its head to the embedding." if _core(name).startswith("lm_head.") else ""
    raise MergeError(
        f"{folder}: {name!r} {said}.{nearest(name, base)}{tied} Give the base that the adapter was trained on, or merge it there."
    )


def _core(name: str) -> str:
    """Return a tensor's name without leading wrappers: model.language_model.layers.0.x and model.layers.0.x are the same."""
    parts = name.split(".")
    while len(parts) > 2 and parts[0] in _WRAPPERS:
        del parts[0]
    return ".".join(parts)


def _turned(adapter: Adapter, module: Module, target: TensorInfo) -> bool:
    """Return whether the base stores the matrix as (in, out); the shape decides, and the configuration where both fit."""
    out, inner = module.shape
    if target.dtype not in _FLOATS:
        raise MergeError(
            f"{adapter.folder}: the base's {target.name!r} is {target.dtype}; low-rank updates need the unquantised base."
        )
    straight, turned = target.shape == (out, inner), target.shape == (inner, out)
    if module.embedding:
        straight = False
    if not straight and not turned:
        raise MergeError(
            f"{adapter.folder}: module {module.name!r} is {(out, inner)}, the base's {target.name!r} {target.shape}. "
            "Give the base that the adapter was trained on."
        )
    return turned and (not straight or bool(adapter.config.get("fan_in_fan_out")))


def _low_rank(module: Module, turned: bool) -> LowRank:
    return LowRank(module.a, module.b, module.scale, turned)
