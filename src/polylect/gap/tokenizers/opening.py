"""Find a tokenizer by name or path, and open it by what its file holds."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError, nearest
from polylect.gap.tokenizers.byte_pairs import TiktokenTokenizer, is_tiktoken, read_ranks, read_tekken
from polylect.gap.tokenizers.gguf import read_gguf
from polylect.gap.tokenizers.huggingface import HuggingFaceTokenizer
from polylect.gap.tokenizers.sentencepiece import SentencePieceTokenizer

if TYPE_CHECKING:
    from polylect.gap.tokenizers.interface import Tokenizer

__all__ = ["open_tokenizer"]

_LARGEST = 256 << 20
"""Bytes of a tokenizer's file (not GGUF, of which the header is read): the largest published ones have 35 MB."""
_LONGEST_WINDOW = 100_000_000
"""transformers writes 10^30 where a tokenizer knows no limit."""
_HUB_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
# What a folder is looked through for, the surest first: the converted form is what a model's own code uses.
_FILES = ("tokenizer.json", "tekken.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
_WINDOWS = {"config.json": ("max_position_embeddings", "n_positions"), "tokenizer_config.json": ("model_max_length",)}
_SLOW = ("vocab.json", "vocab.txt", "tokenizer_config.json")
_WANTED = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "tekken.json",
    "config.json",
)


@dataclass(frozen=True)
class _File:
    """A tokenizer's file, and what the folder around it says."""

    path: Path
    name: str
    window: int | None

    @property
    def fingerprint(self) -> str:
        """Return the first 16 hexadecimal digits of the file's SHA-256."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def open_tokenizer(name_or_path: str | Path) -> Tokenizer:
    """Open a tokenizer.

    Args:
        name_or_path: a folder or file (tokenizer.json, .tiktoken, tekken.json, SentencePiece .model, .gguf), a bundled
            model's name ("gemma-3-270m"), "owner/name" on the Hugging Face hub (only tokenizer files are fetched), or
            "NAME=ANY OF THESE" to choose the name in reports.

    Raises:
        ModelError: there is none, it cannot be read, it is larger than any, or a package that reads its kind is missing.
    """
    given = str(name_or_path)
    label, _, rest = given.partition("=")
    if rest and "/" not in label and not Path(given).exists():
        return _open(_locate(rest, label))
    return _open(_locate(given, None))


def _locate(given: str, label: str | None) -> _File:
    """Return the file that holds the tokens."""
    from polylect.models.bundled import BUNDLED, resolve_bundled

    if given in BUNDLED:
        return _in_folder(resolve_bundled(given), label or given)
    path = Path(given).expanduser()
    if path.is_dir():
        return _in_folder(path, label or path.resolve().name)
    if path.is_file():
        stem = path.resolve().parent.name if path.name in _FILES else path.name.removesuffix(".tiktoken").removesuffix(".gguf")
        return _File(path, label or stem, _window(path.parent))
    if _HUB_NAME.fullmatch(given) and not given.startswith("."):
        return _in_folder(_download(given), label or given)
    raise ModelError(
        f"{given!r}: no such file or folder, no bundled model ({', '.join(BUNDLED)}), and not of the form owner/name of the "
        f"Hugging Face hub.{nearest(given, BUNDLED)}"
    )


def _in_folder(folder: Path, name: str) -> _File:
    for candidate in (*_FILES, *_SLOW):
        if (folder / candidate).is_file():
            return _File(folder / candidate, name, _window(folder))
    single = [path for ending in ("*.tiktoken", "*.gguf", "*.model") for path in sorted(folder.glob(ending))]
    if len(single) == 1:
        return _File(single[0], name, None)
    raise ModelError(
        f"{folder}: no tokenizer. Looked for {', '.join(_FILES)}, or one .tiktoken, .gguf or .model file. Save the model's "
        "tokenizer into the folder, or name the file."
    )


def _open(file: _File) -> Tokenizer:
    path = file.path
    if path.suffix != ".gguf" and path.stat().st_size > _LARGEST:
        raise ModelError(
            f"{path}: {path.stat().st_size / 1e9:.1f} GB; no tokenizer's file is that large ({_LARGEST >> 20} MB are read). Name "
            "the folder of the model, or its tokenizer.json, .model or .tiktoken file."
        )
    if path.suffix == ".gguf":
        backend, window = read_gguf(path)
        # Of the tokenizer, not of the file: that has gigabytes of weights.
        fingerprint = hashlib.sha256(backend.to_str().encode()).hexdigest()[:16]
        return HuggingFaceTokenizer(backend, file.name, fingerprint, window, kind="gguf")
    if path.name.startswith("tekken") and path.suffix == ".json":
        return _ranks(file, *read_tekken(path))
    if path.name in _SLOW:
        return HuggingFaceTokenizer(_converted(path.parent), file.name, file.fingerprint, file.window)
    if path.suffix == ".json":
        return HuggingFaceTokenizer(_read_json(path), file.name, file.fingerprint, file.window)
    if is_tiktoken(path):
        return _ranks(file, *read_ranks(path))
    return SentencePieceTokenizer(path, file.name, file.fingerprint, file.window)


def _ranks(file: _File, ranks: dict[bytes, int], pattern: str, note: str) -> Tokenizer:
    return TiktokenTokenizer(ranks, pattern, file.name, file.fingerprint, file.window, notes=(note,) if note else ())


def _read_json(path: Path) -> Any:
    from tokenizers import Tokenizer as Backend

    try:
        return Backend.from_file(str(path))
    except Exception as error:
        raise ModelError(f"{path}: not a tokenizer of the tokenizers library ({error}). Download or save it again.") from error


def _converted(folder: Path) -> Any:
    """Return the fast form of a tokenizer of which the folder has only the older files; no code of the folder is run."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        raise ModelError(f"{folder}: transformers cannot read the tokenizer ({error}). Save it with save_pretrained.") from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            f"{folder}: transformers has only a slow form of {type(tokenizer).__name__}, which gives no positions. Name a folder "
            "with tokenizer.json."
        )
    return backend


def _window(folder: Path) -> int | None:
    """Return the context of the model in tokens: of config.json, else of tokenizer_config.json."""
    for name, keys in (
        ("config.json", ("max_position_embeddings", "n_positions")),
        ("tokenizer_config.json", ("model_max_length",)),
    ):
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        inner = content.get("text_config", {}) if isinstance(content, dict) else {}
        for key in keys:
            value = content.get(key, inner.get(key)) if isinstance(content, dict) else None
            if isinstance(value, (int, float)) and 0 < value < _LONGEST_WINDOW:
                return int(value)
    return None


def _download(name: str) -> Path:
    """Return a snapshot of a hub model's tokenizer files, from the local cache when it cannot be reached."""
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(_WANTED), ignore_patterns=["*/*"]))
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{name}: its owner asks for consent. Accept at https://huggingface.co/{name} and set HF_TOKEN."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(f"{name}: the hub has no model of that name (or it is private: set HF_TOKEN).") from error
    except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"{name}: not in the local Hugging Face cache, and the hub cannot be reached ({type(error).__name__}). Connect and "
            "try again, or give a folder or a file."
        ) from error
