"""The prompt table that an attack writes: the columns of a prompt set, and what was done to each prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from polylect.records import Record
from polylect.safety.attacks.base import Attacked

__all__ = ["AttackedPrompt", "attacked_prompt"]


@dataclass(frozen=True, kw_only=True)
class AttackedPrompt(Record):
    """An attacked prompt: a row that `polylect safety eval` reads as a prompt set of our own columns.

    `item` is the original's with the attack behind it, `attack_of` and `attack_from` are item and language of the original.
    `meaning` is in [0, 1] and `meaning_by` says how it was found; `meaning_kept` is None where nothing tells. A harmful prompt
    that lost its meaning has `harm_kept` false: it is not asked and leaves the denominator. `changed` is the share of words
    that are not what they were. The other columns are those of `polylect.safety.SafetyPrompt`.
    """

    identity: ClassVar[tuple[str, ...]] = ("item", "language")
    item: str
    language: str
    prompt: str
    attack: str
    attack_of: str
    attack_from: str
    meaning_kept: bool | None = None
    meaning: float | None = None
    meaning_by: str | None = None
    changed: float | None = None
    categories: tuple[str, ...] = ()
    scope: str | None = None
    origin: str | None = None
    twin: str | None = None
    harmful: bool = True
    harm_kept: bool | None = None
    source: str = ""
    licence: str = "unknown"
    reference: str | None = None


def attacked_prompt(one: Attacked) -> AttackedPrompt:
    """Return the row of an attacked prompt that has a text."""
    prompt, language = one.prompt, one.language or one.prompt.language
    lost = prompt.harmful and one.kept is False
    return AttackedPrompt(
        item=_item(prompt.item, one),
        language=language,
        prompt=one.text or "",
        attack=one.attack,
        attack_of=prompt.item,
        attack_from=prompt.language,
        meaning_kept=one.kept,
        meaning=one.meaning,
        meaning_by=one.meaning_by,
        changed=one.changed,
        categories=prompt.categories,
        scope=prompt.scope,
        origin=one.origin or prompt.origin,
        twin=_item(prompt.twin, one) if prompt.twin else None,
        harmful=prompt.harmful,
        harm_kept=False if lost else prompt.harm_kept,
        source=prompt.source,
        licence=prompt.licence,
        reference=prompt.reference,
    )


def _item(item: str, one: Attacked) -> str:
    """Name an attacked prompt: those of several languages that end in one language would else share item and language."""
    start = f" from {one.prompt.language}" if one.language else ""
    return f"{item}::{one.attack}{start}"
