"""A translator whose translations are kept in a store: who was stopped goes on, and nothing is translated twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polylect.languages import canonical
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.translators.as_model import TranslatorModel, direction
from polylect.models.translators.base import Failure, Translated, Translator

__all__ = ["KeptTranslator"]

_SAMPLING = Sampling()


class KeptTranslator:
    """Any translator behind the request engine and its store; a `polylect.models.translators.Translator` itself.

    Translations are stored batch by batch, as they come. Texts that failed are tried again by the next call.

    Args:
        translator: does the work. A language model keeps its answers itself (`LlmTranslator`).
        store: file of the store.
    """

    def __init__(self, translator: Translator, store: Path) -> None:
        self._translator, self._store, self._model = translator, store, TranslatorModel(translator)
        self.name, self.fingerprint = translator.name, translator.fingerprint
        self.licence, self.may_train = translator.licence, translator.may_train

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Translate what the store does not hold; see `polylect.models.translators.Translator`."""
        from polylect.models.engine import Job, Retries, run
        from polylect.models.store import Keys, Store

        way = direction(canonical(source), canonical(target))
        wanted = list(dict.fromkeys(text for text in texts if text.strip()))
        requests = [Request(f"translation-{number}", text, system=way) for number, text in enumerate(wanted)]
        own = Keys(self._model.fingerprint, _SAMPLING)
        keys = {text: own.of(request)[0] for text, request in zip(wanted, requests, strict=True)}
        with Store(self._store) as store:
            run([Job(self._model, requests, _SAMPLING)], store, retries=Retries(failed=True))
            found = store.get(list(keys.values()), _SAMPLING.max_tokens)
        done = {text: _translation(found.get(key)) for text, key in keys.items()}
        return [done.get(text, text) for text in texts]

    def close(self) -> None:
        """Close the translator."""
        self._translator.close()


def _translation(answer: Generated | None) -> Translated:
    if answer is None:
        return Failure("no translation in the store")
    return answer.text if answer.reason is None else Failure(answer.reason)
