"""An arbitrage on a Ray cluster gives what one in this process gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from polylect.arbitrage import arbitrate, generate
from polylect.errors import RecipeError
from polylect.models.fakes import FakeModel
from polylect.records import Completion
from polylect.tables import read

# Two clusters at once would wait for each other's processors.
pytestmark = pytest.mark.xdist_group("ray")

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
    settings: dict[str, Any] = {"router": "reward", "repeats": "off", "checks": False}
    local = arbitrate(prompts, tmp_path / "pool.yaml", {"kind": "verifiable"}, out=tmp_path / "local", **settings)
    far = arbitrate(prompts, tmp_path / "pool.yaml", {"kind": "verifiable"}, out=tmp_path / "far", executor="ray", **settings)
    assert answers(tmp_path / "far") == answers(tmp_path / "local")
    assert len(answers(tmp_path / "far")) == 240
    assert far.routing == local.routing


def test_a_budget_is_kept_on_a_cluster(prompts: Path, tmp_path: Path) -> None:
    """The driver admits and settles: the limit holds, and what is over it is not asked and counted."""
    pytest.importorskip("ray")
    pool = tmp_path / "priced.yaml"
    pool.write_text((tmp_path / "pool.yaml").read_text().replace('"}', '", price: {input: 1, output: 2}}'))
    pool.write_text(pool.read_text().replace('", languages', '", price: {input: 1, output: 2}, languages'))
    arbiter = {"kind": "verifiable"}
    settings: dict[str, Any] = {
        "router": "reward",
        "repeats": "off",
        "checks": False,
        "max_tokens": 4,
        "samples": 2,
        "temperature": 1.0,
    }

    def budgeted(out: str, limit: str, **more: Any) -> Mapping[str, Any]:
        made = arbitrate(prompts, pool, arbiter, out=tmp_path / out, budget=limit, **settings, **more)
        assert made.routing is not None
        return {**made.routing["budget"], "asked": made.manifest["requests"]["ask"]["asked"]}

    wide, near = (budgeted(out, "default=1usd", executor=executor) for out, executor in (("wide", "ray"), ("near", "local")))
    assert wide["asked"] == near["asked"] == 480
    for tag in ("en", "tr"):
        assert wide[tag]["spent"] == pytest.approx(near[tag]["spent"])
        assert wide[tag]["set_aside"] == pytest.approx(0, abs=1e-15)
    limit = wide["tr"]["spent"] / 2
    tight = budgeted("tight", f"tr={limit:.9f}usd", executor="ray")
    assert limit * 0.3 < tight["tr"]["spent"] <= limit
    assert tight["tr"]["refused"]["over the budget of tr"] == 120 - tight["tr"]["asked"] > 40
    assert tight["en"]["asked"] == 120
    rows = answers(tmp_path / "tight")
    assert len(rows) == 240 + 2 * tight["tr"]["asked"]


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_what_is_stored_counts_before_anything_is_asked(prompts: Path, tmp_path: Path, executor: str) -> None:
    """Where the store holds the last prompts' answers, the first ones are not asked for the money that these cost."""
    if executor == "ray":
        pytest.importorskip("ray")
    last = tmp_path / "last.jsonl"
    last.write_text("".join(prompts.read_text().splitlines(keepends=True)[60:]))
    settings: dict[str, Any] = {
        "router": "reward",
        "repeats": "off",
        "checks": False,
        "max_tokens": 4,
        "store": tmp_path / "answers.sqlite",
    }
    arbiter = {"kind": "verifiable"}

    def spent(table: Path, limit: int, **more: Any) -> Mapping[str, Any]:
        made = arbitrate(table, tmp_path / "pool.yaml", arbiter, budget=f"tr={limit}tokens", **settings, **more)
        assert made.routing is not None
        return {**made.routing["budget"]["tr"], "reused": made.manifest["requests"]["ask"]["reused"]}

    paid = int(spent(last, 100_000, out=tmp_path / "last")["spent"])
    found = spent(prompts, paid + 100, out=tmp_path / "all", executor=executor)
    assert found["reused"] == 120
    assert 0 < found["asked"] <= 10
    assert paid < found["spent"] <= paid + 100


def test_what_a_cluster_cannot_have_is_refused(prompts: Path, tmp_path: Path) -> None:
    """A model object and an unknown executor end the run before anything is asked."""
    with pytest.raises(RecipeError, match="east: a model object cannot be sent to a Ray cluster"):
        generate(prompts, FakeModel("east"), out=tmp_path / "b", executor="ray")
    with pytest.raises(RecipeError, match="executor 'slurm': one of local, ray"):
        generate(prompts, "fake:good", out=tmp_path / "c", executor="slurm")
