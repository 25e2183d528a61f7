"""How budgets are read, how they bind, and that they are told apart from what was really used."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from polylect.arbitrage.budget import Budget, Limit, Ticket, read_budget
from polylect.errors import LanguageError, RecipeError
from polylect.models.interface import Price
from polylect.models.requests import Generated, Request, Sampling


@dataclass
class Counter:
    """A teacher whose tokens are words, or every `size` characters: only what a budget asks of a model."""

    name: str = "ada"
    price: Price = Price()  # noqa: RUF009
    size: int = 0

    def count(self, text: str) -> int:
        """Return the number of tokens."""
        return -(-len(text) // self.size) if self.size else len(text.split())


SAMPLING = Sampling(max_tokens=20)
ASK = Request(key="k", text="one two three four five six")


def answer(tokens: int, prompt: int = 10, sample: int = 0, reason: str | None = None) -> Generated:
    """Return an answer of so many tokens."""
    return Generated("k", sample, "text", "" if reason else "stop", prompt, tokens, reason)


def test_budget_is_read() -> None:
    """Amounts are dollars or tokens; tags are made canonical; `default` is for each language not named."""
    assert read_budget("sw=2usd, zh-CN=1_000 tokens,default=2.5e5tokens") == {
        "sw": Limit(2.0, "usd"),
        "zh-Hans": Limit(1000.0, "tokens"),
        "default": Limit(250000.0, "tokens"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sw", "not LANGUAGE=AMOUNT"),
        ("sw=2", "'' is no unit"),
        ("sw=2token", "'token' is no unit. Did you mean 'tokens'"),
        ("sw=2eur", "'eur' is no unit"),
        ("sw=usd", "'' is no number"),
        ("sw=-2usd", "must be more than 0"),
        ("sw=infusd", "'infusd' is no unit"),
        ("sw=1usd,swa=2usd", "sw has a limit already"),
        (" , ", "names no limit"),
    ],
)
def test_wrong_budget_is_refused(text: str, message: str) -> None:
    """What is wrong in a budget is quoted, with the form that is right."""
    with pytest.raises(RecipeError, match=message):
        read_budget(text)


def test_unknown_language_is_refused() -> None:
    """A tag that names no language is an error, not a limit that never binds."""
    with pytest.raises(LanguageError):
        read_budget("xx-nowhere=2usd")


def test_prompts_are_counted_by_the_teachers_own_tokenizer() -> None:
    """The same prompt costs each teacher its own number of tokens, at its own price."""
    budget = Budget({"sw": Limit(1.0, "usd")})
    words = budget.admit("sw", Counter("words", Price(1.0, 2.0)), ASK, SAMPLING)
    letters = budget.admit("sw", Counter("letters", Price(10.0, 2.0), size=1), ASK, SAMPLING)
    assert isinstance(words, Ticket)
    assert isinstance(letters, Ticket)
    assert (words.prompt_tokens, letters.prompt_tokens) == (6 + 4, len(ASK.text) + 4)
    assert words.amount == pytest.approx((10 * 1 + 20 * 2) / 1e6)
    assert letters.amount == pytest.approx((31 * 10 + 20 * 2) / 1e6)


def test_shots_and_system_are_paid_for() -> None:
    """Everything that the model reads counts, not the question alone."""
    long = Request(key="k", text="one", system="be brief", shots=(("two three", "four"),))
    ticket = Budget({}).admit("sw", Counter(), long, SAMPLING)
    assert isinstance(ticket, Ticket)
    assert ticket.prompt_tokens == 6 + 4 * 4


def test_limit_binds_and_what_is_refused_is_counted() -> None:
    """A request that does not fit is refused with its reason; other languages go on."""
    budget = Budget(read_budget("sw=70tokens,default=1000tokens"))
    model = Counter()
    tickets = [budget.admit("sw", model, ASK, SAMPLING) for _ in range(4)]
    assert [isinstance(ticket, Ticket) for ticket in tickets] == [True, True, False, False]
    assert tickets[2] == "over the budget of sw"
    assert isinstance(budget.admit("hi", model, ASK, SAMPLING), Ticket)
    row = budget.report()["sw"]
    assert (row["asked"], row["estimated"], row["set_aside"], row["spent"]) == (2, 60, 60, 0)
    assert row["refused"] == {"over the budget of sw": 2}


def test_real_usage_takes_the_place_of_the_estimate() -> None:
    """What an answer did not use is free again, and later estimates expect answers like those so far."""
    budget, model = Budget({"sw": Limit(70, "tokens")}), Counter()
    first = budget.admit("sw", model, ASK, SAMPLING)
    assert isinstance(first, Ticket)
    budget.settle(first, model, [answer(5)])
    assert budget.report()["sw"]["spent"] == 15
    following = [budget.admit("sw", model, ASK, SAMPLING) for _ in range(5)]
    assert [ticket.amount for ticket in following if isinstance(ticket, Ticket)] == [15, 15, 15]
    assert budget.report()["sw"]["set_aside"] == 45


def test_failures_give_back_what_was_set_aside() -> None:
    """A request that failed cost nothing that we know of, and says nothing about the length of answers."""
    budget, model = Budget({"sw": Limit(30, "tokens")}), Counter()
    for _ in range(5):
        ticket = budget.admit("sw", model, ASK, SAMPLING)
        assert isinstance(ticket, Ticket)
        budget.settle(ticket, model, [answer(0, prompt=0, reason="HTTP 500")])
    assert budget.report()["sw"] | {"refused": {}} == {
        "unit": "tokens", "limit": 30, "estimated": 150, "spent": 0, "set_aside": 0, "asked": 5, "refused": {},
    }  # fmt: skip


def test_prompt_is_paid_once_for_several_samples() -> None:
    """Several answers to one prompt cost one prompt and several answers."""
    budget, model = Budget({}), Counter()
    ticket = budget.admit("sw", model, ASK, Sampling(max_tokens=20, samples=3))
    assert isinstance(ticket, Ticket)
    assert ticket.amount == 10 + 60
    budget.settle(ticket, model, [answer(5, sample=number) for number in range(3)])
    assert budget.report()["sw"]["spent"] == 25


def test_what_an_earlier_run_paid_counts() -> None:
    """A resumed run keeps to the limit of the whole: stored answers are part of it."""
    budget, model = Budget({"sw": Limit(40, "tokens")}), Counter()
    budget.paid("sw", model, [answer(5), answer(5)])
    assert [isinstance(budget.admit("sw", model, ASK, SAMPLING), Ticket) for _ in range(2)] == [False, False]
    assert isinstance(Budget({"sw": Limit(40, "tokens")}).admit("sw", model, ASK, SAMPLING), Ticket)


def test_spending_never_exceeds_the_limit_by_more_than_what_is_in_flight() -> None:
    """With 16 requests in flight and answers of wild lengths, the limit is never passed by more than 16 long answers."""
    drawn = random.Random(5)  # noqa: S311
    model, most, in_flight = Counter(), 200, 16
    for _ in range(20):
        budget = Budget({"sw": Limit(20_000, "tokens")})
        flying: list[Ticket] = []
        refused = 0
        while refused < 50:
            ticket = budget.admit("sw", model, ASK, Sampling(max_tokens=most))
            if isinstance(ticket, Ticket):
                flying.append(ticket)
            else:
                refused += 1
            if len(flying) >= in_flight or refused:
                while flying:
                    done = flying.pop(drawn.randrange(len(flying)))
                    budget.settle(done, model, [answer(min(most, int(drawn.expovariate(1 / 60)) + 1))])
        spent = budget.report()["sw"]["spent"]
        assert 20_000 - most - 10 < spent <= 20_000 + in_flight * (most + 10)


def test_dollars_need_prices() -> None:
    """A limit in dollars over a teacher without a price would bind nothing: it is refused; a price of 0 is a price."""
    budget = Budget(read_budget("sw=2usd"))
    with pytest.raises(RecipeError, match="bo has no price"):
        budget.check([Counter("ada", Price(1.0, 1.0)), Counter("bo")])
    budget.check([Counter("ada", Price(0.0, 0.0))])
    Budget(read_budget("sw=2tokens")).check([Counter("bo")])
