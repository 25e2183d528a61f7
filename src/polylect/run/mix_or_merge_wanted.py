"""What a user asks of "mix or merge": where safety data and prompts come from, and which candidates are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

from polylect.errors import RecipeError
from polylect.recipe import Recipe

__all__ = ["DISTILLED", "METHODS", "WEIGHTS", "Kind", "MixOrMerge", "Sources", "completed", "sources"]

Kind: TypeAlias = Literal["sft", "pairs"]
"""What the safety data is: rows of fine-tuning, or preference pairs."""

METHODS = ("linear", "slerp", "ties", "dare-ties")
WEIGHTS = (0.0, 0.3, 0.5, 0.7, 1.0)
"""Weights of the safety expert in arXiv 2410.10801; 0 is the general expert and 1 the safety expert, whatever the method."""

_MAX_TOKENS = 256
DISTILLED = "safety"
"""The step of a run that distils what the recipe's key `safety` names."""


@dataclass(frozen=True, kw_only=True)
class MixOrMerge:
    """What is tried, and how it is judged.

    Attributes:
        data: table of `Example` or `Pair` rows that teach safety, or two, one of each kind; none: what the recipe distils.
        prompts: prompt set (`polylect.safety.read_prompts`) that measures safety; None: the recipe's.
        shares: shares of safety rows in the mixed data; empty: the recipe's where it distils, else the defaults of
            `polylect.safety.mixing` (3 % of rows of fine-tuning; 0, 15 and 100 % of pairs). At 0 and 100 % the mixed data are
            the experts', which are there anyway.
        methods: of merging the two experts.
        weights: of the safety expert.
        by: "objective" (the two experts are merged), "language" (experts of one language each, trained on mixed data, are).
        judge: spec of a model that judges the answers; None: the recipe's `safety.evaluate.judge`, else the detector.
        judge_format: how that kind of judge is asked and read (`polylect.safety.judge_formats`); None: our own way.
        detector: "rules" or "learned" (`polylect.safety.detectors`); None: the recipe's, else the rules.
        max_tokens: of an answer to a safety prompt; None: the recipe's, else 256.
        stop: texts that end an answer to a safety prompt; empty: the recipe's.
        limit: most safety prompts per language, harmful and harmless each; None: the recipe's, else all.
    """

    data: Path | tuple[Path, ...] = ()
    prompts: Path | None = None
    shares: tuple[float, ...] = ()
    methods: tuple[str, ...] = METHODS
    weights: tuple[float, ...] = WEIGHTS
    by: tuple[str, ...] = ("objective",)
    judge: str | None = None
    judge_format: str | None = None
    detector: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            RecipeError: a share or a weight outside 0 to 1, or a way, a method or a detector that there is not.
            EvaluationError: a judge format that there is not.
        """
        for what, numbers in (("--share", self.shares), ("--weights", self.weights)):
            for number in numbers:
                if not 0 <= number <= 1:
                    raise RecipeError(f"{what} {number:g}: a number from 0 to 1 is needed, such as 0.15 for 15 %.")
        for what, names, known in (("--method", self.methods, METHODS), ("--by", self.by, ("objective", "language"))):
            odd = sorted(set(names) - set(known))
            if odd or not names:
                raise RecipeError(f"{what} {', '.join(odd)}: choose among {', '.join(known)}.")
        if self.detector is not None:
            from polylect.safety.detectors import DETECTORS

            if self.detector not in DETECTORS:
                raise RecipeError(f"--detector {self.detector}: choose among {', '.join(DETECTORS)}.")
        if self.judge_format is not None:
            from polylect.safety.judge_formats import judge_format_of

            judge_format_of(self.judge_format)

    @property
    def tables(self) -> tuple[Path, ...]:
        """The tables of safety data."""
        return (self.data,) if isinstance(self.data, Path) else self.data


@dataclass(frozen=True)
class Sources:
    """Where safety data and prompts come from.

    Attributes:
        data: kind of safety data -> its table; None: the step of the run that distils it.
        prompts: the prompt set.
        shares: kind -> shares of safety rows that the recipe asks for.
    """

    data: Mapping[Kind, Path | None]
    prompts: Path
    shares: Mapping[Kind, tuple[float, ...]] = field(default_factory=dict)


def completed(recipe: Recipe, wanted: MixOrMerge) -> MixOrMerge:
    """Return what is wanted with how the recipe measures safety where that was left open."""
    own = recipe.safety and recipe.safety.evaluate
    if not own:
        return replace(wanted, max_tokens=wanted.max_tokens or _MAX_TOKENS)
    if wanted.judge is None:
        wanted = replace(wanted, judge=own.judge, judge_format=wanted.judge_format or own.judge_format)
    return replace(
        wanted,
        prompts=wanted.prompts or Path(own.prompts),
        detector=wanted.detector or own.detector,
        max_tokens=wanted.max_tokens or own.max_tokens,
        stop=wanted.stop or own.stop,
        limit=wanted.limit or own.limit,
    )


def sources(recipe: Recipe, wanted: MixOrMerge) -> Sources:
    """Return where safety data and prompts come from: what the user names, else what the recipe's key `safety` does.

    Raises:
        RecipeError: neither names any.
        DataError: a table is missing, of neither kind, or of the same kind as another.
    """
    from polylect.run.mix_or_merge_data import kinds_of

    own, prompts = recipe.safety, completed(recipe, wanted).prompts
    if prompts is None:
        raise RecipeError(
            f"{recipe.name}: no prompts to measure safety with. Give --safety-prompts, or let the recipe have "
            "`safety: {evaluate: {prompts: ...}}`."
        )
    if wanted.tables:
        return Sources(kinds_of(wanted.tables), prompts)
    shares: dict[Kind, float] = {} if own is None or own.prompts is None else {"sft": own.share, "pairs": own.pairs}
    found: dict[Kind, tuple[float, ...]] = {kind: (share,) for kind, share in shares.items() if share}
    if not found:
        raise RecipeError(
            f"{recipe.name}: no safety data. Give --safety-data, such as the sft.parquet of `polylect safety distil`, or let "
            "the recipe have `safety: {prompts: ..., preamble: ...}`."
        )
    return Sources(dict.fromkeys(found), prompts, found)
