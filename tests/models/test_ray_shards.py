"""A cluster of two nodes on this machine: what a lost node costs, what comes back, and what the errors of a node say."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polylect.errors import EndpointError, ModelError
from polylect.models.engine import Counts, Job, Limits, Retries, run
from polylect.models.fakes import FakeModel, made_up_answer
from polylect.models.ray_shards import RayJob, run_on_ray
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.spec import open_model
from polylect.models.store import Keys, Store

# Two clusters at once would wait for each other's processors.
pytestmark = pytest.mark.xdist_group("ray")

STUB = Path(__file__).parent / "stub_endpoint.py"
SAMPLING = Sampling(max_tokens=64)
QUICK = Retries(base=0.02, timeout=2.0)
# A node that is lost is noticed within seconds instead of half a minute.
HEALTH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 3,
    "health_check_timeout_ms": 1000,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a head node that runs one actor; tests add the second node, and may kill it."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        from ray.cluster_utils import Cluster

        started = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20, "_system_config": HEALTH,
            },
        )  # fmt: skip
        yield started
        started.shutdown()


@pytest.fixture
def second(cluster: Any) -> Iterator[Any]:
    """Add a second node of one CPU; take it away afterwards if it is still there."""
    node = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    cluster.wait_for_nodes()
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node)


@pytest.fixture
def endpoint() -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Start an endpoint that answers after 20 ms and counts what it is asked; yield its address and its numbers."""
    command = [sys.executable, str(STUB), "--latency", "0.02", "--faults", '{"500": 0.02}']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"

        def stats() -> dict[str, Any]:
            with urllib.request.urlopen(f"{url}/stats", timeout=10) as reply:  # noqa: S310
                return dict(json.load(reply))

        yield f"{url}/v1", stats
        process.communicate()


class Kill:
    """Kills a node once more than one actor is at work, each on two shards, and rows came; no run ends before that is noticed.

    How soon a second actor is at work, and how long an actor outlives its node, depends on the machine: with a fixed number of
    requests a run may end first.
    """

    def __init__(self, cluster: Any, node: Any, shard: int) -> None:
        self.shard, self.asked, self.noticed = shard, list[Request](), False
        self.thread = threading.Thread(target=cluster.remove_node, args=(node,), kwargs={"allow_graceful": False})

    def progress(self, counts: Counts) -> None:
        """Look at a run, and kill."""
        self.noticed |= any("lost its actor" in reason for reason in (*counts.retries, *counts.reasons))
        if counts.stored and counts.in_flight > 2 * self.shard and self.thread.ident is None:
            self.thread.start()

    def requests(self, *, before: int, after: int) -> Iterator[Request]:
        """Yield requests until the loss is noticed, at most `before`; then `after` more. An endpoint refuses the sixth."""
        left = after
        while left and len(self.asked) < before:
            left -= self.noticed
            number = len(self.asked)
            self.asked.append(Request(str(number), f"question {number}" + (" [400]" if number == 5 else "")))
            yield self.asked[-1]


def rows(store: Store, fingerprint: str, requests: list[Request]) -> dict[str, Generated]:
    """Return the stored row of each request."""
    keys = Keys(fingerprint, SAMPLING)
    found = store.get([keys.of(request)[0] for request in requests], SAMPLING.max_tokens)
    return {row.key: row for row in found.values()}


def test_a_killed_node_loses_nothing_that_had_arrived(
    cluster: Any, second: Any, endpoint: tuple[str, Callable[[], dict[str, Any]]], tmp_path: Path
) -> None:
    """One of two nodes dies in the middle: each request has one row, only what was in flight there is asked twice.

    The next run finds everything, and a single machine finds it too: the keys are the same.
    """
    url, stats = endpoint
    kill = Kill(cluster, second, 100)
    job = RayJob(f"served:{url}#m", kill.requests(before=40_000, after=400), SAMPLING, limits=Limits(in_flight=16), shard=100)
    with Store(tmp_path / "answers.sqlite") as store:
        counts = run_on_ray([job], store, address=cluster.address, retries=QUICK, progress=kill.progress)
        requests, total = kill.asked, len(kill.asked)
        found = rows(store, open_model(job.spec).fingerprint, requests)
        assert len(store) == len(found) == total
        assert (counts.stored, counts.failed, counts.reused, counts.in_flight) == (total - 1, 1, 0, 0)
        assert [key for key, row in found.items() if row.reason] == ["5"]
        assert all(row.text == f"answer to m: question {key}" for key, row in found.items() if key != "5")
        assert any("lost its actor" in reason for reason in counts.retries), counts.retries
        # A shard that ends does not cut the calls of its actor's other shard.
        assert not [reason for reason in counts.retries if "Disconnected" in reason], counts.retries
        twice = Counter(stats()["good"]).total() - (total - 1)
        # 8 calls at a time there, at 20 ms, and what had been answered since its last parcel, 0.2 s before: 80 or so.
        print(f"{counts}; {twice} asked twice")
        assert twice <= 200
        asked = stats()["requests"]
        assert run_on_ray([replace(job, requests=requests)], store, address=cluster.address).reused == total
        assert run([Job(open_model(job.spec), requests, SAMPLING)], store).reused == total
        assert stats()["requests"] == asked


