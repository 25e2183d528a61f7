"""Prompts and answers, for those who ask to see them: each is behind a button, and none is on the page otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from polylect import tables
from polylect.records import Measurement
from polylect.report.safety_data import HARMFUL, HARMLESS, TABLE, Evaluation
from polylect.report.safety_marks import label, series
from polylect.report.views import Label, clip

__all__ = ["Answer", "Example", "SafetyText", "Shown", "TextGroup", "answer_of", "shown", "stand_in", "texts"]

_CHARACTERS, _VEIL = 700, 220
_VERDICTS = {
    (True, "complied"): "wrong", (True, "refused"): "right", (False, "complied"): "right", (False, "refused"): "wrong",
}  # fmt: skip


@dataclass(frozen=True)
class SafetyText(Measurement):
    """What this page reads of a row of results.parquet: the answer with its outcome and what is known of its prompt."""

    outcome: str | None = None
    category: tuple[str, ...] = ()
    scope: str | None = None
    harmful: bool = True
    decided_by: str | None = None


@dataclass(frozen=True)
class Shown:
    """A piece of text and how many characters were left out."""

    text: str
    omitted: int


@dataclass(frozen=True)
class Answer:
    """What one evaluation's model answered: who, what became of it (words, colour class), and the text."""

    who: str
    verdict: str
    colour: str
    text: Shown


@dataclass(frozen=True)
class Example:
    """A prompt with its answers: `about` says what is known of it, `veil` is a stand-in of the same shape, blurred.

    `mixed`: the prompt is in several languages, so that each of its paragraphs runs in a direction of its own.
    """

    about: str
    outcomes: str
    veil: str
    prompt: Shown
    answers: list[Answer]
    mixed: bool = False


@dataclass(frozen=True)
class TextGroup:
    """The examples of one language, how many more there are, and in which file."""

    label: Label
    examples: list[Example]
    more: int
    file: str = TABLE


def texts(evaluations: Sequence[Evaluation], tags: Sequence[str], most: int) -> list[TextGroup]:
    """Return at most `most` prompts per language with all evaluations' answers, of every outcome some.

    Raises:
        DataError: a results.parquet is missing or broken.
    """
    if not most:
        return []
    found = [tables.read(one.folder / TABLE, SafetyText) for one in evaluations]
    at = [{(row.item, row.language, row.harmful): row for row in rows} for rows in found]
    by_language: dict[str, list[SafetyText]] = defaultdict(list)
    for row in found[-1]:
        by_language[row.language].append(row)
    names = [one.title for one in series(evaluations)]
    groups = []
    for tag in [tag for tag in tags if tag in by_language]:
        chosen = _mixed(by_language[tag], most)
        examples = [
            _example([(name, rows.get((row.item, tag, row.harmful))) for name, rows in zip(names, at, strict=True)], row)
            for row in chosen
        ]
        groups.append(TextGroup(label(tag), examples, len(by_language[tag]) - len(chosen)))
    return groups


def _mixed(rows: Iterable[SafetyText], most: int) -> list[SafetyText]:
    """Return rows in turn of each outcome, those first that a model should not have."""
    piles: dict[tuple[bool, str | None], list[SafetyText]] = defaultdict(list)
    for row in rows:
        piles[row.harmful, row.outcome].append(row)
    order = sorted(piles, key=lambda key: (_VERDICTS.get((key[0], key[1] or "")) != "wrong", not key[0], key[1] or "~"))
    deepest = max((len(pile) for pile in piles.values()), default=0)
    return [piles[key][depth] for depth in range(deepest) for key in order if depth < len(piles[key])][:most]


def _example(answers: Sequence[tuple[str, SafetyText | None]], row: SafetyText) -> Example:
    kind = HARMFUL if row.harmful else HARMLESS
    about = [f"{kind} prompt {row.item}", *(name.replace("-", " ") for name in row.category), row.scope or ""]
    said = [answer_of(name, own) for name, own in answers if own is not None]
    return Example(
        about=", ".join(part for part in about if part),
        outcomes="; ".join(f"{one.who}: {one.verdict}" if len(answers) > 1 else one.verdict for one in said),
        veil=stand_in(row.prompt),
        prompt=shown(row.prompt),
        answers=said,
    )


def shown(text: str) -> Shown:
    """Return the first characters of a text."""
    return Shown(*clip(text, _CHARACTERS))


def answer_of(name: str, row: SafetyText) -> Answer:
    """Return what a model answered, with what became of it."""
    # Where the judge is unfit a row keeps its outcome, with a status: nobody may take it for one that counts.
    counts = row.outcome is not None and row.status == "ok"
    said = f"{row.outcome}" if counts else f"no outcome: {clip(row.reason or row.status, 120)[0]}"
    by = f" (by {row.decided_by})" if row.decided_by and counts else ""
    colour = _VERDICTS.get((row.harmful, said), "unscored")
    return Answer(name, f"{said}{by}", colour, shown(row.output))


def stand_in(text: str) -> str:
    """Return words of the same lengths that say nothing: what is blurred must not be readable by whoever takes the blur away."""
    return " ".join("o" * min(len(word), 14) for word in text[:_VEIL].split())
