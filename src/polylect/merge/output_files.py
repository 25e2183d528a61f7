"""The files of the output beside its tensors: configuration, generation settings, tokenizer, licences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from polylect.errors import MergeError
from polylect.merge.inputs import Checkpoint, Inputs, read_json
from polylect.merge.plan import OutputFile
from polylect.merge.rules import model_index
from polylect.merge.settings import Settings
from polylect.merge.token_rows import Tokens

__all__ = ["chosen", "output_files"]

_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt",
    "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "tekken.json", "chat_template*.jinja",
    "chat_template*.json", "additional_chat_templates/*.jinja",
)  # fmt: skip
_PROCESSOR = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
_NOTICES = ("LICENSE*", "LICENCE*", "NOTICE*", "*TERMS*", "USE_POLICY*")


def chosen(key: str, value: str, inputs: Inputs) -> Checkpoint:
    """Return the input that a setting names; "first" is the main model.

    Raises:
        MergeError: there is no such input.
    """
    index = inputs.main if value == "first" else model_index(key, value, len(inputs.models))
    if index >= 0:
        return inputs.models[index]
    if inputs.base is None:
        raise MergeError(f"{key} 'base': no base was given. Give --base, or a model's number.")
    return inputs.base


def output_files(inputs: Inputs, settings: Settings, tokens: Tokens, *, untie: bool) -> tuple[OutputFile, ...]:
    """Return all files of the output that hold no tensors, sorted by name.

    Raises:
        MergeError: the chosen tokenizer or generation settings are not there or do not fit the output's vocabulary.
    """
    files = {file.name: file for file in _notices(inputs)}
    main = inputs.models[inputs.main]
    for name in _PROCESSOR:
        if (main.home / name).is_file():
            files[name] = OutputFile(name, main.home / name)
    files |= {file.name: file for file in _tokenizer(inputs, settings, tokens)}
    files["config.json"] = _config(main, settings, tokens, untie=untie)
    source = chosen("generation", settings.generation, inputs)
    path = source.home / "generation_config.json"
    if path.is_file():
        content = read_json(path)
        files[path.name] = _as_file(path, content, _remapped(content, source, tokens))
    elif settings.generation != "first":
        raise MergeError(
            f"generation {settings.generation!r}: {source.home} has no generation_config.json. Choose another model."
        )
    return tuple(files[name] for name in sorted(files))


def _config(main: Checkpoint, settings: Settings, tokens: Tokens, *, untie: bool) -> OutputFile:
    old = main.config
    new = _remapped(dict(old), main, tokens)
    if settings.dtype is not None:
        new = _with_dtype(new, settings.dtype)
        if not {"dtype", "torch_dtype"} & new.keys():
            new["dtype"] = settings.dtype
    if untie:
        new["tie_word_embeddings"] = False
        if isinstance(new.get("text_config"), dict) and "tie_word_embeddings" in new["text_config"]:
            new["text_config"] = {**new["text_config"], "tie_word_embeddings": False}
    return _as_file(main.home / "config.json", dict(old), new)


def _with_dtype(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Return a configuration, its parts included, that names another dtype wherever it names one."""
    return {
        key: dtype
        if key in {"dtype", "torch_dtype"} and isinstance(value, str)
        else _with_dtype(value, dtype)
        if isinstance(value, dict)
        else value
        for key, value in config.items()
    }


def _remapped(content: dict[str, Any], source: Checkpoint, tokens: Tokens) -> dict[str, Any]:
    """Return a configuration with the token ids of the output."""
    if tokens.alignment is None:
        return content
    from polylect.merge.token_ids import remap_ids

    return remap_ids(content, tokens.vocabulary_of(source), tokens.alignment)


def _as_file(path: Path, old: dict[str, Any], new: dict[str, Any]) -> OutputFile:
    if new == old:
        return OutputFile(path.name, path)
    text = json.dumps(new, ensure_ascii=False, indent=2)
    try:
        return OutputFile(path.name, content=f"{text}\n".encode())
    except UnicodeEncodeError:
        # A lone surrogate: possible in JSON's escapes, and nowhere else.
        return OutputFile(path.name, content=f"{json.dumps(new, indent=2)}\n".encode())


def _tokenizer(inputs: Inputs, settings: Settings, tokens: Tokens) -> Iterator[OutputFile]:
    if tokens.alignment is not None:
        if settings.tokenizer not in {"first", settings.vocabulary}:
            raise MergeError(
                f"tokenizer {settings.tokenizer!r}: with vocabulary {settings.vocabulary!r} the tokenizer is decided already. "
                "Leave it out."
            )
        yield from (OutputFile(name, content=content) for name, content in sorted(tokens.alignment.files.items()))
        return
    folder = chosen("tokenizer", settings.tokenizer, inputs).tokenizer
    found = sorted({path for pattern in _TOKENIZER for path in folder.glob(pattern) if path.is_file()})
    if not found and settings.tokenizer != "first":
        raise MergeError(f"tokenizer {settings.tokenizer!r}: {folder} has no tokenizer files. Choose another model.")
    yield from (OutputFile(path.relative_to(folder).as_posix(), path) for path in found)


def _notices(inputs: Inputs) -> Iterator[OutputFile]:
    """Yield the licence texts of all inputs; one that differs from another of its name gets the label of its model."""
    taken: dict[str, bytes] = {}
    for checkpoint in inputs.everything:
        for folder in dict.fromkeys((checkpoint.folder, checkpoint.home)):
            for path in sorted({path for pattern in _NOTICES for path in folder.glob(pattern) if path.is_file()}):
                content, name = path.read_bytes(), path.name
                label = re.sub(r"[^\w.-]+", "-", checkpoint.label).strip("-.")
                number = 1
                while taken.get(name, content) != content:
                    name = f"{path.stem}-{label}{f'-{number}' if number > 1 else ''}{path.suffix}"
                    number += 1
                if name not in taken:
                    taken[name] = content
                    yield OutputFile(name, path)
