"""The whole arbitrage over fakes: every answer has a row, every row says where it comes from, everything left out is counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pipeline_runs import VERIFIABLE, known, pool, rows, run, table, write_rows

import polylect
from polylect.arbitrage import arbitrate, generate
from polylect.errors import DataError, EndpointError, RecipeError
from polylect.models.fakes import FakeModel
from polylect.models.interface import Price


def test_reward_router_takes_the_best_answer(tmp_path: Path) -> None:
    """All teachers answer every prompt; the best scored answer is the target, the worst the rejected one of its pair."""
    summary = run(tmp_path, "reward", allow_no_train=True)
    out = summary.out
    answers, scores = table(out, "completions"), {row.completion_id: row for row in table(out, "scores")}
    assert len(answers) == len(scores) == 2 * 40 * 3
    best: dict[str, float] = {}
    for answer in answers:
        value = scores[answer.id].value
        best[answer.prompt_id] = max(best.get(answer.prompt_id, -1.0), -1.0 if value is None else value)
    examples = table(out, "sft")
    assert {row.prompt_id: row.score for row in examples} == {key: value for key, value in best.items() if value >= 0}
    assert all(row.chosen_score > row.rejected_score for row in table(out, "pairs"))
    shares = summary.routing["languages"] if summary.routing else {}
    assert shares["en"]["teachers"]["west"]["share"]["value"] > shares["tr"]["teachers"]["west"]["share"]["value"]


def test_every_failure_is_a_row_with_its_reason(tmp_path: Path) -> None:
    """Failed requests and refused answers stay in the table, unscored; the manifest counts them by reason."""
    summary = run(tmp_path)
    answers = table(summary.out, "completions")
    status = Counter(row.status for row in answers)
    assert status == summary.manifest["status"]
    assert min(status["failed"], status["rejected"]) > 0
    assert Counter(row.reason for row in answers if row.reason) == summary.manifest["reasons"]
    assert {"400: bad request", "empty answer", "boilerplate", "truncated"} <= set(summary.manifest["reasons"])
    unscored = {row.completion_id for row in table(summary.out, "scores") if row.value is None}
    assert {row.id for row in answers if row.status != "ok"} <= unscored
    assert {row.model for row in answers if row.status != "ok"} == {"poor"}


def test_rows_say_where_they_come_from(tmp_path: Path) -> None:
    """Fine-tuning rows carry revision, licence of prompt and answer, and whether the teacher's outputs may train."""
    given = [{**row, "licence": "CC0-1.0", "translator": "nllb"} for row in rows(10)]
    write_rows(tmp_path / "prompts.jsonl", given)
    summary = run(tmp_path)
    for row in table(summary.out, "sft"):
        assert row.licence == ("CC0-1.0 AND Apache-2.0" if row.model == "west" else "CC0-1.0 AND unknown")
        assert (row.translator, row.may_train) == ("nllb", True)
        assert row.revision
    for pair in table(summary.out, "pairs"):
        assert pair.chosen_revision
        assert pair.licence is not None
        assert pair.licence.startswith("CC0-1.0 AND ")
    assert json.loads((summary.out / "manifest.json").read_text())["licences"] == summary.manifest["licences"]


def test_answers_that_may_not_train_are_kept_out(tmp_path: Path) -> None:
    """A barred teacher's answers are in completions, and in no training set unless that is allowed, which is counted."""
    barred = [FakeModel("good", known=known, may_train=False), FakeModel("bad", quality=0.0, known=known)]
    summary = run(tmp_path, pool=barred)
    assert {row.model for row in table(summary.out, "completions")} == {"good", "bad"}
    assert {row.model for row in table(summary.out, "sft")} == {"bad"}
    assert table(summary.out, "pairs") == []
    alone = run(tmp_path, pool=barred[:1], out=tmp_path / "alone")
    assert table(alone.out, "sft") == []
    assert alone.manifest["dropped"]["sft"] == {"the teacher's outputs may not train models": 80}
    allowed = run(tmp_path, pool=barred, out=tmp_path / "allowed", allow_no_train=True)
    assert {(row.model, row.may_train) for row in table(allowed.out, "sft")} == {("good", False)}
    assert {row.may_train for row in table(allowed.out, "pairs")} == {False}


