"""Models around a model: few-shot examples and a system message before every request.

Where requests are made from prompts, `Member.request` and `Wrapped.dress` put the same into the request itself; a wrapper is for
requests that come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeAlias

from polylect.errors import ModelError
from polylect.models.interface import Model
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.store.keys import by_language
from polylect.records import MULTIPLE, content_hash

__all__ = ["LanguageOf", "Wrapped", "with_shots", "with_system"]

LanguageOf: TypeAlias = Callable[[Request], str]
"""Tells the language of a request (canonical tag), for example by its key: `lambda request: languages[request.key]`."""


class Wrapped:
    """A model that changes each request before the model inside is asked; all else is the model inside.

    What is added is part of `fingerprint`: the store's key is made of the request as the caller sees it, and two wrappers around
    one model must not share answers. To share them with those who write the whole conversation themselves, ask the model inside
    with `map(wrapped.dress, requests)`.

    Args:
        model: who answers.
        dress: makes the request that it is asked.
        added: what `dress` adds, for the fingerprint.
        told: whether `dress` heeds `Request.language`.
    """

    def __init__(self, model: Model, dress: Callable[[Request], Request], added: Any, *, told: bool = False) -> None:
        self.inner, self.dress = model, dress
        self.name, self.in_flight, self.price = model.name, model.in_flight, model.price
        self.licence, self.may_train = model.licence, model.may_train
        self._added, self._told = added, told

    @cached_property
    def fingerprint(self) -> str:
        """What decides its answers: the model inside, and what is added; marked where either depends on the language."""
        inner, own = self.inner.fingerprint, content_hash(self.inner.fingerprint, self._added)
        return by_language(own) if self._told or by_language(inner) == inner else own

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Split the requests as the model inside splits what they become: the same shots stand together."""
        dressed = [self.dress(request) for request in requests]
        plain = {id(changed): request for changed, request in zip(dressed, requests, strict=True)}
        return [[plain[id(changed)] for changed in batch] for batch in self.inner.batches(dressed, sampling)]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Ask the model inside; see `polylect.models.interface.Model`."""
        return await self.inner.answer([self.dress(request) for request in batch], sampling)

    def count(self, text: str) -> int:
        """Return the number of tokens as the model inside counts them."""
        return self.inner.count(text)

    async def close(self) -> None:
        """Close the model inside."""
        await self.inner.close()


def with_system(model: Model, system: str | Mapping[str, str], language_of: LanguageOf | None = None) -> Wrapped:
    """Return the model with a system message before every request that has none.

    Args:
        model: who answers.
        system: one text, or language -> text, where "mul" stands for the languages not named.
        language_of: tells the language of a request; None takes `Request.language`.

    Raises:
        ModelError: when asked: the text depends on the language, and nothing tells it.
    """
    texts = {MULTIPLE: system} if isinstance(system, str) else dict(system)
    tell = _teller(model, "system message", texts, language_of)

    def dress(request: Request) -> Request:
        if request.system:
            return request
        return replace(request, system=texts.get(tell(request), texts.get(MULTIPLE, "")))

    return Wrapped(model, dress, ["system", texts], told=_told(texts, language_of))


def with_shots(
    model: Model,
    shots: Sequence[tuple[str, str]] | Mapping[str, Sequence[tuple[str, str]]],
    language_of: LanguageOf | None = None,
) -> Wrapped:
    """Return the model with (prompt, answer) examples before every request that has none; never the request's own text.

    Args:
        model: who answers.
        shots: examples for all requests, or by language, where "mul" stands for the languages not named.
        language_of: tells the language of a request; None takes `Request.language`.

    Raises:
        ModelError: when asked: the examples depend on the language, and nothing tells it or there are none in it.
    """
    given = shots if isinstance(shots, Mapping) else {MULTIPLE: shots}
    examples = {language: tuple((prompt, answer) for prompt, answer in pairs) for language, pairs in given.items()}
    tell = _teller(model, "set of examples", examples, language_of)

    def dress(request: Request) -> Request:
        if request.shots:
            return request
        language = tell(request)
        found = examples.get(language, examples.get(MULTIPLE))
        if found is None:
            raise ModelError(f"{model.name}: no examples in {language!r} for request {request.key!r}; add some, or under 'mul'.")
        return replace(request, shots=tuple(pair for pair in found if pair[0] != request.text))

    return Wrapped(model, dress, ["shots", examples], told=_told(examples, language_of))


def _told(by_tag: Mapping[str, Any], language_of: LanguageOf | None) -> bool:
    """Tell whether `Request.language` decides what is added."""
    return language_of is None and not set(by_tag) <= {MULTIPLE}


def _teller(model: Model, what: str, by_language: Mapping[str, Any], language_of: LanguageOf | None) -> LanguageOf:
    """Return what tells the language of a request where that matters."""
    if set(by_language) <= {MULTIPLE}:
        return lambda _: MULTIPLE
    tell = language_of or (lambda request: request.language)

    def told(request: Request) -> str:
        language = tell(request)
        if not language:
            raise ModelError(
                f"{model.name}: the {what} depends on the language, and request {request.key!r} names none. Set "
                "`Request.language`, or give `language_of`."
            )
        return language

    return told
