"""Log-likelihood from an endpoint that gives the log-probabilities of a prompt's own tokens.

Two forms are known, both of the completions API (POST {url}/completions): `echo` with `logprobs` (vLLM, llama-cpp-python,
SGLang), and vLLM's `prompt_logprobs`. The server of llama.cpp has neither (its issue 27174), chat completions have none at
all. The first call finds out which form an endpoint has.

An endpoint reads text, so it is asked how many tokens a context has by itself; what the whole text has beyond that number is
the continuation: the boundary that a local model has (`polylect.models.likelihood_rows`).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from polylect.errors import EndpointError
from polylect.models.engine.sessions import connections
from polylect.models.engine.settings import Retries
from polylect.models.interface import RequestError
from polylect.models.likelihood import OptionScore, Question
from polylect.models.likelihood_rows import split_spaces
from polylect.models.replies import refusal
from polylect.models.served import ServedModel

__all__ = ["ServedLikelihood"]

_TOGETHER = 64
"""Questions that are asked and handed back together."""
_IN_FLIGHT = 16


class _Form(NamedTuple):
    """One way of asking for the tokens of a prompt: fields of the request, and what reads the reply."""

    name: str
    fields: Mapping[str, Any]
    read: Callable[[dict[str, Any]], list[tuple[float | None, bool | None]]]


class ServedLikelihood(ServedModel):
    """Scores continuations through an endpoint; a `polylect.models.likelihood.Likelihood`.

    Args:
        url: of the API, as for `ServedModel`.
        model: its name there.
        retries: how to try again.
        settings: those of `ServedModel`.
    """

    def __init__(self, url: str, model: str, *, retries: Retries | None = None, **settings: Any) -> None:
        super().__init__(url, model, **settings)
        self._retries = retries or Retries()
        self._form: _Form | None = None

    @property
    def notes(self) -> dict[str, Any]:
        """How scores are computed."""
        return {"endpoint": self.url, "form": self._form.name if self._form else None}

    def close(self) -> None:  # type: ignore[override]
        """Hold nothing: connections are closed after every call of `score`."""

    def score(self, questions: Sequence[Question]) -> Iterator[list[tuple[int, list[OptionScore]]]]:
        """Yield the scores, some questions at a time.

        Raises:
            EndpointError: the endpoint gives no log-probabilities of the prompt, refuses the key or the model, or fails.
        """
        with asyncio.Runner() as runner:
            for start in range(0, len(questions), _TOGETHER):
                part = questions[start : start + _TOGETHER]
                scores = runner.run(self._part(part))
                yield [(start + number, options) for number, options in enumerate(scores)]

    async def _part(self, questions: Sequence[Question]) -> list[list[OptionScore]]:
        limit = asyncio.Semaphore(self.in_flight or _IN_FLIGHT)
        pairs = [split_spaces(*option) for question in questions for option in question]
        texts = list(dict.fromkeys([context for context, _ in pairs if context] + [a + b for a, b in pairs]))
        try:
            async with connections():
                if self._form is None:
                    self._form = await self._find_form()
                async with asyncio.TaskGroup() as group:
                    asked = {text: group.create_task(self._tokens(text, limit)) for text in texts}
        except BaseExceptionGroup as failed:
            raise _first(failed) from None
        tokens = {text: task.result() for text, task in asked.items()}
        scores = iter([_score(tokens.get(context, []), tokens[context + continuation]) for context, continuation in pairs])
        return [[next(scores) for _ in question] for question in questions]

    async def _tokens(self, text: str, limit: asyncio.Semaphore) -> list[tuple[float | None, bool | None]] | str:
        """Return (log-probability, most probable?) per token of a text, or why there is none."""
        form = self._form
        if form is None:
            raise AssertionError("the endpoint was not probed")
        try:
            async with limit:
                return form.read(await self._again(lambda: self._post({"prompt": text, **form.fields})))
        except RequestError as error:
            if error.retry:
                raise EndpointError(
                    f"{self.url}, model {self.model!r}: failed {self._retries.attempts} times ({error.reason}). "
                    "What was scored is kept; run again to go on."
                ) from error
            return error.reason

    async def _find_form(self) -> _Form:
        """Return the form that the endpoint understands.

        Raises:
            EndpointError: none.
        """
        said = []
        for form in _FORMS:
            try:
                reply = await self._again(lambda form=form: self._post({"prompt": "One, two, three.", **form.fields}))  # type: ignore[misc]
                tokens = form.read(reply)
            except RequestError as error:
                said.append(f"{form.name}: {error.reason}")
                continue
            if len(tokens) > 1 and all(value is not None for value, _ in tokens[1:]):
                return form
            said.append(f"{form.name}: no log-probabilities of the prompt in the reply")
        raise EndpointError(
            f"{self.url}, model {self.model!r}: the endpoint gives no log-probabilities of a prompt, which multiple-choice "
            f"benchmarks need ({'; '.join(said)}). vLLM, SGLang and llama-cpp-python (logits_all) give them on /v1/completions; "
            "llama.cpp's own server and chat endpoints do not. Serve the model with one of those, or name a local checkpoint."
        )

    async def _again(self, ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Ask until an answer comes or trying again is of no use.

        Raises:
            RequestError: the last failure.
        """
        for attempt in range(self._retries.attempts):
            try:
                return await asyncio.wait_for(ask(), self._retries.timeout)
            except TimeoutError:
                error = RequestError(f"no reply within {self._retries.timeout:g} s", retry=True)
            except RequestError as failed:
                error = failed
            if not error.retry or attempt + 1 == self._retries.attempts:
                raise error
            wait = min(self._retries.cap, self._retries.base * 2**attempt) * random.random()  # noqa: S311 - no secret
            await asyncio.sleep(max(wait, min(error.after or 0.0, self._retries.patience)))
        raise AssertionError("unreachable: at least one attempt is made")

    async def _post(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the first choice of a reply, with the number of prompt tokens under "prompt_tokens".

        Raises:
            RequestError: this request failed.
            EndpointError: no request can succeed.
        """
        if self._headers is None:
            self._prepare()
        body = json.dumps({"model": self.model, "temperature": 0, **fields, **self._extra}).encode()
        response, content = await self._send(body, self._bare_address)
        if response.status in {404, 405, 501}:
            raise RequestError(f"HTTP {response.status}: no /completions there", retry=False)
        if response.status != 200:
            raise refusal(response.status, response.headers, content, self._endpoint, self._scrub)
        try:
            reply = json.loads(content)
            choice: dict[str, Any] = dict(reply["choices"][0])
            choice["prompt_tokens"] = (reply.get("usage") or {}).get("prompt_tokens")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise RequestError("reply is no completion", retry=True) from None
        return choice


def _echoed(choice: dict[str, Any]) -> list[tuple[float | None, bool | None]]:
    """Read `echo` with `logprobs`: the prompt's tokens first, then the one that had to be generated."""
    try:
        found = choice["logprobs"] or {}
        values, tops, texts = found["token_logprobs"], found.get("top_logprobs"), found.get("tokens")
        count = choice["prompt_tokens"] if isinstance(choice["prompt_tokens"], int) else len(values) - 1
        if len(values) < count:
            return []
        tokens: list[tuple[float | None, bool | None]] = []
        for place in range(count):
            value = None if values[place] is None else float(values[place])
            top = tops[place] if tops and place < len(tops) else None
            # A list of the best tokens may hold the token itself besides; the greatest of it decides.
            greedy = None if value is None or not top or not texts else value >= max(top.values())
            tokens.append((value, greedy))
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
    return tokens


def _prompted(choice: dict[str, Any]) -> list[tuple[float | None, bool | None]]:
    """Read `prompt_logprobs` of vLLM: per token a mapping of id to {logprob, rank}, null for the first one."""
    try:
        tokens: list[tuple[float | None, bool | None]] = []
        for entry in choice["prompt_logprobs"] or []:
            if entry is None:
                tokens.append((None, None))
            else:
                # With prompt_logprobs 0 the token itself is the only entry.
                (own,) = entry.values()
                tokens.append((float(own["logprob"]), None if own.get("rank") is None else own["rank"] == 1))
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
    return tokens


_FORMS = (
    _Form("echo", {"max_tokens": 1, "echo": True, "logprobs": 1}, _echoed),
    _Form("prompt_logprobs", {"max_tokens": 1, "prompt_logprobs": 0}, _prompted),
)


def _score(
    context: list[tuple[float | None, bool | None]] | str, whole: list[tuple[float | None, bool | None]] | str
) -> OptionScore:
    for tokens in (context, whole):
        if isinstance(tokens, str):
            return OptionScore(None, 0, None, tokens)
    # The first token of a text has no probability; an empty context leaves the start token, if there is one.
    own = list(whole[len(context) or 1 :])
    if not own:
        return OptionScore(None, 0, None, "the endpoint sees no token in the option")
    if any(not isinstance(value, float) or value != value or value == float("-inf") for value, _ in own):
        return OptionScore(None, len(own), None, "the endpoint gave no finite log-probability")
    flags = [flag for _, flag in own]
    greedy = None if None in flags else all(flags)
    return OptionScore(sum(value for value, _ in own if isinstance(value, float)), len(own), greedy)


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return one error of a group, the first that is not a group itself."""
    error: BaseException = failed
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
