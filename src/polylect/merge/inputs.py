"""The inputs of a merge as their files describe them: configuration, tensors and, for adapters, the updates of the base."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polylect.errors import MergeError, ModelError
from polylect.merge.plan import Source
from polylect.models.checkpoint import PICKLED, TOKENIZERS
from polylect.models.safetensors_file import TensorInfo, read_tensors

__all__ = ["Checkpoint", "Inputs", "labels", "language_config", "load", "read", "read_json"]


_LONGEST_JSON = 32_000_000
_DEEPEST_JSON = 50
_ADAPTER = "adapter_config.json"
_PACKED = re.compile(r"(?:^|[._])(?:weight|qweight|qzeros|packed|scales|blocks|absmax|quant_map)$")


@dataclass(frozen=True)
class Checkpoint:
    """One input: `tensors` has a source for each of its tensors by name, in the order of the files; `label` names it in messages.

    `folder` is what the user gave; `home` is where its configuration lies: the base's folder for an adapter.
    """

    folder: Path
    label: str
    home: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, Source]

    @property
    def tokenizer(self) -> Path:
        """The folder of its tokenizer: an adapter may bring its own, otherwise the base's counts."""
        own = any((self.folder / name).is_file() for name in TOKENIZERS)
        return self.folder if own else self.home

    def with_tensors(self, tensors: Mapping[str, Source]) -> Checkpoint:
        """Return this checkpoint with other tensors."""
        return replace(self, tensors=tensors)


@dataclass(frozen=True)
class Inputs:
    """All inputs of a merge: `main` is the index of the model whose tensor names and configuration the output has.

    `copied` names tensors that are taken from it as they are: those that the other models have no part in.
    """

    models: tuple[Checkpoint, ...]
    base: Checkpoint | None = None
    main: int = 0
    copied: frozenset[str] = frozenset()

    @property
    def everything(self) -> tuple[Checkpoint, ...]:
        """The models, then the base if there is one."""
        return (*self.models, self.base) if self.base is not None else self.models

    def mapped(self, change: Callable[[Checkpoint], Checkpoint]) -> Inputs:
        """Return these inputs with every checkpoint changed."""
        base = change(self.base) if self.base is not None else None
        return replace(self, models=tuple(change(model) for model in self.models), base=base)


def load(folders: Sequence[Path], base: Path | None) -> Inputs:
    """Return all inputs, from headers and configurations alone; a folder that is given twice is read once.

    Raises:
        ModelError: a folder is no checkpoint (see `read`).
        MergeError: one cannot be merged (see `read`).
    """
    models = tuple(read(folder, label, base) for folder, label in zip(folders, labels(folders), strict=True))
    if base is None:
        return Inputs(models)
    again = next((model for model in models if model.folder == base), None)
    return Inputs(models, replace(again, label="the base") if again is not None else read(base, "the base"))


def language_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a configuration that describes the language model: text_config of a multimodal one."""
    text = config.get("text_config")
    return text if isinstance(text, dict) else config


def labels(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the shortest ending of each path that no other path shares; equal paths are told apart by a number."""
    parts = [_readable(folder) for folder in folders]
    result: list[str] = []
    for number, path in enumerate(parts):
        others = [other for other in parts if other != path]
        length = 1
        while length < len(path) and any(other[-length:] == path[-length:] for other in others):
            length += 1
        again = sum(other == path for other in parts[:number])
        result.append("/".join(path[-length:]) + (f" ({again + 1})" if again else ""))
    return tuple(result)


