"""How many calls an endpoint bears at a time: found by asking more until too many are turned down."""

from __future__ import annotations

__all__ = ["InFlight"]

_START, _MOST = 16, 256
"""Calls at a time that the engine begins with, and goes to, where nobody says."""

_ENOUGH = 20
"""Calls, at least, that a share of refusals is taken of."""
_RARE, _USUAL, _MOST_BY_CHANCE = 0.02, 0.2, 0.3
"""Shares of refusals: least and largest that is let pass, and largest that may be chance at all."""
_EXPECTED, _LEARN = 0.05, 0.2
"""Share that chance refuses before any test, and the weight of a test."""


class InFlight:
    """Calls at a time by additive increase and multiplicative decrease (D. Chiu, R. Jain 1989).

    Until the first cut the limit grows by one per answer (it doubles per round trip), afterwards by one per round trip,
    or an eighth while it is far below the last limit that was too high (as CUBIC does, S. Ha et al. 2008). When more
    calls of a round trip (of 20 at least) are turned down than by chance, the limit is halved; calls that were sent before
    say nothing new.

    An endpoint that turns calls down at random does so at any load, and halving for each of them, as TCP Reno does, would leave
    sqrt(1.5 / share) calls at a time (M. Mathis et al. 1997): 5 for 5 %. So the round trip after a cut is a test. If half as many
    calls as before, or more, are turned down, the cut is undone (as TCP undoes one for a loss that was none: Eifel, R. Ludwig,
    R. Katz 2000), and their share is what chance does: twice the mean of the tests' shares is let pass, 2 % at least and 20 % at
    most; at first 10 %.

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
        self._by_chance = _EXPECTED
        self._cut_from = 0.0
        self._before: tuple[float, float] | None = None
        self._begin(float("-inf"))

    def answered(self, sent: float, now: float) -> None:
        """Take note of a good answer to a call sent at `sent` (seconds of one clock)."""
        if self._before is None and self._refused <= self._tolerated and self.limit < self.most:
            self.limit = min(self.most, self.limit + self._step)
        self._note(sent, now, refused=False)

    def overloaded(self, sent: float, now: float) -> None:
        """Take note that a call sent at `sent` met an overloaded endpoint."""
        if not self._fixed:
            self._note(sent, now, refused=True)

    @property
    def _step(self) -> float:
        """What an answer adds to the limit."""
        if self._slow_start:
            return 1.0
        return max(1 / self.limit, 1 / 8 if self.limit < 0.8 * self._cut_from else 0.0)

    @property
    def _round_trip(self) -> float:
        """Calls that are judged together."""
        return max(_ENOUGH, self.limit)

    @property
    def _tolerated(self) -> float:
        """Calls of a round trip that may be turned down without consequence."""
        return self._round_trip * min(_USUAL, max(_RARE, 2 * self._by_chance))

    def _begin(self, now: float) -> None:
        self._since, self._calls, self._refused = now, 0, 0

    def _note(self, sent: float, now: float, *, refused: bool) -> None:
        if sent < self._since:
            return
        self._calls += 1
        self._refused += refused
        # A test is seen to its end; else there is nothing to wait for once too many are turned down.
        if self._calls >= self._round_trip or (self._before is None and self._refused > self._tolerated):
            self._judge(now)

    def _judge(self, now: float) -> None:
        share, too_many = self._refused / self._round_trip, self._refused > self._tolerated
        if self._before is not None:
            limit, before = self._before
            self._before = None
            chance = share if share <= _MOST_BY_CHANCE else 0.0
            self._by_chance += _LEARN * (chance - self._by_chance)
            if chance >= before / 2:
                self.limit, too_many = max(self.limit, limit), False
        if too_many:
            self._before, self._cut_from = (self.limit, share), self.limit
            self.limit, self._slow_start = max(1.0, self.limit / 2), False
            self.cuts += 1
        self._begin(now)
