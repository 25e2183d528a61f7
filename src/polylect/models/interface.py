"""What every kind of model offers to those who ask it: local checkpoints, endpoints, offline engines, wrappers, fakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from polylect.errors import PolylectError
from polylect.models.requests import Generated, Request, Sampling

__all__ = ["Model", "Price", "RequestError"]


@dataclass(frozen=True)
class Price:
    """Price in US dollars per million tokens, in the model's own tokens; None: unknown (a local model has no bill)."""

    input: float | None = None
    output: float | None = None

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the price of one answer; unknown prices count as 0."""
        return ((self.input or 0.0) * prompt_tokens + (self.output or 0.0) * completion_tokens) / 1e6


class RequestError(PolylectError):
    """One request failed. The engine reads it and decides; it never leaves the engine.

    Args:
        reason: what is stored when it is final: short, without secrets.
        retry: whether asking again can help (429, 5xx, time-out, broken reply); a 400 does not.
        after: seconds that the endpoint asked to wait (Retry-After).
        overload: whether the endpoint said that it has too much to do (429, 503): the limit of requests in flight is cut.
    """

    def __init__(self, reason: str, *, retry: bool, after: float | None = None, overload: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.retry, self.after, self.overload = reason, retry, after, overload


@runtime_checkable
class Model(Protocol):
    """A model that answers requests.

    Attributes:
        name: what the tables call it.
        fingerprint: what decides its answers besides the request: a hash of weights, or endpoint, model and revision. Part
            of the store's key. Read-only, so that it may be computed when it is first asked for. That of a model whose answers
            depend on `Request.language` besides the conversation is marked (`polylect.models.store.by_language`).
        in_flight: how many calls of `answer` may run at a time: 1 for a model in this process, None where the engine is to
            find out by additive increase and multiplicative decrease.
        price: of its tokens.
        licence: of its outputs, as far as known.
        may_train: whether its outputs may train other models; None: nobody said.
    """

    name: str
    in_flight: int | None
    price: Price
    licence: str | None
    may_train: bool | None

    @property
    def fingerprint(self) -> str:
        """What decides its answers besides the request."""

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Split a window of requests into what one call of `answer` takes: one request each for an endpoint."""

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer a batch: `sampling.samples` answers per request, in order.

        Raises:
            RequestError: the whole call failed; the engine tries again or stores the reason for every request.
            PolylectError: nothing can be answered at all (model missing, key refused): the engine stops.
        """

    def count(self, text: str) -> int:
        """Return the number of tokens of a text by the model's own tokenizer; an estimate where that cannot be had."""

    async def close(self) -> None:
        """Give back what the model holds: sessions, memory."""
