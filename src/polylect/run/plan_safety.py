"""The steps of a recipe's safety: distil from an earlier checkpoint, mix with the run's own data, measure the models.

base -> safety -> mixture/<cluster> -> sft/<cluster>
               -> mixture_pairs/<cluster> -> offline_dpo/<cluster>
or, after the last merge, in place of the clusters' mixtures:
last model -> rehearsal -> safety_mixture -> safety_sft
safety_eval/base, safety_eval/sft, safety_eval/final
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from polylect.run.safety_inputs import check_inputs, hashes
from polylect.run.steps import JSON, MODEL_LIBRARIES, TRAIN_LIBRARIES

if TYPE_CHECKING:
    from polylect.recipe_safety import RecipeSafety
    from polylect.run.plan import Builder, Stage

__all__ = ["FINAL", "LAST", "distillation", "evaluations", "further", "last_training", "vocabulary"]

LAST = "safety_sft"
"""The fine-tuning that learns safety after the merges: a step, and the stage that it makes."""

FINAL = "final"
"""Name of the evaluation of the model that a run hands over: which stage it is, is known when the run has ended."""

_TABLE = "examples.parquet"
_OF_TEACHER = (
    "turn", "samples", "temperature", "top_p", "max_tokens", "stop", "keep", "least_letters", "drop_leaks", "anchor_samples",
)  # fmt: skip


def vocabulary(build: Builder) -> dict[str, Any]:
    """Return what a step that trims the vocabulary is told of safety: the files whose texts it must cover."""
    safety = build.recipe.safety
    if safety is None or not build.recipe.model.trim_vocabulary:
        return {}
    return _outside(build, {**_distilled(safety), **_measured(safety)})


def _outside(build: Builder, files: dict[str, str]) -> dict[str, Any]:
    """Return files as a step has them: hashes, which are part of its key, and places, which are not."""
    return {"files": hashes(files) if build.check_files else {}, "paths": files}


def _distilled(safety: RecipeSafety) -> dict[str, str]:
    named = {"prompts": safety.prompts, "preamble": safety.preamble, "anchor_preamble": safety.anchor_preamble}
    return {key: path for key, path in named.items() if path is not None}


def _measured(safety: RecipeSafety) -> dict[str, str]:
    return {} if safety.evaluate is None else {"evaluate.prompts": safety.evaluate.prompts}


def distillation(build: Builder) -> None:
    """Add the distillation and the mixtures that the trainings of the run read in place of the arbitrage's rows.

    Raises:
        RecipeError: a file of the recipe's safety is missing or does not fit.
    """
    safety, recipe = build.recipe.safety, build.recipe
    if safety is None:
        return
    if build.check_files:
        check_inputs(recipe)
    if safety.prompts is None:
        return
    _distil(build, safety)
    tables = dict.fromkeys(build.clusters, _TABLE)
    if recipe.mixed is not None:
        tables["mixed"] = _TABLE
    if recipe.baseline is not None:
        tables["baseline"] = "baseline.parquet"
    for name, table in tables.items() if safety.share and safety.last is None else ():
        build.mixtures[f"sft/{name}"] = _mixture(build, safety, name, table)
    for name in build.clusters if safety.pairs else ():
        build.mixtures[f"pairs/{name}"] = _mixed_pairs(build, safety, name)


def _distil(build: Builder, safety: RecipeSafety) -> None:
    """Add the sampling of the teacher; its checkpoint is another step's, or what the recipe names."""
    from polylect.safety.detectors import detector_settings

    settings: dict[str, JSON] = safety.model_dump(mode="json", include=set(_OF_TEACHER))
    settings |= {"languages": list(safety.languages or build.recipe.languages), **detector_settings(safety.detector)}
    inputs = {}
    for role, spec in (("teacher", safety.teacher), ("anchor_model", safety.anchor_model)):
        if spec is not None and (spec == "base" or spec.startswith("teacher/")):
            inputs[role] = spec
        else:
            settings[role] = spec
    title = f"distil safety from {safety.teacher}"
    more = _outside(build, _distilled(safety))
    build.add("safety", "safety:distil", settings, inputs, title=title, weight=40, libraries=MODEL_LIBRARIES, **more)


def further(build: Builder) -> dict[str, JSON]:
    """Return what a training and its mixture are told where safety rows of all languages are in every cluster."""
    safety = build.recipe.safety
    return {"safety_languages": list(build.recipe.languages)} if safety is not None and safety.spread == "all" else {}


