"""Read and write the tokenizer files of a checkpoint as plain JSON: no tokenizer is built, nothing of a model is run.

The format of tokenizer.json is that of the `tokenizers` library: a model (BPE, Unigram, WordPiece, WordLevel) with its
vocabulary, the parts around it (normalizer, pre_tokenizer, post_processor, decoder), and added tokens.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from polylect.errors import MergeError
from polylect.merge import bpe_merges

__all__ = ["MAX_BYTES", "MAX_ROWS", "TokenizerFiles", "copies", "extended", "read", "shown"]

MAX_BYTES = 256 * 1024**2
"""Largest tokenizer.json that is read; the largest in use have some 35 MB."""

MAX_ROWS = 2**24
"""Largest number of token ids; the largest vocabularies in use have some 2**18."""

_CONFIG = "tokenizer_config.json"
_SPECIAL = "special_tokens_map.json"
_TEMPLATES = ("chat_template*.jinja", "chat_template*.json")
_SLOW = (
    "added_tokens.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tekken.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
)
_ROLES = ("bos", "eos", "pad", "unk")


@dataclass(frozen=True)
class TokenizerFiles:
    """The tokenizer of one checkpoint as its files say.

    content: tokenizer.json without the merges of BPE, which are most of it.
    vocabulary: token string -> id, added tokens included, in the order of the file.
    added: string -> entry of tokenizer.json of every added token.
    roles: "bos", "eos", "pad", "unk" -> the token that has the role, where the files name one.
    settings: tokenizer_config.json, {} if there is none.
    merges: of BPE, if they were asked for (see `polylect.merge.bpe_merges`), in ids of this vocabulary.
    """

    folder: Path
    content: dict[str, Any]
    vocabulary: dict[str, int]
    added: dict[str, dict[str, Any]]
    roles: dict[str, str]
    settings: dict[str, Any]
    merges: np.ndarray | None = None

    @property
    def kind(self) -> str:
        """The type of the tokenizer's model: BPE, Unigram, WordPiece or WordLevel."""
        return str(self.content["model"]["type"])

    @property
    def template(self) -> Any:
        """The chat template: chat_template.jinja, else as tokenizer_config.json has it (a text, or a list of them)."""
        path = self.folder / "chat_template.jinja"
        return _bytes(path).decode(errors="replace") if path.is_file() else self.settings.get("chat_template")


def read(folder: Path, *, merges: bool = False, twin: TokenizerFiles | None = None) -> TokenizerFiles:
    """Return what the tokenizer files of `folder` say.

    Args:
        folder: a checkpoint.
        merges: read the merges of BPE too.
        twin: tokenizer files with an equal tokenizer.json, which is then not parsed again.

    Raises:
        MergeError: tokenizer.json is missing, too large, not JSON, or not a tokenizer: a part has a wrong type, an id is
            out of range or belongs to two tokens, a token has two ids.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise MergeError(_without_json(folder))
    settings = _object(folder / _CONFIG) if (folder / _CONFIG).is_file() else {}
    named = _object(folder / _SPECIAL) if (folder / _SPECIAL).is_file() else {}
    roles = _roles(settings, named)
    if twin is not None:
        return replace(twin, folder=folder, settings=settings, roles=roles)
    with _without_collection():
        content = _object(path)
        model = content.get("model")
        if not isinstance(model, dict):
            raise MergeError(f"{path}: 'model' is {_kind(model)}, not an object. Copy the file from the original model again.")
        model["type"] = _model_type(path, model)
        vocabulary = _vocabulary(path, model)
        added = _added(path, content.get("added_tokens"))
        _join(path, vocabulary, added)
        codes = bpe_merges.encoded(path, model, vocabulary) if merges and model["type"] == "BPE" else None
        model.pop("merges", None)
    return TokenizerFiles(folder, content, vocabulary, added, roles, settings, codes)


def copies(folder: Path) -> dict[str, bytes]:
    """Return all tokenizer files of `folder`, name -> content, unchanged, sorted by name."""
    names = [name for name in ("tokenizer.json", _CONFIG, _SPECIAL, *_SLOW) if (folder / name).is_file()]
    return {name: _bytes(folder / name) for name in sorted({*names, *_templates(folder)})}


def extended(files: TokenizerFiles, content: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a tokenizer that is `files` with another tokenizer.json, `content`.

    Files of other formats (tokenizer.model, vocab.json, ...) would still hold the old vocabulary, so they are left out; the
    plain fast class is named because it takes tokenizer.json as it is, where classes of single models build parts of it anew.
    """
    dropped = {"added_tokens_decoder", "auto_map", "backend"}
    settings = {key: value for key, value in files.settings.items() if key not in dropped}
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    kept = [name for name in (_SPECIAL, *_templates(files.folder)) if (files.folder / name).is_file()]
    made = {name: _bytes(files.folder / name) for name in kept}
    made["tokenizer.json"] = _dumped(files.folder / "tokenizer.json", content, indent=None)
    made[_CONFIG] = _dumped(files.folder / _CONFIG, settings, indent=2)
    return dict(sorted(made.items()))


