"""Judges of known faults and contests of known outcome, for the tests of judging and comparing.

Every answer carries its quality, "(quality 0.7)", which a good judge goes by; the rest is text in the right language.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from polylect.evaluate.judging import Contest
from polylect.models.interface import Price
from polylect.models.requests import Generated, Request, Sampling

SENTENCES = {
    "en": "The river rises in the mountains and flows slowly through the old town to the sea.",
    "de": "Der Fluss entspringt in den Bergen und fließt langsam durch die alte Stadt ins Meer.",
    "fr": "La rivière prend sa source dans les montagnes et coule lentement à travers la vieille ville.",
    "es": "El río nace en las montañas y corre despacio por la ciudad vieja hasta llegar al mar.",
    "tr": "Irmak dağlardan doğar ve eski şehrin içinden yavaşça denize doğru akar.",
    "ru": "Река берёт начало в горах и медленно течёт через старый город к морю.",
    "sw": "Mto huanzia milimani na kutiririka polepole kupitia mji wa kale hadi baharini.",
    "hi": "नदी पहाड़ों से निकलती है और पुराने शहर से होकर धीरे-धीरे समुद्र की ओर बहती है।",
}
NAMES = {
    "English": "en",
    "German": "de",
    "French": "fr",
    "Spanish": "es",
    "Turkish": "tr",
    "Russian": "ru",
    "Swahili": "sw",
    "Hindi": "hi",
}
_ANSWER = re.compile(r"<answer_(a|b)>\n(.*?)\n</answer_\1>", re.DOTALL)
_QUALITY = re.compile(r"\(quality ([\d.]+)\)")


def chance(*parts: object) -> float:
    """Return a number in [0, 1) that depends on `parts` alone."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@dataclass(frozen=True)
class Seen:
    """What a judge sees of a game: the language, both answers, their qualities, and the item's number."""

    language: str
    first: str
    second: str
    item: str

    @property
    def qualities(self) -> tuple[float, float]:
        """Quality of the first and of the second answer."""
        first, second = (float(_QUALITY.search(text)[1]) for text in (self.first, self.second))  # type: ignore[index]
        return first, second

    @property
    def better(self) -> str:
        """The verdict of a good judge."""
        first, second = self.qualities
        return "TIE" if first == second else "A" if first > second else "B"


class ScriptedJudge:
    """A judge that says what a function of `Seen` returns: A, B or TIE, or any other text as it is."""

    def __init__(self, say: Callable[[Seen], str], name: str = "judge", price: Price | None = None) -> None:
        self.name, self.fingerprint, self.in_flight, self.price = name, f"scripted {name}", None, price or Price(1.0, 2.0)
        self.licence, self.may_train = None, None
        self._say = say
        self.asked = 0

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """One request per call, as for an endpoint."""
        return [[request] for request in requests]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer with a sentence and the line of the verdict."""
        self.asked += len(batch)
        return [self._reply(request) for request in batch]

    def _reply(self, request: Request) -> Generated:
        texts = dict(_ANSWER.findall(request.text))
        name = re.search(r"speaker of (\w+)", request.text)
        item = re.search(r"question (\d+)", request.text)
        seen = Seen(NAMES.get(name[1], name[1]) if name else "", texts["a"], texts["b"], item[1] if item else "")
        said = self._say(seen)
        text = f"One of them says more.\nPreferred: {said}" if said in {"A", "B", "TIE"} else said
        return Generated(request.key, 0, text, "stop", len(request.text) // 4, len(text) // 4)

    def count(self, text: str) -> int:
        """Four bytes are a token."""
        return len(text) // 4

    async def close(self) -> None:
        """Nothing to give back."""


def good(seen: Seen, noise: float = 0.1) -> str:
    """Say which answer is better, and in a share of games anything."""
    if chance("noise", seen) < noise:
        return ("A", "B", "TIE")[int(3 * chance("which", seen))]
    return seen.better


def answer(language: str, quality: float, length: int = 1) -> str:
    """Return an answer of `length` sentences that carries its quality."""
    return f"{' '.join([SENTENCES[language]] * length)} (quality {quality:.3f})"


def contests(languages: Sequence[str], items: int = 100, lead: float = 0.1) -> list[Contest]:
    """Return contests in which a's quality is ahead by `lead` on average; an item has the same qualities in all languages."""
    return [
        Contest(
            item=str(item),
            language=language,
            text=f"question {item}: {SENTENCES[language]}",
            a=answer(language, 1 + chance("a", item) + lead),
            b=answer(language, 1 + chance("b", item)),
        )
        for item in range(items)
        for language in languages
    ]
