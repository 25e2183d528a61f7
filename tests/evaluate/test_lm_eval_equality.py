"""Our answers are lm-evaluation-harness's, item by item, on invented items of four public sets.

lm_eval_recorded.json has the log-likelihoods of the harness for every option, made by `benchmarks/eval_equality.py --record` with
the model of byte_model.py. Where the harness is installed (the extra `equality`) it is run here, too.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from byte_model import write_byte_model
from invented_sets import SETS, write_sets

from polylect.evaluate import evaluate

HERE = Path(__file__).parent
BENCHMARK = HERE.parents[1] / "benchmarks" / "eval_equality.py"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint that the recorded numbers are of."""
    return write_byte_model(tmp_path_factory.mktemp("bytes"))


@pytest.fixture(scope="module")
def options(model: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """What `polylect eval` writes of every option of the four sets."""
    folder = tmp_path_factory.mktemp("equality")
    write_sets(folder / "sets")
    evaluate(str(model), list(SETS), out=folder / "out", data=folder / "sets", dtype="float32")
    return pl.read_parquet(folder / "out" / "options.parquet")


@pytest.mark.parametrize("name", list(SETS))
def test_every_answer_is_the_harness_s(options: pl.DataFrame, name: str) -> None:
    """The same items, at least 200 per set; each log-likelihood within 1e-3 of the recorded one; each answer the same."""
    recorded: dict[str, Any] = json.loads((HERE / "lm_eval_recorded.json").read_text(encoding="utf-8"))["sets"][name]
    expected = {(language, item): values for language, items in recorded.items() for item, values in items.items()}
    found: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for row in options.filter(pl.col("benchmark") == name).sort("option").iter_rows(named=True):
        found.setdefault((row["language"], row["item"]), []).append((row["logprob"], row["chosen"]))
    assert set(found) == set(expected)
    assert len(found) >= 200
    for key, values in expected.items():
        assert [value for value, _ in found[key]] == pytest.approx(values, abs=1e-3), key
        assert [chosen for _, chosen in found[key]].index(True) == values.index(max(values)), key


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm_eval is not installed: pip install 'polylect[equality]'"
)
def test_the_installed_harness_gives_equal_answers(model: Path) -> None:
    """The harness, run on the same files in a process of its own, has the same answer to every item."""
    done = subprocess.run([sys.executable, str(BENCHMARK), str(model)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.count("on one side only 0") == len(SETS)
