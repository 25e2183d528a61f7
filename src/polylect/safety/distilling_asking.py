"""What safety context distillation asks: the teacher with the preamble, and the same checkpoint without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polylect.models.requests import Generated, Request, Sampling
from polylect.progress import StageProgress
from polylect.safety.answers import check_any
from polylect.safety.distilling_preamble import Preambles, Turn, with_preamble
from polylect.safety.prompts import SafetyPrompt

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.interface import Model
    from polylect.models.store import Store

__all__ = ["Asker", "key_of"]

Answers = dict[tuple[str, str], list[Generated]]
"""Answers by item and language, in the order of their samples."""


def key_of(prompt: SafetyPrompt) -> str:
    """Return the name of a prompt's requests."""
    return f"{prompt.item}/{prompt.language}"


@dataclass
class Asker:
    """Asks models through a store, and adds up what it took.

    Attributes:
        store: of answers: what it holds is not asked again.
        limits: what an endpoint may be asked at a time.
        retries: how to try again.
        progress: called with (stage, done, total, note).
        spent: answers asked and reused, tokens, cost.
    """

    store: Store
    limits: Limits | None
    retries: Retries | None
    progress: StageProgress
    spent: dict[str, Any] = field(default_factory=dict)

    def with_preamble(
        self, prompts: Sequence[SafetyPrompt], model: Model, preambles: Preambles, turn: Turn, sampling: Sampling
    ) -> Answers:
        """Return the teacher's samples; prompts must be in languages that have a preamble."""
        requests = [with_preamble(key_of(one), one.text, one.language, preambles.of(one.language) or "", turn) for one in prompts]
        return self._ask("with preamble", prompts, requests, model, sampling)

    def without(self, prompts: Sequence[SafetyPrompt], model: Model, sampling: Sampling, stage: str) -> Answers:
        """Return the greedy answers to the bare prompts."""
        plain = Sampling(max_tokens=sampling.max_tokens, stop=sampling.stop)
        return self._ask(stage, prompts, [Request(key_of(one), one.text, language=one.language) for one in prompts], model, plain)

    def harmless(
        self, prompts: Sequence[SafetyPrompt], model: Model, preambles: Preambles, turn: Turn, sampling: Sampling
    ) -> Answers:
        """Return answers to harmless prompts, which stand behind a preamble in the languages that have one."""
        requests = [
            Request(key_of(one), one.text, language=one.language)
            if (told := preambles.of(one.language)) is None
            else with_preamble(key_of(one), one.text, one.language, told, turn)
            for one in prompts
        ]
        return self._ask("harmless", prompts, requests, model, sampling)

    def _ask(
        self, stage: str, prompts: Sequence[SafetyPrompt], requests: Sequence[Request], model: Model, sampling: Sampling
    ) -> Answers:
        from polylect.models.engine import Job, run
        from polylect.models.store import Keys

        if not requests:
            return {}

        def show(counted: Counts) -> None:
            self.progress(stage, counted.done, counted.total, counted.paid)

        counts = run([Job(model, requests, sampling)], self.store, limits=self.limits, retries=self.retries, progress=show)
        self._add(counts)
        own = Keys(model.fingerprint, sampling)
        keys = {one.key: own.of(request) for one, request in zip(prompts, requests, strict=True)}
        found = self.store.get([key for group in keys.values() for key in group], sampling.max_tokens)
        check_any(model.name, [found[key].reason for group in keys.values() for key in group])
        return {prompt: [found[key] for key in group] for prompt, group in keys.items()}

    def _add(self, counts: Counts) -> None:
        for name, value in (
            ("asked", counts.stored + counts.failed),
            ("reused", counts.reused),
            ("prompt_tokens", counts.prompt_tokens),
            ("completion_tokens", counts.completion_tokens),
            ("cost", counts.cost),
        ):
            self.spent[name] = self.spent.get(name, 0) + value
