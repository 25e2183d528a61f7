"""Failures: what is said, with which exit code, and what is kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_steps import executions, step

from polylect.errors import DataError, EndpointError, PolylectError, RunError, StepError
from polylect.run import Context, execute, status


def failure(function: str, folder: Path) -> PolylectError:
    """Return the error that a run with one failing step raises."""
    with pytest.raises(PolylectError) as caught:
        execute([step("base"), step("bad/one", function, "base")], folder)
    return caught.value


def test_bug_in_a_stage(tmp_path: Path) -> None:
    """An unexpected exception is a StepError with exit code 1 that names step, log and last line; the log has the traceback."""
    error = failure("crash", tmp_path)
    assert type(error) is StepError
    assert error.exit_code == 1
    assert "step 'bad/one' failed: KeyError: 'the missing key'" in str(error)
    assert str(tmp_path / "logs" / "bad-one.log") in str(error)
    log = (tmp_path / "logs" / "bad-one.log").read_text()
    assert "Traceback" in log
    assert "run_steps.py" in log
    assert status([step("base")], tmp_path) == {"base": "current"}


def test_named_errors_keep_their_kind_and_exit_code(tmp_path: Path) -> None:
    """A PolylectError arrives as the kind that the stage raised, with its message, the step and the log."""
    error = failure("refuse", tmp_path)
    assert type(error) is DataError
    assert error.exit_code == 2
    assert str(error).startswith("prompts.parquet, row 7, column 'text': empty. Fill it in. (step 'bad/one', log ")
    error = failure("unreachable", tmp_path)
    assert type(error) is EndpointError
    assert error.exit_code == 3


def test_killed_worker(tmp_path: Path) -> None:
    """A worker that the kernel killed is reported as such, with the likely reason."""
    error = failure("kill_itself", tmp_path)
    assert type(error) is StepError
    assert error.exit_code == 2
    assert "step 'bad/one' was killed by signal 9: out of memory?" in str(error)


def test_worker_that_leaves(tmp_path: Path) -> None:
    """A stage that ends its process is a bug, not a success."""
    error = failure("leave", tmp_path)
    assert error.exit_code == 1
    assert "ended by itself with code 7 before its work was done" in str(error)


def test_unknown_function(tmp_path: Path) -> None:
    """A stage function that does not exist fails its step, not the runner."""
    assert "has no attribute 'no_such_function'" in str(failure("no_such_function", tmp_path))


@pytest.mark.parametrize("function", ["fill_disk", "wrapped_full_disk"])
def test_full_disk_in_a_stage(tmp_path: Path, function: str) -> None:
    """No space left, raised as such (simulated) or wrapped by a library, says what to do; the half output is gone."""
    error = failure(function, tmp_path)
    assert type(error) is RunError
    assert "the disk is full (step 'bad/one';" in str(error)
    assert "Finished steps are kept" in str(error)
    assert sorted(path.name for path in (tmp_path / "steps").iterdir()) == ["base"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 2 MB; skipped where that is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_really_full_disk(small_disk: Path) -> None:
    """On a file system that is really full the run ends with one clear error, and goes on once there is space."""
    steps = [step("base"), step("big", "fill_small_disk", "base")]
    with pytest.raises(RunError, match="the disk is full"):
        execute(steps, small_disk)
    assert status(steps, small_disk) == {"base": "current", "big": "absent"}
    ballast = small_disk / "ballast.bin"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"x" * 4_000_000)
    with pytest.raises(RunError, match="the disk is full"):
        execute([step("base"), step("other", "write", "base")], small_disk)
    ballast.unlink()
    execute([step("base"), step("other", "write", "base")], small_disk)
    assert executions(small_disk)[0] == "base"
    assert executions(small_disk).count("base") == 1


def test_steps_that_run_beside_a_failing_one_are_kept(tmp_path: Path) -> None:
    """The others finish and are kept; nothing new is started; the temporary folder of the failed one is gone."""
    steps = [step("bad", "crash", weight=3.0), step("long", "nap", weight=2.0), step("later"), step("after", "write", "long")]
    with pytest.raises(StepError, match="step 'bad' failed"):
        execute(steps, tmp_path, jobs=2)
    assert status(steps, tmp_path) == {"bad": "absent", "long": "current", "later": "absent", "after": "absent"}
    assert sorted(path.name for path in (tmp_path / "steps").iterdir()) == ["long"]


def test_notes_that_json_cannot_hold(tmp_path: Path) -> None:
    """A fact that cannot be written is refused where it is noted, with its name."""
    context = Context(step=step("a"), inputs={}, out=tmp_path, store=tmp_path)
    with pytest.raises(ValueError, match="note loss=nan"):
        context.note(loss=float("nan"))
    with pytest.raises(TypeError, match="note where="):
        context.note(where=tmp_path)


def test_progress_is_thinned_out(tmp_path: Path) -> None:
    """A stage may report every row: the parent hears a few messages a second, and the last one."""
    sent: list[object] = []
    context = Context(step=step("a"), inputs={}, out=tmp_path, store=tmp_path, send=sent.append)
    for number in range(10_000):
        context.progress(number + 1, 10_000, "rows")
    assert 2 <= len(sent) < 50
    assert sent[-1] == {"type": "progress", "done": 10_000, "total": 10_000, "unit": "rows", "note": ""}
