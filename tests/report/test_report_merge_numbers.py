"""Statistics of a merge: tensors add up to layers and layers to the model exactly, whatever was sampled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_merge_example import merge_rows, tensors, write_merge, write_search

from polylect import tables
from polylect.errors import DataError
from polylect.records import MergeInput, MergePair
from polylect.report.merge_data import MergeStep, merge_step, pool_inputs, pool_pairs
from polylect.report.merge_document import from_merge, to_merge

MODELS = ("west", "east", "south")


@pytest.fixture(scope="module")
def step(tmp_path_factory: pytest.TempPathFactory) -> MergeStep:
    """A merge of three inputs with five layers, read from its folder."""
    folder = write_merge(tmp_path_factory.mktemp("merge"), MODELS, 5)
    read = merge_step(folder, "sft", "SFT, merged", {})
    assert read is not None
    return read


def whole(model: str, layers: set[int]) -> np.ndarray:
    """All task vectors of a model in some layers, end to end."""
    return np.concatenate([task[model] for layer, _, task in tensors(MODELS, 5).values() if layer in layers])


def test_a_layer_is_the_cosine_of_its_concatenated_tensors(step: MergeStep) -> None:
    """Cosine, sign conflict and distance of a layer are those of all its entries, not means over its tensors."""
    for row in step.inputs:
        tau, merged = whole(row.model, {row.layer}), np.mean([whole(m, {row.layer}) for m in MODELS], axis=0)
        assert row.cosine == pytest.approx(tau @ merged / np.linalg.norm(tau) / np.linalg.norm(merged), rel=1e-12)
        assert row.sign_conflict == pytest.approx(np.mean(tau * merged < 0), rel=1e-12)
        assert row.distance == pytest.approx(np.linalg.norm(tau - merged) / np.linalg.norm(merged + 10), rel=1e-12)


def test_layers_pool_to_the_whole_model(step: MergeStep) -> None:
    """Adding the rows of all layers gives the cosine over the whole model, for inputs and for pairs."""
    every = {-1, 0, 1, 2, 3, 4}
    merged = np.mean([whole(m, every) for m in MODELS], axis=0)
    for model in MODELS:
        pooled, tau = pool_inputs([row for row in step.inputs if row.model == model], 0), whole(model, every)
        assert pooled is not None
        assert pooled.cosine == pytest.approx(tau @ merged / np.linalg.norm(tau) / np.linalg.norm(merged), rel=1e-12)
        assert pooled.parameters == len(tau)
    pair = pool_pairs([row for row in step.pairs if (row.model, row.other) == ("west", "south")], 0)
    a, b = whole("west", every), whole("south", every)
    assert pair is not None
    assert pair.cosine == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-12)
    assert pool_inputs([], 0) is None
    assert pool_pairs([], 0) is None


def test_a_sampled_tensor_weighs_by_its_size(tmp_path: Path) -> None:
    """A tensor of which a tenth was sampled counts ten times its sums beside one that was read whole."""
    inputs, _ = merge_rows(("west", "east"), 1)
    big = [replace(row, parameters=10 * row.sampled) if "mlp" in row.tensor else row for row in inputs]
    tables.write(tmp_path / "merge_inputs.parquet", big, MergeInput)
    step = merge_step(tmp_path, "m", "M", {})
    assert step is not None
    (row,) = [row for row in step.inputs if (row.model, row.layer) == ("west", 0)]
    mlp, attention = (next(r for r in inputs if r.model == "west" and name in r.tensor) for name in ("mlp", "attention"))
    expected = (10 * mlp.conflicting + attention.conflicting) / (10 * mlp.nonzero + attention.nonzero)
    assert row.sign_conflict == pytest.approx(expected)
    assert row.parameters == 10 * mlp.sampled + attention.sampled
    assert row.sampled == mlp.sampled + attention.sampled


def test_inputs_keep_their_order(step: MergeStep) -> None:
    """Inputs come in the order of the merge, their layers from first to last with the rest before them."""
    assert step.models == MODELS
    assert [row.layer for row in step.inputs[:6]] == [-1, 0, 1, 2, 3, 4]


def test_an_unchanged_input_has_no_cosine(tmp_path: Path) -> None:
    """An input equal to the base has a task vector of zeros: cosine and conflict are not measured, not zero."""
    inputs, _ = merge_rows(("west", "east"), 1)
    same = [replace(r, square_task=0.0, dot=0.0, nonzero=0, conflicting=0) if r.model == "east" else r for r in inputs]
    tables.write(tmp_path / "merge_inputs.parquet", same, MergeInput)
    step = merge_step(tmp_path, "m", "M", {})
    assert step is not None
    assert {(row.cosine, row.sign_conflict) for row in step.inputs if row.model == "east"} == {(None, None)}


def test_without_tables_there_is_no_merge(tmp_path: Path) -> None:
    """A merge that kept no statistics is passed over; empty tables are no statistics."""
    assert merge_step(tmp_path, "m", "M", {}) is None
    tables.write(tmp_path / "merge_inputs.parquet", [], MergeInput)
    tables.write(tmp_path / "merge_pairs.parquet", [], MergePair)
    assert merge_step(tmp_path, "m", "M", {}) is None


def test_a_damaged_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A file that is no Parquet is refused, not passed over."""
    (tmp_path / "merge_inputs.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"merge_inputs\.parquet: not a readable Parquet file"):
        merge_step(tmp_path, "m", "M", {})


def test_a_merge_survives_json(tmp_path: Path, step: MergeStep) -> None:
    """What report.json holds of a merge, a search among them, reads back as it was; derived numbers stand beside the sums."""
    searched = merge_step(write_search(tmp_path, MODELS), "found", "Search", {})
    assert searched is not None
    for one in (step, searched):
        document = json.loads(json.dumps(to_merge(one)))
        assert from_merge(document) == one
        assert document["inputs"][0]["sign_conflict"] == one.inputs[0].sign_conflict
        assert document["pairs"][0]["cosine"] == one.pairs[0].cosine
