"""`polylect.merge(models, ...)`: plan and merge in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

if TYPE_CHECKING:
    from polylect.merge.manifest import MergeReport
    from polylect.merge.settings import Rule, Settings
    from polylect.progress import StepProgress

__all__ = ["Options", "merge"]


class Options(TypedDict, total=False):
    """The settings of a merge, as `Settings` has them with their defaults; paths may be texts, density one number."""

    method: str
    base: str | Path | None
    weights: Sequence[float] | None
    density: float | Sequence[float]
    t: float
    scale: float
    normalize: bool | None
    rescale: Literal["density", "l1"]
    dtype: str | None
    seed: int
    threads: int | None
    max_memory: int
    device: str
    vocabulary: Literal["same", "union", "base", "first"]
    tokenizer: str
    generation: str
    names: str | Mapping[str, str] | None
    rules: Sequence[Rule]
    shard_size: int
    statistics: Literal["sampled", "exact", "none"]


@overload
def merge(
    models: Sequence[str | Path],
    *,
    out: str | Path,
    dry_run: Literal[False] = False,
    progress: StepProgress | None = None,
    **settings: Unpack[Options],
) -> MergeReport: ...


@overload
def merge(
    models: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    dry_run: Literal[True],
    progress: StepProgress | None = None,
    **settings: Unpack[Options],
) -> dict[str, Any]: ...


def merge(
    models: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    dry_run: bool = False,
    progress: StepProgress | None = None,
    **settings: Unpack[Options],
) -> MergeReport | dict[str, Any]:
    """Merge checkpoints into the checkpoint `out`.

    A killed merge goes on where it stopped when it is called again; a finished one with the same settings is left alone.

    Args:
        models: checkpoint or adapter folders.
        out: folder of the result: new, or empty.
        dry_run: return the plan, with bytes, seconds and memory, and write nothing.
        progress: called with (tensors done, tensors in all, note).
        settings: method, base, weights, density, t, scale, seed and so on: see `polylect.merge.Settings`.

    Returns:
        The report of the merge; for a dry run the plan as plain values.

    Raises:
        MergeError: settings or inputs do not fit; the message says what to change.
        ModelError: an input is missing, damaged or refused.
    """
    from polylect.errors import MergeError
    from polylect.merge.planning import plan

    planned = plan(_settings(models, settings))
    if dry_run:
        from polylect.merge.estimate import as_dict

        return as_dict(planned)
    if out is None:
        raise MergeError("out: the folder of the merged checkpoint is needed, unless it is a dry run.")
    from polylect.merge.engine import execute

    return execute(planned, Path(out), progress=progress)


def _settings(models: Sequence[str | Path], options: Options) -> Settings:
    """Return checked settings."""
    from polylect.merge.settings import Settings

    given: dict[str, Any] = dict(options)
    if given.get("base") is not None:
        given["base"] = Path(given["base"])
    if isinstance(given.get("density"), (int, float)):
        given["density"] = (float(given["density"]),)
    for key in ("weights", "density", "rules"):
        if given.get(key) is not None:
            given[key] = tuple(given[key])
    return Settings(models=tuple(map(Path, models)), **{"method": "linear", **given})
