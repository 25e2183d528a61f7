"""An arbiter from ARBITER.yaml or from the same keys in a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.arbiters.base import Arbiter
from polylect.arbitrage.arbiters.registry import Context, get, names
from polylect.errors import RecipeError, nearest

if TYPE_CHECKING:
    from polylect.models.store import Store

__all__ = ["build", "load_arbiter"]


def load_arbiter(source: Path | str | Mapping[str, Any], *, store: Store | None = None) -> Arbiter:
    """Return the arbiter that a YAML file or a mapping describes: `kind`, and that kind's own keys (docs/arbiters.md).

    Args:
        source: a path of a YAML file, or its content.
        store: keeps what judges answer; needed by the kinds that ask models.

    Raises:
        RecipeError: the file is missing or not YAML; a key is unknown, missing or has a wrong value.
        ModelError: a model that the arbiter needs cannot be opened.
    """
    if isinstance(source, Mapping):
        return build(source, Context("arbiter", Path(), store, {}))
    path = Path(source)
    return build(_read(path), Context(str(path), path.parent, store, {}))


def build(settings: Mapping[str, Any], context: Context) -> Arbiter:
    """Return the arbiter of these settings.

    Raises:
        RecipeError: as for `load_arbiter`.
    """
    if "kind" not in settings:
        hint = next((nearest(key, ["kind"]) for key in map(str, settings) if nearest(key, ["kind"])), "")
        raise RecipeError(f"{context.where}: kind is missing.{hint} Give one of {', '.join(names())}.")
    try:
        kind = get(str(settings["kind"]))
    except RecipeError as error:
        raise RecipeError(f"{context.where}: {error}") from None
    return kind.build({str(key): value for key, value in settings.items() if key != "kind"}, context)


def _read(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as an arbiter ({error}). Give a YAML file with `kind:`.") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: is not YAML ({error}). Write `key: value`, one a line.") from error
    if not isinstance(content, Mapping):
        raise RecipeError(f"{path}: holds no settings. Write at least `kind: verifiable`.")
    return content
