"""The settings of an arbitrage that are not files: sampling, what is kept, what is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from polylect.arbitrage.pairs import PairRules
from polylect.errors import RecipeError, nearest
from polylect.models.requests import Sampling

__all__ = ["PAIRS", "REPEATS", "Settings"]

PAIRS = ("best-worst", "translated", "both", "none")
REPEATS = ("sft", "prompts", "off")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an arbitrage is told besides prompts, pool, arbiter and router.

    Attributes:
        max_tokens: most new tokens of an answer, where the pool file says nothing else; so for the next five.
        temperature: 0 is greedy.
        top_p: nucleus mass.
        samples: answers of each teacher to each prompt.
        stop: texts that end an answer.
        seed: of the sampling and of every draw.
        languages: languages to keep of the prompt table, all when empty.
        splits: values of its column `split` to keep, all when empty.
        skip_bad_rows: count rows of the prompt table that break a rule; otherwise the first one is an error.
        reroute: ask the next teacher once where the only teacher asked failed or its answer was refused.
        min_score: least score of an answer to learn from; None takes every scored one.
        pairs: best against worst answer, in-language against translated answer, both kinds, or none.
        min_margin: least difference of scores in a pair; equal scores never make one.
        max_length_ratio: see `PairRules`.
        repeats: near-repeated prompts are answered and left out of sft and pairs ("sft"), are not asked ("prompts"), or
            are not looked for ("off").
        similarity: least Jaccard similarity of a repeat, see `Deduplicator`.
        heldout_share: share of the items that are neither asked nor learned from; their prompts go to heldout.parquet.
        allow_no_train: let answers of teachers whose outputs may not train models into sft and pairs.
        probe_most: most items that all teachers answer for a router that learns.
        router_settings: settings of the router, by name.
    """

    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1
    stop: tuple[str, ...] = ()
    seed: int = 0
    languages: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    skip_bad_rows: bool = False
    reroute: bool = True
    min_score: float | None = None
    pairs: Literal["best-worst", "translated", "both", "none"] = "best-worst"
    min_margin: float = 0.0
    max_length_ratio: float = 4.0
    repeats: Literal["sft", "prompts", "off"] = "sft"
    similarity: float = 0.8
    heldout_share: float = 0.0
    allow_no_train: bool = False
    probe_most: int = 20_000
    router_settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            RecipeError: a value is out of its range.
        """
        for name in ("max_tokens", "samples", "probe_most"):
            self._need(name, getattr(self, name) >= 1, "1 or more")
        self._need("temperature", self.temperature >= 0, "0 or more")
        self._need("samples", self.samples == 1 or self.temperature > 0, "1 at temperature 0, where all samples are the same")
        self._need("top_p", 0 < self.top_p <= 1, "above 0 and at most 1")
        self._need("similarity", 0 < self.similarity <= 1, "above 0 and at most 1")
        self._need("heldout_share", 0 <= self.heldout_share < 1, "from 0 to below 1")
        self._need("min_margin", self.min_margin >= 0, "0 or more")
        self._need("pairs", self.pairs in PAIRS, f"one of {', '.join(PAIRS)}")
        self._need("repeats", self.repeats in REPEATS, f"one of {', '.join(REPEATS)}")

    def _need(self, name: str, kept: bool, rule: str) -> None:
        if not kept:
            option = f"--{name.replace('_', '-')}"
            raise RecipeError(f"{option}: {getattr(self, name)!r} is not {rule}. Change the value.")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Return settings from keyword arguments.

        Raises:
            RecipeError: a name is unknown, or a value is out of its range.
        """
        known = [one.name for one in fields(cls)]
        for name in values:
            if name not in known:
                raise RecipeError(f"setting {name!r} is unknown.{nearest(name, known)} Known: {', '.join(known)}.")
        listed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(**listed)

    @property
    def sampling(self) -> Sampling:
        """How to sample where the pool file says nothing else."""
        return Sampling(self.max_tokens, self.temperature, self.top_p, self.samples, self.stop, self.seed)

    @property
    def rules(self) -> PairRules:
        """The guards of preference pairs."""
        least = float("-inf") if self.min_score is None else self.min_score
        return PairRules(min_margin=self.min_margin, min_chosen=least, max_length_ratio=self.max_length_ratio)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return {**asdict(self), "router_settings": dict(self.router_settings)}
