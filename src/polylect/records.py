"""The records that stages hand to each other, one frozen type per stage.

Every record has an `id` that is a hash of what makes it unique. Records of data have a `language` (canonical BCP-47
tag), and those of one prompt an `item` that all its translations share: splits and clustered errors go by item. Tables
of these records are read and written by `polylect.tables`; the field annotations are the schema.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar

__all__ = [
    "JUDGE_UNFIT",
    "MULTIPLE",
    "Comparison",
    "Completion",
    "Difference",
    "Example",
    "Measurement",
    "MergeInput",
    "MergePair",
    "Pair",
    "Prompt",
    "Record",
    "Result",
    "Route",
    "Score",
    "Summary",
    "Trial",
    "Verdict",
    "content_hash",
]

MULTIPLE = "mul"
"""ISO 639 code for "multiple languages": the `language` of a macro average."""

JUDGE_UNFIT = "judge unfit"
"""What the reason of a verdict or comparison begins with where the judge is under a threshold of its certificate."""


def content_hash(*parts: Any) -> str:
    """Return 24 hex digits (96 bits) of the SHA-256 of `parts` as canonical JSON."""
    canonical = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=list)
    return hashlib.sha256(canonical.encode()).hexdigest()[:24]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Base of all records: fills `id` from the fields named in `identity` when it is left empty."""

    identity: ClassVar[tuple[str, ...]] = ()
    id: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            parts = [getattr(self, name) for name in self.identity]
            object.__setattr__(self, "id", content_hash(type(self).__name__, *parts))

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary, in declaration order, values unchanged."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Prompt(Record):
    """A question in one language. `references` are the accepted answers, the preferred one first (may be empty).

    `messages` holds the turns before `text`, if any, as JSON: a list of [role, content]. `translator` names what translated
    the question, empty where it is original; `evidence` is the passage that a grounded question was made from.
    """

    identity = ("language", "text")
    item: str
    language: str
    kind: str
    split: str
    text: str
    references: tuple[str, ...]
    source: str
    licence: str
    messages: str | None = None
    translator: str | None = None
    evidence: str | None = None


@dataclass(frozen=True, kw_only=True)
class Completion(Record):
    """One answer of one model to one prompt. What went wrong is a row too, with the `reason`.

    `status` is "ok", "failed" (the request failed after its retries: `text` is empty) or "rejected" (a check refused the
    answer, which is kept). `revision` is what decides the model's answers besides its name: a hash of weights, or a version.
    """

    identity = ("prompt_id", "model", "sample")
    prompt_id: str
    item: str
    language: str
    model: str
    sample: int
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    status: str = "ok"
    reason: str | None = None
    revision: str | None = None


@dataclass(frozen=True, kw_only=True)
class Score(Record):
    """What an arbiter thinks of a completion. `value` is None when unscored, with the `reason`."""

    identity = ("completion_id", "arbiter")
    completion_id: str
    prompt_id: str
    item: str
    language: str
    model: str
    arbiter: str
    value: float | None
    exact: float | None
    chrf: float | None
    language_ok: bool | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Example(Record):
    """One row of supervised fine-tuning: a prompt and the answer to learn, with who wrote it.

    `revision`, `translator` (of the prompt), `licence` (of prompt and answer) and `may_train` (whether the teacher's outputs
    may train models; empty: nobody said) are the row's provenance.
    """

    identity = ("prompt_id", "completion", "model")
    prompt_id: str
    item: str
    language: str
    prompt: str
    completion: str
    model: str
    score: float | None
    messages: str | None = None
    revision: str | None = None
    translator: str | None = None
    licence: str | None = None
    may_train: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Pair(Record):
    """A preference: `chosen` was scored higher than `rejected` for the same prompt; provenance as in `Example`."""

    identity = ("prompt_id", "chosen", "rejected")
    prompt_id: str
    item: str
    language: str
    prompt: str
    chosen: str
    rejected: str
    chosen_score: float
    rejected_score: float
    chosen_model: str
    rejected_model: str
    messages: str | None = None
    chosen_revision: str | None = None
    rejected_revision: str | None = None
    translator: str | None = None
    licence: str | None = None
    may_train: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """Which of two stages answered one prompt better: winner is "a", "b" or "tie"; None is unscored, with the reason."""

    identity = ("prompt_id", "a", "b", "judge")
    prompt_id: str
    item: str
    language: str
    a: str
    b: str
    judge: str
    winner: str | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Result(Record):
    """One metric of one stage on one prompt: the immutable per-item table that all statistics start from.

    `value` is None when unscored, with the `reason`. Metrics: exact_match and language_pass in [0, 1], chrf in [0, 100].
    """

    identity = ("stage", "prompt_id", "metric")
    stage: str
    prompt_id: str
    item: str
    language: str
    kind: str
    subset: str
    metric: str
    value: float | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Summary(Record):
    """A metric of a stage over items, with a 95 % interval clustered by item.

    `scope` says what is summarised: "language" (one language), "macro" (mean over languages, language "mul"),
    "worst" (the worst language, which `language` names) or "gap" (English minus the mean of the others, language "mul").
    """

    identity = ("stage", "metric", "scope", "language")
    stage: str
    metric: str
    scope: str
    language: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int


