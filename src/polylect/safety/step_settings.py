"""Settings of a recipe's safety: what is distilled, what share of the training data it makes, and how safety is measured."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from polylect import languages as language_table
from polylect.errors import LanguageError, nearest
from polylect.safety.distilling import TEMPERATURE, TOP_P
from polylect.safety.distilling_filter import LEAST_LETTERS
from polylect.safety.mixing import SFT_SHARE

__all__ = ["Safety", "SafetyMeasurement"]

_LATER = ("sft/", "merge/", "offline_dpo", "online_dpo", "keep/", "safety_sft")


class Strict(BaseModel):
    """A part of a recipe that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SafetyMeasurement(Strict):
    """How safe the run's models are, measured when they are made."""

    prompts: str = Field(description="Prompt set, best with harmless twins; none of its prompts may be among those distilled.")
    stages: Literal["main", "all"] = Field(
        "main", description="The base, the merged SFT and the final model; or every model that the run evaluates."
    )
    judge: str | None = Field(None, description="Model that judges, as `served:URL#NAME` or a folder; empty: the detector.")
    judge_format: str | None = Field(
        None, description="How that kind of judge is asked and read (`polylect safety eval --judge-format`); empty: our own way."
    )
    detector: Literal["rules", "learned"] = Field(
        "rules", description="What reads the answers without a judge, and beside one (docs/safety-detectors.md)."
    )
    max_tokens: int = Field(256, ge=1, description="Most new tokens of an answer.")
    stop: tuple[str, ...] = Field((), description="Texts that end an answer: a base model needs one, such as a line break.")
    limit: int | None = Field(None, ge=1, description="Most prompts per language, harmful and harmless each; empty: all.")

    @model_validator(mode="after")
    def _complete(self) -> SafetyMeasurement:
        if self.judge_format is not None and self.judge is None:
            raise ValueError("`judge_format` is of a judge: name one with `judge`")
        return self


class Safety(Strict):
    """Safety context distillation before SFT, its share of the training data, and the measurement of safety."""

    prompts: str | None = Field(None, description="Prompt set to distil: table or folder; empty: nothing is distilled.")
    preamble: str | None = Field(None, description="File with one preamble per language, or one text for all.")
    teacher: str = Field("base", description="`base`, `teacher/<name>` of the pool, or a model: an earlier run's checkpoint.")
    languages: tuple[str, ...] | None = Field(None, description="Languages that are distilled; empty: all with a preamble.")
    turn: Literal["system", "user"] | None = Field(
        None, description="Where the preamble stands: a turn of its own, or the user's; empty: as the chat template allows."
    )
    samples: int = Field(1, ge=1, description="Answers of the teacher per harmful prompt.")
    temperature: float = Field(TEMPERATURE, ge=0, description="Sampling temperature.")
    top_p: float = Field(TOP_P, gt=0, le=1, description="Nucleus mass.")
    max_tokens: int = Field(256, ge=1, description="Most new tokens of an answer.")
    stop: tuple[str, ...] = Field((), description="Texts that end an answer.")
    keep: int = Field(1, ge=1, description="Most refusals kept per prompt.")
    least_letters: int = Field(
        LEAST_LETTERS, ge=1, description="Fewest letters of a refusal that explains, in languages without a lexicon of reasons."
    )
    detector: Literal["rules", "learned"] = Field(
        "rules", description="What tells refusals from other answers (docs/safety-detectors.md)."
    )
    drop_leaks: bool = Field(False, description="Drop refusals that say the prompt's `reference` all the same.")
    anchor_model: str | None = Field(None, description="Who answers the harmless prompts, as `teacher`; empty: the teacher.")
    anchor_preamble: str | None = Field(None, description="File with what stands before the harmless prompts; empty: nothing.")
    anchor_samples: int = Field(1, ge=1, description="Answers per harmless prompt, the first good one is kept; 1: greedy.")
    anchors: int = Field(1, ge=0, description="Answers to harmless prompts per refusal in the fine-tuning data.")
    share: float = Field(SFT_SHARE, ge=0, lt=1, description="Share of refusals in the fine-tuning data of every cluster.")
    pairs: float = Field(0.0, ge=0, le=1, description="Share of safety pairs in offline DPO; 1: no other pairs.")
    spread: Literal["cluster", "all"] = Field(
        "cluster", description="Safety rows of a cluster's own languages, or of all languages in every cluster."
    )
    keep_general: bool = Field(
        True, description="Where safety rows are too few for a share: keep the other rows and fall short; false: leave rows out."
    )
    evaluate: SafetyMeasurement | None = Field(None, description="Measure how safe the models are; empty: nothing is measured.")

    @field_validator("languages")
    @classmethod
    def _known(cls, tags: tuple[str, ...] | None) -> tuple[str, ...] | None:
        try:
            return None if tags is None else tuple(language_table.canonical(tag) for tag in tags)
        except LanguageError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _complete(self) -> Safety:
        if self.prompts is None:
            # A recipe that a run has saved names every key: what counts is whether one differs from its default.
            own = {key: field.default for key, field in type(self).model_fields.items() if key != "evaluate"}
            alone = [key for key, default in own.items() if getattr(self, key) != default]
            if alone:
                raise ValueError(f"`{alone[0]}` is of the distillation, which needs `prompts`: name a prompt set")
            if self.evaluate is None:
                raise ValueError("nothing to do: give `prompts` and `preamble` to distil, or `evaluate` to measure")
        elif self.preamble is None:
            raise ValueError("`preamble` is missing: it makes the teacher refuse. Name a file with one text per language")
        elif not self.share and not self.pairs:
            raise ValueError("`share` and `pairs` are both 0: nothing that is distilled would be learnt. Leave `prompts` out")
        return self

    def check(self, languages: Collection[str], teachers: Collection[str], *, offline: bool) -> None:
        """Hold the settings against the rest of the recipe.

        Args:
            languages: of the recipe.
            teachers: names of the pool's teachers that are trained in the run.
            offline: whether there is offline preference training.

        Raises:
            ValueError: a language or a teacher that the recipe has not, a checkpoint that is made too late, or pairs without
                preference training.
        """
        foreign = sorted(set(self.languages or ()) - set(languages))
        if foreign:
            raise ValueError(f"safety.languages: {', '.join(foreign)} is not among the recipe's languages")
        if self.pairs and not offline:
            raise ValueError(f"safety.pairs: {self.pairs:g}, but `offline` is null: pairs are for preference training")
        for key, spec in (("teacher", self.teacher), ("anchor_model", self.anchor_model or "base")):
            name = spec.removeprefix("teacher/")
            if name != spec and name not in teachers:
                known = ", ".join(f"teacher/{one}" for one in teachers) or "none"
                raise ValueError(f"safety.{key}: {spec!r} is not trained here; there are: {known}.{nearest(name, teachers)}")
            if spec.startswith(_LATER):
                raise ValueError(
                    f"safety.{key}: {spec!r} is made after the distillation. Choose `base`, `teacher/<name>`, or the folder of "
                    "an earlier run's checkpoint, such as runs/earlier/steps/merge/sft"
                )
