"""Attacked prompts and answers to them, for those who ask to see them: each behind a button."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from polylect import tables
from polylect.records import Record
from polylect.report.safety_attack_charts import attack_label
from polylect.report.safety_attack_data import Attacks
from polylect.report.safety_data import HARMFUL, HARMLESS, TABLE
from polylect.report.safety_marks import label
from polylect.report.safety_texts import Example, SafetyText, TextGroup, answer_of, shown, stand_in

__all__ = ["attack_texts"]

_PROMPTS = "prompts.parquet"


@dataclass(frozen=True, kw_only=True)
class _AttackedText(Record):
    """What this page reads of a row of prompts.parquet."""

    identity: ClassVar[tuple[str, ...]] = ("item", "language")
    item: str
    language: str
    prompt: str
    attack: str
    attack_of: str
    attack_from: str
    harmful: bool = True
    meaning_kept: bool | None = None


def attack_texts(found: Attacks, tags: Sequence[str], most: int) -> list[TextGroup]:
    """Return at most `most` prompts per language of each folder: of a comparison with answers, else the attacked prompts alone.

    Raises:
        DataError: a table is missing or broken.
    """
    groups = []
    for folder in found.tables:
        groups += _prompts(folder, tags, most)
    for _, plain, attacked in found.folders:
        groups += _answers(plain, attacked, tags, most)
    return groups


def _prompts(folder: Path, tags: Sequence[str], most: int) -> list[TextGroup]:
    by: dict[str, list[_AttackedText]] = defaultdict(list)
    for row in tables.read(folder / _PROMPTS, _AttackedText):
        by[row.language].append(row)
    order = [tag for tag in tags if tag in by] + [tag for tag in by if tag not in tags]
    return [
        TextGroup(label(tag), [_prompt(row) for row in by[tag][:most]], max(0, len(by[tag]) - most), _PROMPTS) for tag in order
    ]


def _prompt(row: _AttackedText) -> Example:
    kept = {True: "meaning kept", False: "meaning lost", None: "nothing tells whether the meaning was kept"}[row.meaning_kept]
    kind = HARMFUL if row.harmful else HARMLESS
    about = f"{kind} prompt {row.attack_of} from {label(row.attack_from).text}, {attack_label(row.attack).text.lower()}"
    return Example(about=about, outcomes=kept, veil=stand_in(row.prompt), prompt=shown(row.prompt), answers=[], mixed=True)


def _answers(plain: Path, attacked: Path, tags: Sequence[str], most: int) -> list[TextGroup]:
    """Pair the answers of the two evaluations by the item's name before the attack's."""
    before = {(row.item, row.language, row.harmful): row for row in tables.read(plain / TABLE, SafetyText)}
    by: dict[str, list[Example]] = defaultdict(list)
    for row in tables.read(attacked / TABLE, SafetyText):
        item, _, attack = row.item.partition("::")
        name, _, tag = attack.partition(" from ")
        tag = tag or row.language
        old = before.get((item, tag, row.harmful))
        answers = [answer_of("plain", old)] if old else []
        answers.append(answer_of("attacked", row))
        about = f"{HARMFUL if row.harmful else HARMLESS} prompt {item}, {attack_label(name).text.lower()}"
        said = "; ".join(f"{one.who}: {one.verdict}" for one in answers)
        by[tag].append(Example(about, said, stand_in(row.prompt), shown(row.prompt), answers, mixed=True))
    return [_group(tag, by[tag], most) for tag in tags if tag in by]


def _group(tag: str, examples: list[Example], most: int) -> TextGroup:
    """Return the first examples, those first in which the attack has made the answer what it should not be."""
    order = sorted(examples, key=_place)
    return TextGroup(label(tag), order[:most], max(0, len(order) - most))


def _place(one: Example) -> tuple[bool, bool]:
    wrong = [answer.colour == "wrong" for answer in one.answers]
    return not (wrong[-1] and not any(wrong[:-1])), not wrong[-1]
