"""The runner: what runs, what is skipped, what is kept."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from run_steps import diamond, executions, step

from polylect.errors import RunError
from polylect.run import Outcome, Step, execute, status, why


def run(steps: list[Step], folder: Path, **options: object) -> tuple[Outcome, str]:
    """Execute quietly; return the outcome and what a log would show."""
    shown = io.StringIO()
    outcome = execute(steps, folder, console=Console(file=shown, width=200), **options)  # type: ignore[arg-type]
    return outcome, shown.getvalue()


def text(folder: Path, name: str) -> str:
    """Return what the step wrote."""
    return (folder / "steps" / name / "text.txt").read_text()


def test_inputs_run_before_their_readers(tmp_path: Path) -> None:
    """Every step sees the whole output of its inputs, whatever the order of the plan."""
    outcome, _ = run(diamond(), tmp_path)
    assert text(tmp_path, "merge") == "merge(sft/left(base())sft/right(base()))"
    assert [report.name for report in outcome.steps] == ["merge", "sft/left", "sft/right", "base"]
    assert not any(report.skipped for report in outcome.steps)


def test_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    """A finished plan is skipped at once, said in one line, without starting a server."""
    run(diamond(), tmp_path)
    (tmp_path / "logs" / "server.log").unlink()
    outcome, shown = run(diamond(), tmp_path)
    assert "nothing to do: 4 steps current" in shown
    assert len(shown.splitlines()) == 1
    assert all(report.skipped for report in outcome.steps)
    assert outcome.steps[0].notes == {"rows": 3, "licences": ["CC0-1.0"]}
    assert not (tmp_path / "logs" / "server.log").exists()
    assert outcome.seconds < 1


def test_changed_setting_reruns_what_depends_on_it(tmp_path: Path) -> None:
    """A changed setting makes its step and the readers of its output run, and nothing else."""
    run(diamond(), tmp_path)
    assert status(diamond(word="new"), tmp_path) == {
        "merge": "stale",
        "sft/left": "stale",
        "sft/right": "current",
        "base": "current",
    }
    outcome, shown = run(diamond(word="new"), tmp_path)
    assert executions(tmp_path)[4:] == ["sft/left", "merge"]
    assert text(tmp_path, "merge") == "merge(sft/left(base()new)sft/right(base()))"
    assert [report.skipped for report in outcome.steps] == [False, False, True, True]
    assert "2 steps current, 2 steps to run" in shown


@pytest.mark.parametrize(
    "change",
    [{"version": "2"}, {"seed": 1}, {"settings": {"word": "x"}}, {"files": {"model": "ab" * 32}}, {"libraries": ("rich",)}],
    ids=lambda change: next(iter(change)),
)
def test_everything_that_changes_the_result_is_in_the_key(tmp_path: Path, change: dict[str, object]) -> None:
    """Version, seed, settings, files and libraries each make a step stale."""
    run([step("only")], tmp_path)
    assert status([step("only", **change)], tmp_path) == {"only": "stale"}


def test_what_does_not_change_the_result_is_not_in_the_key(tmp_path: Path) -> None:
    """Title, weight, the place of an outside file and the order of settings leave a step current."""
    run([step("only", settings={"a": 1, "b": [1, 2]}, paths={"model": "/somewhere"})], tmp_path)
    same = step("only", settings={"b": (1, 2), "a": 1}, paths={"model": "/elsewhere"}, title="Only", weight=9.0)
    assert status([same], tmp_path) == {"only": "current"}
    assert "somewhere" not in (tmp_path / "steps" / "only" / "manifest.json").read_text()


def test_stale_output_stays_until_its_replacement_is_whole(tmp_path: Path) -> None:
    """When the rerun fails, the old output is still there, and no temporary folder is."""
    from polylect.errors import StepError

    run([step("only")], tmp_path)
    with pytest.raises(StepError):
        run([step("only", "crash")], tmp_path)
    assert text(tmp_path, "only") == "only()"
    assert [path.name for path in (tmp_path / "steps").iterdir()] == ["only"]
    assert status([step("only")], tmp_path) == {"only": "current"}


def test_replaced_output_holds_nothing_of_the_old_one(tmp_path: Path) -> None:
    """A rerun starts from an empty folder and takes the place of the old one as a whole."""
    run([step("only")], tmp_path)
    run([step("only", "chatter")], tmp_path)
    assert [path.name for path in (tmp_path / "steps" / "only").iterdir()] == ["manifest.json"]


def test_until_runs_only_what_the_step_needs(tmp_path: Path) -> None:
    """--until a step, or the folder that groups several, leaves the rest alone."""
    outcome, _ = run(diamond(), tmp_path, until="sft/right")
    assert [report.name for report in outcome.steps] == ["sft/right", "base"]
    run(diamond(), tmp_path, until="sft")
    assert sorted(executions(tmp_path)) == ["base", "sft/left", "sft/right"]


def test_until_names_the_nearest_step(tmp_path: Path) -> None:
    """A misspelt step is answered with the one that was meant, and nothing is created."""
    with pytest.raises(RunError, match=r"--until 'sft/rigth': no step .* Did you mean 'sft/right'\?"):
        run(diamond(), tmp_path / "new", until="sft/rigth")
    assert not (tmp_path / "new").exists()


def test_force_reruns_the_step_and_its_readers(tmp_path: Path) -> None:
    """--force makes a step anew although it is current, and what was made from it."""
    run(diamond(), tmp_path)
    run(diamond(), tmp_path, force=["sft/left"])
    assert executions(tmp_path)[4:] == ["sft/left", "merge"]


def test_readers_of_a_forced_step_stay_stale_until_they_run(tmp_path: Path) -> None:
    """A forced run that ends early is completed by a plain one: the remade input is noticed although no key changed."""
    run(diamond(), tmp_path)
    run(diamond(), tmp_path, force=["sft/left"], until="sft/left")
    assert status(diamond(), tmp_path)["merge"] == "stale"
    assert any("sft/left has been made anew since" in line for line in why(diamond(), tmp_path, "merge"))
    run(diamond(), tmp_path)
    assert executions(tmp_path)[4:] == ["sft/left", "merge"]


def test_force_outside_of_until_is_refused(tmp_path: Path) -> None:
    """A forced step that --until leaves out is a contradiction, not silently ignored."""
    with pytest.raises(RunError, match="--force 'merge': --until 'base' does not need this step"):
        run(diamond(), tmp_path, force=["merge"], until="base")


def test_independent_steps_run_side_by_side(tmp_path: Path) -> None:
    """With two jobs, steps that do not need each other overlap in time; the heavier chain goes first."""
    steps = [step("light", "nap"), step("heavy", "nap", weight=5.0), step("middle", "nap", weight=2.0)]
    run(steps, tmp_path, jobs=2)
    spans = {s.name: [float(value) for value in text(tmp_path, s.name).split()] for s in steps}
    assert spans["middle"][0] < spans["heavy"][1]
    assert spans["heavy"][0] < spans["middle"][1]
    assert spans["light"][0] >= min(spans["heavy"][1], spans["middle"][1])


def test_one_job_runs_one_step_at_a_time(tmp_path: Path) -> None:
    """With one job, no two steps overlap."""
    run([step("a", "nap"), step("b", "nap")], tmp_path, jobs=1)
    spans = sorted([float(value) for value in text(tmp_path, name).split()] for name in "ab")
    assert spans[0][1] <= spans[1][0]


def test_every_step_has_a_process_of_its_own_with_the_libraries_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are forked from a server with preloaded modules and the thread settings; the caller's environment stays."""
    import os

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    steps = [step("a", "environment", paths={"model": "/models/x"}, files={"model": "00"}), step("b", "environment")]
    outcome, _ = run(steps, tmp_path, threads=3, preload=["wave", "no_such_module"])
    a, b = (report.notes for report in outcome.steps)
    assert a["OMP_NUM_THREADS"] == "3"
    assert a["OMP_WAIT_POLICY"] == "PASSIVE"
    assert a["preloaded"]
    assert a["path"] == "/models/x"
    assert len({a["pid"], b["pid"], os.getpid()}) == 3
    assert a["hash"] == b["hash"]
    assert "OMP_NUM_THREADS" not in os.environ
    assert "preloading no_such_module failed" in (tmp_path / "logs" / "server.log").read_text()


