"""Multiple choice: which option wins, what is kept, and what a kill costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from polylect.evaluate.choice import ChoiceScorer, chosen, length_of, measure_choice, option_rows
from polylect.evaluate.score_log import ScoreLog
from polylect.evaluate.task_types import ChoiceTask, Item
from polylect.models.likelihood import OptionScore, Question


class Lengths:
    """A likelihood that prefers long continuations; counts what it is asked."""

    name, fingerprint = "lengths", "f"
    notes: dict[str, Any] = {"dtype": "float32"}  # noqa: RUF012 - a stand-in

    def __init__(self, stop_after: int | None = None) -> None:
        self.asked: list[Question] = []
        self._stop_after = stop_after

    def score(self, questions: Sequence[Question]) -> Iterator[list[tuple[int, list[OptionScore]]]]:
        """Yield one question at a time, the last one first."""
        for number, index in enumerate(reversed(range(len(questions)))):
            if number == self._stop_after:
                raise KeyboardInterrupt
            self.asked.append(questions[index])
            yield [(index, [OptionScore(-1.0 / len(text), len(text), False) for _, text in questions[index]])]

    def close(self) -> None:
        """Hold nothing."""


def task(number: int, **changes: Any) -> ChoiceTask:
    """Return a question with a short wrong and a long right option."""
    item = Item(benchmark="b", item=str(number), language="en", text=f"question {number}", options=("no", "yes, truly"), answer=1)
    made = ChoiceTask(
        item=item,
        contexts=(f"context {number}",) * 2,
        continuations=(" no", " yes, truly"),
        gold=1,
        labels=item.options,
    )
    return replace(made, **changes)


def test_most_likely_option_is_the_answer(tmp_path: Path) -> None:
    """The measurement has the chosen and the right label; the option rows have every number."""
    (scores,) = ChoiceScorer(Lengths(), ScoreLog(tmp_path / "log")).score([task(1)])
    row = measure_choice(task(1), scores, "m")
    assert (row.score, row.status, row.output, row.reference, row.prompt) == (1.0, "ok", "yes, truly", "yes, truly", "context 1")
    options = option_rows(task(1), scores, "m")
    assert [(one["chosen"], one["gold"], one["bytes"]) for one in options] == [(False, False, 2), (True, True, 10)]


def test_first_of_equals_wins_and_length_counts_where_the_set_says_so() -> None:
    """Ties go to the first option; dividing by a length changes the answer only where it is asked for."""
    equal = [OptionScore(-2.0, 1), OptionScore(-2.0, 4)]
    assert chosen(task(1), equal) == 0
    assert chosen(task(1, normalise="bytes"), equal) == 1
    assert chosen(task(1, normalise="tokens"), equal) == 1
    lengths = {"none": 1, "tokens": 2, "characters": 2, "bytes": 6}
    thai = task(1, continuations=(" ใช", " ไม่ใช่"))
    for normalise, length in lengths.items():
        assert length_of(replace(thai, normalise=normalise), 0, OptionScore(-2.0, 2)) == length


def test_unscored_option_leaves_the_item_unscored() -> None:
    """One option without a score makes no answer; the reason is kept."""
    row = measure_choice(task(1), [OptionScore(-2.0, 1), OptionScore(None, 9, None, "too long")], "m")
    assert (row.score, row.status, row.reason) == (None, "failed", "too long")


def test_nothing_is_scored_twice_and_order_is_kept(tmp_path: Path) -> None:
    """Equal tasks are asked once, and a second run asks nothing."""
    tasks = [task(1), task(2), task(1), task(3)]
    first = Lengths()
    scores = ChoiceScorer(first, ScoreLog(tmp_path / "log")).score(tasks)
    assert len(first.asked) == 3
    again = Lengths()
    scorer = ChoiceScorer(again, ScoreLog(tmp_path / "log"))
    assert scorer.score(tasks) == scores
    assert (again.asked, scorer.reused) == ([], 4)


def test_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """What was scored before a kill, even one in the middle of a line, is not asked again."""
    tasks = [task(number) for number in range(5)]
    try:
        ChoiceScorer(Lengths(stop_after=3), ScoreLog(tmp_path / "log")).score(tasks)
    except KeyboardInterrupt:
        with (tmp_path / "log").open("a") as file:
            file.write('["half a li')
    log, rest = ScoreLog(tmp_path / "log"), Lengths()
    ChoiceScorer(rest, log).score(tasks)
    assert (len(rest.asked), log.torn) == (2, 1)
    assert len(ChoiceScorer(Lengths(), ScoreLog(tmp_path / "log")).score(tasks)) == 5


def test_another_model_or_precision_has_scores_of_its_own() -> None:
    """The key holds all that decides a score."""
    question = task(1).options
    keys = {
        ScoreLog.key("f", {"dtype": "float32"}, question),
        ScoreLog.key("g", {"dtype": "float32"}, question),
        ScoreLog.key("f", {"dtype": "bfloat16"}, question),
        ScoreLog.key("f", {"dtype": "float32"}, task(2).options),
    }
    assert len(keys) == 4


def test_failed_scores_are_asked_again(tmp_path: Path) -> None:
    """A question that could not be scored is not kept as if it were."""
    log = ScoreLog(tmp_path / "log")
    log.put([("k", [OptionScore(None, 0, None, "HTTP 500")])])
    assert log.get("k") is not None
    assert ScoreLog(tmp_path / "log").get("k") is None
