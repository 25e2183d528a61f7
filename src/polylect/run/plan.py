"""From a recipe to the steps of a run: the Aya Expanse recipe, read from top to bottom.

    prompts -> base -> teachers -> answers -> arbitrage -> sft per cluster -> merge
            -> offline DPO per cluster -> merge -> (sample -> DPO per cluster -> merge -> keep?) x N (-> safety SFT)
    evaluate every stage -> compare

Only this module and `plan_safety`, which adds what a recipe's safety needs, order stages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polylect.errors import RecipeError
from polylect.recipe import Recipe, Teacher
from polylect.run import plan_safety
from polylect.run.keys import file_hashes
from polylect.run.steps import JSON, MODEL_LIBRARIES, TRAIN_LIBRARIES, Step

__all__ = ["Builder", "Plan", "Stage", "plan"]

_STAGES = "polylect.run.stages."


@dataclass(frozen=True)
class Stage:
    """A model that is evaluated: `model` and `results` are step names, `previous` is the stage it was trained from.

    `verdict` is the step that says whether the stage was kept; "" when it always is.
    """

    name: str
    title: str
    model: str
    results: str
    previous: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Plan:
    """All steps of a run in an order in which they can be carried out, and the stages they make."""

    recipe: Recipe
    steps: tuple[Step, ...]
    stages: tuple[Stage, ...]
    references: tuple[str, ...]
    final: str


@dataclass
class Builder:
    """Collects steps; each method adds one part of the recipe and returns the name of the step others build on.

    `mixtures` maps a training ("sft/west", "pairs/west") to the step whose rows it reads in place of the arbitrage's.
    """

    recipe: Recipe
    check_files: bool
    steps: list[Step] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    mixtures: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, function: str, settings: Mapping[str, JSON], inputs: Mapping[str, str], **more: Any) -> str:
        """Add a step of the module and function `function` of the stages; return its name."""
        step = Step(name=name, function=_STAGES + function, settings=settings, inputs=inputs, seed=self.recipe.seed, **more)
        self.steps.append(step)
        return name

    @property
    def clusters(self) -> dict[str, tuple[str, ...]]:
        """Cluster -> its languages."""
        return self.recipe.cluster_languages()

    @property
    def arbiter(self) -> dict[str, JSON]:
        """The arbiter's settings; of a file its content too, so that a changed file makes the scores stale."""
        settings: dict[str, JSON] = self.recipe.arbiter.model_dump(mode="json")
        if self.recipe.arbiter.file is not None:
            path = Path(self.recipe.arbiter.file)
            if not path.is_file():
                raise RecipeError(f"arbiter.file: {path}: no such file. Give an ARBITER.yaml as `polylect arbitrage` reads it.")
            settings["content"] = path.read_text(encoding="utf-8")
        return settings

    @property
    def generation(self) -> dict[str, JSON]:
        """How models answer."""
        return self.recipe.generation.model_dump(mode="json")

    @property
    def judge(self) -> dict[str, JSON]:
        """The settings of a judge that is a model; none where answers are judged by rule."""
        one = self.recipe.evaluation
        if one.judge != "llm":
            return {}
        chosen = {"model", "key_env", "instructions", "judge_tokens"}
        return {"judge": one.model_dump(mode="json", include=chosen)}

    @property
    def judged_on(self) -> dict[str, str]:
        """The inputs that such a judge needs besides answers."""
        return {"prompts": "prompts"} if self.judge else {}

    def has_refusals(self, training: str) -> bool:
        """Return whether safety rows are mixed into what a training ("sft/west", "pairs/west") reads."""
        return training in self.mixtures

    def prompts(self) -> str:
        """Add the drawing of the prompts."""
        prompts = self.recipe.prompts
        settings = {
            "source": prompts.source,
            "languages": list(self.recipe.languages),
            "kinds": sorted(prompts.kinds) if prompts.kinds is not None else None,
            "unseen_kinds": sorted(prompts.unseen_kinds) if prompts.unseen_kinds is not None else None,
            "items": prompts.items.model_dump(),
        }
        return self.add(
            "prompts",
            "data:prompts",
            settings,
            {},
            files=file_hashes(prompts.files, "prompts.files") if self.check_files else {},
            paths=dict(prompts.files),
            title="draw the prompts",
            weight=3,
            libraries=("babel", "num2words"),
        )

    def base(self) -> str:
        """Add the base model."""
        model = self.recipe.model
        settings = {"model": model.base, "trim_vocabulary": model.trim_vocabulary, "chat_template": model.chat_template}
        inputs = {"prompts": "prompts"} if model.trim_vocabulary else {}
        title, libraries = f"base model {model.base}", ("transformers", "tokenizers")
        more = plan_safety.vocabulary(self)
        return self.add("base", "data:base", settings, inputs, title=title, weight=20, libraries=libraries, **more)

    def teachers(self) -> dict[str, str]:
        """Add the training and the answers of every teacher; return teacher -> its step of answers."""
        return {name: self._teacher(name, teacher) for name, teacher in self.recipe.pool.items()}

    def _teacher(self, name: str, teacher: Teacher) -> str:
        settings: dict[str, JSON] = {
            "teacher": name,
            "kind": teacher.kind,
            "model": teacher.model,
            "url": teacher.url,
            "key_env": teacher.key_env,
            "shots": teacher.shots,
            "languages": list(teacher.languages or self.recipe.languages),
            "generation": self.generation,
        }
        inputs = {"prompts": "prompts"}
        if teacher.cluster is not None:
            inputs["model"] = self._train_teacher(name, teacher.cluster)
        elif teacher.model == "base":
            inputs["model"] = "base"
        return self.add(
            f"answers/{name}", "pool:answers", settings, inputs, title=f"{name} answers", weight=35, libraries=MODEL_LIBRARIES
        )

    def _train_teacher(self, name: str, cluster: str) -> str:
        settings = {"languages": list(self.clusters[cluster]), "train": self.recipe.teacher.of_step()}
        inputs = {"prompts": "prompts", "model": "base"}
        step, title = f"teacher/{name}", f"train teacher {name}"
        return self.add(step, "training:teacher", settings, inputs, title=title, weight=100, libraries=TRAIN_LIBRARIES)

    def arbitrage(self, answers: Mapping[str, str]) -> str:
        """Add the scores of all teachers' answers and the choice among them."""
        settings = {"arbiter": self.arbiter, **self.recipe.arbitrage.model_dump(mode="json")}
        inputs = {"prompts": "prompts", **{f"answers/{name}": step for name, step in answers.items()}}
        return self.add(
            "arbitrage", "pool:arbitrage", settings, inputs, title="score and route", weight=5, libraries=("sacrebleu",)
        )

    def single_run(self, name: str, table: str, train: Any, title: str) -> None:
        """Add a fine-tuning of all languages in one run: the baseline, or the arbitrage unmerged."""
        if train is None:
            return
        told = train.of_step(refusals=self.has_refusals(f"sft/{name}"))
        settings = {"languages": list(self.recipe.languages), "table": table, "train": told}
        inputs = {"data": self.mixtures.get(f"sft/{name}", "arbitrage"), "model": "base"}
        self.add(f"sft/{name}", "training:sft", settings, inputs, title=title, weight=80, libraries=TRAIN_LIBRARIES)
        self.stage(name, title, f"sft/{name}", previous="base")

    def sft(self) -> str:
        """Add the fine-tuning of every cluster and their merge; with branch-and-merge, slice after slice."""
        slices = self.recipe.merge.branch_and_merge
        model = "base"
        for iteration in range(slices.iterations):
            made = {}
            for branch in range(slices.branches):
                part = [iteration * slices.branches + branch, slices.iterations * slices.branches]
                for cluster in self.clusters:
                    name = _branch(cluster, branch, slices.branches)
                    made[name] = self._fine_tune(cluster, f"{_stage('sft', iteration, slices.iterations)}/{name}", model, part)
            model = self.merge(_stage("sft", iteration, slices.iterations), made, model)
        return model

    def _fine_tune(self, cluster: str, step: str, model: str, part: list[int]) -> str:
        """Add the fine-tuning of one cluster on slice part[0] of part[1] of its rows."""
        settings: dict[str, JSON] = {
            "languages": list(self.clusters[cluster]),
            "table": "examples.parquet",
            "train": self.recipe.sft.of_step(refusals=self.has_refusals(f"sft/{cluster}")),
        }
        if part[1] > 1:
            settings["slice"] = part
        if f"sft/{cluster}" in self.mixtures:
            settings |= plan_safety.further(self)
        inputs = {"data": self.mixtures.get(f"sft/{cluster}", "arbitrage"), "model": model}
        title = f"fine-tune {step.removeprefix('sft/')}"
        return self.add(step, "training:sft", settings, inputs, title=title, weight=50, libraries=TRAIN_LIBRARIES)

    def merge(self, stage: str, made: Mapping[str, str], base: str) -> str:
        """Add the merge of checkpoints trained from `base`, with given weights or a search for them."""
        recipe = self.recipe.merge
        weights = recipe.weights and {name: recipe.weights.get(name.partition("-branch-")[0], 1.0) for name in made}
        settings: dict[str, JSON] = {
            "method": recipe.method,
            "weights": weights,
            "density": recipe.density,
            "t": recipe.t,
            "scale": recipe.scale,
        }
        inputs = {"base": base, **{f"model/{name}": step for name, step in made.items()}}
        if recipe.search is None:
            title = f"merge {stage}"
            return self.add(f"merge/{stage}", "merging:merge", settings, inputs, title=title, weight=3, libraries=("numpy",))
        settings |= {"search": recipe.search.model_dump(mode="json"), "generation": self.generation}
        return self.add(
            f"merge/{stage}",
            "merging:search",
            settings,
            {**inputs, "prompts": "prompts"},
            title=f"search the weights of {stage}",
            weight=3 + 6 * recipe.search.budget,
            libraries=MODEL_LIBRARIES,
        )

    def dpo(self, stage: str, model: str, pairs: Sequence[str], train: Any, references: Mapping[str, str]) -> str:
        """Add the preference training of every cluster and their merge."""
        made = {}
        for cluster, languages in self.clusters.items():
            refusals = "arbitrage" in pairs and self.has_refusals(f"pairs/{cluster}")
            settings: dict[str, JSON] = {"languages": list(languages), "train": train.of_step(refusals=refusals)}
            own = [self.mixtures.get(f"pairs/{cluster}", step) if step == "arbitrage" else step for step in pairs]
            settings |= plan_safety.further(self) if own != list(pairs) else {}
            inputs = {"model": model, **{f"pairs/{number}": step for number, step in enumerate(own)}, **references}
            made[cluster] = self.add(
                f"{stage}/{cluster}",
                "training:dpo",
                settings,
                inputs,
                title=f"{stage} {cluster}",
                weight=40,
                libraries=TRAIN_LIBRARIES,
            )
        return self.merge(stage, made, model)

    def preference(self, name: str, title: str, model: str, pairs: Sequence[str], train: Any, leash: Mapping[str, str]) -> str:
        """Add one preference step: training per cluster, merge, evaluation, and the choice between it and the stage before.

        The choice reads validation items alone, in steps of their own: the next iteration need not wait for the evaluation.
        """
        before = self.stages[-1]
        merged = self.dpo(name, model, pairs, train, leash)
        verdict = f"keep/{name}"
        self.stage(name, title, merged, previous=before.name, verdict=verdict)
        settings = {"unless_worse": self.recipe.keep_unless_worse, **self.judge}
        inputs = {
            "before": model,
            "after": merged,
            "before_results": before.verdict or self.validate(before.name, model),
            "after_results": self.validate(name, merged),
            **self.judged_on,
        }
        return self.add(verdict, "training:keep", settings, inputs, title=f"keep {title}?", weight=1)

    def validate(self, stage: str, model: str) -> str:
        """Add the evaluation on the validation items."""
        return self.evaluate(f"validate/{stage}", stage, "validation", model, f"validate {stage}")

    def online(self, model: str, initial: str) -> str:
        """Add the online iterations; return the last model."""
        online = self.recipe.online
        for number in range(1, online.iterations + 1):
            name = f"online_dpo_{number}"
            leash = {"reference": initial} if online.train.reference == "initial" and initial != model else {}
            model = self.preference(name, f"online DPO {number}", model, self._samples(name, model), online.train, leash)
        return model

    def _samples(self, name: str, model: str) -> list[str]:
        """Add the sampling of one iteration, a step per cluster; a shared language is sampled with the first cluster."""
        online = self.recipe.online
        seen: set[str] = set()
        made = []
        for cluster, languages in self.clusters.items():
            own = [tag for tag in languages if tag not in seen]
            seen.update(own)
            settings = {
                "stage": name,
                "languages": own,
                "prompts": online.prompts,
                "samples": online.samples,
                "temperature": online.temperature,
                "top_p": online.top_p,
                "generation": self.generation,
                "arbiter": self.arbiter,
                "min_margin": self.recipe.arbitrage.min_margin,
                "min_chosen": self.recipe.arbitrage.min_chosen,
            }
            inputs = {"prompts": "prompts", "model": model}
            step, title = f"sample/{name}/{cluster}", f"sample {name} {cluster}"
            self.add(step, "training:sample", settings, inputs, title=title, weight=30, libraries=MODEL_LIBRARIES)
            made.append(step)
        return made

    def stage(self, name: str, title: str, model: str, *, previous: str = "", verdict: str = "", shots: int = 0) -> None:
        """Add the evaluation of a stage."""
        step = self.evaluate(f"evaluate/{name}", name, "heldout", model, f"evaluate {title}", shots)
        self.stages.append(Stage(name, title, model, step, previous, verdict))

    def evaluate(self, step: str, stage: str, subset: str, model: str, title: str, shots: int = 0) -> str:
        """Add answers and scores of one model on the held-out or the validation items; return the step."""
        settings = {"stage": stage, "subset": subset, "shots": shots, "generation": self.generation}
        inputs = {"prompts": "prompts", "model": model}
        weight = 6 if subset == "validation" else 40
        return self.add(step, "evaluation:evaluate", settings, inputs, title=title, weight=weight, libraries=MODEL_LIBRARIES)

    def compare(self, references: Iterable[str]) -> None:
        """Add the comparison of all stages, and before it the judge's work where the judge is a model."""
        settings = {
            "stages": [stage.name for stage in self.stages],
            "previous": {stage.name: stage.previous for stage in self.stages if stage.previous},
            "references": list(references),
            "languages": list(self.recipe.languages),
        }
        inputs = {stage.name: stage.results for stage in self.stages}
        inputs |= {f"keep/{stage.name}": stage.verdict for stage in self.stages if stage.verdict}
        if self.judge:
            judging = {**settings, **self.judge}
            title = f"judge the stages by {self.recipe.evaluation.model}"
            self.add(
                "judge", "judging:judge", judging, {**inputs, **self.judged_on}, title=title, weight=60, libraries=("py3langid",)
            )
            inputs["judge"] = "judge"
        self.add("compare", "evaluation:compare", settings, inputs, title="compare the stages", weight=3, libraries=("numpy",))


