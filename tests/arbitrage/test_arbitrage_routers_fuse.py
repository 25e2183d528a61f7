"""What the writer of fused answers is asked, and when its answer is taken."""

from __future__ import annotations

import pytest
from arbitrage_examples import completion, prompt, score
from test_arbitrage_routers import POOL, Named

from polylect.arbitrage import Candidate
from polylect.arbitrage.routers import router
from polylect.arbitrage.routers.fuse import Fuse, instructions
from polylect.errors import RecipeError
from polylect.records import Prompt


def fuse(**settings: object) -> Fuse:
    """Return the router over the pool."""
    made = router("fuse", POOL, {"model": "fake:echo", **settings})
    assert isinstance(made, Fuse)
    return made


def candidate(to: Prompt, model: str, text: str, value: float | None, language_ok: bool = True, **change: object) -> Candidate:
    """Return a scored answer."""
    answer = completion(to, model, text, **change)
    return Candidate(answer, score(answer, value, language_ok))


def test_writer_sees_question_and_answers_in_the_language() -> None:
    """The request holds the question, every fit answer once and the instructions of the language, and no score or name."""
    asked = prompt("x", "hi")
    pool = [candidate(asked, "ada", "eins", 0.5), candidate(asked, "bo", "zwei", 0.4), candidate(asked, "cy", "eins", 0.3)]
    unfit = [candidate(asked, "d", "drei", 0.9, language_ok=False), candidate(asked, "e", "vier", None)]
    request = fuse().second(asked, [*pool, *unfit])
    assert request is not None
    assert request.key == asked.id
    assert asked.text in request.text
    assert "प्रश्न" in request.text
    assert [request.text.count(text) for text in ("eins", "zwei", "drei", "vier", "ada", "0.5")] == [1, 1, 0, 0, 0, 0]


def test_order_of_answers_tells_nothing_of_their_scores() -> None:
    """The best answer comes first as often as not, and always in the same place for the same prompt."""
    first = 0
    for number in range(400):
        asked = prompt(f"item {number}")
        pool = [candidate(asked, "ada", "better one", 0.9), candidate(asked, "bo", "worse one", 0.1)]
        request = fuse().second(asked, pool)
        assert request is not None
        assert request == fuse().second(asked, pool[::-1])
        first += request.text.index("better one") < request.text.index("worse one")
    assert abs(first - 200) < 60


def test_earlier_turns_are_shown() -> None:
    """A prompt with a history is fused with that history before it."""
    asked = Prompt(
        item="x", language="en", kind="k", split="prompt", text="And now?", references=(), source="s", licence="l",
        messages='[["user", "Hello"], ["assistant", "Hi"]]',
    )  # fmt: skip
    request = fuse().second(asked, [candidate(asked, "ada", "a", 0.1), candidate(asked, "bo", "b", 0.2)])
    assert request is not None
    assert request.history == (("user", "Hello"), ("assistant", "Hi"))


def test_one_answer_is_not_fused() -> None:
    """Equal answers, or a single one, leave nothing to write."""
    asked = prompt("x")
    assert fuse().second(asked, [candidate(asked, "ada", "same", 0.5), candidate(asked, "bo", "same", 0.5)]) is None


def test_only_the_best_answers_are_read() -> None:
    """Of more answers than `most` the best ones are shown."""
    asked = prompt("x")
    pool = [candidate(asked, name, f"text of {name}", value) for name, value in (("ada", 0.1), ("bo", 0.9), ("cy", 0.5))]
    request = fuse(most=2).second(asked, pool)
    assert request is not None
    assert [f"text of {name}" in request.text for name in ("ada", "bo", "cy")] == [False, True, True]


@pytest.mark.parametrize(
    ("value", "change", "taken", "verdict"),
    [
        (0.9, {}, "fused", "taken"),
        (0.8, {}, "fused", "taken"),
        (0.7, {}, "ada", "fused answer worse"),
        (None, {}, "ada", "fused answer failed or unscored"),
        (0.9, {"language_ok": False}, "ada", "fused answer in the wrong language"),
        (0.9, {"finish_reason": "length"}, "ada", "fused answer unfinished"),
    ],
)
def test_fused_answer_is_taken_where_it_is_not_worse(value: float | None, change: dict, taken: str, verdict: str) -> None:
    """A better or equal fused answer is taken; any other is counted with its reason, and both means are told."""
    asked, made = prompt("x"), fuse()
    pool = [candidate(asked, "ada", "good", 0.8), candidate(asked, "bo", "bad", 0.2)]
    chosen = made.choose(asked, [*pool, candidate(asked, "fused", "both", value, **change)])
    assert chosen is not None
    assert chosen.completion.model == taken
    row = made.account()["languages"]["en"]
    assert row["verdicts"] == {verdict: 1}
    if value is not None:
        assert (row["best_of_pool"], row["fused"]) == (0.8, value)


def test_language_without_instructions_is_named() -> None:
    """Where we have no instructions of a language, the English ones say which language to write in."""
    assert instructions("sw")["end"].endswith("Write in Swahili.")
    assert instructions("es")["end"].endswith("en español.")
    languages = ("en", "es", "fr", "de", "it", "pt", "ru", "tr", "ar", "hi", "id", "zh-Hans", "ja", "ko")
    assert all(set(instructions(tag)) == {"task", "question", "answer", "end"} for tag in languages)


def test_name_of_fused_answers_is_reserved() -> None:
    """A teacher must not be called what fused answers are called."""
    with pytest.raises(RecipeError, match="named 'fused'"):
        router("fuse", [Named("fused")], {"model": "fake:echo"})
