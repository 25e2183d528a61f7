"""The fault run: a failing endpoint, a client that is killed with -9 three times, and at the end one good row for everything."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polylect.models import Request, Sampling
from polylect.models.served import ServedModel
from polylect.models.store import Keys, Store

STUB = Path(__file__).parent / "stub_endpoint.py"
FAULTS = {"429": 0.05, "500": 0.03, "hang": 0.02, "malformed": 0.01, "cut": 0.01}
TEACHERS = ("one", "two")
COUNT, IN_FLIGHT, KILLS = 300, 16, 3
SAMPLING = Sampling(max_tokens=32)
CLIENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_engine_kills as test
test.client(sys.argv[1], Path(sys.argv[2]))
"""


def prompts() -> list[Request]:
    """Return the prompts; the endpoint refuses one of them."""
    return [Request(f"id{number}", f"question {number}" + (" [400]" if number == 7 else "")) for number in range(COUNT)]


def client(url: str, path: Path) -> None:
    """Ask both teachers everything that the store lacks (this runs in a process of its own)."""
    from polylect.models.engine import Job, Limits, Retries, run

    jobs = [Job(ServedModel(url, name), prompts(), SAMPLING) for name in TEACHERS]
    retries = Retries(attempts=8, base=0.01, cap=0.1, timeout=0.3)
    with Store(path) as store:
        counts = run(jobs, store, limits=Limits(in_flight=IN_FLIGHT), retries=retries)
    print(json.dumps([counts.asked, counts.stored, counts.reused, counts.failed, counts.retried]))


@pytest.fixture
def url() -> Iterator[str]:
    """A stub endpoint that fails as often as the run is to bear."""
    line = [sys.executable, str(STUB), "--latency", "0.01", "--retry-after", "0.02", "--faults", json.dumps(FAULTS)]
    stub = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert stub.stdin
    assert stub.stdout
    yield f"http://127.0.0.1:{stub.stdout.readline().strip()}/v1"
    stub.stdin.close()
    stub.stdout.close()
    stub.wait()


def start(url: str, path: Path) -> subprocess.Popen[str]:
    """Start a client in a process of its own."""
    line = [sys.executable, "-c", CLIENT, url, str(path), str(Path(__file__).parent)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def stats(url: str) -> dict[str, Any]:
    """Return what the endpoint saw."""
    with urllib.request.urlopen(f"{url}/stats", timeout=10) as reply:  # noqa: S310
        found: dict[str, Any] = json.loads(reply.read())
        return found


def rows(path: Path) -> int:
    """Return the number of rows in the store."""
    if not path.exists():
        return 0
    connection = sqlite3.connect(path, timeout=10)
    try:
        return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.OperationalError:  # the table is not there yet
        return 0
    finally:
        connection.close()


def kill_at(url: str, path: Path, wanted: int) -> int:
    """Run a client until the store has so many rows, kill it with -9, and return the rows it left."""
    process = start(url, path)
    deadline = time.monotonic() + 60
    while rows(path) < wanted and time.monotonic() < deadline:
        assert process.poll() is None, "the client ended before it was killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return rows(path)


def finish(url: str, path: Path) -> list[int]:
    """Run a client to its end; return asked, stored, reused, failed, retried."""
    out, _ = start(url, path).communicate(timeout=60)
    counts: list[int] = json.loads(out)
    return counts


def test_fault_run(url: str, tmp_path: Path) -> None:
    """Every prompt ends with one terminal row per teacher; no good answer is lost; only what was in flight is sent twice."""
    path = tmp_path / "answers.sqlite"
    total = COUNT * len(TEACHERS)
    left = [kill_at(url, path, total * part // 4) for part in range(1, KILLS + 1)]
    assert left == sorted(left)
    asked, stored, reused, failed, retried = finish(url, path)
    seen = stats(url)

    with Store(path) as store:
        for name in TEACHERS:
            keys = [key for request in prompts() for key in Keys(ServedModel(url, name).fingerprint, SAMPLING).of(request)]
            found = [store.get(keys, SAMPLING.max_tokens)[key] for key in keys]
            assert [row.text for row in found if row.reason is None] == [
                f"answer to {name}: {r.text}" for r in prompts() if "[400]" not in r.text
            ]
            assert [(row.key, row.reason) for row in found if row.reason] == [("id7", "HTTP 400: it said no")]
        assert len(store) == total, "one terminal row each, and no other"

    assert (asked, reused) == (total - left[-1], left[-1]), "what was stored before a kill is not asked again"
    assert stored + failed == asked
    twice = sum(count - 1 for count in seen["good"].values())
    assert twice <= KILLS * IN_FLIGHT * len(TEACHERS)
    assert seen["most_open"] <= IN_FLIGHT * len(TEACHERS) + sum(seen["kinds"][kind] for kind in ("hang", "cut"))
    assert all(seen["kinds"].get(kind, 0) > 0 for kind in FAULTS), "each kind of fault happened"
    assert retried > 0
    print(f"rows after kills {left}, good answers sent twice {twice}, faults {seen['kinds']}")

    before = stats(url)["requests"]
    assert finish(url, path) == [0, 0, total, 0, 0]
    assert stats(url)["requests"] == before, "a finished run asks nothing"


def test_two_clients_on_one_store(url: str, tmp_path: Path) -> None:
    """Two processes that fill one store at once both end, lose nothing, and leave one row for everything."""
    path = tmp_path / "answers.sqlite"
    clients = [start(url, path) for _ in range(2)]
    ends = [process.communicate(timeout=60)[0] for process in clients]
    assert [process.returncode for process in clients] == [0, 0]
    assert len(ends) == 2
    assert rows(path) == COUNT * len(TEACHERS)
    assert finish(url, path)[0] == 0
