"""Prompts in, completions out: asks a model for what the store does not hold yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.models.engine import Counts, Job, run
from polylect.models.interface import Price
from polylect.models.links import checkpoint_files
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.store import Keys, Store
from polylect.progress import StepProgress
from polylect.records import Completion, Prompt

if TYPE_CHECKING:
    from polylect.models.ray_worker import Opened

__all__ = ["Shots", "answer", "answer_on_ray", "fingerprint"]

Shots = Mapping[str, Sequence[tuple[str, str]]]
"""Per language, the (prompt, answer) examples to show before a question."""


def fingerprint(checkpoint: Path) -> str:
    """Return the SHA-256 (24 hex digits) of a checkpoint's weights, configuration and tokenizer: what decides its answers."""
    digest = hashlib.sha256()
    for path in checkpoint_files(checkpoint):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()[:24]


def answer(
    prompts: Sequence[Prompt],
    model: Any,
    *,
    name: str,
    key: str,
    sampling: Sampling,
    store: Store,
    shots: Shots | None = None,
    progress: StepProgress | None = None,
) -> list[Completion]:
    """Answer `prompts` with `model` and return `sampling.samples` completions per prompt in prompt order.

    Batches are fixed by the prompts alone and stored whole, so that a run that was killed continues with the very
    batches an unbroken run would have asked. A request that failed for good is a completion with status "failed".

    Args:
        prompts: what to ask.
        model: has `batches(requests, sampling)` and `answer(batch, sampling)` of `polylect.models.interface.Model`, the latter
            as a plain or an async function; what else a model has may be missing.
        name: the model's name in the completions.
        key: fingerprint of the model, part of the store's keys.
        sampling: how to sample.
        store: where answers are kept.
        shots: few-shot examples per language; None asks without.
        progress: called with (answers done, answers in all, note).

    Raises:
        EndpointError: an endpoint refused the key or the model, or nothing works there any more.
        PolylectError: whatever the model or the store raise.
    """
    requests = [_request(prompt, shots) for prompt in prompts]
    job = Job(_Named(model, name, key), requests, sampling, window=max(1, len(requests)))
    run([job], store, progress=_shown(progress, len(prompts) * sampling.samples))
    return _stored(prompts, requests, name, key, sampling, store)


def answer_on_ray(
    prompts: Sequence[Prompt],
    spec: str,
    *,
    name: str,
    sampling: Sampling,
    store: Store,
    settings: Mapping[str, Any] | None = None,
    num_cpus: float = 1.0,
    num_gpus: float = 0.0,
    shots: Shots | None = None,
    progress: StepProgress | None = None,
) -> tuple[list[Completion], Price]:
    """Do what `answer` does on a Ray cluster, whose actors open the model; return the completions and the model's price.

    Keys, and so the answers that a store shares, are those of `answer` with the model's own fingerprint.

    Args:
        prompts: what to ask.
        spec: what the actors open, see `polylect.models.open_model`; a folder must be there on every node.
        name: the model's name in the completions.
        sampling: how to sample.
        store: where answers are kept; this process is its only writer.
        settings: of `open_model`.
        num_cpus: of an actor.
        num_gpus: of an actor.
        shots: few-shot examples per language; None asks without.
        progress: called with (answers done, answers in all, note).

    Raises:
        ModelError, EndpointError: see `polylect.models.ray_shards.run_on_ray`.
    """
    from polylect.models.ray_shards import RayJob, run_on_ray

    opened: list[Opened] = []
    requests = [_request(prompt, shots) for prompt in prompts]
    job = RayJob(spec, requests, sampling, settings=settings or {}, num_cpus=num_cpus, num_gpus=num_gpus, opened=opened.append)
    run_on_ray([job], store, progress=_shown(progress, len(prompts) * sampling.samples))
    return _stored(prompts, requests, name, opened[0].fingerprint, sampling, store), opened[0].price


def _shown(progress: StepProgress | None, total: int) -> Callable[[Counts], None]:
    def show(counts: Counts) -> None:
        if progress is not None:
            progress(counts.done, total, f"{counts.stored} new")

    return show


def _stored(
    prompts: Sequence[Prompt], requests: Sequence[Request], name: str, key: str, sampling: Sampling, store: Store
) -> list[Completion]:
    """Return the completions of prompts that were asked, `sampling.samples` each, in prompt order."""
    own = Keys(key, sampling)
    keys = [one for request in requests for one in own.of(request)]
    found = store.get(keys, sampling.max_tokens)
    asked = [(prompt, sample) for prompt in prompts for sample in range(sampling.samples)]
    return [_completion(prompt, sample, found[one], name, key) for (prompt, sample), one in zip(asked, keys, strict=True)]


class _Named:
    """A model under another name and fingerprint, with what it may lack of a `Model`."""

    def __init__(self, model: Any, name: str, fingerprint: str) -> None:
        self._model, self.name, self.fingerprint = model, name, fingerprint
        self.in_flight: int | None = getattr(model, "in_flight", 1)
        self.price: Price = getattr(model, "price", Price())
        self.licence: str | None = getattr(model, "licence", None)
        self.may_train: bool | None = getattr(model, "may_train", None)

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        batches: list[list[Request]] = self._model.batches(requests, sampling)
        return batches

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        answers = self._model.answer(batch, sampling)
        return list(await answers if isawaitable(answers) else answers)

    def count(self, text: str) -> int:
        return int(self._model.count(text))

    async def close(self) -> None:
        await self._model.close()


def _request(prompt: Prompt, shots: Shots | None) -> Request:
    examples = tuple((question, reply) for question, reply in shots[prompt.language]) if shots else ()
    history = tuple((role, content) for role, content in json.loads(prompt.messages)) if prompt.messages else ()
    return Request(prompt.id, prompt.text, examples, history=history)


def _completion(prompt: Prompt, sample: int, answer: Generated, name: str, revision: str) -> Completion:
    return Completion(
        prompt_id=prompt.id,
        item=prompt.item,
        language=prompt.language,
        model=name,
        sample=sample,
        text=answer.text,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        status="ok" if answer.reason is None else "failed",
        reason=answer.reason,
        revision=revision,
    )
