"""A recipe whose models answer on a Ray cluster: the same answers, pairs and keys as on one machine."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from polylect import tables
from polylect.errors import RunError
from polylect.recipe import parse
from polylect.records import Completion, Pair, Score
from polylect.run import Step, execute
from polylect.run.api import run
from polylect.run.cluster import Cluster, RayHead

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from scripted_endpoint import Scripted, completion

# Two clusters at once would wait for each other's processors.
pytestmark = pytest.mark.xdist_group("ray")

QUIET = Console(file=io.StringIO())
GENERATION = {"max_tokens": 6, "stop": [], "batch_size": 4}
SAMPLING = {"stage": "online_dpo_1", "prompts": 4, "samples": 3, "temperature": 1.0, "top_p": 1.0}
PAIRING = {"arbiter": {"kind": "verifiable", "model": None, "file": None}, "min_margin": 0.0, "min_chosen": 0.0}
LANGUAGES = {"languages": ["en", "tr"], "generation": GENERATION}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have Ray keep its files where no other cluster of this machine has its own."""
    pytest.importorskip("ray")
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # sockets need a short path
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    yield
    shutil.rmtree(folder, ignore_errors=True)


def steps(model: Path, url: str) -> list[Step]:
    """Return the sampling of preference candidates from a checkpoint, and the answers of a served teacher."""
    far = {"teacher": "far", "kind": "served", "model": "aya", "url": url, "key_env": None, "shots": 0}
    pool = "polylect.run.stages.pool:answers"
    return [
        Step(name="prompts", function="cluster_steps:prompts"),
        Step(name="model", function="cluster_steps:checkpoint", paths={"model": str(model)}),
        Step(
            name="sample",
            function="polylect.run.stages.training:sample",
            settings={**LANGUAGES, **SAMPLING, **PAIRING},
            inputs={"prompts": "prompts", "model": "model"},
            seed=3,
        ),
        Step(name="answers", function=pool, settings={**LANGUAGES, **far}, inputs={"prompts": "prompts"}),
    ]


def notes(outcome: Any) -> dict[str, Any]:
    """Return what every step noted."""
    return {step.name: step.notes for step in outcome.steps}


def test_models_answer_on_a_cluster_as_they_do_here(alone: None, llama: Path, tmp_path: Path) -> None:
    """Sampled answers, scores, pairs and notes are those of a run without Ray; one store serves both."""
    near, far = tmp_path / "near", tmp_path / "far"
    with Scripted(completion("June")) as endpoint:
        plan = steps(llama, endpoint.url)
        local = execute(plan, near, threads=1, console=QUIET)
        cluster = execute(plan, far, threads=1, console=QUIET, cluster=Cluster(num_gpus=0))
        asked = len(endpoint.bodies)
        again = execute(plan, far, threads=1, console=QUIET, force=["sample", "answers"])
    assert asked == len(endpoint.bodies) == 16
    assert notes(cluster) == notes(local) == notes(again)
    tables_of = {
        "sample": (("completions", Completion), ("scores", Score), ("pairs", Pair)),
        "answers": (("completions", Completion),),
    }
    for step, found in tables_of.items():
        for name, record in found:
            rows = [tables.read(one / "steps" / step / f"{name}.parquet", record, allow_empty=True) for one in (near, far)]
            assert rows[1] == rows[0], (step, name)
    rows = tables.read(far / "steps" / "sample" / "completions.parquet", Completion)
    assert len(rows) == 24
    assert len({row.text for row in rows}) > 8
    log = (far / "logs" / "sample.log").read_text()
    assert "RAY_AUTH_TOKEN" not in log


def recipe(model: Path, **runtime: Any) -> Any:
    """Return a recipe of two teachers, one of which is the base."""
    return parse(
        {
            "name": "small", "languages": ["en", "tr"], "model": {"base": str(model)},
            "prompts": {"items": {"seed": 4, "prompt": 6, "preference": 0, "validation": 2, "heldout": 4, "unseen": 2}},
            "pool": {"one": {"kind": "local", "model": "base"}, "two": {"kind": "local", "model": "base", "shots": 2}},
            "generation": {"max_tokens": 6}, "runtime": {"threads": 1, **runtime},
        }
    )  # fmt: skip


@pytest.mark.slow
def test_a_recipe_runs_its_generation_on_ray(alone: None, llama: Path, tmp_path: Path) -> None:
    """Both teachers' answers and what the arbitrage makes of them are those of a local run; so are the keys of the steps."""
    found = {}
    for executor in ("local", "ray"):
        run(recipe(llama, executor=executor), out=tmp_path / executor, until="arbitrage", console=QUIET)
        made = tmp_path / executor / "steps"
        folders = {name: made / name for name in ("answers/one", "answers/two", "arbitrage")}
        rows = {name: tables.read(path / "completions.parquet", Completion) for name, path in folders.items()}
        keys = {name: json.loads((path / "manifest.json").read_text())["key"] for name, path in folders.items()}
        found[executor] = rows, keys
    assert found["ray"] == found["local"]
    assert len(found["ray"][0]["arbitrage"]) == 24


def test_a_recipe_says_what_an_actor_needs(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads are an actor's cores, and a recipe that counts on GPUs gives it one; without `executor: ray` there is none."""
    given: list[Cluster | None] = []

    def stop(*_: Any, cluster: Cluster | None, **__: Any) -> None:
        given.append(cluster)
        raise RunError("stop")

    monkeypatch.setattr("polylect.run.api.execute", stop)
    for runtime in ({}, {"executor": "ray", "threads": 4, "gpus": 8}, {"executor": "ray", "threads": None}):
        with pytest.raises(RunError, match="stop"):
            run(recipe(llama, **runtime), out=tmp_path)
    assert given == [None, Cluster(num_cpus=4, num_gpus=1), Cluster(num_cpus=1, num_gpus=0)]


def test_ray_that_is_missing_is_said_before_a_step_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the install line."""
    monkeypatch.setattr("polylect.run.cluster.find_spec", lambda _: None)
    with pytest.raises(RunError, match=r"pip install 'polylect\[ray\]'"):
        execute([Step(name="a", function="cluster_steps:prompts")], tmp_path, console=QUIET, cluster=Cluster())
    assert not (tmp_path / "steps" / "a").exists()


def test_a_cluster_that_is_named_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started where $RAY_ADDRESS names a cluster."""
    monkeypatch.setattr("polylect.run.cluster.find_spec", lambda _: True)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with RayHead(tmp_path / "ray.log") as head:
        assert head.environment() == {}
    assert not (tmp_path / "ray.log").exists()


def test_ray_that_does_not_start_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends before it has an address is an error with the file that says why."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("polylect.run.cluster._HOLD", "raise SystemExit('no room')")
    monkeypatch.setattr("polylect.run.cluster.find_spec", lambda _: True)
    with RayHead(tmp_path / "ray.log") as head, pytest.raises(RunError, match=r"does not start.*ray\.log"):
        head.environment()
    assert (tmp_path / "ray.log").read_text() == "no room\n"


def test_the_plan_says_where_models_answer(llama: Path) -> None:
    """A dry run names the cluster, and what stays on this machine."""
    said = io.StringIO()
    run(recipe(llama, executor="ray"), dry_run=True, console=Console(file=said, width=1000))
    assert "Models answer on a Ray cluster (runtime.executor: ray)" in said.getvalue()
