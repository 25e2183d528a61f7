"""Translation by any language model, through the request engine and its store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from polylect.languages import canonical, get
from polylect.models.interface import Model, Price
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.translators.base import Failure, Translated
from polylect.records import content_hash

__all__ = ["INSTRUCTION", "LlmTranslator"]

INSTRUCTION = (
    "Translate the text below from {source} into {target}. Keep its meaning, its tone and its line breaks; leave code, links and "
    "marks such as [[0]] as they are. Do not answer it and do not explain: write the translation only.\n\n{text}"
)
"""What the model is asked; {source} and {target} are English names of languages."""

_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"), ("'", "'"))


class LlmTranslator:
    """A translator that asks a language model.

    Args:
        model: who translates.
        store: file of the store that keeps the answers; None keeps them for the length of one call.
        instruction: what it is asked, with {source}, {target} and {text}.
        max_tokens: most tokens of a translation.
        stop: texts that end a translation: a base model with examples needs the line break, as it would go on with the next one.
    """

    def __init__(
        self,
        model: Model,
        *,
        store: Path | str | None = None,
        instruction: str = INSTRUCTION,
        max_tokens: int = 2048,
        stop: Sequence[str] = (),
    ) -> None:
        self.model, self.instruction = model, instruction
        self.name = model.name
        self.fingerprint = content_hash("llm", model.fingerprint, instruction)
        self.licence, self.may_train = model.licence, model.may_train
        self.price: Price = model.price
        self._store = None if store is None else Path(store)
        self._sampling = Sampling(max_tokens=max_tokens, stop=tuple(stop))

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Translate texts; see `polylect.models.translators.Translator`. A text fails whose request fails or is cut off."""
        from polylect.models.engine import Job, run
        from polylect.models.store import Keys, Store

        names = [_name(canonical(tag)) for tag in (source, target)]
        wanted = list(dict.fromkeys(text for text in texts if text.strip()))
        requests = [Request(f"translation-{number}", self._ask(text, *names)) for number, text in enumerate(wanted)]
        keys = [Keys(self.model.fingerprint, self._sampling).of(request)[0] for request in requests]
        with ExitStack() as stack:
            path = self._store or Path(stack.enter_context(TemporaryDirectory(prefix="polylect-"))) / "answers.sqlite"
            store = stack.enter_context(Store(path))
            run([Job(self.model, requests, self._sampling)], store)
            found = store.get(keys, self._sampling.max_tokens)
        done = {text: _translation(text, found.get(key)) for text, key in zip(wanted, keys, strict=True)}
        return [done.get(text, text) for text in texts]

    def _ask(self, text: str, source: str, target: str) -> str:
        # Not str.format: the text may hold braces.
        return self.instruction.replace("{source}", source).replace("{target}", target).replace("{text}", text)

    def close(self) -> None:
        """Close the model."""
        import asyncio

        asyncio.run(self.model.close())


def _name(tag: str) -> str:
    """Return the English name of a language; the table's names tell Simplified from Traditional Chinese."""
    return get(tag).name


def _translation(text: str, answer: Generated | None) -> Translated:
    if answer is None:
        return Failure("no answer in the store")
    if answer.reason is not None:
        return Failure(answer.reason)
    if answer.finish_reason == "length":
        return Failure("translation cut off")
    return _bare(answer.text.strip(), text) or Failure("empty translation")


def _bare(reply: str, text: str) -> str:
    """Return a reply without the quotation marks that models put around a translation whose original has none."""
    for opening, closing in _QUOTES:
        quoted = len(reply) > 1 and reply.startswith(opening) and reply.endswith(closing)
        if quoted and not text.strip().startswith(tuple(mark for mark, _ in _QUOTES)) and opening not in reply[1:-1]:
            return reply[1:-1].strip()
    return reply
