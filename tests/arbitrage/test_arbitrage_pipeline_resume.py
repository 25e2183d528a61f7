"""Runs that are killed, repeated, or started beside each other."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from pipeline_runs import known, pool, rows, run, table, write_rows

from polylect.arbitrage.folder import OutputFolder
from polylect.errors import RunError
from polylect.models.engine import Retries
from polylect.models.fakes import FakeModel

_RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from pipeline_runs import known, run
from polylect.models.fakes import FakeModel
pool = [FakeModel(name, known=known, latency=0.02, in_flight=8, quality=quality) for name, quality in (("a", 0.9), ("b", 0.4))]
print(run(Path(sys.argv[1]), items=60, pool=pool).found)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    """Start a run in a process of its own."""
    command = [sys.executable, "-c", _RUN, str(folder), str(Path(__file__).parent)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def stored(store: Path) -> int:
    """Return the number of answers in a store that another process writes to."""
    if not store.exists():
        return 0
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def test_kills_lose_nothing(tmp_path: Path) -> None:
    """After two kills -9 the command goes on: every prompt has one row per teacher, and what was stored was not asked again."""
    write_rows(tmp_path / "prompts.jsonl", rows(60))
    store = tmp_path / "out" / ".store" / "answers.sqlite"
    before = 0
    for goal in (40, 110):
        process = start(tmp_path)
        deadline = time.monotonic() + 60
        while stored(store) < goal and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = stored(store)
        assert goal <= before < 240
        assert not (tmp_path / "out" / "completions.parquet").exists()
    process = start(tmp_path)
    assert process.communicate()[0].strip() == "unfinished"
    out = tmp_path / "out"
    assert set(Counter((row.prompt_id, row.model) for row in table(out, "completions")).values()) == {1}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["rows"]["completions"] == 240
    assert manifest["requests"]["ask"]["reused"] == before
    assert manifest["requests"]["ask"]["asked"] == 240 - before
    tables = {f"{name}.parquet" for name in ("completions", "scores", "sft", "pairs")}
    assert {path.name for path in out.iterdir()} == {".lock", ".store", "manifest.json", "routing.json", *tables}


@pytest.mark.parametrize("stage", ["prepare", "plan", "check", "score", "write"])
def test_a_run_goes_on_after_any_stage(tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies in a stage is finished by the next call, and gives the tables of an unbroken run."""

    def dies(now: str, done: int, total: int | None, note: str) -> None:
        if now == stage:
            raise KeyboardInterrupt

    settings = {"items": 30, "router": "learned", "router_settings": {"probe": 0.5}}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=dies, **settings)
    went_on = run(tmp_path, **settings)
    assert went_on.found == "unfinished"
    unbroken = run(tmp_path, out=tmp_path / "unbroken", **settings)
    assert went_on.routing == unbroken.routing
    for name in ("completions", "scores", "sft", "pairs"):
        assert table(went_on.out, name) == table(unbroken.out, name)


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    """The same call again asks nothing and changes nothing; other settings are an error that names the first difference."""
    first = run(tmp_path, items=5)
    manifest = (first.out / "manifest.json").read_bytes()
    models = pool()
    again = run(tmp_path, items=5, pool=models)
    assert again.found == "finished"
    assert sum(model.calls for model in models) == 0
    assert (first.out / "manifest.json").read_bytes() == manifest
    with pytest.raises(RunError, match=r"finished output of other settings: teachers.west.sampling.max_tokens was 1024 and is"):
        run(tmp_path, items=5, max_tokens=5)


def test_an_unfinished_run_of_other_settings_is_kept(tmp_path: Path) -> None:
    """Other settings do not go on with, or delete, what an unfinished run left."""

    def dies(stage: str, done: int, total: int | None, note: str) -> None:
        if stage == "check":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, items=5, progress=dies)
    with pytest.raises(RunError, match="unfinished run with other settings"):
        run(tmp_path, items=5, seed=1)
    assert run(tmp_path, items=5).found == "unfinished"


def test_resume_asks_again_what_failed(tmp_path: Path) -> None:
    """`resume` on a finished run with failures asks those again, and nothing else; without failures there is nothing to do."""
    weak = FakeModel("weak", known=known, faults={"500": 0.3}, failures=9, in_flight=4)
    first = run(tmp_path, items=40, pool=[weak], retries=Retries(attempts=1))
    failed = first.manifest["status"]["failed"]
    assert 10 < failed < 40
    well = FakeModel("weak", known=known, faults={"500": 0.3}, failures=0, in_flight=4)
    second = run(tmp_path, items=40, pool=[well], resume=True)
    assert well.asked == failed
    assert second.manifest["status"] == {"ok": 80}
    assert run(tmp_path, items=40, pool=[well], resume=True).found == "finished"


def test_a_shared_store_serves_other_routers(tmp_path: Path) -> None:
    """With one store, a second output asks only for what the first did not."""
    store = tmp_path / "answers.sqlite"
    run(tmp_path, items=20, store=store)
    models = pool()
    run(tmp_path, "random", items=20, store=store, out=tmp_path / "random", pool=models)
    assert sum(model.asked for model in models) == 0


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A folder in use is refused, and so is one that holds something else."""
    with OutputFolder(tmp_path / "out", {"a": 1}), pytest.raises(RunError, match="another process works in this folder"):
        OutputFolder(tmp_path / "out", {"a": 1}).__enter__()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("!")
    with pytest.raises(RunError, match="the folder holds something else"):
        OutputFolder(tmp_path / "mine", {"a": 1}).__enter__()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_progress_tells_every_stage(tmp_path: Path) -> None:
    """Each stage is told with what is done and how much there is; the last word of a stage is that all is done."""
    told: dict[str, tuple[int, int | None]] = {}

    def tell(stage: str, done: int, total: int | None, note: str) -> None:
        told[stage] = done, total

    run(tmp_path, items=10, progress=tell)
    assert told == {
        "prepare": (20, None),
        "plan": (20, 20),
        "ask": (60, 60),
        "check": (20, 20),
        "score": (20, 20),
        "write": (20, 20),
    }
