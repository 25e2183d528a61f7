"""Merges of small random tensors with their true statistics, and an invented search. Nothing here was measured on a model."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polylect import tables
from polylect.records import MULTIPLE, Difference, MergeInput, MergePair, Trial

Vector = NDArray[np.float64]

LANGUAGES = ("en", "es", "hi", "tr", "ar", "id", "zh-Hans", "he")


def tensors(models: Sequence[str], layers: int, size: int = 400) -> dict[str, tuple[int, str, dict[str, Vector]]]:
    """Map names to (layer, part, values by model): task vectors that share a direction, less so in later layers."""
    random = np.random.default_rng(layers)
    names = [("embed.weight", -1, "embedding"), ("norm.weight", -1, "norm")]
    names += [(f"layers.{n}.{part}.weight", n, part) for n in range(layers) for part in ("attention", "mlp")]
    found = {}
    for name, layer, part in names:
        own = size if part != "norm" else size // 10
        shared = random.standard_normal(own)
        pull = 1.1 - max(layer, 0) / layers
        parts = {
            model: pull * shared * (1 - 1.6 * (place % 3 == 2)) + random.standard_normal(own)
            for place, model in enumerate(models)
        }
        found[name] = (layer, part, parts)
    return found


def merge_rows(
    models: Sequence[str], layers: int, *, base: bool = True, size: int = 400, parameters: int = 1
) -> tuple[list[MergeInput], list[MergePair]]:
    """Statistics of the average of `models`; each tensor has `parameters` times as many elements as were sampled."""
    inputs, pairs = [], []
    for name, (layer, part, task) in tensors(models, layers, size).items():
        merged = np.mean(list(task.values()), axis=0)
        about: dict[str, Any] = {"tensor": name, "layer": layer, "part": part, "sampled": len(merged)}
        about["parameters"] = parameters * len(merged)
        inputs += [MergeInput(model=model, **about, **statistics(tau, merged, base)) for model, tau in task.items()]
        if base:
            for model, other in itertools.combinations(models, 2):
                dot, norms = float(task[model] @ task[other]), [float(np.linalg.norm(task[m])) for m in (model, other)]
                cosine = dot / norms[0] / norms[1]
                pairs.append(
                    MergePair(model=model, other=other, **about, dot=dot, norm_model=norms[0], norm_other=norms[1], cosine=cosine)
                )
    return inputs, pairs


def statistics(tau: Vector, merged: Vector, base: bool) -> dict[str, Any]:
    """The sums of a `MergeInput` from a task vector and the merged one; the base's values are all 10."""
    sums: dict[str, Any] = {
        "square_merged": float(((merged + 10) ** 2).sum()),
        "square_distance": float(((tau - merged) ** 2).sum()),
    }
    if base:
        sums |= {
            "square_task": float((tau**2).sum()),
            "square_task_merged": float((merged**2).sum()),
            "dot": float(tau @ merged),
            "nonzero": int(np.count_nonzero(tau)),
            "conflicting": int(np.count_nonzero(tau * merged < 0)),
        }
    return sums


def write_merge(folder: Path, models: Sequence[str], layers: int, **options: Any) -> Path:
    """Write the output folder of a merge, without its model."""
    inputs, pairs = merge_rows(models, layers, **options)
    tables.write(folder / "merge_inputs.parquet", inputs, MergeInput)
    tables.write(folder / "merge_pairs.parquet", pairs, MergePair)
    manifest = {
        "settings": {"method": "linear", "dtype": "bfloat16", "seed": 0},
        "weights": {model: 1 / len(models) for model in models},
        "notes": ["Two files of the tokenizer differ; the first model's are taken."],
        "seconds": 3.5,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def search_trials(models: Sequence[str], count: int = 24) -> list[Trial]:
    """Evaluations of weights whose objective is highest near equal weights."""
    random = np.random.default_rng(7)
    rows = []
    for number in range(1, count + 1):
        given = np.eye(len(models))[number - 1] if number <= len(models) else random.dirichlet(np.ones(len(models)))
        origin = "single" if number <= len(models) else "model"
        if number == len(models) + 1:
            given, origin = np.full(len(models), 1 / len(models)), "uniform"
        elif number == len(models) + 2:
            given, origin = np.array([0.6, 0.4] + [0.0] * (len(models) - 2)), "soup"
        expected = float(30 - 20 * ((given - 1 / len(models)) ** 2).sum())
        rows += [
            Trial(
                search="ab12",
                number=number,
                origin=origin,
                models=tuple(models),
                weights=tuple(f"{weight:.4f}" for weight in given),
                language=tag,
                objective="worst",
                metric="score",
                value=expected + float(random.normal()),
                expected=expected + number / 1000,
                n=40,
            )
            for tag in (MULTIPLE, "en", "ar")
        ]
    return rows


def search_differences(models: Sequence[str]) -> tuple[list[Difference], list[Difference]]:
    """(recommended minus uniform, best input minus recommended) on held-out items, in points of the score."""
    over, regret = [], []
    for place, tag in enumerate((*LANGUAGES, MULTIPLE)):
        best = f"single/{models[place % len(models)]}" if tag != MULTIPLE else "best single per language"
        value = 2.4 * np.cos(2.1 * place)
        ends = {"low": value - 1.6, "high": value + 1.6, "n": 120}
        over.append(
            Difference(
                a="recommended",
                b="uniform",
                metric="score",
                language=tag,
                value=value / 3,
                low=value / 3 - 1.1,
                high=value / 3 + 1.2,
                n=120,
            )
        )
        regret.append(Difference(a=best, b="recommended", metric="score", language=tag, value=value, **ends))
    over.append(Difference(a="recommended", b="uniform", metric="worst score", language=MULTIPLE, value=0.3, low=-1, high=2, n=9))
    return over, regret


def write_search(folder: Path, models: Sequence[str]) -> Path:
    """Write the output folder of a search, without its model."""
    over, regret = search_differences(models)
    tables.write(folder / "trials.parquet", search_trials(models), Trial)
    tables.write(folder / "differences.parquet", over, Difference)
    tables.write(folder / "regret.parquet", regret, Difference)
    inputs, pairs = merge_rows(models, 6)
    tables.write(folder / "model" / "merge_inputs.parquet", inputs, MergeInput)
    tables.write(folder / "model" / "merge_pairs.parquet", pairs, MergePair)
    names = ("recommended", "uniform", *(f"single/{model}" for model in models))
    candidates = [
        {
            "name": name,
            "weights": [1 / len(models)] * len(models),
            "search": 29.5 - place,
            "expected": 29.0 - place,
            "heldout": 28.0 - place,
            "low": 26.0 - place,
            "high": 30.0 - place,
            "heldout_scores": dict.fromkeys(LANGUAGES, 25.0 + place),
        }
        for place, name in enumerate(names)
    ]
    verdicts = ["does not beat uniform weights: +0.8 points on 60 held-out items"]
    found = {"metric": "score", "candidates": candidates, "verdicts": verdicts}
    (folder / "report.json").write_text(json.dumps(found))
    (folder / "manifest.json").write_text(json.dumps({"name": "merge search", "settings": {"method": "linear"}, "seed": 0}))
    return folder
