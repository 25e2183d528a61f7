"""`polylect why` on a run that has the steps of a recipe and those of `polylect safety mix-or-merge`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from mix_or_merge_example import example, recipe, write_inputs

from polylect import tables
from polylect.cli.why import command
from polylect.errors import DataError, RunError
from polylect.records import Example
from polylect.run.api import why
from polylect.run.keys import identities
from polylect.run.mix_or_merge_asked import ASKED, asked, asked_steps, save_asked
from polylect.run.mix_or_merge_wanted import MixOrMerge
from polylect.run.steps import Step, checked_plan


def finish(steps: Sequence[Step], folder: Path) -> None:
    """Write a manifest for every step of a plan, as the worker does when it is done."""
    order = checked_plan(steps)
    for name, known in identities(order).items():
        step = next(one for one in order if one.name == name)
        manifest = {
            "schema": 1, "name": name, "key": known.key, "parts": known.parts, "build": name,
            "inputs": dict(step.inputs), "started": "2026-01-01T00:00:00+00:00", "seconds": 1.5,
        }  # fmt: skip
        (folder / "steps" / name).mkdir(parents=True)
        (folder / "steps" / name / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run folder in which mix-or-merge was asked and all of its steps are finished."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps(recipe().model_dump(mode="json")))
    save_asked(write_inputs(tmp_path), folder)
    finish(asked_steps(recipe(), folder), folder)
    return folder


def test_what_was_asked_comes_back_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option is kept, paths made absolute; a folder where nothing was asked has none."""
    monkeypatch.chdir(tmp_path)
    given = MixOrMerge(
        data=(Path("a.parquet"), Path("b.parquet")), prompts=Path("p.jsonl"), shares=(0.15,), weights=(0.3,), by=("language",),
        methods=("ties",), judge="judge", judge_format="qwen3guard", detector="learned", max_tokens=9, stop=("\n",), limit=4,
    )  # fmt: skip
    assert asked(tmp_path) is None
    save_asked(given, tmp_path)
    data = (tmp_path / "a.parquet", tmp_path / "b.parquet")
    assert asked(tmp_path) == replace(given, data=data, prompts=tmp_path / "p.jsonl")
    save_asked(MixOrMerge(), tmp_path)
    assert asked(tmp_path) == MixOrMerge()


def test_steps_of_mix_or_merge_are_explained_like_the_recipes(run: Path) -> None:
    """Current ones say when they were made; a recipe's setting and a changed table are named, and what follows from them."""
    for step in ("mix-or-merge/merge/linear-0.5", "mix-or-merge/harm/mix-0.03", "merge/sft"):
        assert why(run, step) == [f"{step} is current: made 2026-01-01T00:00:00+00:00 in 1.5 s, key {_key(run, step)}."]
    changed = why(run, "mix-or-merge/expert/safety", overrides=["sft.steps=9"])
    assert "- setting train.steps changed from 6 to 9" in changed
    assert changed[-1].startswith("Steps that read its output and will run after it: mix-or-merge/quality/safety")
    tables.write(run.parent / "sft.parquet", [example(1, "en"), example(2, "fr")], Example)
    found = "\n".join(why(run, "mix-or-merge/merge/linear-0.5"))
    assert "- input 'model/safety' is the output of mix-or-merge/expert/safety, which has to run first:" in found
    assert "- file data changed from" in found
    assert why(run, "merge/sft")[0].startswith("merge/sft is current")


def _key(run: Path, step: str) -> str:
    key: str = json.loads((run / "steps" / step / "manifest.json").read_text())["key"]
    return key[:12]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            "linear-0.5",
            "Name one of: mix-or-merge/merge/linear-0.5, mix-or-merge/quality/linear-0.5, mix-or-merge/harm/linear-0.5.",
        ),
        ("mix-or-merge/merge", "Name one of: mix-or-merge/merge/linear-0.5, mix-or-merge/merge/slerp-0.5."),
        ("mix-or-merge/merge/linear-0.55", "Did you mean 'mix-or-merge/merge/linear-0.5'?"),
        ("zzz", "The steps are: prompts, base,"),
        ("merge/sftt", "Did you mean 'merge/sft'?"),
    ],
)
def test_an_unknown_step_is_answered_with_those_that_there_are(run: Path, step: str, message: str) -> None:
    """A candidate and a group name their steps, a misspelt one the nearest, any other word all steps of both."""
    with pytest.raises(RunError) as told:
        why(run, step)
    assert f"no step is named {step!r}" in str(told.value)
    assert message in str(told.value)
    assert ("mix-or-merge/harm/safety" in str(told.value)) is (step == "zzz")


def test_a_step_that_only_an_earlier_call_asked_for(run: Path) -> None:
    """Its output is there; the message says that the last call does not ask for it, and what there is."""
    save_asked(replace(write_inputs(run.parent), weights=(0.3,)), run)
    with pytest.raises(RunError, match=r"'mix-or-merge/merge/linear-0.5' was made 2026.*do not ask for it.*linear-0.3"):
        why(run, "mix-or-merge/merge/linear-0.5")


def test_what_keeps_the_steps_from_being_known_is_told(run: Path) -> None:
    """Data that are gone, a file that is no JSON, and a run on which nothing was asked; recipe steps do not need them."""
    (run.parent / "sft.parquet").unlink()
    assert why(run, "merge/sft")[0].startswith("merge/sft is current")
    with pytest.raises(
        DataError, match=r"'mix-or-merge/harm/safety', and those of mix-or-merge need .*sft\.parquet: no such table"
    ):
        why(run, "mix-or-merge/harm/safety")
    (run / ASKED).write_text('{"weights": [7]}')
    with pytest.raises(RunError, match=r"mix-or-merge\.json: cannot be read \(--weights 7: a number from 0 to 1"):
        why(run, "mix-or-merge/harm/safety")
    (run / ASKED).unlink()
    with pytest.raises(RunError, match=r"no mix-or-merge\.json says what mix-or-merge was asked here\. Start"):
        why(run, "mix-or-merge/harm/safety")
    with pytest.raises(RunError, match=r"'sft/wst'\. Did you mean 'sft/west'\?"):
        why(run, "sft/wst")


def test_the_command_prints_the_reasons(run: Path) -> None:
    """`polylect why RUN STEP` takes these steps as it takes a recipe's."""
    done = CliRunner().invoke(command, [str(run), "mix-or-merge/data/0.03"], catch_exceptions=False)
    assert done.output.startswith("mix-or-merge/data/0.03 is current: made 2026-01-01")
