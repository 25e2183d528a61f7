"""A model writes one answer from the pool's answers (Khairi et al. 2025, "Making, not Taking, the Best of N", arXiv 2510.00931).

The fused answer is scored like every other one, and taken where it is not worse than the best of the pool.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from polylect.arbitrage.router_base import BaseRouter, Teacher, best
from polylect.arbitrage.router_settings import share
from polylect.arbitrage.routers import register
from polylect.arbitrage.routing import Candidate
from polylect.errors import RecipeError
from polylect.models.requests import Request
from polylect.records import MULTIPLE, Prompt, content_hash

__all__ = ["Fuse", "instructions"]

_FALLBACK = "en"


@dataclass(frozen=True)
class FuseSettings:
    """Who writes, and from what.

    Attributes:
        model: spec of the model that writes (as in a pool file).
        most: answers it reads: the best ones, if there are more.
        loss: how much worse than the best answer of the pool a fused one may be and still be taken, in the arbiter's unit.
        seed: of the order in which the answers are shown.
    """

    model: str = ""
    most: int = 5
    loss: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.model:
            raise RecipeError("model: missing. Name the model that writes the fused answer, as in a pool file.")
        if self.most < 2:
            raise RecipeError(f"most: {self.most} must be at least 2: there is nothing to fuse in one answer.")
        share("loss", self.loss, below=float("inf"))


@register("fuse")
class Fuse(BaseRouter):
    """Every teacher answers; `second` asks the writer; `choose` takes its answer where it is not worse.

    The fused answers' completions carry the model name `Fuse.fused`.
    """

    Settings = FuseSettings
    everyone = True
    fused = "fused"

    def __init__(self, teachers: Sequence[Teacher], settings: FuseSettings) -> None:
        super().__init__(teachers, settings)
        if self.fused in {teacher.name for teacher in teachers}:
            raise RecipeError(f"router fuse: a teacher is named {self.fused!r}, as the fused answers are. Rename it.")
        self.writer = settings.model
        self._languages: dict[str, Counter[str]] = {}
        self._sums: dict[str, list[float]] = {}

    def second(self, prompt: Prompt, candidates: Sequence[Candidate]) -> Request | None:
        """Return the writer's request; None where fewer than two different answers are fit to be fused."""
        fit = [c for c in candidates if c.score.value is not None and c.completion.status == "ok" and c.completion.text]
        fit = [c for c in fit if c.completion.model != self.fused and c.score.language_ok is not False]
        fit.sort(key=lambda c: (-c.value, content_hash(prompt.id, c.completion.model), c.completion.sample))
        texts = list(dict.fromkeys(c.completion.text for c in fit))[: self.settings.most]
        if len(texts) < 2:
            return None
        # In the order of their scores the writer would learn to copy the first one.
        texts.sort(key=lambda text: content_hash(self.seed, prompt.id, text))
        words = instructions(prompt.language)
        listed = "\n\n".join(f"{words['answer']} {number}:\n{text}" for number, text in enumerate(texts, start=1))
        text = f"{words['task']}\n\n{words['question']}:\n{prompt.text}\n\n{listed}\n\n{words['end']}"
        history = tuple((role, content) for role, content in json.loads(prompt.messages or "[]"))
        return Request(key=prompt.id, text=text, history=history)

    def choose(self, prompt: Prompt, candidates: Sequence[Candidate]) -> Candidate | None:
        """Return the fused answer where it is scored and not worse than the best other one, and count why not where it is not."""
        pool = best([c for c in candidates if c.completion.model != self.fused])
        fused = best([c for c in candidates if c.completion.model == self.fused])
        verdict = self._verdict(pool, fused, any(c.completion.model == self.fused for c in candidates))
        for language in (prompt.language, MULTIPLE):
            self._languages.setdefault(language, Counter())[verdict] += 1
            if pool is not None and fused is not None:
                sums = self._sums.setdefault(language, [0.0, 0.0, 0.0])
                sums[:] = sums[0] + 1, sums[1] + pool.value, sums[2] + fused.value
        return fused if verdict == "taken" else pool

    def _verdict(self, pool: Candidate | None, fused: Candidate | None, written: bool) -> str:
        """Return "taken", or why the fused answer is not."""
        if fused is None:
            return "fused answer failed or unscored" if written else "not fused"
        if fused.score.language_ok is False:
            return "fused answer in the wrong language"
        if fused.completion.finish_reason == "length":
            return "fused answer unfinished"
        if pool is not None and fused.value < pool.value - self.settings.loss:
            return "fused answer worse"
        return "taken"

    def account(self) -> dict[str, Any]:
        """Return per language how often the fused answer was taken, or why not, and both mean scores where both are known."""
        return {"languages": {language: self._row(language) for language in sorted(self._languages)}}

    def _row(self, language: str) -> dict[str, Any]:
        both, pool, fused = self._sums.get(language, (0.0, 0.0, 0.0))
        means = {"compared": int(both), "best_of_pool": pool / both, "fused": fused / both} if both else {"compared": 0}
        return {**means, "verdicts": dict(sorted(self._languages[language].items()))}


def instructions(language: str) -> Mapping[str, str]:
    """Return the words around question and answers: `task`, `question`, `answer`, `end`, in the language where we have them.

    For the others they are English, and `end` names the language to answer in.
    """
    known = _instructions()
    if language in known:
        return known[language]
    from polylect.languages import get

    words = known[_FALLBACK]
    return {**words, "end": f"{words['end']} Write in {get(language).name}."}


@cache
def _instructions() -> dict[str, dict[str, str]]:
    import tomllib

    return tomllib.loads(resources.files(__package__).joinpath("fuse.toml").read_text(encoding="utf-8"))
