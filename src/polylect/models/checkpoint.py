"""Check a Hugging Face checkpoint folder before anything loads it, and describe it from its headers alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from polylect.errors import ModelError
from polylect.models import safetensors_file

__all__ = ["PICKLED", "TOKENIZERS", "check", "describe", "origin", "read_config"]

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
"""Names of weight files that are pickles."""
TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
)
"""Files of which one holds a model's tokens."""
_NEXT_STEP = "Download or write the checkpoint again."


def check(folder: Path) -> Path:
    """Return `folder` when it is a checkpoint that can be loaded safely: config.json, whole safetensors, a tokenizer.

    Raises:
        ModelError: something is missing or damaged, the folder is an adapter, or the weights are pickled (never loaded:
            unpickling runs code of whoever wrote the file).
    """
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "does not exist"
        raise ModelError(f"{folder}: {kind}; a model is a folder with config.json, *.safetensors and a tokenizer.")
    if not (folder / "config.json").is_file() and (folder / "adapter_config.json").is_file():
        raise ModelError(f"{folder}: this is a PEFT adapter, not a model. Merge it into its base model first (merge_and_unload).")
    read_config(folder)
    weights = safetensors_file.weight_files(folder)
    if not weights:
        pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
        if pickled:
            raise ModelError(
                f"{folder}: only pickled weights ({', '.join(pickled[:3])}). A pickle can run code when it is read, so it is "
                "refused. Convert the model to safetensors (save_pretrained does), or take a revision that has them."
            )
        raise ModelError(f"{folder}: no *.safetensors file. Download or write the checkpoint again, with safetensors weights.")
    for path in weights:
        safetensors_file.read_header(path)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise ModelError(
            f"{folder}: no tokenizer (tokenizer.json or tokenizer.model). Save the model's tokenizer into the folder."
        )
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json of a checkpoint folder.

    Raises:
        ModelError: it is missing, is not JSON, or does not name a model_type.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(f"{path}: missing, so {folder.name!r} is not a model folder. {_NEXT_STEP}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not valid JSON ({error}). {_NEXT_STEP}") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise ModelError(f"{path}: does not name a model_type, so the architecture is unknown. {_NEXT_STEP}")
    return config


def describe(folder: Path) -> dict[str, Any]:
    """Return what the headers say of a checkpoint; no weight is read.

    Keys: architecture, model_type, parameters (tied weights once), vocabulary, dtype (of most parameters), bytes (of the
    weight files), tied_embeddings, context (longest input in tokens), licence and source (None when nothing says so).

    Raises:
        ModelError: the folder is no loadable checkpoint (see `check`).
    """
    config = read_config(check(folder))
    text = config.get("text_config") or config
    tied = bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False)))
    files = safetensors_file.weight_files(folder)
    tensors = {name: info for path in files for name, info in safetensors_file.read_header(path).items()}
    if tied and any(name.endswith("embed_tokens.weight") for name in tensors):
        tensors.pop("lm_head.weight", None)
    sizes: Counter[str] = Counter()
    for info in tensors.values():
        sizes[info.dtype] += info.size
    return {
        "architecture": (config.get("architectures") or [config["model_type"]])[0],
        "model_type": config["model_type"],
        "parameters": sum(sizes.values()),
        "vocabulary": text.get("vocab_size"),
        "dtype": sizes.most_common(1)[0][0].lower() if sizes else None,
        "bytes": sum(path.stat().st_size for path in files),
        "tied_embeddings": tied,
        "context": text.get("max_position_embeddings"),
        **origin(folder),
    }


def origin(folder: Path) -> dict[str, str | None]:
    """Return licence and source: from our manifest, else from the model card's header and the hub cache's folder names.

    Raises:
        ModelError: the manifest is not readable.
    """
    manifest = folder / "manifest.json"
    if manifest.is_file():
        try:
            content = json.loads(manifest.read_text(encoding="utf-8"))
            return {"licence": content.get("licence"), "source": content.get("origin")}
        except (ValueError, AttributeError) as error:
            raise ModelError(f"{manifest}: not valid JSON ({error}). Delete it, or write the checkpoint again.") from error
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    licence = re.search(r"^license:\s*[\"']?([\w.+-]+)", front[1], re.MULTILINE) if front else None
    hub = re.search(r"models--([\w.-]+?)--([\w.-]+)/snapshots/(\w+)$", folder.absolute().as_posix())
    return {
        "licence": licence[1] if licence else None,
        "source": f"{hub[1]}/{hub[2]}@{hub[3]}" if hub else str(folder),
    }
