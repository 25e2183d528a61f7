"""What every kind of attack is: a function from prompts to transformed prompts, registered under a name.

A new kind is a file in `polylect.safety.attacks.kinds` with one function under `@register("name")`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, TypeAlias

from polylect.errors import EvaluationError, nearest
from polylect.safety.prompts import Origin, SafetyPrompt

if TYPE_CHECKING:
    from polylect.models.translators import Translator

__all__ = ["Attack", "AttackOptions", "Attacked", "attack_kinds", "attack_of_kind", "register"]


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """A prompt after one attack, or why it could not be transformed.

    Attributes:
        prompt: the original.
        attack: kind and what it was told, such as "translate:sw"; with `prompt` it names the attacked prompt.
        text: of the attacked prompt; None where there is none.
        reason: why there is none.
        language: of the attacked prompt where it is another than the original's.
        origin: of the text where it is another than the original's.
        meaning: how much of the meaning is left, in [0, 1]; None where nothing tells.
        meaning_by: how that was told.
        kept: whether the meaning was kept; None where that cannot be told.
        changed: share of the words that are not what they were; None where words do not correspond.
    """

    prompt: SafetyPrompt
    attack: str
    text: str | None = None
    reason: str | None = None
    language: str | None = None
    origin: Origin | None = None
    meaning: float | None = None
    meaning_by: str | None = None
    kept: bool | None = None
    changed: float | None = None


@dataclass(frozen=True, kw_only=True)
class AttackOptions:
    """What an attack may be told; each kind reads what it needs.

    Attributes:
        into: languages to translate into, or to take words from.
        translator: translates texts or words.
        back: let the prompt be the back-translation, in the original's language, instead of the translation.
        words: table of a bilingual word list.
        share: of the words that are replaced, in (0, 1].
        script: ISO 15924 code of the script to write in; None: Latin.
        wrappers: table of wrappers instead of ours.
        least: the meaning counts as kept from here on, in [0, 1]; None: as the kind has it.
        seed: of the choice of words.
        progress: called with (done, total).
    """

    into: tuple[str, ...] = ()
    translator: Translator | None = None
    back: bool = False
    words: Path | None = None
    share: float = 0.3
    script: str | None = None
    wrappers: Path | None = None
    least: float | None = None
    seed: int = 0
    progress: Callable[[int, int], None] = lambda done, total: None


Attack: TypeAlias = Callable[[Sequence[SafetyPrompt], AttackOptions], Iterable[Attacked]]

_ATTACKS: dict[str, Attack] = {}


def register(kind: str) -> Callable[[Attack], Attack]:
    """Register a function as the attack of a kind."""

    def registered(attack: Attack) -> Attack:
        _ATTACKS[kind] = attack
        return attack

    return registered


def attack_kinds() -> tuple[str, ...]:
    """Return the names of all kinds, sorted."""
    _load()
    return tuple(sorted(_ATTACKS))


def attack_of_kind(kind: str) -> Attack:
    """Return the attack of a kind.

    Raises:
        EvaluationError: there is none.
    """
    known = attack_kinds()
    if kind not in known:
        raise EvaluationError(f"{kind!r} is no kind of attack.{nearest(kind, known)} Known: {', '.join(known)}.")
    return _ATTACKS[kind]


@cache
def _load() -> None:
    """Import the files of `kinds`, which register themselves."""
    package = import_module("polylect.safety.attacks.kinds")
    for found in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{found.name}")
