"""A budget is one of all the processes that work for an output: each stored answer counts once, and before anything is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pipeline_runs import known, pool, rows, run, table, write_rows

from polylect.arbitrage import Summary
from polylect.arbitrage.budget import Budget
from polylect.arbitrage.counted import Counted
from polylect.errors import EndpointError
from polylect.models.fakes import FakeModel
from polylect.models.requests import Generated, Request, Sampling
from polylect.progress import StageProgress


class Dying(FakeModel):
    """A model that ends the run at its 31st call."""

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer as a fake does."""
        if self.calls >= 30:
            raise EndpointError("killed")
        return await super().answer(batch, sampling)


def used(out: Path) -> Counter[str]:
    """Return the tokens by language of everything that was answered, a prompt counted once."""
    tokens: Counter[str] = Counter()
    for row in table(out, "completions"):
        tokens[row.language] += row.completion_tokens + (row.prompt_tokens if row.sample == 0 else 0)
    return tokens


def spent(summary: Summary) -> dict[str, float]:
    """Return what the budget says was spent, by language."""
    assert summary.routing is not None
    return {language: row["spent"] for language, row in summary.routing["budget"].items()}


def dying_at(stage: str) -> StageProgress:
    """Return a progress function that ends the run at the first word of a stage."""

    def tell(now: str, done: int, total: int | None, note: str) -> None:
        if now == stage:
            raise KeyboardInterrupt

    return tell


def test_a_run_that_was_killed_keeps_to_its_budget(tmp_path: Path) -> None:
    """What a fast teacher answered before the kill is counted before a slow one is asked for more."""
    write_rows(tmp_path / "prompts.jsonl", rows(150))

    def both(slow: type[FakeModel], latency: float) -> list[FakeModel]:
        return [FakeModel("fast", known=known), slow("slow", known=known, latency=latency, in_flight=2)]

    free = run(tmp_path, pool=both(FakeModel, 0.0), out=tmp_path / "free")
    of = Counter((row.model, row.language) for row in table(free.out, "completions"))
    assert of["slow", "tr"] == 150
    limit = round(used(free.out)["tr"] * 0.7)
    settings: dict[str, Any] = {"budget": f"tr={limit}tokens", "max_tokens": 16}
    with pytest.raises(EndpointError, match="killed"):
        run(tmp_path, pool=both(Dying, 0.02), **settings)
    went_on = run(tmp_path, pool=both(FakeModel, 0.001), **settings)
    assert went_on.found == "unfinished"
    longest = max(row.prompt_tokens + row.completion_tokens for row in table(went_on.out, "completions"))
    assert limit * 0.95 < used(went_on.out)["tr"] <= limit + 2 * longest
    assert spent(went_on) == used(went_on.out)


@pytest.mark.parametrize("stage", [None, "probe", "ask", "check", "reroute", "score", "write"])
def test_answers_of_the_probe_count_once(tmp_path: Path, stage: str | None) -> None:
    """What is spent is what the tables add up to, whatever was asked in which stage and wherever the run was killed."""
    settings: dict[str, Any] = {
        "router": "learned",
        "router_settings": {"probe": 0.5, "bits": 8, "epochs": 5},
        "budget": "default=1000000tokens",
    }
    if stage is not None:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, progress=dying_at(stage), **settings)
    summary = run(tmp_path, **settings)
    assert summary.found == ("unfinished" if stage else "")
    assert summary.manifest["requests"]["probe"]["prompts"] > 20
    reroute = summary.manifest["requests"]["reroute"]
    assert reroute["stored"] + reroute["reused"] > 0
    assert spent(summary) == used(summary.out)


def test_a_sample_that_is_missing_costs_no_second_prompt(tmp_path: Path) -> None:
    """With one of three samples stored, the prompt is paid with that one, and the others add their answers."""
    store = tmp_path / "answers.sqlite"
    settings: dict[str, Any] = {"temperature": 1.0, "store": store, "budget": "default=1000000tokens"}
    run(tmp_path, pool=pool()[:2], out=tmp_path / "one", samples=1, **settings)
    three = run(tmp_path, pool=pool()[:2], out=tmp_path / "three", samples=3, **settings)
    assert three.manifest["requests"]["ask"]["reused"] == 160
    assert spent(three) == used(three.out)


def test_a_text_of_two_languages_is_paid_once(tmp_path: Path) -> None:
    """One answer that serves two prompts of the same text counts in the language that asked for it."""
    text = {"text": "2 + 2 = ?", "reference": "4"}
    write_rows(tmp_path / "prompts.jsonl", [{"item": "sum", "language": tag, **text} for tag in ("en", "tr")])
    settings: dict[str, Any] = {
        "pool": [FakeModel("one", quality=1.0)],
        "budget": "default=9000tokens",
        "store": tmp_path / "answers.sqlite",
    }
    for out in ("first", "second"):
        summary = run(tmp_path, out=tmp_path / out, **settings)
        assert len(table(summary.out, "completions")) == 2
        assert sum(spent(summary).values()) == sum(used(summary.out).values()) / 2


def test_counted_keys_are_not_fresh() -> None:
    """Keys are told apart in any number, and adding them twice does no harm."""
    keys = [number.to_bytes(16, "big") for number in range(2000)]
    counted = Counted()
    counted.add(keys[::2])
    counted.add(keys[::4])
    assert counted.fresh(keys) == set(keys[1::2])
    counted.close()


def test_a_budget_that_counted_nothing_is_closed_as_well() -> None:
    """Closing is safe before the first answer, and keeps the numbers."""
    budget = Budget({})
    budget.close()
    assert budget.report() == {}
