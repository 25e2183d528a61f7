"""What a run has done so far: everything a line of progress needs."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from polylect.models.interface import Price
from polylect.models.requests import Generated

__all__ = ["Counts"]


@dataclass
class Counts:
    """Numbers of a run; answers are counted, not calls.

    Attributes:
        total: answers wanted, where the requests have a length, else None.
        asked: answers that were asked for, each once.
        stored: answers stored.
        reused: answers that the store had, or that another request of this run asks for.
        failed: requests that failed for good; their reason is stored.
        retried: calls that were made again.
        prompt_tokens: of the answers stored.
        completion_tokens: of the answers stored.
        cost: US dollars, as far as prices are known.
        seconds: since the run began.
        in_flight: calls that are out now.
        reasons: number of failures by reason.
        retries: number of repeated calls by reason.
    """

    total: int | None = None
    asked: int = 0
    stored: int = 0
    reused: int = 0
    failed: int = 0
    retried: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    in_flight: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    _began: float = field(default_factory=time.monotonic, repr=False)

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def done(self) -> int:
        """Answers that are settled: stored, found or failed."""
        return self.stored + self.reused + self.failed

    @property
    def rate(self) -> float:
        """Answers per second that were asked for and came, in this run."""
        return (self.stored + self.failed) / self.seconds if self.seconds else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds until the end at this rate; None while nobody can know."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    @property
    def paid(self) -> str:
        """The cost as text, "" where there is none."""
        return f"${self.cost:,.2f}" if self.cost else ""

    def __str__(self) -> str:
        left = self.remaining
        parts = [
            f"{self.done:,}" + ("" if self.total is None else f" of {self.total:,}"),
            f"{self.rate:,.0f}/s",
            *([f"{left:,.0f} s left"] if left else []),
            *([f"{self.reused:,} reused"] if self.reused else []),
            *([f"{self.failed:,} failed"] if self.failed else []),
            *([f"{self.retried:,} retried"] if self.retried else []),
            f"{self.tokens:,} tokens",
            *([self.paid] if self.paid else []),
        ]
        return " | ".join(parts)

    def add(self, answer: Generated, price: Price) -> None:
        """Count a row that was stored."""
        if answer.reason is None:
            self.stored += 1
            self.prompt_tokens += answer.prompt_tokens
            self.completion_tokens += answer.completion_tokens
            self.cost += price.of(answer.prompt_tokens, answer.completion_tokens)
        else:
            self.failed += 1
            self.reasons[answer.reason] += 1

    def tick(self) -> None:
        """Bring `seconds` up to date."""
        self.seconds = time.monotonic() - self._began
