"""Plans that are not sound are refused before anything runs; `why` tells what changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_steps import diamond, step

from polylect.errors import RunError
from polylect.run import Step, check_disk, execute, status, why
from polylect.run.keys import identities
from polylect.run.steps import checked_plan


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([step("a"), step("a")], "two steps are named 'a'"),
        ([step("../a")], "step name '../a' is not made of"),
        ([step("a/.tmp")], "step name 'a/.tmp' is not made of"),
        ([step("a"), step("a/b")], "'a/b' would write into the output of step 'a'"),
        ([step("a/b"), step("a-b")], "would share one log file"),
        ([step("sft"), step("merge", "write", "stf")], r"'stf', which is no step. Did you mean 'sft'\?"),
        ([step("a", "write", "b"), step("b", "write", "a")], "wait for each other in a circle"),
        ([Step(name="a", function="run_steps.write")], "is not of the form"),
        ([step("a", settings={"path": Path("x")})], r"settings.path: PosixPath\('x'\) is a PosixPath, not a JSON value"),
        ([step("a", settings={"lr": [0.1, float("nan")]})], r"settings.lr\[1\]: nan has no JSON form"),
        ([step("a", settings={"by": {1: 2}})], "settings.by: key 1 is not text"),
        ([step("a", libraries=("no-such-library",))], "'no-such-library' is not installed"),
    ],
)
def test_unsound_plan_is_refused(tmp_path: Path, steps: list[Step], message: str) -> None:
    """The message names the step, the value and the rule; nothing is written."""
    with pytest.raises(RunError, match=message):
        execute(steps, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_key_of_a_step_is_stable() -> None:
    """The key is a pure function of the plan: this one must only change together with the manifest's schema."""
    known = identities(checked_plan([step("base"), step("top", "write", "base", settings={"lr": 0.1}, seed=3)]))
    assert known["base"].key.startswith("f7a1363d37f8")
    assert known["top"].key.startswith("15351a94924c")


def test_why_of_current_and_absent_steps(tmp_path: Path) -> None:
    """A current step says when it was made, an absent one where its log would be."""
    assert "sft/left has no finished output" in why(diamond(), tmp_path, "sft/left")[0]
    execute(diamond(), tmp_path)
    lines = why(diamond(), tmp_path, "sft/left")
    assert len(lines) == 1
    assert lines[0].startswith("sft/left is current: made 20")


def test_why_names_each_difference(tmp_path: Path) -> None:
    """Settings are compared leaf by leaf; version, seed, files and libraries are named with old and new value."""
    old = step("a", settings={"lr": 0.1, "gone": 1, "lora": {"rank": 8, "alpha": 16}}, files={"model": "00"})
    execute([old], tmp_path)
    new = step(
        "a",
        settings={"lr": 0.2, "lora": {"rank": 8, "alpha": 32}},
        files={"model": "11"},
        seed=2,
        version="2",
        libraries=("rich",),
    )
    lines = "\n".join(why([new], tmp_path, "a"))
    assert "a is stale" in lines
    assert "- setting lr changed from 0.1 to 0.2" in lines
    assert "- setting lora.alpha changed from 16 to 32" in lines
    assert "lora.rank" not in lines
    assert "- setting gone was removed (it was 1)" in lines
    assert "- version of the stage changed from '1' to '2'" in lines
    assert "- seed changed from 0 to 2" in lines
    assert "- file model changed from '00' to '11'" in lines
    assert "- library rich was added: '" in lines


def test_why_leads_to_the_step_where_it_began(tmp_path: Path) -> None:
    """A step that is stale because of its input says which setting of which step started it, and what follows."""
    execute(diamond(), tmp_path)
    changed = diamond(word="new")
    assert why(changed, tmp_path, "merge")[1:] == [
        "- input 'input0' is the output of sft/left, which has to run first:",
        why(changed, tmp_path, "sft/left")[0].join(["  ", ""]),
        "  - setting word was added: 'new'",
    ]
    assert why(changed, tmp_path, "sft/left")[-1] == "Steps that read its output and will run after it: merge."


def test_why_of_a_reader_after_its_input_was_made_with_other_settings(tmp_path: Path) -> None:
    """When the changed input has already run, its readers say so."""
    execute(diamond(), tmp_path)
    execute(diamond(word="new"), tmp_path, until="sft/left")
    assert "- input 'input0': sft/left has been made with other settings since" in why(diamond(word="new"), tmp_path, "merge")


def test_why_of_an_unknown_step_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt name is answered with the one that was meant."""
    with pytest.raises(RunError, match=r"no step is named 'sft/leftt'. Did you mean 'sft/left'\?"):
        why(diamond(), tmp_path, "sft/leftt")


def test_status_of_a_damaged_output(tmp_path: Path) -> None:
    """A manifest that cannot be read counts as absent, and its readers as stale: nothing is built on it."""
    execute(diamond(), tmp_path)
    (tmp_path / "steps" / "base" / "manifest.json").write_text("{")
    assert status(diamond(), tmp_path) == {"merge": "stale", "sft/left": "stale", "sft/right": "stale", "base": "absent"}


def test_check_disk_gives_both_figures(tmp_path: Path) -> None:
    """Too little space is an error that says how much is needed and how much is free, also for a folder yet to be made."""
    check_disk(tmp_path / "new" / "run", 1000)
    with pytest.raises(RunError, match=r"needs about 1000000000.0 GB of disk, but [\d.]+ GB are free"):
        check_disk(tmp_path / "new" / "run", 10**18)


def test_run_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """A file in the place of the run folder is a clear error."""
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="cannot be used as a run folder"):
        execute([step("a")], tmp_path / "run")