def test_a_refused_answer_is_asked_of_the_next_teacher_once(tmp_path: Path) -> None:
    """With one teacher per prompt, a failure sends the prompt to the next one of the plan, once; else one row per prompt."""
    faulty = [FakeModel("first", faults={"empty": 1.0, "400": 0.5}, quality=0.0, known=known), FakeModel("next", known=known)]
    settings = {"router_settings": {"table": {"default": ["first", "next"]}}}
    summary = run(tmp_path, "fixed", pool=faulty, **settings)
    answers = table(summary.out, "completions")
    assert Counter(row.model for row in answers) == {"first": 80, "next": 80}
    assert all(row.model == "next" for row in table(summary.out, "sft"))
    assert (summary.routing or {})["languages"]["mul"]["rerouted"] == 80
    stay = run(tmp_path, "fixed", pool=faulty, out=tmp_path / "stay", reroute=False, **settings)
    assert Counter(row.model for row in table(stay.out, "completions")) == {"first": 80}
    assert stay.manifest["rows"]["sft"] == 0
    assert set(stay.manifest["dropped"]["sft"]) == {"no answer", "every answer refused by a check"}


def test_learned_router_asks_one_teacher_and_finds_the_good_one(tmp_path: Path) -> None:
    """Probe items are answered by all, every other prompt by one; what was learned beats a random choice and is kept."""
    summary = run(tmp_path, "learned", items=200, pool=pool()[:2], router_settings={"bits": 10, "epochs": 20})
    answers = Counter(row.prompt_id for row in table(summary.out, "completions"))
    probed = summary.manifest["requests"]["probe"]["prompts"]
    assert sum(answers.values()) == 400 + probed
    assert 60 < probed < 140
    learned = Counter((row.language, row.model) for row in table(summary.out, "sft"))
    assert learned["en", "west"] > 3 * learned["en", "east"]
    assert learned["tr", "east"] > 3 * learned["tr", "west"]
    assert (summary.out / "router" / "router.json").exists()


def test_fused_answers_are_written_by_a_model_and_scored(tmp_path: Path) -> None:
    """The fuse router adds one answer per prompt by its writer, under its own name, in the same tables."""
    summary = run(tmp_path, "fuse", items=10, pool=pool()[:2], router_settings={"model": "fake:good"})
    fused = [row for row in table(summary.out, "completions") if row.model == "fused"]
    assert fused
    assert {row.id for row in fused} <= {row.completion_id for row in table(summary.out, "scores")}


def test_prompts_that_nobody_serves_are_counted(tmp_path: Path) -> None:
    """A language without a teacher costs nothing and is told."""
    from polylect.models.engine import Limits
    from polylect.models.pool import Member, Pool

    english = Pool({"west": Member(name="west", spec="fake:good", limits=Limits(), languages=("en",))})
    summary = run(tmp_path, pool=english)
    assert {row.language for row in table(summary.out, "completions")} == {"en"}
    assert summary.manifest["unserved"] == {"tr": 40}
    assert summary.manifest["dropped"]["sft"]["nobody was asked"] == 40


