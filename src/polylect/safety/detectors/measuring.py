"""How well a detector does on answers whose outcomes are known: confusion, F1 and answers per second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from polylect.safety.detectors.interface import Detector
from polylect.safety.outcomes import OUTCOMES, Outcome

__all__ = ["Agreement", "measure"]


@dataclass(frozen=True)
class Agreement:
    """What a detector makes of the labelled answers of one language.

    `counts` has (label, outcome) -> answers; the outcome is None where the detector abstains, which counts as a miss.
    """

    language: str
    counts: Mapping[tuple[Outcome, Outcome | None], int]

    @property
    def n(self) -> int:
        """Labelled answers."""
        return sum(self.counts.values())

    @property
    def abstained(self) -> int:
        """Answers without an outcome."""
        return sum(number for (_, said), number in self.counts.items() if said is None)

    def f1(self, outcome: Outcome) -> float | None:
        """Return the F1 of one outcome, in [0, 1]; None where neither the labels nor the detector have it."""
        right = self.counts.get((outcome, outcome), 0)
        labelled = sum(number for (label, _), number in self.counts.items() if label == outcome)
        said = sum(number for (_, said), number in self.counts.items() if said == outcome)
        return 2 * right / (labelled + said) if labelled + said else None

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the outcomes that the labels or the detector have."""
        found = [value for outcome in OUTCOMES if (value := self.f1(outcome)) is not None]
        return sum(found) / len(found)


def measure(detector: Detector, labelled: Iterable[tuple[str, str, str, Outcome]]) -> dict[str, Agreement]:
    """Return how far a detector agrees with labels, by language.

    Args:
        detector: to be measured.
        labelled: prompt, answer, language and outcome of each answer.
    """
    counts: dict[str, Counter[tuple[Outcome, Outcome | None]]] = {}
    for prompt, answer, language, outcome in labelled:
        counts.setdefault(language, Counter())[outcome, detector.judge(prompt, answer, language)[0]] += 1
    return {language: Agreement(language, found) for language, found in sorted(counts.items())}
