"""A budget per language, in tokens or US dollars, in the tokens and at the prices of the teacher that is asked.

Every request is admitted with an estimate, which is set aside until the real usage is known:

    spent + set aside + estimate <= limit

so what is spent exceeds a limit by no more than what the requests in flight turn out to cost beyond their estimates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from polylect.arbitrage.counted import Counted
from polylect.errors import RecipeError, nearest
from polylect.languages import canonical
from polylect.models.interface import Model
from polylect.models.requests import Generated, Request, Sampling

__all__ = ["DEFAULT", "Budget", "Limit", "Ticket", "read_budget"]

DEFAULT = "default"
"""Names the limit of each language that has none of its own."""

_UNITS = ("usd", "tokens")
_TURN = 4
"""Tokens that a chat template adds around a turn, roughly: role marks and separators. The real usage corrects it."""


@dataclass(frozen=True)
class Limit:
    """What may be spent in one language: `amount` of `unit`, "usd" or "tokens" (of prompts and answers)."""

    amount: float
    unit: Literal["usd", "tokens"]


@dataclass
class _Ledger:
    """What one language has cost so far, in the unit of its limit."""

    limit: Limit | None
    spent: float = 0.0
    aside: float = 0.0
    estimated: float = 0.0
    asked: int = 0
    settled: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Ticket:
    """An admitted request: what was set aside for it in its language, until `Budget.settle` is told what it cost."""

    language: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    amount: float


def read_budget(text: str) -> dict[str, Limit]:
    """Return language -> limit from a text like "sw=2usd,default=200000tokens".

    "default" is the limit of *each* language that is not named. Languages without a limit are not limited.

    Raises:
        RecipeError: not of this form, an amount that is not positive, an unknown unit, a language named twice.
        LanguageError: an unknown tag.
    """
    limits: dict[str, Limit] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, mark, value = (piece.strip() for piece in part.partition("="))
        if not mark or not key:
            raise RecipeError(f"--budget {part!r}: not LANGUAGE=AMOUNT. Write for example sw=2usd,default=200000tokens.")
        language = DEFAULT if key == DEFAULT else canonical(key)
        if language in limits:
            raise RecipeError(f"--budget {part!r}: {language} has a limit already. Give one per language.")
        limits[language] = _limit(part, value)
    if not limits:
        raise RecipeError(f"--budget {text!r}: names no limit. Write for example sw=2usd,default=200000tokens.")
    return limits


def _limit(part: str, value: str) -> Limit:
    """Return the limit that "2usd" or "200000tokens" stands for."""
    number = value.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = value[len(number) :].strip().lower()
    if unit not in _UNITS:
        raise RecipeError(f"--budget {part!r}: {unit!r} is no unit.{nearest(unit, _UNITS)} Write an amount in usd or tokens.")
    try:
        amount = float(number.replace("_", ""))
    except ValueError:
        raise RecipeError(f"--budget {part!r}: {number!r} is no number. Write for example 2usd or 200000tokens.") from None
    if not 0 < amount < float("inf"):
        raise RecipeError(f"--budget {part!r}: {number!r} must be more than 0.")
    return Limit(amount, "usd" if unit == "usd" else "tokens")


class Budget:
    """The limits of a run and what has been spent: `admit` before a request, `settle` after it.

    How long an answer will be is estimated by the mean of those the teacher gave in the language so far; before the first
    one, and at most, by `max_tokens`. Answers found in the store are told by `paid`, so that a resumed run keeps to the same
    limits. Not for more than one thread at a time.

    Args:
        limits: as `read_budget` returns them; empty: nothing is limited, usage is counted all the same.

    Attributes:
        costs: US dollars by language.
    """

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        self.limits = dict(limits)
        self.costs: dict[str, float] = {}
        self._ledgers: dict[str, _Ledger] = {}
        self._lengths: dict[tuple[str, str], tuple[int, int]] = {}

    @cached_property
    def counted(self) -> Counted:
        """Keys of the answers that were told, or will be: whoever tells them keeps it, so that each is told once."""
        return Counted()

    def close(self) -> None:
        """Let go of `counted`; the numbers stay."""
        if "counted" in self.__dict__:
            self.counted.close()

    def check(self, models: Iterable[Model]) -> None:
        """Check that limits in dollars bind: every teacher has a price, if only 0.

        Raises:
            RecipeError: a limit is in dollars and a teacher has no price.
        """
        dollars = [language for language, limit in self.limits.items() if limit.unit == "usd"]
        free = [model.name for model in models if model.price.input is None or model.price.output is None]
        if dollars and free:
            raise RecipeError(
                f"--budget: the limit of {dollars[0]} is in dollars, but {', '.join(free)} has no price. Give it one in the pool "
                "file, `price: {input: ..., output: ...}`, in dollars per million tokens (0 if it is free), or a limit in tokens."
            )

    def admit(self, language: str, model: Model, request: Request, sampling: Sampling) -> Ticket | str:
        """Set the estimated cost of a request aside and return a ticket; or the reason why it must not be asked, counted."""
        ledger = self._ledger(language)
        prompt = sum(model.count(content) + _TURN for _, content in request.messages)
        answer = self._length(language, model.name, sampling.max_tokens) * sampling.samples
        amount = _amount(ledger.limit, model, prompt, answer)
        if ledger.limit is not None and ledger.spent + ledger.aside + amount > ledger.limit.amount:
            reason = f"over the budget of {language}"
            ledger.refused[reason] += 1
            return reason
        ledger.aside += amount
        ledger.estimated += amount
        ledger.asked += 1
        return Ticket(language, model.name, prompt, answer, amount)

    def settle(self, ticket: Ticket, model: Model, answers: Sequence[Generated]) -> None:
        """Replace what was set aside by what the request used; failures (no tokens counted) give everything back."""
        ledger = self._ledger(ticket.language)
        # Rounding must not leave a debt of 1e-20 dollars behind.
        ledger.aside = max(0.0, ledger.aside - ticket.amount)
        ledger.settled += 1
        self._spend(ledger, ticket.language, model, answers)

    def paid(self, language: str, model: Model, answers: Sequence[Generated]) -> None:
        """Count answers that an earlier run paid for."""
        self._spend(self._ledger(language), language, model, answers)

    def report(self) -> dict[str, dict[str, Any]]:
        """Return per language: unit, limit (null: none), estimated, spent, requests asked, and those refused by reason."""
        return {
            language: {
                "unit": ledger.limit.unit if ledger.limit else "tokens",
                "limit": ledger.limit.amount if ledger.limit else None,
                "estimated": ledger.estimated,
                "spent": ledger.spent,
                "set_aside": ledger.aside,
                "asked": ledger.asked,
                "refused": dict(ledger.refused),
            }
            for language, ledger in sorted(self._ledgers.items())
        }

    def _spend(self, ledger: _Ledger, language: str, model: Model, answers: Sequence[Generated]) -> None:
        for answer in answers:
            # The prompt is paid once, however many samples are drawn from it.
            prompt = answer.prompt_tokens if answer.sample == 0 else 0
            ledger.spent += _amount(ledger.limit, model, prompt, answer.completion_tokens)
            cost = model.price.of(prompt, answer.completion_tokens)
            self.costs[language] = self.costs.get(language, 0.0) + cost
            if answer.reason is None:
                number, total = self._lengths.get((model.name, language), (0, 0))
                self._lengths[model.name, language] = number + 1, total + answer.completion_tokens

    def _length(self, language: str, model: str, most: int) -> int:
        """Return the tokens to expect of one answer: the mean so far, rounded up."""
        number, total = self._lengths.get((model, language), (0, 0))
        return min(most, -(-total // number)) if number else most

    def _ledger(self, language: str) -> _Ledger:
        if language not in self._ledgers:
            self._ledgers[language] = _Ledger(self.limits.get(language, self.limits.get(DEFAULT)))
        return self._ledgers[language]


def _amount(limit: Limit | None, model: Model, prompt: int, answer: int) -> float:
    """Return what tokens count for in the unit of a limit."""
    return model.price.of(prompt, answer) if limit is not None and limit.unit == "usd" else float(prompt + answer)