def _of_mixture(safety: RecipeSafety, table: str, languages: Sequence[str]) -> dict[str, JSON]:
    return {
        "kind": "sft", "table": table, "languages": list(languages), "share": safety.share, "anchors": safety.anchors,
        "keep_general": safety.keep_general,
    }  # fmt: skip


def _mixture(build: Builder, safety: RecipeSafety, name: str, table: str) -> str:
    """Add the fine-tuning data of a cluster, or of a training of all languages, with a share of refusals."""
    settings = {**_of_mixture(safety, table, build.clusters.get(name, build.recipe.languages)), **further(build)}
    title = f"mix {100 * safety.share:g} % refusals into {name}"
    return build.add(f"mixture/{name}", "safety:mixture", settings, {"general": "arbitrage", "safety": "safety"}, title=title)


def _mixed_pairs(build: Builder, safety: RecipeSafety, name: str) -> str:
    settings = {
        "kind": "pairs", "table": "pairs.parquet", "languages": list(build.clusters[name]), "share": safety.pairs,
        "keep_general": safety.keep_general, **further(build),
    }  # fmt: skip
    title = f"mix {100 * safety.pairs:g} % safety pairs into {name}"
    inputs = {"general": "arbitrage", "safety": "safety"}
    return build.add(f"mixture_pairs/{name}", "safety:mixture", settings, inputs, title=title)


def last_training(build: Builder, model: str) -> str:
    """Add the fine-tuning that learns safety after the merges, if the recipe has one; return the last model's step.

    Two checkpoints that both refuse can make one that does not (docs/safety-distillation.md): here nothing is merged after it.
    """
    safety = build.recipe.safety
    if safety is None or safety.last is None:
        return model
    languages, last = list(build.recipe.languages), safety.last
    inputs = {"general": "arbitrage", "safety": "safety"}
    if last.rehearsed:
        asked = {"languages": languages, "prompts": last.rehearsed, "generation": build.generation}
        title, own = "answer trained prompts again", {"prompts": "prompts", "model": model}
        inputs["rehearsal"] = build.add(
            "rehearsal", "rehearsal:rehearse", asked, own, title=title, weight=20, libraries=MODEL_LIBRARIES
        )
    mixed = {**_of_mixture(safety, _TABLE, languages), "most_general": last.general}
    title = f"mix {100 * safety.share:g} % refusals into the last training"
    data = build.add("safety_mixture", "safety:mixture", mixed, inputs, title=title)
    train = (last.train or build.recipe.sft).of_step(refusals=True)
    settings = {"languages": languages, "table": _TABLE, "train": train}
    before, title = build.stages[-1].name, "safety SFT"
    build.add(LAST, "training:sft", settings, {"data": data, "model": model}, title=title, weight=60, libraries=TRAIN_LIBRARIES)
    build.stage(LAST, title, LAST, previous=before)
    return LAST


def evaluations(build: Builder, final: str) -> None:
    """Add the measurement of safety: of the base, the merged SFT and the final model, or of every stage of the run."""
    safety = build.recipe.safety
    if safety is None or safety.evaluate is None:
        return
    from polylect.safety.detectors import detector_settings

    settings: dict[str, JSON] = safety.evaluate.model_dump(
        mode="json", include={"judge", "judge_format", "max_tokens", "stop", "limit"}
    )
    settings |= {"languages": list(build.recipe.languages), **detector_settings(safety.evaluate.detector)}
    measured = {}
    for name, title, model in _models(safety.evaluate.stages, build.stages, final):
        measured[name] = build.add(
            f"safety_eval/{name}",
            "safety:evaluate",
            {"stage": name, **settings},
            {"model": model},
            title=f"safety of {title}",
            weight=20,
            libraries=MODEL_LIBRARIES,
            **_outside(build, _measured(safety)),
        )
    stages = {"stages": list(measured)}
    build.add("safety_compare", "safety:compare", stages, measured, title="compare the models' safety", libraries=("numpy",))


def _models(wanted: str, stages: Sequence[Stage], final: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, title and checkpoint; the few-shot base is the base, and is asked without examples."""
    main = {"base", "sft"}
    seen = set()
    for stage in stages:
        if (wanted == "all" or stage.name in main) and stage.model not in seen:
            seen.add(stage.model)
            yield stage.name, stage.title, stage.model
    if wanted == "main" and final not in seen:
        yield FINAL, "the final model", final
