"""Fake models: answers of a known quality and known faults without weights or network, for tests and dry runs.

An answer depends on the request, the fake's name and its settings alone, so that a repeated or resumed run gets the same ones.
`docs/pool.md` has examples.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from polylect.errors import ModelError, nearest
from polylect.models.fake_texts import Known, Texts, cut, hash64, made_up_answer, tokens
from polylect.models.interface import Price, RequestError
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import MULTIPLE, Prompt, content_hash

__all__ = ["ANSWER_FAULTS", "KINDS", "REQUEST_FAULTS", "FakeModel", "known_prompts", "made_up_answer"]

ANSWER_FAULTS = ("empty", "wrong_language", "truncated", "repeated", "echo", "refusal")
"""Answers that a check should refuse; what is neither these nor good is "wrong": well-formed, in the language, not right."""

REQUEST_FAULTS = ("429", "500", "malformed", "hang", "400")
"""Requests that fail: too many, server error, broken reply, no reply within an hour; these are answered when asked again
(see `failures`). 400 is refused each time."""

KINDS: dict[str, dict[str, Any]] = {
    "good": {},
    "wrong": {"quality": 0.0},
    "mixed": {"quality": 0.5, "faults": dict.fromkeys(ANSWER_FAULTS, 0.05)},
    "flaky": {"faults": {"429": 0.05, "500": 0.03, "malformed": 0.01, "400": 0.01}},
    "slow": {"latency": 0.05},
}
"""Settings by the name in `fake:KIND`."""


def known_prompts(prompts: Sequence[Prompt]) -> dict[str, tuple[str, str]]:
    """Return what a fake needs to answer `prompts` rightly: text -> (language, first reference, "" without one)."""
    return {prompt.text: (prompt.language, prompt.references[0] if prompt.references else "") for prompt in prompts}


class FakeModel:
    """A model whose answers are good, wrong or faulty in given shares; a `polylect.models.interface.Model`.

    Args:
        name: what the tables call it; two names give two independent sets of answers.
        quality: share of good answers in [0, 1]; or by language, where "mul" stands for the languages not named (else 0).
        faults: share of requests by fault, see ANSWER_FAULTS and REQUEST_FAULTS; what quality and answer faults leave is wrong.
        known: prompts with language and right answer (`known_prompts`), or a function. Others are answered with
            `made_up_answer`; where a request does not name its language and that matters it is identified (some 50 us).
        latency: seconds that a call takes.
        failures: how often a failing request fails before it is answered.
        retry_after: seconds that a 429 asks to wait.
        batch_size: requests per call.
        in_flight: calls at a time; None leaves it to the engine.
        seed: of everything left to chance.
        price: of its tokens (one per 4 bytes of UTF-8).
        licence: of its outputs.
        may_train: whether its outputs may train models.

    Attributes:
        calls: calls of `answer`.
        asked: requests in these calls, repeated ones included.
        given: number of answers by kind, and of failures by fault.
        peak: most calls at a time.

    Raises:
        ModelError: a fault is unknown, or shares are outside [0, 1] or sum to more than 1.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        quality: Mapping[str, float] | float = 1.0,
        faults: Mapping[str, float] | None = None,
        known: Known | None = None,
        latency: float = 0.0,
        failures: int = 1,
        retry_after: float = 0.01,
        batch_size: int = 1,
        in_flight: int | None = None,
        seed: int = 0,
        price: Price | None = None,
        licence: str | None = None,
        may_train: bool | None = True,
    ) -> None:
        self.name, self.in_flight, self.price = name, in_flight, price or Price()
        self.licence, self.may_train = licence, may_train
        self._latency, self._failures, self._retry_after, self._batch_size = latency, failures, retry_after, batch_size
        self._quality = dict(quality) if isinstance(quality, Mapping) else {MULTIPLE: quality}
        shares = _checked(name, faults or {}, self._quality)
        self._answer_faults = {fault: shares[fault] for fault in ANSWER_FAULTS if shares.get(fault)}
        self._request_faults = {fault: shares[fault] for fault in REQUEST_FAULTS if shares.get(fault)}
        self._identify = known is None and set(self._quality) != {MULTIPLE}
        self._texts = Texts(known)
        self._bounds: dict[str, list[float]] = {}
        self._kinds = ("good", *self._answer_faults, "wrong")
        table = sorted(known.items()) if isinstance(known, Mapping) else getattr(known, "__qualname__", "")
        self.fingerprint = content_hash("fake", name, seed, self._quality, shares, table)
        self._seed = hash64(f"{seed}\0{name}")
        self._failed: Counter[int] = Counter()
        self._open = 0
        self.calls, self.asked, self.peak = 0, 0, 0
        self.given: Counter[str] = Counter()

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Split requests into calls of `batch_size`, in their order."""
        size = self._batch_size
        return [list(requests[start : start + size]) for start in range(0, len(requests), size)]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer a batch after the latency; the first request decides whether the call fails."""
        self.calls += 1
        self.asked += len(batch)
        self._open += 1
        self.peak = max(self.peak, self._open)
        try:
            if self._latency:
                await asyncio.sleep(self._latency)
            if self._request_faults and batch:
                await self._maybe_fail(batch[0])
            return [self.respond(request, sampling, sample) for request in batch for sample in range(sampling.samples)]
        finally:
            self._open -= 1

    def respond(self, request: Request, sampling: Sampling, sample: int = 0) -> Generated:
        """Return one answer at once; samples differ above temperature 0, and no answer has more than `max_tokens`."""
        text = request.text
        number = self._number(request, sampling, sample)
        known = self._texts.look_up(text)
        language, right = known or (self._language(request), made_up_answer(text))
        bounds = self._bounds.get(language) or self._bounds_of(language)
        kind = self._kinds[bisect_right(bounds, (number >> 11) / (1 << 53))]
        self.given[kind] += 1
        reply, finish = (right, "stop") if kind == "good" else self._texts.make(kind, text, language, right, number)
        length = tokens(reply)
        if length > sampling.max_tokens:
            reply, finish, length = cut(reply, sampling.max_tokens), "length", sampling.max_tokens
        more = request.shots or request.system or request.history or request.reply
        asked = _prompt_tokens(request) if more else tokens(text)
        return Generated(request.key, sample, reply, finish, asked, length)

    def count(self, text: str) -> int:
        """Return one token per 4 bytes of UTF-8."""
        return tokens(text)

    async def close(self) -> None:
        """Hold nothing, give back nothing."""

    def _number(self, request: Request, sampling: Sampling, sample: int) -> int:
        """Return 64 bits that depend on the request's content, and on the sample above temperature 0."""
        seed = self._seed
        if sampling.temperature > 0:
            seed = hash64(f"{sampling.seed}\0{sample}", seed)
        if request.history or request.system or request.shots or request.reply:
            seed = hash64(repr(request.messages), seed)
        return hash64(request.text, seed)

    def _language(self, request: Request) -> str:
        if request.language or not self._identify:
            return request.language
        from polylect.languages import identify

        return identify(request.text).language or ""

    def _bounds_of(self, language: str) -> list[float]:
        quality = self._quality.get(language, self._quality.get(MULTIPLE, 0.0))
        self._bounds[language] = list(accumulate([quality, *self._answer_faults.values()]))
        return self._bounds[language]

    async def _maybe_fail(self, request: Request) -> None:
        """Fail if the request is one that fails and has not failed `failures` times."""
        number = hash64(repr(request.messages), ~self._seed & 0xFFFFFFFFFFFFFFFF)
        bounds = list(accumulate(self._request_faults.values()))
        index = bisect_right(bounds, (number >> 11) / (1 << 53))
        if index == len(bounds):
            return
        fault = list(self._request_faults)[index]
        if fault != "400":
            if self._failed[number] >= self._failures:
                return
            self._failed[number] += 1
        self.given[fault] += 1
        if fault == "hang":
            await asyncio.sleep(3600)
        raise _FAILURES[fault](self._retry_after)


