"""COMET in an environment of its own: what it is given, what comes back, and what is said where it is missing.

The scorer is a stand-in with the interface of `unbabel-comet` 2.2.7 (`download_model`, `load_from_checkpoint`, `predict`);
whether real models give the right scores is not tested here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from polylect import tables
from polylect.cli.eval import command
from polylect.errors import EvaluationError
from polylect.evaluate import evaluate
from polylect.evaluate.comet import Comet
from polylect.records import Measurement

DATA = Path(__file__).parent / "fixtures" / "flores-200"
STAND_IN = """
def download_model(name):
    print("stdout may hold anything")
    return "/models/" + name


def load_from_checkpoint(path):
    if "broken" in path:
        raise RuntimeError("checkpoint is broken")
    return Scorer()


class Scorer:
    def predict(self, samples, batch_size=16, gpus=1, progress_bar=True):
        assert all(set(one) == {"src", "mt", "ref"} for one in samples)
        return {"scores": [1.0 if one["mt"] == one["ref"] else 0.25 for one in samples], "system_score": 0.5}
"""


@pytest.fixture
def comet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comet:
    """A scorer in this Python, which finds the stand-in."""
    (tmp_path / "site" / "comet").mkdir(parents=True)
    (tmp_path / "site" / "comet" / "__init__.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    return Comet("Unbabel/XCOMET-XL", sys.executable)


def test_translations_get_a_row_of_comet_beside_chrf(comet: Comet, tmp_path: Path) -> None:
    """Every translation is scored on 0 to 100 and summarised; the model is named in the manifest."""
    found = evaluate("fake:good", ["flores-200"], out=tmp_path / "out", data=DATA, limit=2, comet=comet)
    rows = tables.read(tmp_path / "out" / "results.parquet", Measurement)
    by_metric = {metric: [row for row in rows if row.metric == metric] for metric in ("chrf++", "comet")}
    assert len(by_metric["comet"]) == len(by_metric["chrf++"]) > 0
    assert {row.score for row in by_metric["comet"] if row.status == "ok"} == {25.0}
    macro = [row for row in found.summary["rows"] if (row["metric"], row["scope"], row["subset"]) == ("comet", "macro", "")]
    assert 0 < macro[0]["value"] <= 25.0
    assert found.manifest["benchmarks"]["flores-200"]["comet"] == "Unbabel/XCOMET-XL"


def test_scores_are_those_of_the_texts(comet: Comet) -> None:
    """Source, translation and reference are handed over whole, in order."""
    samples = [{"src": "Der Fluß.", "mt": mt, "ref": "नदी।"} for mt in ("नदी।", "The river.\n\u2028")]
    assert comet.score(samples) == [100.0, 25.0]
    assert comet.score([]) == []
    with pytest.raises(EvaluationError, match="the scorer failed: RuntimeError: checkpoint is broken"):
        Comet("broken", comet.python).score(samples)


def test_a_missing_package_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    """One line with the command that installs it, and no folder."""
    options = [
        "--model",
        "fake:good",
        "--benchmark",
        "flores-200",
        "--data",
        str(DATA),
        "--out",
        str(tmp_path / "out"),
        "--comet",
    ]
    with pytest.raises(EvaluationError, match=r"pip install 'unbabel-comet>=2\.2'") as error:
        CliRunner().invoke(command, options, catch_exceptions=False)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
    with pytest.raises(EvaluationError, match="cannot be run"):
        Comet(python=str(tmp_path / "nowhere")).check()
