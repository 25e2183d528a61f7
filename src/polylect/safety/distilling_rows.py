"""The rows that safety context distillation writes: examples and pairs without the preamble, and what became of every answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from polylect.languages.shingles import folded
from polylect.models.interface import Model
from polylect.models.requests import Generated
from polylect.records import MULTIPLE, Example, Pair, content_hash
from polylect.safety.prompts import SafetyPrompt

__all__ = ["Origin", "Tally", "example_of", "is_repeated", "pair_of"]

_COUNTS = ("prompts", "without_preamble", "harm_lost", "answers", "kept", "spare", "pairs", "no_compliance")


@dataclass(frozen=True)
class Origin:
    """Who wrote a row's answer: name, fingerprint, and what is known of its licence."""

    name: str
    revision: str
    may_train: bool | None

    @classmethod
    def of(cls, model: Model) -> Origin:
        """Return the origin of a model's answers."""
        return cls(model.name, model.fingerprint, model.may_train)


def prompt_id(prompt: SafetyPrompt) -> str:
    """Return the id that the prompt has as a `polylect.records.Prompt`."""
    return content_hash("Prompt", prompt.language, prompt.text)


def example_of(prompt: SafetyPrompt, answer: Generated, origin: Origin) -> Example:
    """Return a row of fine-tuning: the bare prompt and the answer."""
    return Example(
        prompt_id=prompt_id(prompt),
        item=prompt.item,
        language=prompt.language,
        prompt=prompt.text,
        completion=answer.text.strip(),
        model=origin.name,
        score=None,
        revision=origin.revision,
        licence=prompt.licence,
        may_train=origin.may_train,
    )


def pair_of(prompt: SafetyPrompt, refused: Generated, complied: Generated, origin: Origin) -> Pair:
    """Return a preference: the refusal, scored 1, over the compliance of the same checkpoint without the preamble, scored 0."""
    return Pair(
        prompt_id=prompt_id(prompt),
        item=prompt.item,
        language=prompt.language,
        prompt=prompt.text,
        chosen=refused.text.strip(),
        rejected=complied.text.strip(),
        chosen_score=1.0,
        rejected_score=0.0,
        chosen_model=f"{origin.name} with preamble",
        rejected_model=origin.name,
        chosen_revision=origin.revision,
        rejected_revision=origin.revision,
        licence=prompt.licence,
        may_train=origin.may_train,
    )


def is_repeated(answer: str, preamble: str) -> bool:
    """Tell whether an answer stands word for word in the preamble: a worked example there, which the model repeats."""
    said = " ".join(folded(answer).split())
    return bool(said) and said in " ".join(folded(preamble).split())


@dataclass
class Tally:
    """What became of the prompts and answers of each language, for refusals and for answers to harmless prompts apart."""

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    dropped: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, prompt: SafetyPrompt, **counted: int) -> None:
        """Add to the counts of a prompt's language."""
        self.counts[_place(prompt)].update(counted)

    def drop(self, prompt: SafetyPrompt, reason: str) -> None:
        """Count a dropped answer under its reason."""
        self.dropped[_place(prompt)][reason] += 1

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per kind of prompt and language, then the sums over languages ("mul")."""
        places = sorted(self.counts)
        rows = [self._row(kind, tag, [(kind, tag)]) for kind, tag in places]
        kinds = sorted({kind for kind, _ in places})
        return rows + [self._row(kind, MULTIPLE, [place for place in places if place[0] == kind]) for kind in kinds]

    def _row(self, kind: str, language: str, places: Iterable[tuple[str, str]]) -> dict[str, Any]:
        counts: Counter[str] = Counter()
        dropped: Counter[str] = Counter()
        for place in places:
            counts.update(self.counts[place])
            dropped.update(self.dropped[place])
        return {"prompts": kind, "language": language, **_ordered(counts), "dropped": dict(dropped.most_common())}


def _place(prompt: SafetyPrompt) -> tuple[str, str]:
    return ("harmful" if prompt.harmful else "harmless"), prompt.language


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """Return all counts, 0 where nothing was counted; `prompts` is the kind's name in a row, so that the number is `asked`."""
    return {("asked" if name == "prompts" else name): counts.get(name, 0) for name in _COUNTS}