def test_manifest_says_what_made_the_output(tmp_path: Path) -> None:
    """The manifest holds key, parts, cost, notes and versions, and neither host, user, outside path nor environment."""
    run([step("base"), step("top", "write", "base", settings={"lr": 0.1}, libraries=("rich",), seed=5)], tmp_path)
    content = (tmp_path / "steps" / "top" / "manifest.json").read_text()
    manifest = json.loads(content)
    assert manifest["name"] == "top"
    assert re.fullmatch("[0-9a-f]{64}", manifest["key"])
    assert manifest["parts"]["settings"] == {"lr": 0.1}
    assert manifest["parts"]["seed"] == 5
    assert manifest["parts"]["inputs"]["input0"]["step"] == "base"
    assert set(manifest["parts"]["libraries"]) == {"rich"}
    assert manifest["bytes"] == 1000 + len("top(base())")
    assert manifest["notes"]["rows"] == 3
    assert manifest["started"].endswith("+00:00")
    assert 5 < manifest["peak_memory_mb"] < 500
    assert str(tmp_path) not in content


def test_manifest_of_the_stage_is_taken_in(tmp_path: Path) -> None:
    """A manifest that the stage wrote itself becomes the field "stage" of the step's own."""
    run([step("only", "stage_manifest")], tmp_path)
    assert json.loads((tmp_path / "steps" / "only" / "manifest.json").read_text())["stage"] == {"method": "linear"}


def test_log_holds_everything_a_step_prints(tmp_path: Path) -> None:
    """Standard output and error, of child processes too, go to the step's log; a second attempt is appended."""
    steps = [step("talk/much", "chatter")]
    run(steps, tmp_path)
    run(steps, tmp_path, force=["talk"])
    log = (tmp_path / "logs" / "talk-much.log").read_text()
    for line in ("from print", "from stderr", "from a child process", "step talk/much, key"):
        assert log.count(line) == 2


def test_plain_output_is_one_line_per_event(tmp_path: Path) -> None:
    """Outside a terminal every event is a line with the elapsed time, without control characters."""
    _, shown = run([step("base", title="the start"), step("top", "write", "base")], tmp_path)
    assert "\x1b" not in shown
    assert "1/2 base starts: the start" in shown
    assert "top done in " in shown
    assert all(re.match(r"\[ *[\d.:]+( s)?\] ", line) for line in shown.splitlines())


def test_terminal_shows_bars_with_rate_and_count(tmp_path: Path) -> None:
    """In a terminal the running step has a line with count, unit, note and rate."""
    shown = io.StringIO()
    console = Console(file=shown, width=160, force_terminal=True, color_system=None, legacy_windows=False)
    execute([step("rest", "nap", settings={"seconds": 1.5})], tmp_path, console=console)
    assert re.search(r"\d+ of 10 naps, [\d.]+ naps/s, [\d.]+ s left, resting", shown.getvalue())
    assert "0 of 1 step" in shown.getvalue()
