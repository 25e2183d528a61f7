"""Kills, interrupts and two runs at once: what is finished stays finished, and no process stays behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from run_steps import diamond, executions, step

from polylect.errors import RunError
from polylect.run import execute, status
from polylect.run.outputs import Outputs, write_manifest

SCRIPT = """
import signal
import sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.path.insert(0, {helpers!r})
from pathlib import Path
from run_steps import diamond, step
from polylect.errors import PolylectError
from polylect.run import execute
try:
    execute({steps}, Path({folder!r}), jobs=2)
except KeyboardInterrupt as error:
    print("interrupted:", error)
    sys.exit(130)
except PolylectError as error:
    print("error:", error)
    sys.exit(error.exit_code)
"""
# Tests that are started with nohup, too, send SIGHUP to a process that hears it.
# There is deliberately no `if __name__ == "__main__"` above: workers must not start the caller's script again.


def start(folder: Path, steps: str) -> subprocess.Popen[str]:
    """Start a run of `steps` (source code) in a process of its own."""
    script = SCRIPT.format(helpers=str(Path(__file__).parent), steps=steps, folder=str(folder))
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_for(path: Path, seconds: float = 10.0) -> str:
    """Return the content of a file as soon as it has some."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if path.exists() and (content := path.read_text()):
            return content
        time.sleep(0.02)
    raise AssertionError(f"{path} did not appear")


def gone(pid: int, seconds: float = 3.0) -> bool:
    """Tell whether a process ends within some seconds (a zombie has ended)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


HANGING = "[step('base'), step('hang', 'orphan_once', 'base'), step('top', 'write', 'hang')]"


def hanging_steps() -> list:
    """Return the plan of HANGING."""
    return [step("base"), step("hang", "orphan_once", "base"), step("top", "write", "hang")]


def test_kill_9_leaves_no_process_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """After kill -9 server and workers die, and the same plan resumes at once without repeating a finished step."""
    process = start(tmp_path, HANGING)
    worker, server = map(int, wait_for(tmp_path / "store" / "pids.txt").split())
    process.kill()
    process.communicate()
    assert gone(worker)
    assert gone(server)
    execute(hanging_steps(), tmp_path)
    assert executions(tmp_path) == ["base", "hang", "hang", "top"]
    assert sorted(path.name for path in (tmp_path / "steps").iterdir()) == ["base", "hang", "top"]


def test_kill_9_at_any_moment(tmp_path: Path) -> None:
    """Killed again and again at random moments, the plan is completed and every finished step has run once."""
    chosen = random.Random(7)  # noqa: S311
    finished: set[str] = set()
    for _ in range(6):
        before = Counter(executions(tmp_path))
        process = start(tmp_path, "diamond()")
        time.sleep(chosen.uniform(0.2, 0.5))
        process.kill()
        process.communicate()
        after = Counter(executions(tmp_path))
        assert all(after[name] == before[name] for name in finished)
        finished = {name for name, state in status(diamond(), tmp_path).items() if state == "current"}
    execute(diamond(), tmp_path)
    assert set(status(diamond(), tmp_path).values()) == {"current"}
    assert (tmp_path / "steps" / "merge" / "text.txt").read_text() == "merge(sft/left(base())sft/right(base()))"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and SIGHUP end the workers, clear up, keep what is finished and say how to go on."""
    process = start(tmp_path, HANGING)
    worker, server = map(int, wait_for(tmp_path / "store" / "pids.txt").split())
    process.send_signal(number)
    shown, _ = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "interrupted: 1 of 3 steps finished and kept. Run the same command again to go on." in shown
    assert "Traceback" not in shown
    assert gone(worker)
    assert gone(server)
    assert [path.name for path in (tmp_path / "steps").iterdir()] == ["base"]


def test_killed_server_is_reported(tmp_path: Path) -> None:
    """When the kernel kills the server, the run ends with a clear error instead of waiting for ever."""
    process = start(tmp_path, HANGING)
    worker, server = map(int, wait_for(tmp_path / "store" / "pids.txt").split())
    os.kill(server, signal.SIGKILL)
    shown, _ = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "the server process of the workers was killed by signal 9: out of memory?" in shown
    assert gone(worker)


def test_what_a_step_leaves_running_is_ended(tmp_path: Path) -> None:
    """A child process of a stage does not outlive its step."""
    outcome = execute([step("parent", "leave_child")], tmp_path)
    assert gone(outcome.steps[0].notes["child"])


def test_second_run_in_the_same_folder(tmp_path: Path) -> None:
    """A folder in use is refused with the process id; once that run is dead, by whatever means, it is free."""
    process = start(tmp_path, HANGING)
    wait_for(tmp_path / "store" / "pids.txt")
    with pytest.raises(RunError, match=rf"another run is working in this folder \(process {process.pid}\)"):
        execute(hanging_steps(), tmp_path)
    process.kill()
    process.communicate()
    execute(hanging_steps(), tmp_path, until="base")


def test_lock_file_of_a_dead_run_does_no_harm(tmp_path: Path) -> None:
    """A lock file alone, even with the id of a living process, does not stop a run."""
    (tmp_path / ".lock").write_text(f"{os.getppid()}\n")
    execute([step("only")], tmp_path)
    assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_whole_output_under_its_temporary_name_is_published(tmp_path: Path) -> None:
    """A kill between the two renames costs nothing: the next run finishes the job and runs nothing."""
    execute([step("a/b")], tmp_path)
    (tmp_path / "steps" / "a" / "b").rename(tmp_path / "steps" / ".tmp-a-b-0000")
    (tmp_path / "steps" / ".old-1234").mkdir()
    (tmp_path / "steps" / ".tmp-half").mkdir()
    outcome = execute([step("a/b")], tmp_path)
    assert outcome.steps[0].skipped
    assert sorted(path.name for path in (tmp_path / "steps").iterdir()) == ["a"]


def test_publish_replaces_as_a_whole(tmp_path: Path) -> None:
    """The new folder takes the old one's place, and nothing else is left beside it."""
    outputs = Outputs(tmp_path)
    for build in ("one", "two"):
        out = outputs.temporary("x/y")
        (out / f"{build}.txt").write_text(build)
        write_manifest(out, {"schema": 1, "name": "x/y", "build": build})
        outputs.publish(out, "x/y")
    assert sorted(path.name for path in outputs.path("x/y").iterdir()) == ["manifest.json", "two.txt"]
    assert sorted(path.name for path in outputs.root.iterdir()) == ["x"]
