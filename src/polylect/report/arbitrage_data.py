"""What the page of an arbitrage shows: routing.json and manifest.json of its output folder, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.records import MULTIPLE
from polylect.report.json_files import read_json

__all__ = ["MANIFEST", "ROUTING", "UNKNOWN", "Account", "Estimate", "Language", "Teacher", "read_account"]

ROUTING, MANIFEST = "routing.json", "manifest.json"
"""Names of the files in the output folder of `polylect arbitrage`."""

_SCHEMA = 1
_AGAINST = ("random", "best_single", "translation")
_AGAIN = "Run `polylect arbitrage` again with this version: answers in the store are not asked again."


@dataclass(frozen=True)
class Estimate:
    """A mean or rate, the ends of its 95 % interval, and the number of prompts behind it; None: nothing is known."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None


UNKNOWN = Estimate(None, None, None, 0)


@dataclass(frozen=True)
class Teacher:
    """What one teacher did in a language: counts of prompts, tokens, US dollars; `wins` is the router's win rate against it."""

    asked: int
    scored: int
    taken: int
    share: Estimate
    reward: Estimate
    wins: Estimate
    wrong_language: Estimate
    prompt_tokens: int
    completion_tokens: int
    cost: float

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Language:
    """The account of one language, or of all (`tag` is "mul"): see docs/routers.md for what each number means.

    `ways` maps routed, oracle, random, best_single and translation to their mean rewards on the `compared` prompts; `gains` and
    `wins` map random, best_single and translation to what the router's answers are worth more, and to its win rates. On
    `uncompared` prompts the router was to be compared with the pool, but its answer has no score.
    """

    tag: str
    prompts: int
    taken: int
    compared: int
    uncompared: int | None
    explored: int
    rerouted: int
    not_taken: Mapping[str, int]
    reward: Estimate
    regret: Estimate
    wrong_language: Estimate
    ways: Mapping[str, Estimate]
    gains: Mapping[str, Estimate]
    wins: Mapping[str, Estimate]
    prompt_tokens: int
    completion_tokens: int
    cost: float
    teachers: Mapping[str, Teacher]

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Account:
    """The account of a run: `languages` in order, `everything` over all of them.

    `teachers` are the pool's names, then that of the `writer` of fused answers, if there is one; `router` and `budget` are as
    routing.json has them, `manifest` is manifest.json.
    """

    teachers: tuple[str, ...]
    translation: str | None
    writer: str | None
    best_single: str | None
    items: int | None
    languages: tuple[Language, ...]
    everything: Language
    router: Mapping[str, Any]
    budget: Mapping[str, Any] | None
    manifest: Mapping[str, Any]


def read_account(folder: Path) -> Account:
    """Read the account of the arbitrage in `folder`.

    Raises:
        DataError: a file is missing or not JSON, of another version, or lacks a number.
    """
    manifest = _Part.of(folder / MANIFEST)
    routing = _Part.of(folder / ROUTING)
    if routing.get("schema") != _SCHEMA:
        raise DataError(f"{folder / ROUTING}: schema {routing.get('schema')!r} is not {_SCHEMA}. {_AGAIN}")
    rows = [_language(tag, row) for tag, row in routing.part("languages").parts()]
    everything = next((row for row in rows if row.tag == MULTIPLE), None)
    if everything is None:
        raise DataError(f"{folder / ROUTING}: languages has no {MULTIPLE!r}, the row of all languages. {_AGAIN}")
    return Account(
        teachers=tuple(dict.fromkeys((*routing.texts("teachers"), *everything.teachers))),
        translation=routing.name("translation"),
        writer=routing.name("writer"),
        best_single=routing.name("best_single"),
        items=None if routing.get("items") is None else routing.count("items"),
        languages=tuple(row for row in rows if row.tag != MULTIPLE),
        everything=everything,
        router=routing.part("router").value,
        budget=None if routing.get("budget") is None else routing.part("budget").value,
        manifest=manifest.value,
    )


def _language(tag: str, part: _Part) -> Language:
    wins = part.part("win_rate")
    gains = part.part("gain") if part.get("gain") is not None else None
    return Language(
        tag=tag,
        prompts=part.count("prompts"),
        taken=part.count("taken"),
        compared=part.count("compared"),
        uncompared=None if part.get("uncompared") is None else part.count("uncompared"),
        explored=part.count("explored"),
        rerouted=part.count("rerouted"),
        not_taken={reason: part.part("not_taken").count(reason) for reason in part.part("not_taken").value},
        reward=part.estimate("reward"),
        regret=part.estimate("regret"),
        wrong_language=part.estimate("wrong_language"),
        ways={name: part.estimate(name) for name in ("routed", "oracle", *_AGAINST)},
        gains={name: gains.estimate(name) if gains else UNKNOWN for name in _AGAINST},
        wins={name: wins.estimate(name) for name in _AGAINST},
        prompt_tokens=part.count("prompt_tokens"),
        completion_tokens=part.count("completion_tokens"),
        cost=part.number("cost"),
        teachers={name: _teacher(row) for name, row in part.part("teachers").parts()},
    )


def _teacher(part: _Part) -> Teacher:
    return Teacher(
        asked=part.count("asked"),
        scored=part.count("scored"),
        taken=part.count("taken"),
        share=part.estimate("share"),
        reward=part.estimate("reward"),
        wins=part.estimate("router_wins"),
        wrong_language=part.estimate("wrong_language"),
        prompt_tokens=part.count("prompt_tokens"),
        completion_tokens=part.count("completion_tokens"),
        cost=part.number("cost"),
    )


@dataclass(frozen=True)
class _Part:
    """An object of a JSON file, and where it stands; every value that is taken from it is checked."""

    where: str
    value: Mapping[str, Any]

    @classmethod
    def of(cls, path: Path) -> _Part:
        found = read_json(path, "the output folder of a finished `polylect arbitrage`", _AGAIN)
        return cls(f"{path}:", {})._checked("", found)

    def get(self, key: str) -> Any:
        return self.value.get(key)

    def part(self, key: str) -> _Part:
        return self._checked(key, self.value.get(key))

    def parts(self) -> Sequence[tuple[str, _Part]]:
        return [(key, self.part(key)) for key in self.value]

    def count(self, key: str) -> int:
        found = self.value.get(key)
        if isinstance(found, bool) or not isinstance(found, int):
            raise self._wrong(key, found, "a whole number")
        return found

    def number(self, key: str) -> float:
        found = self.value.get(key)
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise self._wrong(key, found, "a number")
        return float(found)

    def name(self, key: str) -> str | None:
        found = self.value.get(key)
        if found is not None and not isinstance(found, str):
            raise self._wrong(key, found, "a text or null")
        return found

    def texts(self, key: str) -> list[str]:
        found = self.value.get(key)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self._wrong(key, found, "a list of texts")
        return found

    def estimate(self, key: str) -> Estimate:
        part = self.part(key)
        value, low, high = (None if part.get(name) is None else part.number(name) for name in ("value", "low", "high"))
        return Estimate(value, low, high, part.count("n"))

    def _checked(self, key: str, found: Any) -> _Part:
        if not isinstance(found, dict):
            raise self._wrong(key, found, "a JSON object")
        return _Part(f"{self.where} {key}".rstrip() if self.where.endswith(":") else f"{self.where}.{key}", found)

    def _wrong(self, key: str, found: Any, wanted: str) -> DataError:
        where = f"{self.where} {key}" if self.where.endswith(":") else f"{self.where}.{key}"
        return DataError(f"{where.strip()}: {str(found)[:80]!r} found where {wanted} is expected. {_AGAIN}")
