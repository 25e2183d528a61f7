"""A weighted sum of other arbiters, each first normalised within its language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from polylect.arbitrage.arbiters.base import Arbiter, TwoPass, scored, unscored
from polylect.arbitrage.arbiters.loading import build
from polylect.arbitrage.arbiters.normalising import CLIP, Method, Normaliser
from polylect.arbitrage.arbiters.registry import Context, arbiter
from polylect.arbitrage.arbiters.settings import read
from polylect.records import Completion, Prompt, Score

__all__ = ["Composite", "CompositeSettings", "Part", "composite"]


@dataclass(frozen=True)
class CompositeSettings:
    """Keys of a composite.

    Attributes:
        parts: arbiters, each with its own keys and `weight` (a number; negative turns the part round).
        normalise: "z", "rank" or "none", for every part (docs/arbiters.md).
        missing: what an answer gets that a part left unscored: "unscored", or "renormalise": the sum of the other parts, their
            weights scaled up to the same total.
        gate: whether an answer that a part found to be in the wrong language gets the lowest score there is.
        name: of the arbiter in the scores.
    """

    parts: tuple[Mapping[str, Any], ...]
    normalise: Method = "z"
    missing: Literal["unscored", "renormalise"] = "unscored"
    gate: bool = True
    name: str = "composite"


@dataclass(frozen=True)
class Part:
    """One arbiter of a composite with its weight and the spread of its scores."""

    arbiter: Arbiter
    weight: float
    normaliser: Normaliser


class Composite:
    """The arbiter; see `CompositeSettings`.

    Args:
        parts: what to sum.
        name: of the arbiter.
        renormalise: whether a missing part is left out of the sum instead of leaving the answer unscored.
        gate: whether wrong-language answers get the lowest score.
    """

    def __init__(self, parts: Sequence[Part], *, name: str = "composite", renormalise: bool = False, gate: bool = True) -> None:
        self.name, self.parts, self.renormalise, self.gate = name, tuple(parts), renormalise, gate

    def observe(self, prompts: Mapping[str, Prompt], completions: Sequence[Completion]) -> None:
        """Take the parts' scores of these answers into the spreads; parts that are composites see them too."""
        for part in self.parts:
            if isinstance(part.arbiter, TwoPass):
                part.arbiter.observe(prompts, completions)
            part.normaliser.observe(part.arbiter.score(prompts, completions))

    def score(self, prompts: Mapping[str, Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the weighted sum of the normalised parts for each answer, in order.

        `exact` and `chrf` are the first part's that has them; `language_ok` is False if a part found a wrong language.
        """
        columns = [part.arbiter.score(prompts, completions) for part in self.parts]
        spreads = [self._spread(part, column) for part, column in zip(self.parts, columns, strict=True)]
        return [
            self._sum(completion, row, spreads) for completion, row in zip(completions, zip(*columns, strict=True), strict=True)
        ]

    def _spread(self, part: Part, column: Sequence[Score]) -> Normaliser:
        """Return the spread that was observed, or else that of these scores alone."""
        if part.normaliser.seen:
            return part.normaliser
        own = Normaliser(part.normaliser.method)
        own.observe(column)
        return own

    def _sum(self, completion: Completion, row: Sequence[Score], spreads: Sequence[Normaliser]) -> Score:
        verdicts = {score.language_ok for score in row}
        language_ok = False if False in verdicts else (True if True in verdicts else None)
        total = sum(abs(part.weight) for part in self.parts)
        missing = [(part, score) for part, score in zip(self.parts, row, strict=True) if score.value is None]
        if len(missing) == len(row) or (missing and not self.renormalise):
            part, score = missing[0]
            return unscored(completion, self.name, f"{part.arbiter.name}: {score.reason or 'unscored'}", language_ok)
        if self.gate and language_ok is False:
            return scored(completion, self.name, -CLIP * total, language_ok=False, reason="wrong language", **_metrics(row))
        present = [
            (part.weight, spread.value(score.language, score.value))
            for part, spread, score in zip(self.parts, spreads, row, strict=True)
            if score.value is not None
        ]
        weight = sum(abs(w) for w, _ in present)
        value = sum(w * v for w, v in present) * (total / weight)
        reason = f"without {missing[0][0].arbiter.name}: {missing[0][1].reason}" if missing else None
        return scored(completion, self.name, value, language_ok=language_ok, reason=reason, **_metrics(row))


def _metrics(row: Sequence[Score]) -> dict[str, float | None]:
    """Return the first `exact` and `chrf` of the parts."""
    return {
        "exact": next((score.exact for score in row if score.exact is not None), None),
        "chrf": next((score.chrf for score in row if score.chrf is not None), None),
    }


@arbiter("composite", "weighted sum of other arbiters, each normalised within the language")
def composite(settings: Mapping[str, Any], context: Context) -> Arbiter:
    """Build the arbiter from its keys, see `CompositeSettings`."""
    values = read(CompositeSettings, settings, context)
    if not values.parts:
        raise context.refuse("parts", [], "a composite needs at least one arbiter. Write `- kind: verifiable`.")
    parts = [_part(row, values.normalise, context.below(f"parts[{number}]")) for number, row in enumerate(values.parts)]
    names = [part.arbiter.name for part in parts]
    if len(set(names)) != len(names):
        raise context.refuse("parts", names, "two parts have one name. Give each a `name` of its own.")
    return Composite(parts, name=values.name, renormalise=values.missing == "renormalise", gate=values.gate)


def _part(row: Mapping[str, Any], method: Method, context: Context) -> Part:
    weight = row.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not weight or not abs(weight) < float("inf"):
        raise context.refuse("weight", weight, "expected a number other than 0.")
    return Part(build({k: v for k, v in row.items() if k != "weight"}, context), float(weight), Normaliser(method))
