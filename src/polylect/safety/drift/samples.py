"""Continuations of prompts: k samples each from a model through the request engine and its store, or recorded ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import DataError
from polylect.models.requests import Request, Sampling
from polylect.safety.prompts import SafetyPrompt
from polylect.safety.rows import rows_of

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.interface import Model
    from polylect.models.store import Store

__all__ = ["Sample", "ask_samples", "read_samples"]


@dataclass(frozen=True)
class Sample:
    """One continuation of a prompt; `reason` says why there is none.

    Attributes:
        item: of the prompt.
        language: of the prompt, canonical tag.
        number: from 0.
        text: what the model said.
        reason: why nothing came.
        prompt: what was said before, where it is known.
    """

    item: str
    language: str
    number: int
    text: str = ""
    reason: str | None = None
    prompt: str = ""


def ask_samples(
    prompts: Sequence[SafetyPrompt],
    model: Model,
    store: Store,
    sampling: Sampling,
    *,
    bare: bool = False,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: Callable[[Counts], None] | None = None,
) -> tuple[list[Sample], dict[str, Any]]:
    """Ask a model for the samples of every prompt; what the store holds is not asked again. Return them and the counts.

    With `bare` the model goes on with the prompt itself; else it answers it as a turn of a chat.

    Raises:
        PolylectError: whatever the model or the store raise.
    """
    from polylect.models.engine import Job, run
    from polylect.models.store import Keys

    requests = [Request(f"{one.item}/{one.language}", one.text, language=one.language, bare=bare) for one in prompts]
    counts = run([Job(model, requests, sampling)], store, limits=limits, retries=retries, progress=progress)
    keys = Keys(model.fingerprint, sampling)
    samples = []
    for prompt, request in zip(prompts, requests, strict=True):
        wanted = keys.of(request)
        found = store.get(wanted, sampling.max_tokens)
        answers = [found[key] for key in wanted]
        samples += [Sample(*prompt.key, number, one.text, one.reason, prompt.text) for number, one in enumerate(answers)]
    notes = {"asked": counts.stored + counts.failed, "reused": counts.reused, "completion_tokens": counts.completion_tokens}
    return samples, {**notes, "cost": counts.cost}


def read_samples(path: Path, prompts: Sequence[SafetyPrompt]) -> tuple[list[Sample], dict[str, Any]]:
    """Read recorded samples: columns `item`, `language`, `answer` (or `output`, `text`, `completion`), maybe `sample`, `reason`.

    Without a column `sample` the rows of one prompt are numbered as they come. Samples of prompts that are not in the set are
    counted as unknown.

    Raises:
        DataError: the table cannot be read, lacks a column, numbers a sample twice, or no row belongs to a prompt.
    """
    wanted = {prompt.key: prompt.text for prompt in prompts}
    numbers: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, str, int], Sample] = {}
    unknown = 0
    for row in rows_of(path):
        key = row.required("item", "id"), row.language()
        if key not in wanted:
            unknown += 1
            continue
        number = row.text("sample")
        place = (*key, numbers[key] if number is None else _whole(number, row.where))
        numbers[key] += 1
        if place in found:
            raise DataError(f"{row.where}: sample {place[2]} of {key[0]!r} in {key[1]} comes twice. Number the samples.")
        text, reason = row.text("answer", "output", "text", "completion"), row.text("reason")
        if text is None and not {"answer", "output", "text", "completion"} & set(row.values):
            row.required("answer", "output", "text", "completion")
        found[place] = Sample(*place, text or "", reason if text is None else None, wanted[key])
    if not found:
        raise DataError(f"{path}: no sample belongs to a prompt of the set. Items and languages must be those of --prompts.")
    return list(found.values()), {"used": len(found), "unknown": unknown}


def _whole(text: str, where: str) -> int:
    if not text.isdecimal():
        raise DataError(f"{where}, column 'sample': {text!r} is no whole number.")
    return int(text)
