"""Texts that many callers want translated at the same time, in one call of the translator."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

from polylect.models.translators.base import Translated, Translator

__all__ = ["Together"]

_Waiting: TypeAlias = list[tuple[str, "Future[Translated]"]]


class Together:
    """Calls a translator in one thread; texts that come while it works wait, and are then translated in one call.

    Starting Apertium costs half a second and a sequence-to-sequence model reads 32 sentences almost as fast as one, whereas a
    model behind an endpoint is asked one request at a time.

    Args:
        translator: does the work.
    """

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._lock = threading.Lock()
        self._thread: ThreadPoolExecutor | None = None

    async def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Return a translation or failure per text; see `polylect.models.translators.Translator`."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "polylect-translator")
        futures: list[Future[Translated]] = [Future() for _ in texts]
        with self._lock:
            self._waiting.setdefault((source, target), []).extend(zip(texts, futures, strict=True))
        self._thread.submit(self._work, source, target)
        return list(await asyncio.gather(*map(asyncio.wrap_future, futures)))

    def _work(self, source: str, target: str) -> None:
        """Translate everything that waits for this direction; the callers get what the translator raises."""
        with self._lock:
            waiting = self._waiting.pop((source, target), [])
        waiting = [(text, future) for text, future in waiting if future.set_running_or_notify_cancel()]
        if not waiting:
            return
        texts = list(dict.fromkeys(text for text, _ in waiting))
        try:
            found = dict(zip(texts, self._translator.translate(texts, source, target), strict=True))
        except BaseException as error:
            for _, future in waiting:
                future.set_exception(error)
            return
        for text, future in waiting:
            future.set_result(found[text])

    async def close(self) -> None:
        """Wait for the thread, then close the translator."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        await asyncio.to_thread(self._translator.close)
