"""The steps of "mix or merge" on a recipe: the experts, the mixed data, the merges, and the evaluation of every candidate.

The experiment of "Mix Data or Merge Models?" (Aakanksha et al. 2024, arXiv 2410.10801): a model can be made safe by mixing
safety data into its training, or by merging a safety expert into a general one. The general expert is the recipe's own stage,
with the recipe's own steps and keys: what a finished run has made of it is not made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polylect.errors import DataError, RecipeError
from polylect.merge.step_settings import Merge
from polylect.recipe import Recipe
from polylect.run.mix_or_merge_quality import QualityBy, held_out, quality_by
from polylect.run.mix_or_merge_wanted import DISTILLED, Kind, MixOrMerge, Sources, completed
from polylect.run.plan import Builder, Stage, plan
from polylect.run.steps import JSON, MODEL_LIBRARIES, TRAIN_LIBRARIES, Step, ancestors
from polylect.safety.mixing import DPO_SHARES, SFT_SHARE

__all__ = ["GENERAL", "SAFETY", "Candidate", "TradeOffPlan", "plan_trade_off"]

GENERAL, SAFETY = "general", "safety"
"""Names of the two experts among the candidates. With safety data of both kinds names begin with what they are of."""

_SHARES: dict[Kind, tuple[float, ...]] = {"sft": (SFT_SHARE,), "pairs": DPO_SHARES}
_STEPS = "mix-or-merge/"
_FOLDERS: dict[Kind, str] = {"sft": _STEPS, "pairs": f"{_STEPS}dpo/"}
_STAGES: dict[Kind, str] = {"sft": "sft", "pairs": "offline_dpo"}
_NAMES: dict[Kind, str] = {"sft": "sft-", "pairs": "dpo-"}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that is compared.

    Attributes:
        name: in all tables.
        family: "expert", "mix", "merge" (by objective) or "language merge".
        kind: of the safety data; it says whether this is a fine-tuned or a preference-trained model.
        method: of merging; None where nothing is merged.
        share: of safety rows in the data, as asked for; None where no data is mixed.
        weight: of the safety expert in a merge by objective; None elsewhere.
        data: step of the data with that share; "" where no data is mixed.
        model: step of the checkpoint.
        quality: step of its answers to the recipe's held-out items.
        safety: step of its answers to the safety prompts.
    """

    name: str
    family: str
    kind: Kind
    method: str | None = None
    share: float | None = None
    weight: float | None = None
    data: str = ""
    model: str = ""
    quality: str = ""
    safety: str = ""


@dataclass(frozen=True)
class TradeOffPlan:
    """What will be done.

    Attributes:
        recipe: whose model is made safe.
        data: kind of safety data -> its table; None: the recipe's own distillation.
        steps: all steps, in an order in which they can be carried out.
        candidates: with the general expert among them.
        reference: name of the general expert that the others are held against; of two, the preference-trained one.
        by: what tells the quality of answers to the held-out items.
        wins: step that compares these answers with the reference's; "" where references score them.
        left_out: what was asked for and is not there, in sentences.
    """

    recipe: Recipe
    data: Mapping[Kind, Path | None]
    steps: tuple[Step, ...]
    candidates: tuple[Candidate, ...]
    reference: str
    by: QualityBy = "references"
    wins: str = ""
    left_out: tuple[str, ...] = ()


def plan_trade_off(recipe: Recipe, wanted: MixOrMerge, sources: Sources, *, check_files: bool = True) -> TradeOffPlan:
    """Return the steps of the experiment on a recipe; nothing is run.

    Args:
        recipe: whose model is made safe.
        wanted: what is tried.
        sources: of safety data and prompts (`polylect.run.mix_or_merge_wanted.sources`).
        check_files: look at the recipe's own files; a dry run need not have them.

    Raises:
        RecipeError: preference pairs for a recipe without offline DPO, a file that is missing, or a recipe that cannot tell the
            quality of answers to its held-out items.
        DataError: the safety data or the prompts are missing.
    """
    if "pairs" in sources.data and recipe.offline is None:
        raise RecipeError(
            f"{sources.data['pairs']}: preference pairs, but the recipe has `offline: null`. Give rows of fine-tuning, or let "
            "the recipe have offline DPO."
        )
    wanted = completed(recipe, wanted)
    by = quality_by(recipe, held_out(recipe))
    found = plan(recipe, check_files=check_files)
    several = len(sources.data) > 1
    parts = [
        _Experiment(recipe, check_files, wanted=wanted, kind=kind, sources=sources, before=_NAMES[kind] if several else "")
        for kind in _SHARES
        if kind in sources.data
    ]
    for part in parts:
        part.everything({stage.name: stage for stage in found.stages})
    made = {step.name: step for part in parts for step in part.steps}
    needed = ancestors([source for step in made.values() for source in step.inputs.values() if source not in made], found.steps)
    needed |= ancestors([part.candidates[0].quality for part in parts if part.candidates[0].quality not in made], found.steps)
    steps = [*(step for step in found.steps if step.name in needed), *made.values()]
    candidates = tuple(one for part in parts for one in part.candidates)
    reference = parts[-1].candidates[0].name
    last = Builder(recipe, check_files)
    wins = "" if by == "references" else _wins(last, by, candidates, reference)
    left_out = tuple(dict.fromkeys(one for part in parts for one in part.left_out))
    return TradeOffPlan(recipe, dict(sources.data), (*steps, *last.steps), candidates, reference, by, wins, left_out)


