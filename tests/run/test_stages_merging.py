"""The merge step of a run: the clusters' checkpoints become one, with the statistics and the verdict beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from polylect import tables
from polylect.errors import DataError
from polylect.records import Difference, MergeInput, MergePair, Prompt, Trial
from polylect.run import Context, Step
from polylect.run.merging import merge_report, write_tables
from polylect.run.stages import merging

SETTINGS = {"method": "linear", "weights": None, "density": 0.5, "t": 0.5, "scale": 1.0}
SEARCH = {"objective": "mean", "floor": 0.0, "budget": 4, "items": None}


@pytest.fixture(scope="module")
def models(make_model: Callable[..., Path]) -> dict[str, Path]:
    """A tiny base and two checkpoints of the same shape."""
    return {"base": make_model(seed=0), "model/west": make_model(seed=1), "model/east": make_model(seed=2)}


def _context(folder: Path, models: dict[str, Path], function: str = "merge", **settings: Any) -> Context:
    step = Step(name="merge/sft", function=f"polylect.run.stages.merging:{function}", settings={**SETTINGS, **settings}, seed=3)
    (folder / "out").mkdir()
    return Context(step=step, inputs=models, out=folder / "out", store=folder / "store")


def test_checkpoint_statistics_and_notes(models: dict[str, Path], tmp_path: Path) -> None:
    """The weighted mean, the engine's manifest under another name and the tables of the report lie in the step's folder."""
    context = _context(tmp_path, models, weights={"west": 1.0, "east": 3.0})
    merging.merge(context)
    merged, west, east = (
        load_file(path / "model.safetensors") for path in (context.out, models["model/west"], models["model/east"])
    )
    for name, value in merged.items():
        expected = ((west[name].double() + 3 * east[name].double()) / 4).to(value.dtype)
        assert torch.equal(value, expected), name
    assert context.notes["weights"] == {"east": 0.75, "west": 0.25}
    assert json.loads((context.out / "merge.json").read_text())["method"] == "linear"
    # The runner writes the step's manifest; one of the engine would make a killed step look finished.
    assert not (context.out / "manifest.json").exists()
    inputs = tables.read(context.out / "merge_inputs.parquet", MergeInput)
    assert {row.tensor for row in inputs} == set(merged)
    assert {row.layer for row in inputs} == {-1, 0, 1}
    pairs = tables.read(context.out / "merge_pairs.parquet", MergePair)
    assert len(pairs) * 2 == len(inputs)
    tau = [
        (
            x["model.layers.0.mlp.up_proj.weight"]
            - load_file(models["base"] / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
        )
        for x in (west, east)
    ]
    found = next(row.cosine for row in pairs if row.tensor == "model.layers.0.mlp.up_proj.weight")
    assert found == pytest.approx(float(torch.cosine_similarity(tau[0].flatten(), tau[1].flatten(), dim=0)), abs=1e-6)


def _prompts() -> list[Prompt]:
    return [
        Prompt(
            item=f"item-{number}",
            language=language,
            kind="kind",
            split="validation",
            text=f"{word} {number}?",
            references=("Turkey",),
            source="test",
            licence="CC0",
        )
        for number in range(6)
        for language, word in (("en", "Country"), ("tr", "Ülke"))
    ]


@pytest.mark.parametrize(("gain", "uniform"), [(-0.5, True), (0.0, False)])
def test_search_gives_way_to_uniform_weights(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gain: float, uniform: bool
) -> None:
    """Found weights are used unless uniform ones do better on held-out items; trials and verdicts are kept in both cases."""
    from polylect.run import merge_search

    (tmp_path / "prompts").mkdir()
    tables.write(tmp_path / "prompts" / "prompts.parquet", _prompts(), Prompt)
    judge = merge_search._Work.judge

    def judged(work: Any, found: Any) -> Any:
        from dataclasses import replace

        report = judge(work, found)
        first = replace(report.differences[0], value=gain)
        return replace(report, weights=(0.25, 0.75), differences=[first, *report.differences[1:]])

    monkeypatch.setattr(merge_search._Work, "judge", judged)
    generation = {"max_tokens": 4, "stop": [], "batch_size": 8}
    context = _context(tmp_path, {**models, "prompts": tmp_path / "prompts"}, "search", search=SEARCH, generation=generation)
    merging.search(context)
    assert context.notes["uniform_instead"] is uniform
    assert context.notes["found"] == {"east": 0.25, "west": 0.75}
    assert context.notes["weights"] == ({"east": 0.5, "west": 0.5} if uniform else {"east": 0.25, "west": 0.75})
    assert len({row.weights for row in tables.read(context.out / "trials.parquet", Trial)}) == 4
    assert tables.read(context.out / "differences.parquet", Difference)
    assert (context.out / "merge.json").is_file()


def test_page_of_a_merge(models: dict[str, Path], tmp_path: Path) -> None:
    """A merge made outside a run has its tables and page made from its manifest; another manifest is refused by name."""
    from polylect.merge.api import merge

    out = tmp_path / "merged"
    merge([models["model/west"], models["model/east"]], base=models["base"], method="ties", out=out)
    assert merge_report(out) == out / "report.html"
    assert "Sign conflict" in (out / "report.html").read_text()
    (out / "manifest.json").write_text('{"tensors": {"w": {"sums": []}}}')
    with pytest.raises(DataError, match=r"manifest\.json: not the manifest of a merge"):
        write_tables(out, out)
