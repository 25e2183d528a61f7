"""The stages of the arbitrage in a recipe: teachers behind endpoints, and arbiters of every kind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from polylect import tables
from polylect.errors import RecipeError
from polylect.recipe import parse
from polylect.records import Completion, Prompt, Score
from polylect.run import Context, Step
from polylect.run.stages import pool

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from scripted_endpoint import Scripted, completion, error

GENERATION = {"max_tokens": 8, "stop": [], "batch_size": 4}


def prompts(folder: Path) -> Path:
    """Write the output of a prompts step: three items in two languages."""
    rows = [
        Prompt(
            item=f"item {number}", language=language, kind="k", split="prompt", text=f"{language} question {number}?",
            references=("Ankara",), source="here", licence="CC0-1.0",
        )
        for number in range(3)
        for language in ("en", "tr")
    ]  # fmt: skip
    tables.write(folder / "prompts.parquet", rows, Prompt)
    return folder


def context(tmp_path: Path, settings: dict[str, Any]) -> Context:
    """Return a step's context with the prompts as its input."""
    (tmp_path / "out").mkdir()
    step = Step(name="answers/far", function="polylect.run.stages.pool:answers", settings=settings, seed=1)
    return Context(step=step, inputs={"prompts": prompts(tmp_path / "prompts")}, out=tmp_path / "out", store=tmp_path / "store")


def served(url: str) -> dict[str, Any]:
    """Return the settings that a served teacher's step has."""
    shared = {"teacher": "far", "shots": 0, "languages": ["en", "tr"], "generation": GENERATION}
    return {**shared, "kind": "served", "model": "aya", "url": url, "key_env": None}


def test_a_served_teacher_answers_in_a_recipe(tmp_path: Path) -> None:
    """Every prompt is asked once over HTTP; the step's table holds the answers and its notes what they took."""
    with Scripted(completion("Ankara")) as endpoint:
        step = context(tmp_path, served(f"{endpoint.url}"))
        pool.answers(step)
        pool.answers(step)
    assert len(endpoint.bodies) == 6
    assert {body["model"] for body in endpoint.bodies} == {"aya"}
    rows = tables.read(tmp_path / "out" / "completions.parquet", Completion)
    assert [(row.text, row.status, row.model) for row in rows] == [("Ankara", "ok", "far")] * 6
    assert step.notes["tokens"] == 60


def test_what_an_endpoint_refuses_is_a_row_with_its_reason(tmp_path: Path) -> None:
    """A request that cannot be answered neither stops the step nor vanishes."""
    with Scripted(lambda number: error(400, "too long") if number == 2 else completion("Ankara")) as endpoint:
        step = context(tmp_path, served(f"{endpoint.url}"))
        pool.answers(step)
    rows = tables.read(tmp_path / "out" / "completions.parquet", Completion)
    failed = [row for row in rows if row.status == "failed"]
    assert len(rows) == 6
    assert len(failed) == 1
    assert "too long" in str(failed[0].reason)
    assert failed[0].text == ""


def test_a_composite_arbiter_scores_in_a_recipe(tmp_path: Path) -> None:
    """`arbiter.kind: file` reads what `polylect arbitrage` reads."""
    file = tmp_path / "arbiter.yaml"
    file.write_text("kind: verifiable\nname: exact\n")
    with Scripted(completion("Ankara")) as endpoint:
        step = context(tmp_path, served(f"{endpoint.url}") | {"arbiter": {"kind": "file", "model": None, "file": str(file)}})
        pool.answers(step)
    rows = tables.read(tmp_path / "out" / "completions.parquet", Completion)
    asked = tables.read(tmp_path / "prompts" / "prompts.parquet", Prompt)
    scores: list[Score] = pool.scored(step, rows, asked)
    assert {score.arbiter for score in scores} == {"exact"}
    assert all(score.exact == 1.0 for score in scores)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"pool": {"far": {"kind": "local", "model": "base", "key_env": "KEY"}}},
            "`key_env` belongs to teachers of kind `served`",
        ),
        ({"pool": {"far": {"kind": "local", "model": "base", "may_train": False}}}, "Leave this teacher out"),
        ({"arbiter": {"kind": "file"}}, "`file` is needed with `kind: file`"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    """A key where it means nothing, a teacher whose answers must not train, an arbiter without its file."""
    recipe = {"name": "r", "languages": ["en"], "model": {"base": "b"}, "pool": {"far": {"kind": "local", "model": "base"}}}
    with pytest.raises(RecipeError, match=message):
        parse(recipe | change)
