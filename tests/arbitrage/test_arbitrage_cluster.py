"""An arbitrage on a Ray cluster gives what one in this process gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polylect.arbitrage import arbitrate, generate
from polylect.errors import RecipeError
from polylect.models.fakes import FakeModel
from polylect.records import Completion
from polylect.tables import read

POOL = """
members:
  east: {spec: "fake:good?quality=0.3&quality.tr=0.9&known=PROMPTS"}
  west: {spec: "fake:good?quality=0.6&known=PROMPTS", languages: [en, tr]}
"""


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A table of 120 prompts in two languages."""
    path = tmp_path / "prompts.jsonl"
    rows = [
        {"item": f"i{n}", "language": tag, "text": f"{tag}: what is {n} and {n * 7 % 50}?", "reference": f"number {n}"}
        for n in range(60)
        for tag in ("en", "tr")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "pool.yaml").write_text(POOL.replace("PROMPTS", str(path)))
    return path


def answers(folder: Path) -> list[tuple[str, str, str, str]]:
    """Return what was answered, in the order of the table."""
    return [(row.prompt_id, row.model, row.text, row.status) for row in read(folder / "completions.parquet", Completion)]


def test_a_cluster_gives_the_same_tables(prompts: Path, tmp_path: Path) -> None:
    """Actors open the models and answer; the driver's store, tables and routing are those of a local run."""
    pytest.importorskip("ray")
    settings = {"router": "reward", "repeats": "off", "checks": False}
    local = arbitrate(prompts, tmp_path / "pool.yaml", {"kind": "verifiable"}, out=tmp_path / "local", **settings)
    far = arbitrate(prompts, tmp_path / "pool.yaml", {"kind": "verifiable"}, out=tmp_path / "far", executor="ray", **settings)
    assert answers(tmp_path / "far") == answers(tmp_path / "local")
    assert len(answers(tmp_path / "far")) == 240
    assert far.routing == local.routing


def test_models_and_budgets_stay_on_one_machine(prompts: Path, tmp_path: Path) -> None:
    """What cannot be shared by machines is refused before anything is asked."""
    pool, arbiter = tmp_path / "pool.yaml", {"kind": "verifiable"}
    with pytest.raises(RecipeError, match="--budget: is not kept on a Ray cluster"):
        arbitrate(prompts, pool, arbiter, out=tmp_path / "a", executor="ray", budget="default=9usd")
    with pytest.raises(RecipeError, match="east: a model object cannot be sent to a Ray cluster"):
        generate(prompts, FakeModel("east"), out=tmp_path / "b", executor="ray")
    with pytest.raises(RecipeError, match="executor 'slurm': one of local, ray"):
        generate(prompts, "fake:good", out=tmp_path / "c", executor="slurm")
