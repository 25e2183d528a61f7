"""Routing: the best scored answer wins, whatever the order of rows; what is left out is counted with its reason."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from arbitrage_examples import completion, joined, pool, pools, prompt, score

from polylect.arbitrage import Candidate, best_single, candidates, examples, routes, single_examples
from polylect.errors import DataError
from polylect.records import MULTIPLE, Route

ONE, TWO, THREE = prompt("one"), prompt("two"), prompt("three")


def test_best_answer_comes_first_in_any_order_of_rows() -> None:
    """Candidates are sorted by score, whichever teacher's table was read first."""
    answers = [(completion(p, model), value) for p in (ONE, TWO) for model, value in (("a", 0.1), ("b", 0.9), ("c", 0.5))]
    expected = joined(answers)
    assert [c.completion.model for c in expected[ONE.id]] == ["b", "c", "a"]
    for seed in range(5):
        random.Random(seed).shuffle(answers)  # noqa: S311
        assert joined(answers) == expected


def test_ties_are_drawn_for_no_teacher_in_particular() -> None:
    """Equal scores are drawn by prompt and model: every teacher wins its share, and length and name decide nothing."""
    prompts = [prompt(f"p{number}") for number in range(300)]
    texts = {"a": "short", "b": "a much longer answer", "z": "answer"}
    answers = [(completion(p, model, text), 1.0) for p in prompts for model, text in texts.items()]
    winners = Counter(pool[0].completion.model for pool in joined(answers).values())
    # Four standard errors of 100 wins of 300.
    assert all(abs(winners[model] - 100) < 33 for model in texts), winners
    samples = [(completion(ONE, "a", sample=number), 1.0) for number in (2, 0, 1)]
    assert [c.completion.sample for c in joined(samples)[ONE.id]] == [0, 1, 2]


def test_unscored_answer_never_wins() -> None:
    """An answer without score comes after any score, negative ones too; alone it is dropped with its reason."""
    assert [c.completion.model for c in pool(ONE, {"a": None, "b": -3.0})] == ["b", "a"]
    rows, dropped = examples([ONE, TWO], pools({ONE: {"a": None, "b": -3.0}, TWO: {"a": None}}), min_score=-5.0)
    assert [(row.prompt_id, row.model) for row in rows] == [(ONE.id, "b")]
    assert dropped == Counter({"best answer unscored": 1})


def test_answer_without_a_score_row_is_an_error() -> None:
    """A completion that the arbiter never saw is not passed over."""
    with pytest.raises(KeyError):
        candidates([completion(ONE, "a")], [])


def test_examples_hold_the_winner() -> None:
    """A row has the prompt's text, the winner's answer, its model and its score."""
    (row,), dropped = examples([ONE], pools({ONE: {"a": 0.2, "b": 0.7}}), min_score=0.5)
    assert (row.prompt, row.completion, row.model, row.score) == (ONE.text, "b says", "b", 0.7)
    assert (row.item, row.language, row.prompt_id) == (ONE.item, ONE.language, ONE.id)
    assert not dropped


@pytest.mark.parametrize(
    ("change", "value", "language_ok", "reason"),
    [
        ({}, None, None, "best answer unscored"),
        ({}, 0.9, False, "best answer in the wrong language"),
        ({"finish_reason": "length"}, 0.9, True, "best answer unfinished"),
        ({"text": ""}, 0.9, None, "best answer empty"),
        ({}, 0.49, True, "best answer under the minimum score"),
        ({}, 0.5, True, None),
        ({}, 0.9, None, None),
    ],
)
def test_unfit_answers_are_counted_by_reason(
    change: dict[str, str], value: float | None, language_ok: bool | None, reason: str | None
) -> None:
    """Each guard drops its own case and no other; an undetermined language is let through."""
    answer = completion(ONE, "a", **change)
    rows, dropped = examples([ONE], candidates([answer], [score(answer, value, language_ok)]), min_score=0.5)
    assert dropped == (Counter({reason: 1}) if reason else Counter())
    assert len(rows) == (reason is None)


def test_best_acceptable_answer_is_taken() -> None:
    """When the best answer is refused the next one is taken; when all are, the best one's reason is counted."""
    rows = [(completion(ONE, "a", finish_reason="length"), 0.9), (completion(ONE, "b"), 0.8), (completion(ONE, "c"), 0.7)]
    (row,), dropped = examples([ONE], joined(rows), min_score=0.5)
    assert (row.model, dropped) == ("b", Counter())
    taken, dropped = examples([ONE], joined(rows), min_score=0.85)
    assert (taken, dropped) == ([], Counter({"best answer unfinished": 1}))


def test_single_teacher_has_no_least_score() -> None:
    """The baseline knows no arbiter: a bad answer is learned too, an empty or unfinished one is not."""
    table = joined([(completion(ONE, "a"), -5.0), (completion(TWO, "a", ""), 0.0)])
    taken, dropped = single_examples([ONE, TWO], table, "a")
    assert ([row.prompt_id for row in taken], dropped) == ([ONE.id], Counter({"best answer empty": 1}))