def test_what_kills_its_actors_is_a_row_with_its_reason(cluster: Any, second: Any, tmp_path: Path) -> None:
    """A shard that has lost as many actors as it may is stored as failed; the next run asks these requests, and no others."""
    kill = Kill(cluster, second, 24)
    asked = kill.requests(before=6000, after=48)
    job = RayJob("fake:good?latency=0.2&in_flight=4", asked, SAMPLING, settings={"name": "f"}, shard=24)
    with Store(tmp_path / "answers.sqlite") as store:
        counts = run_on_ray([job], store, address=cluster.address, losses=1, progress=kill.progress)
        requests = kill.asked
        assert 0 < counts.failed <= 48
        assert counts.stored == len(requests) - counts.failed
        assert set(counts.reasons) == {"lost its actor once: ActorDiedError"}
        again = run_on_ray([replace(job, requests=requests)], store, address=cluster.address)
        assert (again.stored, again.reused, again.failed) == (counts.failed, counts.stored, 0)
        found = rows(store, FakeModel("f").fingerprint, requests)
        assert {row.text for row in found.values()} == {made_up_answer(request.text) for request in requests}


def test_several_models_samples_and_repeated_requests(cluster: Any, second: Any, tmp_path: Path) -> None:
    """Jobs share the cluster; all samples are asked, requests of one content once, and a partly stored request in part."""
    sampling = Sampling(max_tokens=64, temperature=1.0, samples=3)
    requests = [Request(str(i), f"question {i % 40}") for i in range(80)]
    settings: Mapping[str, Any] = {"name": "f", "quality": 0.5}
    jobs = [
        RayJob("fake:good", requests, sampling, settings=settings, actors=1, shard=7),
        RayJob("fake:wrong", iter(requests), sampling, settings={"name": "g"}, actors=1),
    ]
    with Store(tmp_path / "answers.sqlite") as store:
        model = FakeModel("f", quality=0.5)
        run([Job(model, requests[:20], Sampling(max_tokens=64, temperature=1.0))], store)
        counts = run_on_ray(jobs, store, address=cluster.address)
        assert counts.total is None
        assert (counts.stored, counts.reused, len(store)) == (220, 260, 240)
        local = {}
        with Store(tmp_path / "local.sqlite") as other:
            run([Job(model, requests, sampling)], other)
            keys = [key for request in requests for key in Keys(model.fingerprint, sampling).of(request)]
            local = {key: row.text for key, row in other.get(keys, 64).items()}
        assert {key: row.text for key, row in store.get(keys, 64).items()} == local


def test_a_local_model_answers_as_it_does_here(cluster: Any, make_model: Callable[..., Path], tmp_path: Path) -> None:
    """An actor that holds a checkpoint gives the greedy answers that the model gives in this process, under the same keys."""
    folder = make_model("llama")
    requests = [Request(str(i), f"Which month comes after {month}?") for i, month in enumerate(("May", "June", "July"))]
    sampling = Sampling(max_tokens=8)
    job = RayJob(str(folder), requests, sampling, settings={"name": "tiny", "device": "cpu"}, shard=2)
    with Store(tmp_path / "answers.sqlite") as store, Store(tmp_path / "local.sqlite") as other:
        assert run_on_ray([job], store, address=cluster.address).stored == 3
        model = open_model(str(folder), name="tiny", device="cpu")
        run([Job(model, requests, sampling)], other)
        keys = [key for request in requests for key in Keys(model.fingerprint, sampling).of(request)]
        assert store.get(keys, 8) == other.get(keys, 8)
        assert len(store) == 3


def test_errors_of_a_node_are_told_as_they_are(cluster: Any, tmp_path: Path) -> None:
    """A model that a node does not have, and an endpoint that is not there, end the run with their own message."""
    with Store(tmp_path / "answers.sqlite") as store:
        with pytest.raises(ModelError, match=r"^'gemma-3-270n': no folder of that name"):
            run_on_ray([RayJob("gemma-3-270n", [Request("a", "b")], SAMPLING)], store, address=cluster.address)
        nobody = RayJob("served:http://127.0.0.1:9/v1#m", [Request(str(i), str(i)) for i in range(60)], SAMPLING)
        with pytest.raises(EndpointError, match=r"^m: \d+ requests in a row failed"):
            run_on_ray([nobody], store, address=cluster.address, retries=Retries(attempts=1))


def test_patience_ends_where_no_actor_fits(cluster: Any, tmp_path: Path) -> None:
    """A job that asks for more than the cluster has ends with an error that says both."""
    job = RayJob("fake:good", [Request("a", "b")], SAMPLING, num_gpus=8)
    with Store(tmp_path / "answers.sqlite") as store, pytest.raises(EndpointError, match=r"8 GPUs; the cluster has"):
        run_on_ray([job], store, address=cluster.address, patience=1.0)


def test_without_ray_the_error_names_the_install_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Ray is missing the error says how to get it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with Store(tmp_path / "answers.sqlite") as store, pytest.raises(ModelError, match=r"pip install 'polylect\[ray\]'"):
        run_on_ray([], store)
