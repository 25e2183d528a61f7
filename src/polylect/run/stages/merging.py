"""The stage that makes one checkpoint of the clusters' checkpoints (Aya Expanse 2.3)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polylect.run.context import Context
from polylect.run.merging import write_tables
from polylect.run.stages.common import load_prompts, progress, sampling

__all__ = ["merge", "search"]

_MERGED = "merged"
"""Where the engine writes, inside the step's folder; its manifest must not be taken for the runner's."""

_TABLES = ("trials.parquet", "results.parquet", "differences.parquet", "regret.parquet")


def merge(context: Context) -> None:
    """Merge the clusters' checkpoints with the recipe's weights; the base is the checkpoint that they were trained from."""
    _merge(context, context.settings["weights"])


def _merge(context: Context, weights: Mapping[str, float] | None) -> None:
    from polylect.merge.api import merge

    models = _models(context)
    report = merge(
        list(models.values()),
        method=context.settings["method"],
        base=context.inputs["base"],
        weights=None if weights is None else [weights[name] for name in models],
        **_options(context),
        out=context.out / _MERGED,
        progress=progress(context, "tensors"),
    )
    _unpack(context)
    context.note(
        parameters=report.parameters,
        weights=dict(zip(models, report.weights, strict=True)),
        distance=dict(zip(models, report.distance, strict=True)),
    )


def search(context: Context) -> None:
    """Find the weights on half of the validation items and merge with them, unless uniform ones do better on the other half."""
    from polylect.merge.search import Objective
    from polylect.run.merge_search import search

    models = _models(context)
    wanted = context.settings["search"]
    # The store survives a kill, and with it the answers of the candidates that were finished.
    folder = context.store / "search" / context.step.name
    report = search(
        list(models.values()),
        validation=load_prompts(context.inputs["prompts"], {"validation"}),
        out=folder,
        objective=Objective(wanted["objective"], wanted["floor"]),
        budget=wanted["budget"],
        items=wanted["items"],
        method=context.settings["method"],
        base=context.inputs["base"],
        settings=_options(context),
        seed=context.seed,
        sampling=sampling(context),
        batch_size=context.settings["generation"]["batch_size"],
        progress=progress(context, "answers"),
    )
    # Few items mislead a search: weights that lose to uniform ones on items that it has not seen are not worth having.
    gain = report.differences[0].value
    uniform = gain is not None and gain < 0
    _merge(context, None if uniform else dict(zip(models, report.weights, strict=True)))
    for name in _TABLES:
        shutil.copyfile(folder / name, context.out / name)
    found = dict(zip(models, report.weights, strict=True))
    context.note(found=found, uniform_instead=uniform, evaluations=report.evaluations, verdicts=report.verdicts)


def _models(context: Context) -> dict[str, Path]:
    """Return cluster (and branch) -> its checkpoint, sorted by name."""
    return {role.removeprefix("model/"): path for role, path in sorted(context.inputs.items()) if role.startswith("model/")}


def _options(context: Context) -> dict[str, Any]:
    settings = context.settings
    return {"density": (settings["density"],), "t": settings["t"], "scale": settings["scale"], "seed": context.seed}


def _unpack(context: Context) -> None:
    """Move the checkpoint to the top of the step's folder, its manifest to merge.json, and make tables of the statistics."""
    merged = context.out / _MERGED
    write_tables(merged, context.out)
    (merged / "manifest.json").rename(context.out / "merge.json")
    for path in sorted(merged.iterdir()):
        path.rename(context.out / path.name)
    merged.rmdir()