def _wins(builder: Builder, by: QualityBy, candidates: Sequence[Candidate], reference: str) -> str:
    """Add the comparison of all candidates' answers with the reference's, in one step: a judge's certificate rests on all."""
    how = builder.judge if by == "judge" else {"arbiter": builder.arbiter}
    return builder.add(
        f"{_STEPS}wins",
        "mix_or_merge:wins",
        {"reference": reference, "candidates": [one.name for one in candidates], **how},
        {"prompts": "prompts", **{f"answers/{one.name}": one.quality for one in candidates}},
        title=f"compare answers with those of {reference}",
        weight=60,
        libraries=("py3langid",),
    )


@dataclass
class _Variant(Builder):
    """Builds stages of the recipe from other data: steps get a prefix, and what read the arbitrage reads `data`."""

    prefix: str = ""
    data: str = ""

    def has_refusals(self, training: str) -> bool:
        """Return whether it reads a mixture."""
        return self.data != "arbitrage"

    def add(self, name: str, function: str, settings: Mapping[str, JSON], inputs: Mapping[str, str], **more: Any) -> str:
        """Add a step under the prefix; return its whole name."""
        read = {role: self.data if step == "arbitrage" else step for role, step in inputs.items()}
        more["title"] = f"{self.prefix.removeprefix(_STEPS).strip('/')}: {more.get('title', name)}"
        return super().add(self.prefix + name, function, settings, read, **more)