_FAILURES: dict[str, Callable[[float], RequestError]] = {
    "429": lambda after: RequestError("429: too many requests", retry=True, after=after, overload=True),
    "500": lambda _: RequestError("500: internal server error", retry=True),
    "malformed": lambda _: RequestError("malformed reply: not JSON", retry=True),
    "hang": lambda _: RequestError("no reply within an hour", retry=True),
    "400": lambda _: RequestError("400: bad request", retry=False),
}


def _checked(name: str, faults: Mapping[str, float], quality: Mapping[str, float]) -> dict[str, float]:
    """Return the faults' shares.

    Raises:
        ModelError: a fault is unknown, a share is outside [0, 1], or they sum to more than 1.
    """
    known = (*ANSWER_FAULTS, *REQUEST_FAULTS)
    for fault in faults:
        if fault not in known:
            raise ModelError(f"fake {name!r}: {fault!r} is no fault.{nearest(fault, known)} Known: {', '.join(known)}.")
    for key, share in {**{f"quality of {language!r}": share for language, share in quality.items()}, **faults}.items():
        if not 0 <= share <= 1:
            raise ModelError(f"fake {name!r}: {key}: {share} is no share. Give a number from 0 to 1.")
    answers = sum(share for fault, share in faults.items() if fault in ANSWER_FAULTS)
    requests = sum(share for fault, share in faults.items() if fault in REQUEST_FAULTS)
    best = max(quality.values(), default=0.0)
    if best + answers > 1 + 1e-9 or requests > 1 + 1e-9:
        raise ModelError(
            f"fake {name!r}: quality {best} and faults {dict(faults)} sum to more than 1. Lower one; what they leave is wrong "
            "answers."
        )
    return dict(faults)


def _prompt_tokens(request: Request) -> int:
    return sum(tokens(content) for _, content in request.messages)
