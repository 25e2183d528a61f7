"""From answers to training rows: what is kept, what is dropped and why, and which answers make a preference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polylect.models.requests import Generated
from polylect.records import Example, Pair
from polylect.safety.distilling_filter import Check, complies, keep_answer, keep_refusal
from polylect.safety.distilling_preamble import Preambles
from polylect.safety.distilling_rows import Origin, Tally, example_of, is_repeated, pair_of
from polylect.safety.prompts import SafetyPrompt

if TYPE_CHECKING:
    from polylect.safety.detectors import Detector

__all__ = ["Selection", "anchors_of", "refusals_of"]

REPEATED = "word for word from the preamble"
"""A worked example of the preamble, said again: its author's words, not the model's."""

TWICE = "same prompt and answer as another item's"
"""A table of rows has no row twice."""

Answers = Mapping[tuple[str, str], Sequence[Generated]]


@dataclass(frozen=True)
class Selection:
    """The rules of selection, and where what they drop is counted."""

    detector: Detector
    least_letters: int
    check: Check | None
    keep: int
    tally: Tally
    seen: set[str] = field(default_factory=set)

    def is_new(self, row: Example) -> bool:
        """Tell whether a row is the first of its id, and remember it."""
        new = row.id not in self.seen
        self.seen.add(row.id)
        return new


def refusals_of(
    selection: Selection,
    prompts: Sequence[SafetyPrompt],
    sampled: Answers,
    bare: Answers,
    origin: Origin,
    preambles: Preambles,
) -> tuple[list[Example], list[Pair]]:
    """Return the refusals to learn, and preferences for them over what the same checkpoint answers without the preamble.

    Up to `selection.keep` different refusals are kept per prompt, in the order of sampling. A prompt makes a pair when its
    bare answer complies; a harmful answer is never learnt, only preferred against.
    """
    examples: list[Example] = []
    pairs: list[Pair] = []
    for prompt in prompts:
        kept = _kept(selection, prompt, sampled[prompt.key], preambles.of(prompt.language) or "", origin)
        selection.tally.add(prompt, kept=len(kept))
        examples += [example_of(prompt, one, origin) for one in kept]
        if not kept:
            continue
        if not complies(prompt, bare[prompt.key][0], selection.detector):
            selection.tally.add(prompt, no_compliance=1)
            continue
        pairs.append(pair_of(prompt, kept[0], bare[prompt.key][0], origin))
        selection.tally.add(prompt, pairs=1)
    return examples, pairs


def _kept(
    selection: Selection, prompt: SafetyPrompt, answers: Sequence[Generated], preamble: str, origin: Origin
) -> list[Generated]:
    kept: dict[str, Generated] = {}
    for answer in answers:
        selection.tally.add(prompt, answers=1)
        why = keep_refusal(prompt, answer, selection.detector, selection.least_letters, selection.check)
        if why is None and is_repeated(answer.text, preamble):
            why = REPEATED
        if why is not None:
            selection.tally.drop(prompt, why)
        elif len(kept) >= selection.keep or answer.text.strip() in kept:
            selection.tally.add(prompt, spare=1)
        elif not selection.is_new(example_of(prompt, answer, origin)):
            selection.tally.drop(prompt, TWICE)
        else:
            kept[answer.text.strip()] = answer
    return list(kept.values())


def anchors_of(selection: Selection, prompts: Sequence[SafetyPrompt], answered: Answers, origin: Origin) -> list[Example]:
    """Return the answers to harmless prompts that may be learnt beside the refusals: the first good one of each prompt."""
    examples: list[Example] = []
    for prompt in prompts:
        kept = _first_good(selection, prompt, answered[prompt.key], origin)
        if kept is not None:
            selection.tally.add(prompt, kept=1)
            examples.append(kept)
    return examples


def _first_good(selection: Selection, prompt: SafetyPrompt, answers: Sequence[Generated], origin: Origin) -> Example | None:
    """Return the first answer that may be learnt, and count the others: dropped for a reason, or spare."""
    kept: Example | None = None
    for answer in answers:
        selection.tally.add(prompt, answers=1)
        why = keep_answer(prompt, answer, selection.detector)
        row = example_of(prompt, answer, origin)
        if why is not None:
            selection.tally.drop(prompt, why)
        elif kept is not None:
            selection.tally.add(prompt, spare=1)
        elif not selection.is_new(row):
            selection.tally.drop(prompt, TWICE)
        else:
            kept = row
    return kept
