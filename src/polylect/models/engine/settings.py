"""What the engine is given: jobs, limits, and how to try again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from polylect.errors import RecipeError
from polylect.models.interface import Model
from polylect.models.requests import Request, Sampling

__all__ = ["Job", "Limits", "Retries"]


@dataclass(frozen=True)
class Limits:
    """What one model may be asked at a time; None: no limit of ours.

    Attributes:
        in_flight: most calls at a time. The engine begins there, halves on overload and climbs back by one per round trip.
            None: it begins with 16, doubles per round trip until the first overload, and goes no further than 256.
        requests_per_minute: calls, evenly spaced.
        tokens_per_minute: tokens of prompts and answers. A call reserves its prompt and its limit of new tokens; what the
            answer did not use is given back.

    Raises:
        RecipeError: a limit is not above 0.
    """

    in_flight: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value > 0:
                raise RecipeError(f"limits: {field.name} is {value}. Give a number above 0, or leave it out for no limit.")


@dataclass(frozen=True)
class Retries:
    """How often and how long to try a request.

    Attributes:
        attempts: calls in all that may fail with an error that may pass (5xx, time-out, broken reply).
        refusals: calls in all that the endpoint may turn down because it has too much to do (429, 503).
        base: seconds; the n-th wait is drawn from 0 to base * 2**n ("full jitter", M. Brooker, "Exponential Backoff And
            Jitter", AWS Architecture Blog 2015).
        cap: most seconds of such a wait. Retry-After is kept, whatever it says, up to `patience`.
        patience: seconds; an endpoint that asks to wait longer makes the request fail.
        timeout: seconds of one call to an endpoint. Models in this process (`in_flight` 1) take the time that they need.
        failed: ask again what failed in an earlier run in a way that asking cannot help (400, content filter).
    """

    attempts: int = 5
    base: float = 0.5
    cap: float = 30.0
    timeout: float = 120.0
    refusals: int = 20
    patience: float = 600.0
    failed: bool = False


@dataclass(frozen=True)
class Job:
    """Requests for one model.

    Attributes:
        model: who is asked.
        requests: any iterable; it is read as answers come in, so it may be a generator over millions.
        sampling: how to sample; all `sampling.samples` answers are asked for.
        limits: for this model; None takes those of the run.
        window: requests that are read at a time, and that `model.batches` sees together; None: 64 for endpoints, 1,024 for
            models in this process.
        fingerprint: part of the store's key instead of the model's own.
    """

    model: Model
    requests: Iterable[Request]
    sampling: Sampling
    limits: Limits | None = None
    window: int | None = None
    fingerprint: str | None = None
