"""A translator as a model, so that translations go through the request engine and its store like every other answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from polylect.models.interface import Price
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import content_hash

__all__ = ["Translates", "TranslatorModel", "direction"]

_ARROW = " > "
BATCH = 32
"""Texts of one direction per call."""


class Translates(Protocol):
    """What is needed of a translator; see `polylect.models.translators`."""

    name: str

    def translate(self, texts: Sequence[str], source: str, target: str) -> Sequence[Any]:
        """Return a text per text, or a failure with a `reason`."""


def direction(source: str, target: str) -> str:
    """Return what a request says about its direction, in `Request.system`."""
    return f"{source}{_ARROW}{target}"


class TranslatorModel:
    """A `polylect.models.interface.Model` whose requests are texts to translate; `Request.system` is their `direction`.

    Args:
        translator: does the work, in a thread of its own, one call at a time.
        batch: texts per call.
    """

    def __init__(self, translator: Translates, *, batch: int = BATCH) -> None:
        self._translator, self._batch = translator, batch
        self.name = translator.name
        self.fingerprint = content_hash("translator", getattr(translator, "fingerprint", translator.name))
        self.in_flight: int | None = 1
        self.price: Price = getattr(translator, "price", None) or Price()
        self.licence: str | None = getattr(translator, "licence", None)
        self.may_train: bool | None = getattr(translator, "may_train", None)

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Split requests by direction, then by length, so that a batch wastes little on padding."""
        directions: dict[str, list[Request]] = {}
        for request in requests:
            directions.setdefault(request.system, []).append(request)
        found = []
        for same in directions.values():
            same.sort(key=lambda request: len(request.text))
            found += [same[start : start + self._batch] for start in range(0, len(same), self._batch)]
        return found

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Translate a batch; a failure is an answer with its reason."""
        source, _, target = batch[0].system.partition(_ARROW)
        texts = [request.text for request in batch]
        translations = await asyncio.to_thread(self._translator.translate, texts, source, target)
        return [_generated(request, one) for request, one in zip(batch, translations, strict=True)]

    def count(self, text: str) -> int:
        """Return an estimate: one token per four bytes of UTF-8."""
        return (len(text.encode()) + 3) // 4

    async def close(self) -> None:
        """Close the translator, where it has something to close."""
        close = getattr(self._translator, "close", None)
        if close is not None:
            result = close()
            if asyncio.iscoroutine(result):
                await result


def _generated(request: Request, translation: Any) -> Generated:
    if isinstance(translation, str):
        return Generated(request.key, 0, translation, "stop", 0, 0)
    return Generated(request.key, 0, "", "", 0, 0, str(getattr(translation, "reason", translation)))
