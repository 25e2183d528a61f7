"""How much a model is asked at a time and per minute."""

from __future__ import annotations

import asyncio

from polylect.models.engine.settings import Limits

__all__ = ["InFlight", "Pace", "PerMinute"]

_START, _MOST = 16, 256
"""Calls at a time that the engine begins with, and goes to, where nobody says."""


class InFlight:
    """Calls at a time by additive increase and multiplicative decrease (D. Chiu, R. Jain 1989), as TCP Reno has it.

    Until the first overload the limit grows by one per answer (it doubles per round trip), afterwards by one per round trip.
    Overload halves it, at most once per round trip: calls that were sent before the cut say nothing new.

    Args:
        most: upper limit; the beginning as well when it is given.
        fixed: never change it (a model in this process).
    """

    def __init__(self, most: int | None, *, fixed: bool = False) -> None:
        self.most = most or _MOST
        self.limit = float(most or _START)
        self.cuts = 0
        self._fixed = fixed
        self._slow_start = True
        self._cut_at = float("-inf")

    def answered(self) -> None:
        """Take note of a good answer."""
        if self.limit < self.most:
            self.limit = min(self.most, self.limit + (1.0 if self._slow_start else 1.0 / self.limit))

    def overloaded(self, sent: float, now: float) -> None:
        """Take note that a call sent at `sent` met an overloaded endpoint (seconds of one clock)."""
        if self._fixed or sent < self._cut_at:
            return
        self.limit, self._cut_at, self._slow_start = max(1.0, self.limit / 2), now, False
        self.cuts += 1


class PerMinute:
    """A rate, kept by giving every call its own moment: amounts follow each other evenly, without bursts.

    Args:
        amount: per minute.
    """

    def __init__(self, amount: float) -> None:
        self._seconds_each = 60.0 / amount
        self._free = float("-inf")

    def reserve(self, amount: float, now: float) -> float:
        """Return the seconds from `now` until `amount` may be used."""
        moment = max(self._free, now)
        self._free = moment + amount * self._seconds_each
        return moment - now

    def give_back(self, amount: float) -> None:
        """Return what was reserved and not used; a negative amount was used beyond what was reserved."""
        self._free -= amount * self._seconds_each


class Pace:
    """Limits of one model: calls at a time, calls and tokens per minute.

    Args:
        limits: as the user gave them.
        in_flight: as the model has it; 1 is kept whatever the limits say.
    """

    def __init__(self, limits: Limits, in_flight: int | None) -> None:
        given = [most for most in (limits.in_flight, in_flight) if most is not None]
        self.in_flight = InFlight(min(given) if given else None, fixed=in_flight == 1)
        self.requests = PerMinute(limits.requests_per_minute) if limits.requests_per_minute else None
        self.tokens = PerMinute(limits.tokens_per_minute) if limits.tokens_per_minute else None

    async def wait(self, tokens: int) -> None:
        """Wait until a call that may use `tokens` tokens is within the rates."""
        now = asyncio.get_running_loop().time()
        delay = self.requests.reserve(1, now) if self.requests else 0.0
        if self.tokens:
            delay = max(delay, self.tokens.reserve(tokens, now))
        if delay > 0:
            await asyncio.sleep(delay)
