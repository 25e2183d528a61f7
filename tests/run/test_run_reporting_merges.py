"""The merges of a run reach its report: read from the steps' folders, named as the stages they made."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from polylect import tables
from polylect.recipe import load
from polylect.records import MergeInput
from polylect.run.plan import plan
from polylect.run.reporting import _merges

RECIPE = Path(__file__).parents[2] / "recipes" / "quickstart.yaml"
ROW = MergeInput(
    tensor="layers.0.mlp.weight",
    layer=0,
    part="mlp",
    model="west",
    parameters=8,
    sampled=8,
    square_merged=2.0,
    square_distance=0.5,
    square_task=1.0,
    square_task_merged=1.0,
    dot=0.5,
    nonzero=8,
    conflicting=2,
)


def finished(folder: Path, step: str, *, statistics: bool = True) -> None:
    """Write the output of a merge step as far as the report reads it."""
    out = folder / "steps" / step
    out.mkdir(parents=True)
    if statistics:
        tables.write(out / "merge_inputs.parquet", [ROW, dataclasses.replace(ROW, id="", model="east")], MergeInput)
    (out / "manifest.json").write_text(json.dumps({"notes": {"weights": {"west": 0.25, "east": 0.75}}}))


def test_merges_come_in_the_order_of_the_run(tmp_path: Path) -> None:
    """Merges with tables are found in the order of the plan, with stage name, title and weights; others are passed over."""
    planned = plan(load(RECIPE))
    finished(tmp_path, "merge/online_dpo_1")
    finished(tmp_path, "merge/offline_dpo", statistics=False)
    finished(tmp_path, "merge/sft")
    found = list(_merges(planned, tmp_path))
    assert [step.name for step in found] == ["sft", "online_dpo_1"]
    titles = {stage.name: stage.title for stage in planned.stages}
    assert [step.title for step in found] == [titles["sft"], titles["online_dpo_1"]]
    assert found[0].weights == {"west": 0.25, "east": 0.75}
    assert found[0].inputs[0].sign_conflict == 0.25


def test_a_run_without_statistics_has_no_merges(tmp_path: Path) -> None:
    """A run of an earlier version, whose merges kept none, is reported as before."""
    assert list(_merges(plan(load(RECIPE)), tmp_path)) == []
