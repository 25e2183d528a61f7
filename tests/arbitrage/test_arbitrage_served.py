"""`polylect arbitrage` over HTTP: three endpoints that fail now and then, a kill in the middle, and every row once at the end."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pipeline_runs import rows, table, write_rows

STUB = Path(__file__).parents[1] / "models" / "stub_endpoint.py"
FAULTS = {"429": 0.06, "500": 0.05}
QUALITY = {"west": {"How": 0.9, "": 0.2}, "east": {"How": 0.2, "": 0.9}, "poor": {"": 0.1}}
ITEMS, IN_FLIGHT = 60, 4


@contextmanager
def endpoint(quality: dict[str, float]) -> Iterator[str]:
    """Start an endpoint in a process of its own; yield its address."""
    command = [sys.executable, str(STUB), "--latency", "0.03", "--faults", json.dumps(FAULTS), "--sums", json.dumps(quality)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.communicate()


@pytest.fixture
def endpoints(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Three endpoints, a pool file that names them, an arbiter, and prompts one of which every endpoint refuses."""
    prompts = rows(ITEMS)
    prompts[7]["text"] += " [400]"
    write_rows(tmp_path / "prompts.jsonl", prompts)
    (tmp_path / "arbiter.yaml").write_text("kind: verifiable\n")
    with ExitStack() as stack:
        urls = {name: stack.enter_context(endpoint(quality)) for name, quality in QUALITY.items()}
        members = "".join(
            f"  {name}: {{spec: 'served:{url}/v1#{name}', price: {{input: 1, output: 2}}}}\n" for name, url in urls.items()
        )
        (tmp_path / "pool.yaml").write_text(f"members:\n{members}")
        yield urls


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start the command as a user does."""
    files = {"--prompts": "prompts.jsonl", "--pool": "pool.yaml", "--arbiter": "arbiter.yaml", "--out": "out"}
    given = [part for key, name in files.items() for part in (key, str(folder / name))]
    command = [
        sys.executable,
        "-m",
        "polylect",
        "arbitrage",
        *given,
        "--max-in-flight",
        str(IN_FLIGHT),
        "--repeats",
        "off",
        *more,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def stored(folder: Path) -> int:
    """Return the number of rows in the store that the command writes to."""
    path = folder / "out" / ".store" / "answers.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def killed_and_resumed(folder: Path, *more: str) -> None:
    """Kill the command in the middle of asking, then give it again and see it through."""
    with start(folder, *more) as first:
        deadline = time.monotonic() + 60
        while stored(folder) < 60 and first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        first.kill()
        first.communicate()
    assert first.returncode == -9
    assert stored(folder) >= 60
    with start(folder, *more) as second:
        _, error = second.communicate(timeout=120)
    assert second.returncode == 0, error


def stats(url: str) -> dict[str, Any]:
    """Return what an endpoint saw."""
    with urllib.request.urlopen(f"{url}/stats", timeout=10) as reply:  # noqa: S310
        return dict(json.load(reply))


def check_rows(folder: Path, urls: dict[str, str]) -> list[Any]:
    """Check that no answer is there twice, one prompt failed alone, and few calls were made twice; return the completions."""
    found = table(folder / "out", "completions")
    assert max(Counter((row.prompt_id, row.model) for row in found).values()) == 1
    failed = [row for row in found if row.status == "failed"]
    assert {row.prompt_id for row in failed} <= {row.prompt_id for row in failed[:1]}
    assert all("400" in str(row.reason) for row in failed)
    seen = {name: stats(url) for name, url in urls.items()}
    kinds = sum((Counter(one["kinds"]) for one in seen.values()), Counter())
    assert min(kinds["429"], kinds["500"], kinds["400"]) > 0
    assert all(one["most_open"] <= 2 * IN_FLIGHT for one in seen.values())  # the killed one's calls were still open
    assert all(Counter(one["good"]).total() - len(one["good"]) <= IN_FLIGHT for one in seen.values())
    return found


def test_all_teachers_answer_every_prompt_once(endpoints: dict[str, str], tmp_path: Path) -> None:
    """Router reward: one terminal row per prompt and teacher, and training sets and report made of the best ones."""
    killed_and_resumed(tmp_path, "--router", "reward", "--no-checks")
    found = check_rows(tmp_path, endpoints)
    assert len(found) == 3 * 2 * ITEMS
    assert Counter(row.status for row in found) == {"ok": 3 * (2 * ITEMS - 1), "failed": 3}
    values = {(row.prompt_id, row.model): row.exact for row in table(tmp_path / "out", "scores")}
    best = {prompt: max(values[prompt, name] or 0.0 for name in QUALITY) for prompt, _ in values}
    sft, pairs = table(tmp_path / "out", "sft"), table(tmp_path / "out", "pairs")
    assert len(sft) == 2 * ITEMS - 1
    assert all(values[row.prompt_id, row.model] == best[row.prompt_id] for row in sft)
    assert pairs
    assert all(
        (values[row.prompt_id, row.chosen_model], values[row.prompt_id, row.rejected_model]) == (1.0, 0.0) for row in pairs
    )
    routing = json.loads((tmp_path / "out" / "routing.json").read_text())["languages"]
    assert routing["en"]["teachers"]["west"]["share"]["value"] > 0.5 < routing["tr"]["teachers"]["east"]["share"]["value"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["resumed"] is True or manifest["resumed"] >= 1
    assert manifest["status"] == {"ok": 3 * (2 * ITEMS - 1), "failed": 3}


def test_the_learned_router_asks_few(endpoints: dict[str, str], tmp_path: Path) -> None:
    """Router learned: all teachers answer the probe, one each of the other prompts, and it learns who is good at what."""
    killed_and_resumed(tmp_path, "--router", "learned", "--router-set", "probe=0.4", "--no-checks", "--no-reroute")
    found = check_rows(tmp_path, endpoints)
    asked = Counter(row.prompt_id for row in found)
    assert len(asked) == 2 * ITEMS
    assert set(asked.values()) == {1, 3}
    sft = table(tmp_path / "out", "sft")
    assert len(sft) == 2 * ITEMS - 1
    routing = json.loads((tmp_path / "out" / "routing.json").read_text())
    assert routing["router"]["name"] == "learned"
    shares = {tag: routing["languages"][tag]["teachers"] for tag in ("en", "tr")}
    assert shares["en"]["west"]["share"]["value"] > 0.5 < shares["tr"]["east"]["share"]["value"]
