"""The translation baseline: a model that is asked in English, and whose answers are translated back.

A baseline of multilingual arbitrage (Odumakinde et al. 2024, arXiv 2408.14960).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from polylect.languages import canonical, identify
from polylect.models.interface import Model
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.store.keys import by_language
from polylect.models.translators.base import Failure, Translated, Translator
from polylect.models.translators.together import Together
from polylect.records import content_hash

__all__ = ["LanguageOf", "PivotModel"]

_KNOWN = 10_000
"""Translated turns that are kept: examples and system messages come again, and so does a request that failed."""

LanguageOf: TypeAlias = Callable[[Request], str | None]
"""Tells the language of a request; None where it does not know."""


class PivotModel:
    """A model that answers in a language through another one: translate the conversation, ask, translate the answer back.

    Every turn of the conversation is translated, the system message too: it should not ask for a language. Requests in the pivot
    language go to the model as they are. The price is the model's; what the translator costs is not in it.

    Args:
        model: who is asked.
        translator: translates both ways.
        pivot: language that the model is asked in.
        name: what the tables call it; None names model, pivot and translator.
        language_of: tells the language of a request; None takes `Request.language`, else identifies that of its text.
    """

    def __init__(
        self,
        model: Model,
        translator: Translator,
        pivot: str = "en",
        *,
        name: str | None = None,
        language_of: LanguageOf | None = None,
    ) -> None:
        self.model, self.translator, self.pivot = model, translator, canonical(pivot)
        self.name = name or f"{model.name} via {self.pivot} ({translator.name})"
        self.in_flight, self.price = model.in_flight, model.price
        self.fingerprint = by_language(content_hash("pivot", model.fingerprint, translator.fingerprint, self.pivot))
        licences = {model.licence, translator.licence}
        self.licence = None if None in licences else " AND ".join(sorted(filter(None, licences)))
        allowed = {model.may_train, translator.may_train}
        self.may_train = False if False in allowed else None if None in allowed else True
        self._language_of = language_of or (lambda request: request.language or None)
        self._together = Together(translator)
        self._known: dict[tuple[str, str], str] = {}

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Split requests as the model splits them."""
        return self.model.batches(requests, sampling)

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer a batch; see `polylect.models.interface.Model`. What cannot be translated is an answer with its reason."""
        languages = {request.key: self._language(request) for request in batch}
        asked: list[Request] = []
        answers: dict[str, list[Generated]] = {}
        for request, english in zip(batch, await self._into_pivot(batch, languages), strict=True):
            if isinstance(english, Failure):
                answers[request.key] = [_failed(request.key, n, english) for n in range(sampling.samples)]
            else:
                asked.append(english)
        for inner in self.model.batches(asked, sampling) if asked else []:
            for one in await self.model.answer(inner, sampling):
                answers.setdefault(one.key, []).append(one)
        flat = [one for request in batch for one in sorted(answers[request.key], key=lambda one: one.sample)]
        return await self._back(flat, languages)

    def _language(self, request: Request) -> str | None:
        told = self._language_of(request)
        return canonical(told) if told else identify(request.text).language

    async def _into_pivot(self, batch: Sequence[Request], languages: dict[str, str | None]) -> list[Request | Failure]:
        """Return the requests in the pivot language, or why they cannot be had in it."""
        turns: dict[str, dict[str, None]] = {}
        for request in batch:
            language = languages[request.key]
            if language not in {None, self.pivot}:
                turns.setdefault(str(language), {}).update(dict.fromkeys(text for _, text in request.messages))
        found: dict[tuple[str, str], Translated] = {}
        for language, texts in turns.items():
            found.update({(language, text): self._known[language, text] for text in texts if (language, text) in self._known})
            new = [text for text in texts if (language, text) not in found]
            translated = await self._together.translate(new, language, self.pivot)
            found.update(zip(((language, text) for text in new), translated, strict=True))
        self._remember(found)
        return [self._request(request, languages[request.key], found) for request in batch]

    def _remember(self, found: dict[tuple[str, str], Translated]) -> None:
        self._known.update({turn: text for turn, text in found.items() if isinstance(text, str)})
        for turn in list(self._known)[: max(0, len(self._known) - _KNOWN)]:
            del self._known[turn]

    def _request(self, request: Request, language: str | None, found: dict[tuple[str, str], Translated]) -> Request | Failure:
        if language is None:
            return Failure("pivot: the prompt's language is not known, and its text does not tell")
        if language == self.pivot:
            return request
        for _, text in request.messages:
            translated = found[language, text]
            if isinstance(translated, Failure):
                return Failure(f"pivot: {language} to {self.pivot}: {translated.reason}")

        def new(text: str) -> str:
            return str(found[language, text]) if text else text

        return replace(
            request,
            text=new(request.text),
            shots=tuple((new(prompt), new(answer)) for prompt, answer in request.shots),
            system=new(request.system),
            history=tuple((role, new(text)) for role, text in request.history),
            reply=new(request.reply),
            language=self.pivot,
        )

    async def _back(self, answers: Sequence[Generated], languages: dict[str, str | None]) -> list[Generated]:
        """Translate answers into the languages of their requests."""
        wanted: dict[str, list[str]] = {}
        for one in answers:
            language = languages[one.key]
            if one.reason is None and language not in {None, self.pivot}:
                wanted.setdefault(str(language), []).append(one.text)
        found: dict[tuple[str | None, str], Translated] = {}
        for language, texts in wanted.items():
            texts = list(dict.fromkeys(texts))
            translations = await self._together.translate(texts, self.pivot, language)
            found.update(zip(((language, text) for text in texts), translations, strict=True))
        return [self._answer(one, found.get((languages[one.key], one.text)), languages[one.key]) for one in answers]

    def _answer(self, one: Generated, found: Translated | None, language: str | None) -> Generated:
        if one.reason is not None or found is None:
            return one
        if isinstance(found, Failure):
            failed = _failed(one.key, one.sample, Failure(f"pivot: {self.pivot} to {language}: {found.reason}"))
            return replace(failed, prompt_tokens=one.prompt_tokens, completion_tokens=one.completion_tokens)
        return replace(one, text=found)

    def count(self, text: str) -> int:
        """Return the number of tokens as the model counts them."""
        return self.model.count(text)

    async def close(self) -> None:
        """Close the translator and the model."""
        await self._together.close()
        await self.model.close()


def _failed(key: str, sample: int, failure: Failure) -> Generated:
    return Generated(key, sample, "", "", 0, 0, failure.reason)
