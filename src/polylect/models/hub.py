"""Find a model by name or folder: bundled models, checkpoint folders, names on the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from polylect.errors import ModelError, nearest
from polylect.models.bundled import BUNDLED, resolve_bundled
from polylect.models.checkpoint import check

__all__ = ["download", "resolve"]

_HUB_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")

# Weights as safetensors only: a pickle is not even downloaded.
_WANTED = (
    "*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*", "special_tokens_map.json",
    "added_tokens.json", "vocab.*", "merges.txt", "*.model", "tekken.json", "chat_template*", "README.md", "LICENSE*", "NOTICE*",
)  # fmt: skip


def resolve(name_or_path: str | Path, revision: str | None = None) -> Path:
    """Return the folder of a model: config.json, whole safetensors files and a tokenizer.

    Args:
        name_or_path: a bundled model's name ("gemma-3-270m", "smollm2-135m-instruct"), a folder, or "owner/name" on the hub.
            A bundled name wins over a folder of the same name: write "./name" for the folder.
        revision: branch, tag or commit of a hub model; anything else has no revisions.

    Raises:
        ModelError: nothing of that name, not loadable safely, not downloadable, or a revision where there are none.
        ChecksumError: a bundled model's package does not hold the published bytes.
    """
    name = str(name_or_path)
    if isinstance(name_or_path, str) and name in BUNDLED:
        _no_revision(name, revision, "a bundled model")
        return resolve_bundled(name)
    path = Path(name).expanduser()
    if path.exists():
        _no_revision(name, revision, "a local folder")
        return check(path)
    if isinstance(name_or_path, Path) or path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        return check(path)  # says what is missing there
    if _HUB_NAME.fullmatch(name):
        return check(download(name, revision))
    hint = nearest(path.name, BUNDLED)
    install = "".join(f" It needs: {model.install}" for model in BUNDLED.values() if repr(model.name) in hint)
    raise ModelError(
        f"{name!r}: no folder of that name, no bundled model ({', '.join(BUNDLED)}), and not of the form owner/name of the "
        f"Hugging Face hub.{hint}{install}"
    )


def download(name: str, revision: str | None = None) -> Path:
    """Return the local snapshot of a hub model, downloading what is missing; no pickled weights, no code.

    Raises:
        ModelError: the name or revision does not exist, needs access, or cannot be reached and is not in the local cache.
    """
    from huggingface_hub import errors, snapshot_download

    at = f"{name}@{revision}" if revision else name
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(_WANTED), ignore_patterns=["*/*"]))
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{at}: its owner asks for consent. Accept at https://huggingface.co/{name} and set HF_TOKEN."
        ) from error
    except errors.RepositoryNotFoundError as error:
        hint = nearest(name.split("/")[-1], BUNDLED)
        raise ModelError(f"{at}: the hub has no model of that name (or it is private: set HF_TOKEN).{hint}") from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"{at}: the model has no such branch, tag or commit. Leave the revision out to take the newest."
        ) from error
    except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"{at}: not in the local Hugging Face cache, and the hub cannot be reached ({type(error).__name__}). Connect and try "
            f"again, give a folder, or use a bundled model: {', '.join(BUNDLED)}."
        ) from error


def _no_revision(name: str, revision: str | None, kind: str) -> None:
    if revision is not None:
        raise ModelError(f"{name!r} is {kind}, which has no revisions (got {revision!r}). Leave the revision out.")