def shown(token: str) -> str:
    """Return a token quoted and escaped for a message of one line, shortened when it is long."""
    return repr(token) if len(token) <= 40 else f"{token[:40]!r}... ({len(token)} characters)"


def _templates(folder: Path) -> list[str]:
    extra = folder / "additional_chat_templates"
    found = [path.name for pattern in _TEMPLATES for path in folder.glob(pattern) if path.is_file()]
    return found + [f"{extra.name}/{path.name}" for path in extra.glob("*.jinja") if path.is_file()]


def _without_json(folder: Path) -> str:
    slow = next((name for name in _SLOW if (folder / name).is_file()), None)
    if slow is None:
        return f"{folder}: no tokenizer.json, so tokens cannot be compared. Save the model's tokenizer into the folder."
    return (
        f"{folder}: has {slow} but no tokenizer.json, the only form that vocabularies are aligned in. Convert it with "
        "transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
    )


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MergeError(f"{path}: {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read of a tokenizer file.")
        return path.read_bytes()
    except OSError as error:
        raise MergeError(f"{path}: cannot be read ({error.strerror or error}).") from error


@contextmanager
def _without_collection() -> Iterator[None]:
    # A tokenizer.json is half a million small lists; the collector would walk them again and again for nothing.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_bytes(path))
    except (ValueError, RecursionError) as error:
        raise MergeError(f"{path}: not valid JSON ({_reason(error)}). Copy the file from the original model again.") from error
    if not isinstance(content, dict):
        raise MergeError(f"{path}: holds {_kind(content)}, not an object. Copy the file from the original model again.")
    return content


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]


def _model_type(path: Path, model: Mapping[str, Any]) -> str:
    kind = model.get("type")
    if kind is None:  # Files of the first years do not say; the fields tell.
        if "merges" in model:
            kind = "BPE"
        elif isinstance(model.get("vocab"), list):
            kind = "Unigram"
        else:
            kind = "WordPiece" if "max_input_chars_per_word" in model else "WordLevel"
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if not isinstance(model.get(key), str | None):
            raise MergeError(f"{path}: model.{key} is {_kind(model[key])}; a text is needed. Copy the original file again.")
    if kind not in ("BPE", "Unigram", "WordPiece", "WordLevel"):
        raise MergeError(f"{path}: model.type is {ascii(kind)[:60]}; BPE, Unigram, WordPiece or WordLevel is needed.")
    return str(kind)


def _vocabulary(path: Path, model: Mapping[str, Any]) -> dict[str, int]:
    vocabulary = model.get("vocab")
    if model["type"] == "Unigram":
        return _pieces(path, vocabulary)
    if not isinstance(vocabulary, dict):
        raise MergeError(f"{path}: model.vocab is {_kind(vocabulary)}; an object of token: id is needed.")
    return dict(vocabulary)


