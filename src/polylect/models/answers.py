"""Prompts in, completions out: asks a model for what the store does not hold yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.models.links import checkpoint_files
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.store import Store, answer_key
from polylect.records import Completion, Prompt

__all__ = ["Shots", "answer", "fingerprint"]

Shots = Mapping[str, Sequence[tuple[str, str]]]
"""Per language, the (prompt, answer) examples to show before a question."""

Progress = Callable[[int, int, str], None]


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
    progress: Progress | None = None,
) -> list[Completion]:
    """Answer `prompts` with `model`, batch by batch, and return `sampling.samples` completions per prompt in prompt order.

    Batches are fixed by the prompts alone and stored whole, so that a run that was killed continues with the very
    batches an unbroken run would have asked.

    Args:
        prompts: what to ask.
        model: has `batches(requests, sampling)` and `answer(batch, sampling)`, as `LocalModel` has.
        name: the model's name in the completions.
        key: fingerprint of the model, part of the store's keys.
        sampling: how to sample.
        store: where answers are kept.
        shots: few-shot examples per language; None asks without.
        progress: called with (answers done, answers in all, note).
    """
    requests = [_request(prompt, shots) for prompt in prompts]
    found: dict[tuple[str, int], Generated] = {}
    batches = model.batches(requests, sampling)
    total, fresh = len(prompts) * sampling.samples, 0
    for batch in batches:
        keys = {(r.key, s): answer_key(key, r, sampling, s) for r in batch for s in range(sampling.samples)}
        stored = store.get(list(keys.values()))
        answers = list(stored.values())
        if len(stored) < len(keys):
            answers = model.answer(batch, sampling)
            store.put((keys[a.key, a.sample], a) for a in answers)
            fresh += len(answers)
        found.update({(a.key, a.sample): a for a in answers})
        if progress is not None:
            progress(len(found), total, f"{fresh} new")
    return [_completion(prompt, found[prompt.id, sample], name) for prompt in prompts for sample in range(sampling.samples)]


def _request(prompt: Prompt, shots: Shots | None) -> Request:
    examples = tuple((question, reply) for question, reply in shots[prompt.language]) if shots else ()
    return Request(prompt.id, prompt.text, examples)


def _completion(prompt: Prompt, answer: Generated, name: str) -> Completion:
    return Completion(
        prompt_id=prompt.id,
        item=prompt.item,
        language=prompt.language,
        model=name,
        sample=answer.sample,
        text=answer.text,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
    )