def read(folder: Path, label: str, base: Path | None = None) -> Checkpoint:
    """Return the checkpoint or adapter in `folder`, from headers and configuration alone; `base` is what an adapter updates.

    Raises:
        ModelError: the folder is no checkpoint: missing, damaged, pickled.
        MergeError: it is one that cannot be merged: quantised, or an adapter without its base.
    """
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "does not exist"
        raise ModelError(f"{folder}: {kind}; a model is a folder with config.json and *.safetensors. Correct the path.")
    if (folder / _ADAPTER).is_file() and not (folder / "config.json").is_file():
        return _read_adapter(folder, label, base)
    config = read_json(folder / "config.json")
    tensors = read_tensors(folder)
    if not tensors:
        raise ModelError(_no_weights(folder))
    _check_quantised(folder, config, tensors)
    return Checkpoint(folder, label, folder, config, {name: Source(tensor) for name, tensor in tensors.items()})


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file of a checkpoint.

    Raises:
        ModelError: the file is missing, too long, not JSON or not an object.
    """
    next_step = "Download or write the checkpoint again."
    if not path.is_file():
        raise ModelError(f"{path}: missing, so {path.parent.name!r} is not a model folder. {next_step}")
    if path.stat().st_size > _LONGEST_JSON:
        raise ModelError(f"{path}: {path.stat().st_size} bytes is too long for such a file. {next_step}")
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not valid JSON ({str(error)[:100]!r}). {next_step}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: a JSON object is needed, not {type(content).__name__}. {next_step}")
    _check_depth(path, content)
    return content


def _check_depth(path: Path, content: dict[str, Any]) -> None:
    """Refuse nesting that no configuration has, so that what walks through one may recurse."""
    level: list[Any] = [content]
    for _ in range(_DEEPEST_JSON):
        inside = (item for value in level for item in (value.values() if isinstance(value, dict) else value))
        level = [item for item in inside if isinstance(item, dict | list)]
        if not level:
            return
    raise ModelError(f"{path}: nested deeper than {_DEEPEST_JSON} levels. Download or write the checkpoint again.")


def _readable(folder: Path) -> tuple[str, ...]:
    """Return the parts of a path; a snapshot in the hub's cache reads as the repository it is of."""
    path = folder.absolute()
    hub = re.search(r"/models--([\w.-]+?)--([\w.-]+)/snapshots/(\w+)$", path.as_posix())
    return (f"{hub[3]}", hub[1], hub[2]) if hub else path.parts


def _read_adapter(folder: Path, label: str, base: Path | None) -> Checkpoint:
    """Return base + updates of a PEFT adapter: every tensor is the base's, with the adapter's updates on those it changes."""
    from polylect.merge import adapters

    if base is None:
        named = read_json(folder / _ADAPTER).get("base_model_name_or_path")
        base = Path(named) if isinstance(named, str) and named else None
    if base is None or not base.is_dir():
        raise MergeError(
            f"{folder}: this adapter needs the model that it was trained on{f' ({base})' if base else ''}, which is no folder "
            "here. Give it with --base."
        )
    whole = read(base, f"{label} (base)")
    if any(source.updates for source in whole.tensors.values()):
        raise MergeError(f"{folder}: its base {base} is an adapter too. Merge that one into its own base first.")
    found = adapters.changes(folder, {name: source.tensor for name, source in whole.tensors.items()})
    tensors = dict(whole.tensors)
    for name, tensor in found.replaced.items():
        tensors[name] = Source(tensor)
    for name, update in found.updates.items():
        tensors[name] = tensors[name]._replace(updates=(update,))
    return Checkpoint(folder, label, base, whole.config, tensors)


def _no_weights(folder: Path) -> str:
    pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    if pickled:
        return (
            f"{folder}: only pickled weights ({', '.join(pickled[:3])}). Reading a pickle runs the code in it, so it is refused. "
            "Convert the model to safetensors (save_pretrained does), or take a revision that has them."
        )
    return f"{folder}: no tensor in any *.safetensors file. Download or write the checkpoint again, with safetensors weights."


def _check_quantised(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> None:
    """Refuse weights whose stored numbers are codes of a quantiser: an average of codes means nothing."""
    next_step = "Merge the unquantised checkpoints, then quantise the result."
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        quantised = part.get("quantization_config")
        if quantised:
            kind = quantised.get("quant_method", "unnamed") if isinstance(quantised, dict) else "unnamed"
            raise MergeError(
                f"{folder}: quantised weights (config.json: quantization_config, {kind!r}) cannot be averaged. {next_step}"
            )
    for name, tensor in tensors.items():
        small = tensor.dtype.startswith(("F4", "F6_", "F8_"))
        packed = tensor.dtype in {"I8", "U8", "I32", "U32"} and _PACKED.search(name) is not None and len(tensor.shape) > 0
        if small or packed or tensor.dtype == "C64":
            kind = "complex" if tensor.dtype == "C64" else "quantised"
            raise MergeError(f"{folder}: tensor {name!r} is {kind} ({tensor.dtype}) and cannot be averaged. {next_step}")