def _stage(name: str, iteration: int, iterations: int) -> str:
    """Return the name of one iteration of branch-and-merge; the last one bears the stage's own."""
    return name if iteration == iterations - 1 else f"{name}_{iteration + 1}"


def _branch(cluster: str, branch: int, branches: int) -> str:
    return cluster if branches == 1 else f"{cluster}-branch-{branch + 1}"


def plan(recipe: Recipe, *, check_files: bool = True) -> Plan:
    """Return the steps of a recipe; nothing is run and no model is loaded.

    Args:
        recipe: what to plan.
        check_files: look at the recipe's own files, whose content is part of the steps' keys; a dry run need not have them.

    Raises:
        RecipeError: a file of the recipe does not exist.
    """
    build = Builder(recipe, check_files)
    build.prompts()
    build.base()
    build.stage("base", "base, zero-shot", "base")
    if recipe.evaluation.shots:
        name = "five_shot" if recipe.evaluation.shots == 5 else "few_shot"
        build.stage(name, f"base, {recipe.evaluation.shots}-shot", "base", shots=recipe.evaluation.shots)
    build.arbitrage(build.teachers())
    plan_safety.distillation(build)
    build.single_run("baseline", "baseline.parquet", recipe.baseline, "SFT, best single teacher")
    build.single_run("mixed", "examples.parquet", recipe.mixed, "SFT, arbitrage")
    references = tuple(stage.name for stage in build.stages if stage.name != "mixed")
    model = build.sft()
    build.stage("sft", "SFT, arbitrage, merged", model, previous="mixed" if recipe.mixed else "base")
    initial = model
    if recipe.offline is not None:
        model = build.preference("offline_dpo", "offline DPO", model, ["arbitrage"], recipe.offline, {})
    model = plan_safety.last_training(build, build.online(model, initial))
    build.compare(references)
    plan_safety.evaluations(build, model)
    return Plan(recipe, tuple(build.steps), tuple(build.stages), references, model)