def test_held_out_items_are_held_out_in_every_language(tmp_path: Path) -> None:
    """Held-out prompts are neither asked nor learned from; an item is on one side in all languages."""
    summary = run(tmp_path, heldout_share=0.3)
    held = table(summary.out, "heldout")
    asked = table(summary.out, "completions")
    assert 10 < len(held) < 40
    assert Counter(Counter(row.item for row in held).values()) == {2: len(held) // 2}
    assert not {row.item for row in held} & {row.item for row in asked}
    assert {row.split for row in held} == {"heldout"}


def test_repeats_are_answered_and_not_learned_from(tmp_path: Path) -> None:
    """A prompt that nearly repeats another is out of the training sets and counted; or is not asked; or is like any other."""
    texts = ["What is the capital of Turkey?", "What is the capital of Turkey ?", "Who wrote the novel Snow in 2002?"]
    given = [{"item": f"i{at}", "language": "en", "text": text, "reference": "x"} for at, text in enumerate(texts)]
    write_rows(tmp_path / "prompts.jsonl", given)
    good = [FakeModel("good")]
    rows_of = {}
    for repeats in ("sft", "prompts", "off"):
        found = run(tmp_path, pool=good, repeats=repeats, similarity=0.7, out=tmp_path / repeats).manifest
        rows_of[repeats] = (found["rows"]["completions"], found["rows"]["sft"])
    assert rows_of == {"sft": (3, 2), "prompts": (2, 2), "off": (3, 3)}


def test_a_prompt_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    """The same text in one language twice is an error that quotes it; with --skip-bad-rows it is left out and counted."""
    write_rows(tmp_path / "prompts.jsonl", [*rows(5), *rows(2)])
    with pytest.raises(DataError, match="4 prompts occur again, first 'How much is 0 plus 0"):
        run(tmp_path)
    summary = run(tmp_path, out=tmp_path / "skipped", skip_bad_rows=True)
    assert summary.manifest["prompts"]["prompts"] == 10
    assert summary.manifest["prompts"]["dropped"] == {"the prompt again": 4}


def test_a_budget_is_kept(tmp_path: Path) -> None:
    """What a language may cost is not exceeded; what was not asked is counted and has no row; costs are told by language."""
    priced = [FakeModel("dear", known=known, price=Price(1.0, 100.0), in_flight=1)]
    summary = run(tmp_path, pool=priced, budget="tr=400tokens", max_tokens=8)
    routing = summary.routing or {}
    assert routing["budget"]["tr"]["spent"] <= 400
    asked = Counter(row.language for row in table(summary.out, "completions"))
    assert asked["en"] == 40
    assert 0 < asked["tr"] < 40
    refused = summary.manifest["requests"]["ask"]["refused"]
    assert sum(refused.values()) == 40 - asked["tr"]
    assert summary.manifest["cost_usd"] == pytest.approx(
        sum(row["cost"] for tag, row in routing["languages"].items() if tag != "mul")
    )


def test_nothing_answered_is_an_error_of_the_service(tmp_path: Path) -> None:
    """Where not one request is answered the command fails as a service does, and says the most frequent reason."""
    with pytest.raises(EndpointError, match="400: bad request"):
        run(tmp_path, items=4, pool=[FakeModel("down", quality=0.0, faults={"400": 1.0}, known=known)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_token": 3}, "'max_token' is unknown. Did you mean 'max_tokens'"),
        ({"samples": 2}, "--samples: 2 is not 1 at temperature 0"),
        ({"heldout_share": 1.0}, "--heldout-share: 1.0"),
        ({"pairs": "worst"}, "--pairs: 'worst' is not one of"),
        ({"router_settings": {"prob": 0.5}}, "setting 'prob' is unknown"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    """An unknown setting and a value out of range are refused before anything is asked or written."""
    with pytest.raises(RecipeError, match=message):
        arbitrate(write_rows(tmp_path / "p.jsonl", rows(2)), pool(), VERIFIABLE, "single", out=tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_samples_are_rows_of_their_own(tmp_path: Path) -> None:
    """Several samples of each teacher are numbered, and can make a pair."""
    summary = run(tmp_path, items=20, pool=[FakeModel("one", quality=0.5, known=known)], samples=3, temperature=1.0)
    numbers = Counter(row.sample for row in table(summary.out, "completions"))
    assert numbers == {0: 40, 1: 40, 2: 40}
    assert {(row.chosen_model, row.rejected_model) for row in table(summary.out, "pairs")} == {("one", "one")}


def test_generate_asks_one_model(tmp_path: Path) -> None:
    """One model answers every prompt; checks are made when asked for, and failures are rows."""
    prompts = write_rows(tmp_path / "p.jsonl", rows(20))
    summary = generate(prompts, pool()[2], out=tmp_path / "out")
    answers = table(summary.out, "completions")
    assert [row.prompt_id for row in answers] == list(dict.fromkeys(row.prompt_id for row in answers))
    assert {row.status for row in answers} == {"ok", "failed"}
    checked = generate(prompts, pool()[2], out=tmp_path / "checked", checks=True)
    assert {row.status for row in table(checked.out, "completions")} == {"ok", "failed", "rejected"}
    assert sorted(path.name for path in summary.out.iterdir() if not path.name.startswith(".")) == [
        "completions.parquet",
        "manifest.json",
    ]


def test_the_package_can_be_called(tmp_path: Path) -> None:
    """`polylect.arbitrage(...)` is `polylect.arbitrage.arbitrate(...)`."""
    prompts = write_rows(tmp_path / "p.jsonl", rows(2))
    package: Any = polylect.arbitrage
    summary = package(prompts, pool()[:1], VERIFIABLE, "random", out=tmp_path / "out", repeats="off")
    assert summary.manifest["rows"]["completions"] == 4
