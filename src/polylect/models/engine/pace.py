"""How much a model is asked at a time and per minute."""

from __future__ import annotations

import asyncio

from polylect.models.engine.in_flight import InFlight
from polylect.models.engine.settings import Limits

__all__ = ["Pace", "PerMinute"]


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