@dataclass(frozen=True, kw_only=True)
class Measurement(Record):
    """One metric of one model on one item of a benchmark in one language: what `polylect eval` writes and statistics read.

    `subset` names a part of the benchmark ("" if it has none), `prompt` and `output` are what the model saw and said; `score`
    is None where it is unscored. `status` is "ok", "failed" (no answer), "unparsed" (no rule could read the
    answer) or "skipped"; `reason` says why it is not "ok". `prompt_language` is that of the prompt's own words: "native", "en",
    or by what the item was translated into English ("translate-test by apertium", "self-translate by mine"); "" where unknown.
    """

    identity = ("model", "benchmark", "language", "item", "subset", "metric")
    model: str
    benchmark: str
    language: str
    item: str
    metric: str
    score: float | None
    status: str = "ok"
    reason: str | None = None
    subset: str = ""
    prompt: str = ""
    output: str = ""
    reference: str = ""
    prompt_language: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison(Record):
    """Pairwise win rate of stage `a` against stage `b` in one language ("mul": macro average), ties counted half.

    `win_rate`, `low` and `high` are in [0, 1] (win + tie / 2); `win`, `loss`, `tie` and `unscored` are counts of items.
    `reason` is why there is no win rate: the most frequent one. It begins with `JUDGE_UNFIT` where the judge is at fault.
    """

    identity = ("a", "b", "language")
    a: str
    b: str
    language: str
    win: int
    loss: int
    tie: int
    unscored: int
    win_rate: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Difference(Record):
    """Paired difference of a metric, stage `a` minus stage `b` on the same items, in one language ("mul": macro average)."""

    identity = ("a", "b", "metric", "language")
    a: str
    b: str
    metric: str
    language: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Route(Record):
    """What the arbitrage did with one teacher in one language ("mul": all languages).

    `share` of the prompts it won; `mean_score` over its own answers; the same for the pool under three policies:
    `oracle` (best answer of the pool by the arbiter), `random` (mean over the pool), `best_single` (the best one teacher there).
    """

    identity = ("language", "model")
    language: str
    model: str
    answered: int
    won: int
    share: float
    mean_score: float
    routed: float
    oracle: float
    random: float
    best_single: float


@dataclass(frozen=True, kw_only=True)
class MergeInput(Record):
    """What one input of a merge gave to one tensor: sums over its `sampled` elements, and what they come to.

    With x the input's values, m the merged ones and b the base's, the input's task vector is x - b and the merged one m - b.
    Without a base there are no task vectors: all fields that need them are None. `layer` is the number in the tensor's
    name (-1: none); `part` is "attention", "mlp", "norm", "embedding", "head" or "other"; `parameters` counts the elements
    of the tensor. `square_merged` is the sum of m^2, `square_distance` of (x - m)^2, `square_task` of (x - b)^2,
    `square_task_merged` of (m - b)^2, `dot` of (x - b)(m - b); `nonzero` counts the entries where x - b is not 0,
    `conflicting` those where (x - b)(m - b) < 0. Of these are made `norm`, the L2 norm of the task vector,
    sqrt(square_task * parameters / sampled); `distance`, the relative L2 distance to the merged tensor,
    sqrt(square_distance / square_merged); `cosine` of both task vectors, dot / sqrt(square_task * square_task_merged); and
    `sign_conflict`, conflicting / nonzero, in [0, 1]; each None where its divisor is 0. Tensors combine exactly: add
    their sums, each times parameters / sampled, and divide in the same way.
    """

    identity = ("tensor", "model")
    tensor: str
    layer: int
    part: str
    model: str
    parameters: int
    sampled: int
    square_merged: float
    square_distance: float
    square_task: float | None = None
    square_task_merged: float | None = None
    dot: float | None = None
    nonzero: int | None = None
    conflicting: int | None = None
    norm: float | None = None
    distance: float | None = None
    cosine: float | None = None
    sign_conflict: float | None = None


@dataclass(frozen=True, kw_only=True)
class MergePair(Record):
    """How the task vectors of two inputs lie to each other in one tensor, over its `sampled` elements (see `MergeInput`).

    `dot` is the sum of their products, `norm_model` and `norm_other` their L2 norms over the same elements; `cosine` is
    dot / (norm_model * norm_other), None where a norm is 0. One row per unordered pair; merges without a base have none.
    """

    identity = ("tensor", "model", "other")
    tensor: str
    layer: int
    part: str
    model: str
    other: str
    parameters: int
    sampled: int
    dot: float
    norm_model: float
    norm_other: float
    cosine: float | None


@dataclass(frozen=True, kw_only=True)
class Trial(Record):
    """Weights that a merge search evaluated: their score in one language, or ("mul") the objective over languages.

    `search` is the hash of everything but the weights that decides the score. `number` counts the weights from 1 in the order
    of evaluation, `origin` says who proposed them: "single" (one checkpoint alone), "uniform", "soup" or "model". `weights`
    are decimals, one per name in `models`. `metric` is what `value` is a mean of over `n` scored prompts; `expected` is the
    value that the search's model gives these weights, once the search has ended.
    """

    identity = ("search", "weights", "language")
    search: str
    number: int
    origin: str
    models: tuple[str, ...]
    weights: tuple[str, ...]
    language: str
    objective: str
    metric: str
    value: float
    expected: float | None
    n: int