@dataclass(kw_only=True)
class _Experiment(Builder):
    """Collects the candidates of one kind of safety data, and their steps."""

    wanted: MixOrMerge
    kind: Kind
    sources: Sources
    before: str
    start: str = "base"
    general: str = ""
    candidates: list[Candidate] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def folder(self) -> str:
        """What the names of the steps begin with."""
        return _FOLDERS[self.kind]

    def everything(self, stages: Mapping[str, Stage]) -> None:
        """Add all candidates, given the recipe's own stages."""
        self._candidate(GENERAL, "expert", self._general_expert(stages), quality=self._general_quality(stages))
        everything = self.mixture(1.0)
        expert = self._single(f"{self.folder}expert/safety", everything, self.recipe.languages, "train the safety expert")
        self._candidate(SAFETY, "expert", expert, share=1.0, data=everything)
        wanted = self.wanted.shares or self.sources.shares.get(self.kind) or _SHARES[self.kind]
        shares = dict.fromkeys(share for share in wanted if 0 < share < 1)
        for share in shares:
            self._candidate(f"mix-{share:g}", "mix", self._mixed(share), share=share, data=self.mixture(share))
        if "objective" in self.wanted.by:
            self._by_objective(expert)
        if "language" in self.wanted.by:
            for share in shares:
                self._by_language(share)

    def _general_expert(self, stages: Mapping[str, Stage]) -> str:
        """Return the recipe's own stage; where that learns safety, train the same without, in steps of its own."""
        before, own = stages["sft"], stages[_STAGES[self.kind]]
        self.general, first = own.model, before.model
        if self._apart:
            variant = _Variant(self.recipe, self.check_files, prefix=f"{_STEPS}general/", data="arbitrage")
            self.general = first = variant.sft()
            if self.kind == "pairs":
                self.general = variant.dpo("offline_dpo", first, ["arbitrage"], self.recipe.offline, {})
            self.steps += variant.steps
        self.start = "base" if self.kind == "sft" else first
        return self.general

    @property
    def _apart(self) -> bool:
        """Whether the recipe's own training has safety data in it."""
        safety = self.recipe.safety
        return safety is not None and safety.prompts is not None and (safety.last is None or safety.pairs > 0)

    def _general_quality(self, stages: Mapping[str, Stage]) -> str:
        return "" if self._apart else stages[_STAGES[self.kind]].results

    def mixture(self, share: float) -> str:
        """Add the data in which `share` of the rows teach safety, unless it is there."""
        name = f"{self.folder}data/{share:g}"
        if any(step.name == name for step in self.steps):
            return name
        table = self.sources.data[self.kind]
        inputs, more = {"general": "arbitrage"}, {}
        if table is None:
            inputs["safety"] = DISTILLED
        else:
            more = {"files": {"data": _digest(table, "data")}, "paths": {"data": str(table.absolute())}}
        settings = {"share": share, "kind": self.kind, "languages": list(self.recipe.languages)}
        title = f"mix {share:.0%} safety data"
        return self.add(name, "mix_or_merge:mixture", settings, inputs, version="2", title=title, **more)

    def _mixed(self, share: float) -> str:
        """Train as the recipe's own stage does, cluster by cluster and merged, on mixed data."""
        variant = _Variant(self.recipe, self.check_files, prefix=f"{self.folder}mix-{share:g}/", data=self.mixture(share))
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
        settings: dict[str, JSON] = {"languages": list(languages), "train": train.of_step(refusals=True)}
        inputs = {"model": self.start, ("data" if self.kind == "sft" else "pairs/0"): data}
        if self.kind == "sft":
            settings["table"] = "examples.parquet"
        function = "training:sft" if self.kind == "sft" else "training:dpo"
        # The recipe's weight of a cluster, by how many of all languages are trained on.
        weight = 50 * len(self.clusters) * len(languages) / len(self.recipe.languages)
        return self.add(name, function, settings, inputs, title=title, weight=weight, libraries=TRAIN_LIBRARIES)

    def _by_objective(self, expert: str) -> None:
        """Add the merges of the two experts, method by method and weight by weight."""
        for method in self.wanted.methods:
            for weight in dict.fromkeys(w for w in self.wanted.weights if 0 < w < 1):
                name = f"{method}-{weight:g}"
                weights = {GENERAL: 1 - weight, SAFETY: weight}
                model = self._merge(f"merge/{name}", method, {GENERAL: self.general, SAFETY: expert}, weights, weight)
                self._candidate(name, "merge", model, method=method, weight=weight)

    def _by_language(self, share: float) -> None:
        """Add an expert per language trained on mixed data, and their merges with equal weights."""
        data = self.mixture(share)
        tags = self.recipe.languages
        if len(tags) < 2:
            self.left_out.append("--by language: the recipe has one language, whose expert is the mixed model")
            return
        methods = [method for method in self.wanted.methods if method != "slerp" or len(tags) == 2]
        if len(methods) < len(self.wanted.methods):
            self.left_out.append(f"--by language: slerp is a path between two models, and there are {len(tags)} experts")
        trained = f"{self.folder}language-{share:g}/"
        experts = {tag: self._single(trained + tag, data, (tag,), f"train {tag} on mixed data") for tag in tags if methods}
        for method in methods:
            name = f"language-{share:g}-{method}"
            model = self._merge(f"merge/{name}", method, experts, None, 0.5)
            self._candidate(name, "language merge", model, method=method, share=share, data=data)

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
        return self.add(self.folder + name, "merging:merge", settings, inputs, title=name, weight=3, libraries=("numpy",))

    def _candidate(self, name: str, family: str, model: str, *, quality: str = "", **made: Any) -> None:
        """Add a candidate and its two evaluations; the general expert's quality is the recipe's own step."""
        from polylect.safety.detectors import detector_settings

        whole, wanted = self.before + name, self.wanted
        quality = quality or self.evaluate(f"{self.folder}quality/{name}", whole, "heldout", model, f"quality of {whole}")
        settings = {
            "stage": whole, "languages": list(self.recipe.languages), "judge": wanted.judge, "limit": wanted.limit,
            "max_tokens": wanted.max_tokens, "batch_size": self.recipe.generation.batch_size,
            **detector_settings(wanted.detector),
        }  # fmt: skip
        settings |= {"stop": list(wanted.stop)} if wanted.stop else {}
        settings |= {"judge_format": wanted.judge_format} if wanted.judge_format else {}
        safety = self.add(
            f"{self.folder}harm/{name}",
            "mix_or_merge:safety",
            settings,
            {"model": model},
            files={"prompts": _digest(self.sources.prompts, "prompts")},
            paths={"prompts": str(self.sources.prompts.absolute())},
            title=f"safety of {whole}",
            weight=20,
            libraries=MODEL_LIBRARIES,
        )
        one = Candidate(name=whole, family=family, kind=self.kind, model=model, quality=quality, safety=safety, **made)
        self.candidates.append(one)


def _digest(path: Path, role: str) -> str:
    from polylect.safety.folder import digest

    found = digest(path)
    if found is None:
        raise DataError(f"--safety-{role} {path}: no such table. Paths are relative to the working directory.")
    return found