def _pieces(path: Path, pieces: Any) -> dict[str, int]:
    if not isinstance(pieces, list):
        raise MergeError(f"{path}: model.vocab is {_kind(pieces)}; a Unigram model needs a list of [piece, score].")
    vocabulary: dict[str, int] = {}
    for index, entry in enumerate(pieces):
        good = isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) and type(entry[1]) in (int, float)
        if not good or not -1e30 < entry[1] < 1e30:
            raise MergeError(f"{path}: entry {index} of model.vocab is not [piece, score].")
        if entry[0] in vocabulary:
            raise MergeError(
                f"{path}: token {shown(entry[0])} has the ids {vocabulary[entry[0]]} and {index}; one id per token is needed."
            )
        vocabulary[entry[0]] = index
    return vocabulary


def _added(path: Path, entries: Any) -> dict[str, dict[str, Any]]:
    if entries is None:
        return {}
    if not isinstance(entries, list):
        raise MergeError(f"{path}: added_tokens is {_kind(entries)}, not a list.")
    added: dict[str, dict[str, Any]] = {}
    for position, entry in enumerate(entries):
        good = isinstance(entry, dict) and isinstance(entry.get("content"), str) and type(entry.get("id")) is int
        if not good or not isinstance(entry.get("special", False), bool):
            raise MergeError(
                f"{path}: entry {position} of added_tokens lacks a text as 'content', a whole number as 'id' or more."
            )
        if entry["content"] in added:
            raise MergeError(f"{path}: token {shown(entry['content'])} is twice in added_tokens. Delete one of the entries.")
        added[entry["content"]] = entry
    return added


def _join(path: Path, vocabulary: dict[str, int], added: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the added tokens into the vocabulary, and check all ids."""
    for token, entry in added.items():
        if (known := vocabulary.setdefault(token, entry["id"])) != entry["id"]:
            raise MergeError(
                f"{path}: token {shown(token)} has id {ascii(known)[:40]} in the vocabulary and {str(entry['id'])[:40]} "
                "in added_tokens; one id is needed. Copy the file from the original model again."
            )
    _check_ids(path, vocabulary)


def _check_ids(path: Path, vocabulary: Mapping[str, int]) -> None:
    if not vocabulary:
        raise MergeError(f"{path}: the vocabulary is empty. Copy the file from the original model again.")
    if set(map(type, vocabulary.values())) != {int}:
        token = next(token for token, index in vocabulary.items() if type(index) is not int)
        raise MergeError(f"{path}: the id of token {shown(token)} is {_kind(vocabulary[token])}; a whole number is needed.")
    lowest, highest = min(vocabulary.values()), max(vocabulary.values())
    if lowest < 0 or highest >= MAX_ROWS:
        wrong = lowest if lowest < 0 else highest
        token = next(token for token, index in vocabulary.items() if index == wrong)
        raise MergeError(
            f"{path}: the id of token {shown(token)} is {str(wrong)[:40]}; ids from 0 to {MAX_ROWS - 1:,} are possible."
        )
    if len(set(vocabulary.values())) != len(vocabulary):
        seen: dict[int, str] = {}
        for token, index in vocabulary.items():
            if (other := seen.setdefault(index, token)) != token:
                raise MergeError(
                    f"{path}: the tokens {shown(other)} and {shown(token)} both have id {index}; one token per id is needed."
                )


def _roles(settings: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, str]:
    """Return role -> token; a token stands in the files as a string or as an object with `content`."""
    roles = {}
    for role in _ROLES:
        value = settings.get(f"{role}_token") or named.get(f"{role}_token")
        value = value.get("content") if isinstance(value, dict) else value
        if isinstance(value, str):
            roles[role] = value
    return roles


def _dumped(path: Path, content: Mapping[str, Any], indent: int | None) -> bytes:
    try:
        return (json.dumps(content, ensure_ascii=False, indent=indent) + "\n").encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise MergeError(f"{path}: holds text that is not valid Unicode, or nests too deeply; it cannot be extended.") from error


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
    return "missing" if value is None else names.get(type(value), type(value).__name__)