def test_prompt_without_answers_is_counted() -> None:
    """Rows and drops together are all prompts, for the pool and for a single teacher."""
    table = pools({ONE: {"a": 0.9, "b": 0.1}, TWO: {"b": 0.8}})
    rows, dropped = examples([ONE, TWO, THREE], table, min_score=0.0)
    assert ({row.model for row in rows}, dropped) == ({"a", "b"}, Counter({"no answer": 1}))
    rows, dropped = single_examples([ONE, TWO, THREE], table, "a")
    assert ([row.prompt_id for row in rows], dropped) == ([ONE.id], Counter({"no answer": 2}))


def test_single_teacher_s_best_sample_is_taken() -> None:
    """Of several samples of the single teacher the best counts, although another teacher is better."""
    rows = [(completion(ONE, "a", "worse", sample=0), 0.2), (completion(ONE, "a", "better", sample=1), 0.6)]
    taken, _ = single_examples([ONE], joined([*rows, (completion(ONE, "b"), 0.9)]), "a")
    assert [row.completion for row in taken] == ["better"]


def test_best_single_serves_every_language() -> None:
    """A teacher of English alone is no candidate, however good; languages weigh alike, however many prompts they have."""
    many = {prompt(f"p{n}"): {"english": 1.0, "a": 0.9, "b": 0.5} for n in range(9)}
    table = {**many, prompt("p0", "tr"): {"a": 0.0, "b": 0.5}}
    assert best_single(pools(table)) == "b"
    assert best_single(pools({ONE: {"b": 0.5, "a": 0.5}})) == "a"
    assert best_single(pools({ONE: {"a": None, "b": 0.1}})) == "b"


def test_no_scored_answer_at_all_is_an_error() -> None:
    """When the arbiter scored nothing there is no best teacher, and the message says where the reasons are."""
    with pytest.raises(DataError, match=r"no answer of any teacher has a score.*reason"):
        best_single(pools({ONE: {"a": None}}))
    assert routes(pools({ONE: {"a": None}})) == []
    assert routes({}) == []


def by_language(rows: list[Route]) -> dict[str, list[Route]]:
    """Group routes."""
    return {tag: [row for row in rows if row.language == tag] for tag in {row.language for row in rows}}


def test_figures_of_a_small_table() -> None:
    """Shares, means and the four policies are those computed by hand."""
    table = {ONE: {"a": 1.0, "b": 0.0}, TWO: {"a": 0.2, "b": 0.6}, prompt("one", "tr"): {"a": 0.4, "b": 0.5}}
    found = by_language(routes(pools(table)))
    assert set(found) == {"en", "tr", MULTIPLE}
    a, b = found["en"]
    assert (a.model, a.answered, a.won, a.share, a.mean_score) == ("a", 2, 1, 0.5, 0.6)
    assert (b.model, b.answered, b.won, b.share, b.mean_score) == ("b", 2, 1, 0.5, 0.3)
    assert (a.routed, a.oracle, a.random, a.best_single) == pytest.approx((0.8, 0.8, 0.45, 0.6))
    a, b = found[MULTIPLE]
    assert (a.won, b.won, a.routed, a.random, a.best_single) == pytest.approx((1, 2, 0.7, 0.45, 1.6 / 3))


def test_policies_keep_their_order_on_random_tables() -> None:
    """In every language shares sum to 1 and oracle >= routed >= best single >= random, also with a teacher of one language."""
    for seed in range(30):
        draw = random.Random(seed)  # noqa: S311
        table = {
            prompt(f"p{n}", language): {
                model: draw.gauss(-1, 2) for model in ("a", "b", "c", "english") if language == "en" or model != "english"
            }
            for n in range(draw.randint(1, 6))
            for language in ("en", "tr", "hi")
        }
        for rows in by_language(routes(pools(table))).values():
            first = rows[0]
            assert sum(row.share for row in rows) == pytest.approx(1)
            assert first.oracle == pytest.approx(first.routed)
            assert first.routed >= first.best_single - 1e-12
            assert first.routed >= first.random - 1e-12
            assert len({(row.oracle, row.routed, row.random, row.best_single) for row in rows}) == 1


def test_unscored_answers_enter_no_figure() -> None:
    """A teacher that failed has no answer, no win and no say in a mean; a prompt that nobody answered counts for nothing."""
    table = {ONE: {"a": 0.8, "b": None}, TWO: {"a": None, "b": None}, prompt("one", "tr"): {"a": 0.4, "b": 0.6}}
    found = by_language(routes(pools(table)))
    a, b = found["en"]
    assert (a.answered, a.won, a.share, a.mean_score) == (1, 1, 1.0, 0.8)
    assert (b.answered, b.won, b.share, b.mean_score) == (0, 0, 0.0, 0.0)
    assert (a.routed, a.oracle, a.random, a.best_single) == (0.8, 0.8, 0.8, 0.8)
    assert sum(row.share for row in found[MULTIPLE]) == pytest.approx(1)


def test_value_of_a_candidate() -> None:
    """A candidate's value is its score, or less than any score."""
    answer = completion(ONE, "a")
    assert Candidate(answer, score(answer, 0.0)).value == 0.0
    assert Candidate(answer, score(answer, None)).value == float("-inf")
