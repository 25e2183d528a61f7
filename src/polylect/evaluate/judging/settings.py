"""How to judge, and how good a judge has to be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from polylect.errors import EvaluationError
from polylect.evaluate.judging.gate import FOREIGN_SHARE
from polylect.evaluate.judging.instructions import InstructionLanguage, check_template
from polylect.evaluate.judging.parsing import Form
from polylect.resampling import RESAMPLES

__all__ = ["JudgeSettings", "Thresholds"]


@dataclass(frozen=True)
class Thresholds:
    """What a judge must reach in a language; under one of them it is unfit there. All are defaults to be changed at will.

    Attributes:
        consistency: least share of contests in which both orders give one verdict. A judge that draws among two verdicts
            reaches 0.5; GPT-4 0.65 and weaker judges 0.24 to 0.46 in Zheng et al. 2023 (arXiv 2306.05685, section 4.1).
        unreadable: largest share of verdicts that cannot be read.
        people: least Cohen kappa with people's votes, where there are votes; 0.2 to 0.4 is "fair" on the scale of Landis and Koch
            1977.
        english: least Cohen kappa with the judge's own English verdicts on the same items; 0 is chance, and judges reach about
            0.3 on average over 25 languages (arXiv 2505.12201).
        ac1: where a kappa is under its threshold, a Gwet AC1 from here on is good enough: where one contestant wins nearly
            every time, kappa is close to 0 however well the verdicts agree.
        least: fewest contests (for `people` and `english`: shared ones) from which anything is said; below, the judge is
            "uncertified".
    """

    consistency: float = 0.6
    unreadable: float = 0.1
    people: float = 0.3
    english: float = 0.2
    ac1: float = 0.4
    least: int = 30

    def __post_init__(self) -> None:
        for name in ("consistency", "unreadable", "people", "english", "ac1"):
            value = getattr(self, name)
            if not -1 <= value <= 1:
                raise EvaluationError(f"judge threshold {name!r}: {value} is no share. Give a number from -1 to 1.")
        if self.least < 1:
            raise EvaluationError(f"judge threshold 'least': {self.least} contests. Give 1 or more.")


@dataclass(frozen=True)
class JudgeSettings:
    """How contests are judged.

    Attributes:
        instructions: language of what the judge is told around the answers: "en", or "native" where we have it.
        template: a text of the user's own instead, with {instruction}, {a}, {b} and, if wanted, {language}; the judge must be
            told to end in `Preferred: A`, `B` or `TIE`.
        verdicts: their form, see `parsing`: "line" (A, B or TIE), or "arena-hard" (five labels, told in English).
        max_tokens: of a verdict; a judge that thinks aloud needs more.
        temperature: 0 gives the same verdict again.
        gate: whether a wrong-language answer loses.
        ungated: whether the judge is asked about wrong-language answers all the same, so that the win rate without the gate
            is known, too. False saves these requests.
        foreign_share: see `gate.in_right_language`.
        panel: how several judges are combined: "majority" of their verdicts, or the "mean" of their points.
        thresholds: of the certificate.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """

    instructions: InstructionLanguage = "en"
    template: str | None = None
    verdicts: Form = "line"
    max_tokens: int = 512
    temperature: float = 0.0
    gate: bool = True
    ungated: bool = True
    foreign_share: float = FOREIGN_SHARE
    panel: Literal["majority", "mean"] = "majority"
    thresholds: Thresholds = field(default_factory=Thresholds)
    seed: int = 0
    resamples: int = RESAMPLES

    def __post_init__(self) -> None:
        _one_of("instructions", self.instructions, ("en", "native"))
        _one_of("verdicts", self.verdicts, ("line", "arena-hard"))
        if self.verdicts == "arena-hard" and self.instructions == "native":
            raise EvaluationError("judge settings: verdicts 'arena-hard' are told in English. Leave out instructions 'native'.")
        _one_of("panel", self.panel, ("majority", "mean"))
        if self.max_tokens < 1 or self.temperature < 0 or not 0 <= self.foreign_share <= 1:
            raise EvaluationError(
                f"judge settings: max_tokens {self.max_tokens}, temperature {self.temperature}, foreign_share "
                f"{self.foreign_share}; expected 1 or more, 0 or more, and 0 to 1."
            )
        if self.template is not None:
            check_template(self.template, "judge settings")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise EvaluationError(f"judge setting {name!r}: {value!r} is not one of {', '.join(known)}.")
