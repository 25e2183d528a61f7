"""Recipes: what to post-train, from what, in which languages and how. One YAML file, every key checked.

The defaults follow Aya Expanse (Dang et al. 2024) where the paper states a value; see docs/recipe.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from polylect import languages as language_table
from polylect.errors import LanguageError, RecipeError, nearest
from polylect.merge.step_settings import Merge
from polylect.recipe_errors import explain
from polylect.recipe_safety import RecipeSafety
from polylect.train.settings import Dpo, Sft

__all__ = ["Recipe", "Teacher", "load", "parse"]


class Strict(BaseModel):
    """A part of a recipe: refuses unknown keys, cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _canonical(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the canonical tags; an unknown one is a ValueError, so that pydantic adds the key it was found at."""
    try:
        return tuple(language_table.canonical(tag) for tag in tags)
    except LanguageError as error:
        raise ValueError(str(error)) from error


class Model(Strict):
    """The model that is trained."""

    base: str = Field(description="Folder, hub name, or a bundled name such as gemma-3-270m.")
    chat_template: str | None = Field(None, description="Jinja chat template over existing tokens, for a base model without one.")
    trim_vocabulary: bool = Field(False, description="Keep only the tokens that the recipe's texts need (small machines).")


class Clusters(Strict):
    """Which languages are trained together (Aya Expanse 2.3)."""

    shared: tuple[str, ...] = Field(("en",), description="Languages that every cluster holds.")
    groups: dict[str, tuple[str, ...]] | None = Field(None, description="Name -> languages; empty: by language family.")
    max_clusters: int | None = Field(None, ge=1, description="Most clusters when they are made by family.")

    @field_validator("shared")
    @classmethod
    def _shared_known(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        return _canonical(tags)

    @field_validator("groups")
    @classmethod
    def _groups_known(cls, groups: dict[str, tuple[str, ...]] | None) -> dict[str, tuple[str, ...]] | None:
        return groups and {name: _canonical(tags) for name, tags in groups.items()}


class Items(Strict):
    """How many items per language each split has; no item is in two splits, in any language."""

    seed: int = Field(60, ge=1, description="Human-style question and answer, to train the teachers.")
    prompt: int = Field(120, ge=1, description="Prompts of the arbitrage and of offline preference training.")
    preference: int = Field(120, ge=0, description="Further prompts for online preference training.")
    validation: int = Field(40, ge=1, description="Items that decide whether a preference step is kept.")
    heldout: int = Field(150, ge=1, description="Items of the evaluation, of kinds seen in training.")
    unseen: int = Field(50, ge=0, description="Items of the evaluation, of kinds never trained on.")


class Prompts(Strict):
    """Where prompts come from."""

    source: Literal["world-facts", "files"] = Field("world-facts", description="Built-in world facts, or your own files.")
    files: dict[str, str] = Field(default_factory=dict, description="Split -> path of a .jsonl or .parquet table of prompts.")
    kinds: tuple[str, ...] | None = Field(None, description="Kinds of question that are trained on; empty: all but the unseen.")
    unseen_kinds: tuple[str, ...] | None = Field(
        None, description="Kinds that are evaluated only; empty: those the source marks."
    )
    items: Items = Field(Items(), description="Items per language and split.")

    @model_validator(mode="after")
    def _files_for_files(self) -> Prompts:
        if (self.source == "files") != bool(self.files):
            raise ValueError("`files` is needed with `source: files`, and only there")
        for split in self.files:
            if split not in Items.model_fields:
                raise ValueError(f"files: {split!r} is no split.{nearest(split, Items.model_fields)}")
        missing = {"prompt", "heldout"} - set(self.files) if self.files else set()
        if missing:
            raise ValueError(f"`files` needs the splits prompt and heldout; missing: {', '.join(sorted(missing))}")
        return self


class Teacher(Strict):
    """One member of the pool.

    `cluster` is trained here from the base on the seed split of one cluster; `local` is any model on this machine, `vllm` one
    in vLLM's engine (`pip install 'polylect[vllm]'`), `served` one behind an OpenAI-compatible endpoint.
    """

    kind: Literal["cluster", "local", "vllm", "served"] = Field(description="How the teacher is made or called.")
    cluster: str | None = Field(None, description="Of kind `cluster`: the cluster whose seed split it learns.")
    model: str | None = Field(
        None, description="Of the other kinds: folder, hub name or bundled name; `base` is the recipe's base."
    )
    shots: int = Field(0, ge=0, description="Few-shot examples from the seed split before each question.")
    languages: tuple[str, ...] | None = Field(None, description="Languages it answers; empty: all.")
    url: str | None = Field(None, description="Of kind `served`: the endpoint, OpenAI-compatible.")
    key_env: str | None = Field(None, description="Of kind `served`: environment variable with the key; empty: OPENAI_API_KEY.")
    may_train: bool | None = Field(None, description="Whether its outputs may train models; empty: nobody said.")

    @field_validator("languages")
    @classmethod
    def _known(cls, tags: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if tags is None else _canonical(tags)

    @model_validator(mode="after")
    def _complete(self) -> Teacher:
        if self.kind == "cluster" and (self.cluster is None or self.model is not None):
            raise ValueError("a teacher of kind `cluster` needs `cluster` and no `model`")
        if self.kind != "cluster" and (self.model is None or self.cluster is not None):
            raise ValueError(f"a teacher of kind `{self.kind}` needs `model` and no `cluster`")
        if (self.kind == "served") != (self.url is not None):
            raise ValueError("`url` is needed for a teacher of kind `served`, and only there")
        if self.key_env is not None and self.kind != "served":
            raise ValueError("`key_env` belongs to teachers of kind `served`")
        if self.may_train is False:
            raise ValueError("`may_train: false`: a recipe trains on what its teachers answer. Leave this teacher out")
        return self


class Arbiter(Strict):
    """Who scores answers: exact match and chrF against references, a reward model, or what a file describes."""

    kind: Literal["verifiable", "reward_model", "file"] = Field("verifiable", description="What gives the scores.")
    model: str | None = Field(None, description="Of kind `reward_model`: the model.")
    file: str | None = Field(
        None, description="Of kind `file`: an ARBITER.yaml as `polylect arbitrage` reads it (judge, composite)."
    )

    @model_validator(mode="after")
    def _complete(self) -> Arbiter:
        if (self.kind == "reward_model") != (self.model is not None):
            raise ValueError("`model` is needed with `kind: reward_model`, and only there")
        if (self.kind == "file") != (self.file is not None):
            raise ValueError("`file` is needed with `kind: file`, and only there")
        return self


class Generation(Strict):
    """How models answer."""

    max_tokens: int = Field(32, ge=1, description="Most new tokens of an answer.")
    stop: tuple[str, ...] = Field((), description="Texts that end an answer.")
    batch_size: int = Field(64, ge=1, description="Answers decoded together.")


class Arbitrage(Strict):
    """Which of the teachers' answers become training data."""

    min_score: float = Field(0.0, description="Least score of an answer that is trained on; the baseline has no such filter.")
    min_margin: float = Field(0.3, ge=0, description="Least difference of scores in a preference pair.")
    min_chosen: float = Field(0.0, description="Least score of the chosen answer of a pair.")


class Online(Strict):
    """Online iterative DPO: sample from the current model, score, pair, train, merge (Aya Expanse 2.2)."""

    iterations: int = Field(3, ge=0, le=10, description="Iterations; the paper found little beyond 3.")
    prompts: int = Field(120, ge=1, description="Prompts per language and iteration, a new draw each time.")
    samples: int = Field(4, ge=2, description="Answers per prompt.")
    temperature: float = Field(1.0, gt=0, description="Sampling temperature.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus mass.")
    train: Dpo = Field(Dpo(), description="Training of one iteration.")


class Evaluation(Strict):
    """How stages are compared."""

    judge: Literal["verifiable", "llm"] = Field("verifiable", description="Who says which of two answers is better.")
    model: str | None = Field(
        None, description="Of judge `llm`: any model, as `served:URL#NAME`, `vllm:NAME`, a folder, hub name or bundled name."
    )
    key_env: str | None = Field(None, description="Of a served judge: environment variable with the key; empty: OPENAI_API_KEY.")
    instructions: Literal["en", "native"] = Field("en", description="Of judge `llm`: language of what it is told.")
    judge_tokens: int = Field(512, ge=1, description="Of judge `llm`: most tokens of a verdict.")
    shots: int = Field(5, ge=0, description="Examples for the few-shot base, the fair starting point of a base model.")
    samples: int = Field(3, ge=0, description="Sample answers per language in the report.")

    @model_validator(mode="after")
    def _complete(self) -> Evaluation:
        if (self.judge == "llm") != (self.model is not None):
            raise ValueError("`model` is needed with `judge: llm`, and only there")
        if self.key_env is not None and not (self.model or "").startswith("served:"):
            raise ValueError("`key_env` belongs to a served judge: `judge: llm` and `model: served:URL#NAME`")
        return self


class Runtime(Strict):
    """Where and how wide it runs; never changes a result's meaning."""

    jobs: int = Field(1, ge=1, description="Steps that run at the same time.")
    threads: int | None = Field(
        None, ge=1, description="Threads per step, and cores of a Ray actor; empty: cores divided by jobs, and 1."
    )
    executor: Literal["local", "ray"] = Field("local", description="Where models answer: this machine, or a Ray cluster.")
    gpus: int = Field(0, ge=0, description="GPUs that the plan is made for; above 0, a Ray actor that holds a model takes one.")
    gpu_tflops: float | None = Field(None, gt=0, description="Sustained bf16 TFLOP/s per GPU, for the plan's hours.")


class Recipe(Strict):
    """A whole recipe."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="Names the run folder: runs/<name>.")
    description: str = Field("", description="One paragraph for the report.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    languages: tuple[str, ...] = Field(min_length=1, description="BCP-47 tags.")
    model: Model
    clusters: Clusters = Field(Clusters())
    prompts: Prompts = Field(Prompts())
    pool: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], Teacher] = Field(
        min_length=1, description="Teacher's name -> teacher."
    )
    teacher: Sft = Field(Sft(), description="Training of the pool's cluster teachers.")
    arbiter: Arbiter = Field(Arbiter())
    generation: Generation = Field(Generation())
    arbitrage: Arbitrage = Field(Arbitrage())
    sft: Sft = Field(Sft(), description="Supervised fine-tuning per cluster.")
    baseline: Sft | None = Field(None, description="SFT on the best single teacher's answers, unmerged; empty: no baseline.")
    mixed: Sft | None = Field(None, description="SFT on the arbitrage in one run, unmerged: what merging is measured against.")
    offline: Dpo | None = Field(
        default_factory=Dpo, description="Offline DPO on best/worst of the arbitrage; null leaves it out."
    )
    keep_unless_worse: bool = Field(
        True,
        description="Go on without a preference step, offline or online, that loses to the stage before on the validation items.",
    )
    online: Online = Field(Online())
    merge: Merge = Field(Merge())
    safety: RecipeSafety | None = Field(None, description="Safety context distillation and its measurement; empty: neither.")
    evaluation: Evaluation = Field(Evaluation())
    runtime: Runtime = Field(Runtime())

    @field_validator("languages")
    @classmethod
    def _known(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        canonical = _canonical(tags)
        if len(set(canonical)) < len(canonical):
            raise ValueError(f"{list(tags)} names a language twice")
        return canonical

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        clusters = self.cluster_languages()
        self._check_pool(clusters)
        self._check_merge(clusters)
        if self.safety is not None:
            trained = [name for name, teacher in self.pool.items() if teacher.cluster is not None]
            self.safety.check(self.languages, trained, offline=self.offline is not None)
        if missing := set(self.languages) - {tag for tags in clusters.values() for tag in tags}:
            raise ValueError(f"clusters.groups: no cluster holds {', '.join(sorted(missing))}")
        return self

    def _check_pool(self, clusters: Mapping[str, tuple[str, ...]]) -> None:
        for name, teacher in self.pool.items():
            if teacher.cluster is not None:
                _check_cluster(f"pool.{name}.cluster", teacher.cluster, clusters)
            foreign = set(teacher.languages or ()) - set(self.languages)
            if foreign:
                raise ValueError(f"pool.{name}.languages: {', '.join(sorted(foreign))} is not among the recipe's languages")
        taught = any(teacher.cluster is not None or teacher.shots for teacher in self.pool.values())
        if self.prompts.files and "seed" not in self.prompts.files and (taught or self.evaluation.shots):
            raise ValueError("prompts.files: the split seed is missing; cluster teachers and few-shot examples are made of it")

    def _check_merge(self, clusters: Mapping[str, tuple[str, ...]]) -> None:
        for name in self.merge.weights or {}:
            _check_cluster("merge.weights", name, clusters)
        branches = self.merge.branch_and_merge.branches
        made = f"{len(clusters)} clusters of {branches} branches"
        if self.merge.method == "slerp" and (len(clusters), branches) != (2, 1):
            raise ValueError(f"merge.method: slerp merges two checkpoints; the recipe has {made}. Choose another method")
        if self.merge.search and self.merge.search.budget <= len(clusters) * branches:
            least = len(clusters) * branches + 1
            raise ValueError(f"merge.search.budget: {made} and their uniform average alone need {least} evaluations")

    def cluster_languages(self) -> dict[str, tuple[str, ...]]:
        """Return cluster name -> its languages, the shared ones included, in the recipe's order of languages."""
        groups = self.clusters.groups
        shared = self.clusters.shared
        if groups is None:
            return language_table.clusters(self.languages, shared=shared, max_clusters=self.clusters.max_clusters)
        members = {name: {*tags, *shared} for name, tags in groups.items()}
        for key, tags in (("shared", set(shared)), ("groups", set().union(*groups.values()))):
            unknown = sorted(tags - set(self.languages))
            if unknown:
                raise ValueError(f"clusters.{key}: {', '.join(unknown)} is not among the recipe's languages")
        return {name: tuple(tag for tag in self.languages if tag in tags) for name, tags in members.items()}


def _check_cluster(key: str, name: str, clusters: Mapping[str, Any]) -> None:
    if name not in clusters:
        raise ValueError(f"{key}: {name!r} is no cluster; there are {', '.join(clusters)}.{nearest(name, clusters)}")


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, apply `key=value` overrides (dotted keys, YAML values) and check everything.

    Raises:
        RecipeError: the file is missing or not YAML; a key is unknown (the nearest one is named); a value is wrong.
    """
    import yaml

    if not path.is_file():
        raise RecipeError(f"{path}: no such recipe. Shipped ones lie in recipes/.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys; found {type(data).__name__}.")
    for override in overrides:
        _override(data, override)
    return parse(data, source=str(path))


def parse(data: Mapping[str, Any], source: str = "recipe") -> Recipe:
    """Check recipe data; errors name `source`, the key, the value and the nearest known key.

    Raises:
        RecipeError: an unknown key or a wrong value.
    """
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError("\n".join(f"{source}: {line}" for line in explain(error, Recipe))) from error


def _override(data: dict[str, Any], override: str) -> None:
    import yaml

    key, sign, text = override.partition("=")
    if not sign or not key:
        raise RecipeError(f"--set {override}: expected key=value, for example --set online.iterations=1.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override}: the value is not valid YAML ({' '.join(str(error).split())}).") from error
    *path, last = key.split(".")
    for part in path:
        if data.get(part) is None:
            data[part] = {}
        data = data[part]
        if not isinstance(data, dict):
            raise RecipeError(f"--set {override}: {part!r} is no section of the recipe.")
    data[last] = value
