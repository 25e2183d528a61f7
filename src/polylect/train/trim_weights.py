"""Copy a checkpoint with only some rows of its embedding and output layer, one tensor at a time, and renumber its ids."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.errors import ModelError
from polylect.models import safetensors_file
from polylect.models.safetensors_file import TensorInfo

__all__ = ["config_ids", "copy_weights", "renumber_files", "vocabulary_rows"]

_BY_TOKEN = re.compile(
    r"(?:^|\.)(?:embed_tokens|wte|word_embeddings|embed_in|embed_out|tok_embeddings|lm_head|output)\.(?:weight|bias)$"
)
"""Names of tensors with one row per token in the architectures of transformers."""

_ID_KEY = re.compile(r"(?:_token_ids?|_token_index|^suppress_tokens|^begin_suppress_tokens|^bad_words_ids)$")
_COPIED = ("chat_template*", "LICENSE*", "LICENCE*", "NOTICE*", "*TERMS*", "special_tokens_map.json")


def vocabulary_rows(config: Mapping[str, Any]) -> int:
    """Return the number of rows of the embedding.

    Raises:
        ModelError: the configuration does not say, or the model has a second table of embeddings per token.
    """
    text = config.get("text_config") or config
    if "vocab_size_per_layer_input" in text:
        raise ModelError("config.json has vocab_size_per_layer_input: models with an embedding per layer cannot be trimmed.")
    rows = text.get("vocab_size")
    if not isinstance(rows, int):
        raise ModelError(f"config.json: vocab_size is {rows!r}; trimming needs the number of embedding rows there.")
    return rows


def config_ids(content: Any) -> set[int]:
    """Return all token ids that a configuration names (keys like eos_token_id, image_token_index), at any depth."""
    if isinstance(content, list):
        return {index for entry in content for index in config_ids(entry)}
    if not isinstance(content, dict):
        return set()
    found = {index for key, value in content.items() if _ID_KEY.search(key) for index in _numbers(value)}
    return found.union(*(config_ids(value) for value in content.values()))


def copy_weights(source: Path, out: Path, rows: int, keep: Sequence[int]) -> int:
    """Write the weights of `source` into `out`, of tensors with `rows` rows by token only the rows `keep`; return all parameters.

    File names and dtypes stay as they are; memory grows with the largest tensor, not with the model.

    Raises:
        ModelError: no tensor has a row per token.
    """
    import numpy as np

    index = np.asarray(keep)
    weight_map: dict[str, str] = {}
    parameters = total = 0
    trimmed = False
    files = safetensors_file.weight_files(source)
    for path in files:
        header = safetensors_file.read_header(path)
        infos = []
        for name, info in header.items():
            by_token = bool(_BY_TOKEN.search(name)) and info.shape[:1] == (rows,)
            infos.append(TensorInfo(name, info.dtype, (len(keep), *info.shape[1:])) if by_token else info)
            trimmed = trimmed or by_token
        safetensors_file.write(out / path.name, infos, _tensors(path, list(header.values()), infos, index))
        weight_map |= {info.name: path.name for info in infos}
        parameters += sum(info.size for info in infos)
        total += sum(info.bytes for info in infos)
    if not trimmed:
        raise ModelError(f"{source}: no embedding with {rows} rows was found (names such as embed_tokens.weight).")
    if (source / safetensors_file.INDEX_FILE).is_file():
        content = {
            "metadata": {"total_size": total, "total_parameters": parameters},
            "weight_map": dict(sorted(weight_map.items())),
        }
        _write_json(out / safetensors_file.INDEX_FILE, content)
    return parameters


def renumber_files(source: Path, out: Path, new: Mapping[int, int]) -> None:
    """Write config.json, generation_config.json and tokenizer_config.json with new ids, and copy templates and licence texts.

    Args:
        source: the original checkpoint.
        out: the folder of the new one.
        new: old id -> new id of every kept token.

    Raises:
        ModelError: a configuration names an id that is no kept token.
    """
    for name in ("config.json", "generation_config.json"):
        if (path := source / name).is_file():
            content = _renumbered(json.loads(path.read_text(encoding="utf-8")), new, path)
            if name == "config.json":
                (content.get("text_config") or content)["vocab_size"] = len(new)
                if "vocab_size" in content:
                    content["vocab_size"] = len(new)
            _write_json(out / name, content)
    settings = source / "tokenizer_config.json"
    content = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    # The plain fast class takes tokenizer.json as it is; model-specific classes build parts of it anew.
    content["tokenizer_class"] = "PreTrainedTokenizerFast"
    for key in ("added_tokens_decoder", "auto_map", "backend"):
        content.pop(key, None)
    _write_json(out / "tokenizer_config.json", content)
    for path in {path for pattern in _COPIED for path in source.glob(pattern) if path.is_file()}:
        shutil.copyfile(path, out / path.name)


def _tensors(path: Path, before: Sequence[TensorInfo], after: Sequence[TensorInfo], keep: Any) -> Iterator[memoryview]:
    import numpy as np

    content = np.memmap(path, dtype=np.uint8, mode="r")
    at = content.size - sum(info.bytes for info in before)
    for old, new in zip(before, after, strict=True):
        data = content[at : at + old.bytes]
        at += old.bytes
        yield (data if old.shape == new.shape else data.reshape(old.shape[0], -1)[keep]).data


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, list):
        for entry in value:
            yield from _numbers(entry)
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        yield value


def _renumbered(content: Any, new: Mapping[int, int], path: Path) -> Any:
    if isinstance(content, list):
        return [_renumbered(entry, new, path) for entry in content]
    if not isinstance(content, dict):
        return content
    return {
        key: _new_ids(value, new, f"{path}, key {key!r}") if _ID_KEY.search(key) else _renumbered(value, new, path)
        for key, value in content.items()
    }


def _new_ids(value: Any, new: Mapping[int, int], where: str) -> Any:
    if isinstance(value, list):
        return [_new_ids(entry, new, where) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        if value not in new:
            raise ModelError(f"{where}: {value} is not the id of a token of the tokenizer. Correct the file, then trim again.")
        return new[value]
    return value


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
