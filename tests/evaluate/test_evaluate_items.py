"""Per-item results and the verifiable judge."""

from dataclasses import replace

import pytest

from polylect import evaluate
from polylect.errors import EvaluationError
from polylect.evaluate import TIE_MARGIN, results, verdicts
from polylect.records import Prompt, Result
from verifiable_answers import answer

GERMAN = "Am Montag fährt der Zug um neun Uhr nach Berlin"
ENGLISH = "On Monday the train to Berlin leaves at nine in the morning"


def prompt(number: int, *references: str, split: str = "heldout", language: str = "de") -> Prompt:
    """Return a prompt of item i<number>."""
    return Prompt(
        item=f"i{number}",
        language=language,
        kind="k",
        split=split,
        text=f"Frage {number}",
        references=references,
        source="test",
        licence="CC0-1.0",
    )


def by_metric(rows: list[Result], number: int) -> dict[str, tuple[float | None, str | None]]:
    """Return the value and reason of each metric of an item."""
    return {row.metric: (row.value, row.reason) for row in rows if row.item == f"i{number}"}


def test_the_public_names_are_those_listed() -> None:
    """Every name of `__all__` can be imported, and an unknown one is an AttributeError."""
    assert len(set(evaluate.__all__)) == len(evaluate.__all__)
    assert all(getattr(evaluate, name) is not None for name in evaluate.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        evaluate.nonsense  # noqa: B018


def test_every_prompt_gets_a_row_per_metric() -> None:
    """Right, wrong, empty, failed and missing answers are all rows; what is unscored says why."""
    prompts = [prompt(1, GERMAN), prompt(2, GERMAN), prompt(3, "x"), prompt(4, "x"), prompt(5, "x"), prompt(6)]
    texts = [GERMAN, ENGLISH, "", "", None, GERMAN]
    given = [
        answer(p, t, error="HTTP 500" if i == 3 else None)
        for i, (p, t) in enumerate(zip(prompts, texts, strict=True))
        if t is not None
    ]
    rows = results("sft", prompts, given)
    assert len(rows) == len({row.id for row in rows}) == 18
    assert by_metric(rows, 1) == {"exact_match": (1.0, None), "chrf": (100.0, None), "language_pass": (1.0, None)}
    wrong = by_metric(rows, 2)
    assert (wrong["exact_match"], wrong["language_pass"]) == ((0.0, None), (0.0, None))
    assert by_metric(rows, 3) == {"exact_match": (0.0, None), "chrf": (0.0, None), "language_pass": (None, "empty answer")}
    assert set(by_metric(rows, 4).values()) == {(None, "no answer: HTTP 500")}
    assert set(by_metric(rows, 5).values()) == {(None, "no completion")}
    assert by_metric(rows, 6) == {
        "exact_match": (None, "no references"),
        "chrf": (None, "no references"),
        "language_pass": (1.0, None),
    }


def test_only_a_line_in_a_wrong_language_fails_the_language_check() -> None:
    """A word too short to tell passes with a remark, a reference passes whatever it looks like, one English line fails."""
    prompts = [prompt(1, "Berlin"), prompt(2, ENGLISH), prompt(3, GERMAN)]
    texts = ["Bern", ENGLISH + ".", GERMAN + "\n" + ENGLISH]
    rows = results("sft", prompts, [answer(p, t) for p, t in zip(prompts, texts, strict=True)])
    found = [by_metric(rows, number)["language_pass"] for number in (1, 2, 3)]
    assert found == [(1.0, "language undetermined"), (1.0, None), (0.0, None)]


def test_unseen_kinds_have_metrics_of_their_own() -> None:
    """Rows of the unseen split carry the subset and the suffix."""
    asked = prompt(1, "Berlin", split="unseen")
    rows = results("sft", [asked], [answer(asked, "Berlin")])
    assert {(row.metric, row.subset) for row in rows} == {
        ("exact_match_unseen", "unseen"),
        ("chrf_unseen", "unseen"),
        ("language_pass_unseen", "unseen"),
    }


def test_what_was_trained_on_is_not_evaluated() -> None:
    """A prompt of a training split is refused by name."""
    with pytest.raises(EvaluationError, match="split 'preference'"):
        results("sft", [prompt(1, "Berlin", split="preference")], [])


def test_answers_must_fit_the_prompts() -> None:
    """No prompts, a second answer and an answer to something else are errors that name the row."""
    one, other = prompt(1, "Berlin"), prompt(2, "Bonn")
    with pytest.raises(EvaluationError, match="no prompts"):
        results("sft", [], [])
    with pytest.raises(EvaluationError, match=f"two completions for prompt {one.id}"):
        results("sft", [one], [answer(one, "a"), replace(answer(one, "b"), id="", sample=1)])
    with pytest.raises(EvaluationError, match=f"answers prompt {other.id}"):
        results("sft", [one], [answer(other, "a")])


def rows_of(
    stage: str, number: int, exact: float | None, chrf: float | None, passed: float | None, unseen: bool = False
) -> list[Result]:
    """Return the three results of one stage on one prompt."""
    suffix, subset = ("_unseen", "unseen") if unseen else ("", "heldout")
    reason = "no completion" if exact is None else None
    return [
        Result(
            stage=stage,
            prompt_id=f"p{number}",
            item=f"i{number}",
            language="de",
            kind="k",
            subset=subset,
            metric=metric + suffix,
            value=value,
            reason=reason,
        )
        for metric, value in (("exact_match", exact), ("chrf", chrf), ("language_pass", passed))
    ]


@pytest.mark.parametrize(
    ("a", "b", "winner"),
    [
        ((1.0, 90.0, None), (0.0, 99.0, None), "a"),
        ((0.0, 40.0, None), (0.0, 40.0 + TIE_MARGIN, None), "tie"),
        ((0.0, 40.0, None), (0.0, 40.1 + TIE_MARGIN, None), "b"),
        ((1.0, 100.0, None), (1.0, 80.0, None), "tie"),
        ((1.0, 100.0, 0.0), (0.0, 10.0, 1.0), "b"),
        ((0.0, 60.0, 0.0), (0.0, 10.0, 0.0), "a"),
        ((0.0, 60.0, 0.0), (0.0, 10.0, None), "a"),
        ((0.0, 0.0, None), (0.0, 0.0, None), "tie"),
    ],
)
def test_the_judge_goes_by_language_then_exactness_then_chrf(
    a: tuple[float, float, float | None], b: tuple[float, float, float | None], winner: str
) -> None:
    """The rules decide in this order, and swapping the two sides swaps the verdict."""
    rows = rows_of("a", 1, *a) + rows_of("b", 1, *b)
    swapped = {"a": "b", "b": "a", "tie": "tie"}
    assert verdicts("a", "b", rows)[0].winner == winner
    assert verdicts("b", "a", rows)[0].winner == swapped[winner]
    assert verdicts("a", "b", rows)[0].judge == "verifiable"


def test_an_unscored_side_leaves_the_verdict_unscored() -> None:
    """Neither a failed answer nor a missing row counts as a loss or a tie; the reason names the stage."""
    rows = rows_of("a", 1, 1.0, 100.0, None) + rows_of("b", 1, None, None, None) + rows_of("a", 2, 1.0, 100.0, None)
    found = verdicts("a", "b", rows)
    assert [(v.prompt_id, v.winner, v.reason) for v in found] == [("p1", None, "b: no completion"), ("p2", None, "b: no result")]


def test_subsets_are_judged_apart() -> None:
    """Held-out and unseen prompts never mix, and an unknown subset names the nearest one."""
    rows = [row for stage in "ab" for row in rows_of(stage, 1, 1.0, 90.0, None) + rows_of(stage, 2, 0.0, 5.0, None, unseen=True)]
    assert [v.prompt_id for v in verdicts("a", "b", rows)] == ["p1"]
    assert [v.prompt_id for v in verdicts("a", "b", rows, subset="unseen")] == ["p2"]
    with pytest.raises(EvaluationError, match="Did you mean 'unseen'"):
        verdicts("a", "b", rows, subset="unsen")
    with pytest.raises(EvaluationError, match="stage 'c': no results"):
        verdicts("a", "c", rows)
