"""The steps of "mix or merge" on a recipe: the experts, the mixed data, the merges, and the evaluation of every candidate.

The experiment of "Mix Data or Merge Models?" (Aakanksha et al. 2024, arXiv 2410.10801): a model can be made safe by mixing
safety data into its training, or by merging a safety expert into a general one. The general expert is the recipe's own stage,
with the recipe's own steps and keys: what a finished run has made of it is not made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from polylect.errors import DataError, RecipeError
from polylect.merge.step_settings import Merge
from polylect.recipe import Recipe
from polylect.run.plan import Builder, plan
from polylect.run.steps import JSON, Step, ancestors
from polylect.safety.mixing import DPO_SHARES, SFT_SHARE

__all__ = ["GENERAL", "METHODS", "SAFETY", "WEIGHTS", "Candidate", "Kind", "MixOrMerge", "TradeOffPlan", "plan_trade_off"]

Kind: TypeAlias = Literal["sft", "pairs"]
"""What the safety data is: rows of fine-tuning, or preference pairs."""

GENERAL, SAFETY = "general", "safety"
"""Names of the two experts among the candidates."""

METHODS = ("linear", "slerp", "ties", "dare-ties")
WEIGHTS = (0.0, 0.3, 0.5, 0.7, 1.0)
"""Weights of the safety expert in arXiv 2410.10801; 0 is the general expert and 1 the safety expert, whatever the method."""

_SHARES: dict[Kind, tuple[float, ...]] = {"sft": (SFT_SHARE,), "pairs": DPO_SHARES}
_STEPS = "mix-or-merge/"
_STAGES = "polylect.run.stages.mix_or_merge:"
_MODEL_LIBRARIES = ("torch", "transformers")
_TRAIN_LIBRARIES = (*_MODEL_LIBRARIES, "trl", "peft", "accelerate")


@dataclass(frozen=True, kw_only=True)
class MixOrMerge:
    """What is tried, and how it is judged.

    Attributes:
        data: table of `Example` or `Pair` rows that teach safety.
        prompts: prompt set (`polylect.safety.read_prompts`) that measures it.
        shares: shares of safety rows in the mixed data; empty: the defaults of `polylect.safety.mixing` (3 % of rows of
            fine-tuning; 0, 15 and 100 % of pairs). At 0 and 100 % the mixed data are the experts', which are there anyway.
        methods: of merging the two experts.
        weights: of the safety expert.
        by: "objective" (the two experts are merged), "language" (experts of one language each, trained on mixed data, are).
        judge: spec of a model that judges the answers; None: the detector.
        max_tokens: of an answer to a safety prompt.
        limit: most safety prompts per language, harmful and harmless each; None: all.
    """

    data: Path
    prompts: Path
    shares: tuple[float, ...] = ()
    methods: tuple[str, ...] = METHODS
    weights: tuple[float, ...] = WEIGHTS
    by: tuple[str, ...] = ("objective",)
    judge: str | None = None
    max_tokens: int = 256
    limit: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            RecipeError: a share or a weight outside 0 to 1, or a way or a method that there is not.
        """
        for what, numbers in (("--share", self.shares), ("--weights", self.weights)):
            for number in numbers:
                if not 0 <= number <= 1:
                    raise RecipeError(f"{what} {number:g}: a number from 0 to 1 is needed, such as 0.15 for 15 %.")
        for what, names, known in (("--method", self.methods, METHODS), ("--by", self.by, ("objective", "language"))):
            odd = sorted(set(names) - set(known))
            if odd or not names:
                raise RecipeError(f"{what} {', '.join(odd)}: choose among {', '.join(known)}.")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that is compared.

    Attributes:
        name: in all tables.
        family: "expert", "mix", "merge" (by objective) or "language merge".
        method: of merging; None where nothing is merged.
        share: of safety rows in the data, as asked for; None where no data is mixed.
        weight: of the safety expert in a merge by objective; None elsewhere.
        model: step of the checkpoint.
        quality: step of its answers to the recipe's held-out items.
        safety: step of its answers to the safety prompts.
    """

    name: str
    family: str
    method: str | None = None
    share: float | None = None
    weight: float | None = None
    model: str = ""
    quality: str = ""
    safety: str = ""


@dataclass(frozen=True)
class TradeOffPlan:
    """All steps, the candidates (the general expert first), the kind of safety data, and the steps that mix data by share."""

    recipe: Recipe
    kind: Kind
    steps: tuple[Step, ...]
    candidates: tuple[Candidate, ...]
    data: Mapping[float, str]


def plan_trade_off(recipe: Recipe, wanted: MixOrMerge, kind: Kind, *, check_files: bool = True) -> TradeOffPlan:
    """Return the steps of the experiment on a recipe; nothing is run.

    Raises:
        RecipeError: preference pairs for a recipe without offline DPO, or a file that is missing.
        DataError: the safety data or the prompts are missing.
    """
    if kind == "pairs" and recipe.offline is None:
        raise RecipeError(
            f"{wanted.data}: preference pairs, but the recipe has `offline: null`. Give rows of fine-tuning, or let the recipe "
            "have offline DPO."
        )
    found = plan(recipe, check_files=check_files)
    stage = next(one for one in found.stages if one.name == ("sft" if kind == "sft" else "offline_dpo"))
    builder = _Experiment(recipe, check_files, wanted=wanted, kind=kind, general=stage.model, general_quality=stage.results)
    builder.everything()
    needed = ancestors([stage.model, stage.results], found.steps)
    steps = [step for step in found.steps if step.name in needed]
    return TradeOffPlan(recipe, kind, (*steps, *builder.steps), tuple(builder.candidates), dict(builder.data))


@dataclass
class _Variant(Builder):
    """Builds stages of the recipe from other data: steps get a prefix, and what read the arbitrage reads `data`."""

    prefix: str = ""
    data: str = ""

    def add(self, name: str, function: str, settings: Mapping[str, JSON], inputs: Mapping[str, str], **more: Any) -> str:
        """Add a step under the prefix; return its whole name."""
        read = {role: self.data if step == "arbitrage" else step for role, step in inputs.items()}
        more["title"] = f"{self.prefix.removeprefix(_STEPS).strip('/')}: {more.get('title', name)}"
        return super().add(self.prefix + name, function, settings, read, **more)


@dataclass(kw_only=True)
class _Experiment(Builder):
    """Collects the candidates and their steps."""

    wanted: MixOrMerge
    kind: Kind
    general: str
    general_quality: str
    candidates: list[Candidate] = field(default_factory=list)
    data: dict[float, str] = field(default_factory=dict)
    _hashes: dict[str, str] = field(default_factory=dict)

    @property
    def start(self) -> str:
        """The checkpoint that both experts are trained from."""
        return "base" if self.kind == "sft" else "merge/sft"

    def everything(self) -> None:
        """Add all candidates."""
        self._hashes = {"data": _digest(self.wanted.data, "data"), "prompts": _digest(self.wanted.prompts, "prompts")}
        self._candidate(Candidate(name=GENERAL, family="expert", model=self.general, quality=self.general_quality))
        expert = self._single(_STEPS + "expert/safety", self.mixture(1.0), self.recipe.languages, "train the safety expert")
        self._candidate(Candidate(name=SAFETY, family="expert", share=1.0, model=expert))
        shares = [share for share in self.wanted.shares or _SHARES[self.kind] if 0 < share < 1]
        for share in dict.fromkeys(shares):
            mixed = Candidate(name=f"mix-{share:g}", family="mix", share=share, model=self._mixed(share))
            self._candidate(mixed)
        if "objective" in self.wanted.by:
            for one in self._merges(expert):
                self._candidate(one)
        if "language" in self.wanted.by:
            for share in dict.fromkeys(shares):
                for one in self._by_language(share):
                    self._candidate(one)

    def mixture(self, share: float) -> str:
        """Add the data in which `share` of the rows teach safety."""
        if share not in self.data:
            settings = {"share": share, "kind": self.kind, "languages": list(self.recipe.languages)}
            self.data[share] = self.add(
                f"{_STEPS}data/{share:g}",
                "mix_or_merge:mixture",
                settings,
                {"general": "arbitrage"},
                files={"data": self._hashes["data"]},
                paths={"data": str(self.wanted.data.absolute())},
                title=f"mix {share:.0%} safety data",
            )
        return self.data[share]

    def _mixed(self, share: float) -> str:
        """Train as the recipe's own stage does, cluster by cluster and merged, on mixed data."""
        variant = _Variant(self.recipe, self.check_files, prefix=f"{_STEPS}mix-{share:g}/", data=self.mixture(share))
        if self.kind == "sft":
            made = variant.sft()
        else:
            made = variant.dpo("offline_dpo", self.start, ["arbitrage"], self.recipe.offline, {})
        self.steps += variant.steps
        return made

    def _single(self, name: str, data: str, languages: tuple[str, ...], title: str) -> str:
        """Add one training run on all rows of `data` in some languages."""
        train = self.recipe.sft if self.kind == "sft" else self.recipe.offline
        assert train is not None
        settings: dict[str, JSON] = {"languages": list(languages), "train": train.model_dump(mode="json")}
        inputs = {"model": self.start, ("data" if self.kind == "sft" else "pairs/0"): data}
        if self.kind == "sft":
            settings["table"] = "examples.parquet"
        function = "training:sft" if self.kind == "sft" else "training:dpo"
        return self.add(name, function, settings, inputs, title=title, weight=50, libraries=_TRAIN_LIBRARIES)

    def _merges(self, expert: str) -> Iterator[Candidate]:
        """Add the merges of the two experts, method by method and weight by weight."""
        for method in self.wanted.methods:
            for weight in dict.fromkeys(w for w in self.wanted.weights if 0 < w < 1):
                name = f"{method}-{weight:g}"
                weights = {GENERAL: 1 - weight, SAFETY: weight}
                model = self._merge(f"merge/{name}", method, {GENERAL: self.general, SAFETY: expert}, weights, weight)
                yield Candidate(name=name, family="merge", method=method, weight=weight, model=model)

    def _by_language(self, share: float) -> Iterator[Candidate]:
        """Add an expert per language trained on mixed data, and their merges with equal weights."""
        experts = {
            tag: self._single(f"{_STEPS}language-{share:g}/{tag}", self.mixture(share), (tag,), f"train {tag} on mixed data")
            for tag in self.recipe.languages
        }
        for method in self.wanted.methods:
            # SLERP is a path between two models.
            if len(experts) >= 2 and (method != "slerp" or len(experts) == 2):
                name = f"language-{share:g}-{method}"
                model = self._merge(f"merge/{name}", method, experts, None, 0.5)
                yield Candidate(name=name, family="language merge", method=method, share=share, model=model)

    def _merge(
        self, name: str, method: str, models: Mapping[str, str], weights: Mapping[str, float] | None, position: float
    ) -> str:
        # A method refuses settings that it does not use, unless they have their defaults.
        recipe = self.recipe.merge if method in ("ties", "dare-ties") and self.recipe.merge.method != "slerp" else Merge()
        settings: dict[str, JSON] = {
            "method": method,
            "weights": None if weights is None or method == "slerp" else dict(weights),
            "density": recipe.density,
            "t": position if method == "slerp" else recipe.t,
            "scale": recipe.scale,
        }
        inputs = {"base": self.start, **{f"model/{one}": step for one, step in models.items()}}
        return self.add(_STEPS + name, "merging:merge", settings, inputs, title=name, weight=3, libraries=("numpy",))

    def _candidate(self, one: Candidate) -> None:
        """Add the two evaluations of a candidate; the general expert's quality is the recipe's own step."""
        title = f"quality of {one.name}"
        quality = one.quality or self.evaluate(f"{_STEPS}quality/{one.name}", one.name, "heldout", one.model, title)
        wanted = self.wanted
        settings = {
            "stage": one.name, "languages": list(self.recipe.languages), "judge": wanted.judge, "limit": wanted.limit,
            "max_tokens": wanted.max_tokens, "batch_size": self.recipe.generation.batch_size, "detector": _detector(),
        }  # fmt: skip
        safety = self.add(
            f"{_STEPS}harm/{one.name}",
            "mix_or_merge:safety",
            settings,
            {"model": one.model},
            files={"prompts": self._hashes["prompts"]},
            paths={"prompts": str(wanted.prompts.absolute())},
            title=f"safety of {one.name}",
            weight=20,
            libraries=_MODEL_LIBRARIES,
        )
        self.candidates.append(Candidate(**{**asdict(one), "quality": quality, "safety": safety}))


def _detector() -> str:
    from polylect.safety.detectors import default_detector

    return default_detector().name


def _digest(path: Path, role: str) -> str:
    from polylect.safety.folder import digest

    found = digest(path)
    if found is None:
        raise DataError(f"--safety-{role} {path}: no such table. Paths are relative to the working directory.")
    return found
