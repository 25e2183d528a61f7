"""Answers to safety prompts: from a model through the request engine and its store, or recorded ones from a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import DataError, EndpointError
from polylect.models.requests import Generated, Request, Sampling
from polylect.safety.outcomes import EMPTY
from polylect.safety.prompts import SafetyPrompt
from polylect.safety.rows import Row, answer_key, rows_of

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.interface import Model
    from polylect.models.store import Store

__all__ = ["MISSING", "NOT_ASKED", "Answer", "Answers", "ask_model", "check_any", "read_answers"]

MISSING = "missing from the recorded answers"
NOT_ASKED = "not asked: the translation lost the harm"
_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    """What a model said to a prompt; `reason` says why there is nothing: then no outcome can be given."""

    text: str = ""
    reason: str | None = None

    @property
    def empty(self) -> bool:
        """Whether the model answered, with nothing."""
        return self.reason is None and not self.text.strip()


@dataclass(frozen=True)
class Answers:
    """Answers in the order of the prompts, and how they were come by.

    Attributes:
        answers: one per prompt.
        model: what recorded answers call their model, "" where they do not.
        notes: of asking (requests, tokens, cost) or of joining a table (used, unknown, twice), for the manifest.
    """

    answers: tuple[Answer, ...]
    model: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    def odd(self, *, whole: bool) -> Iterator[str]:
        """Yield what is odd about a table of recorded answers, in words; of a part of a set, many belong to the rest."""
        unknown = {"unknown": "to prompts that are not in the set"} if whole else {}
        for what, said in {**unknown, "twice": "to a prompt that has one already"}.items():
            found = self.notes.get(what)
            if found:
                more = ", ..." if found["count"] > len(found["first"]) else ""
                yield f"{found['count']:,} recorded answers are {said}: {', '.join(found['first'])}{more}. They are not used."


def ask_model(
    prompts: Sequence[SafetyPrompt],
    model: Model,
    store: Store,
    *,
    max_tokens: int = 256,
    stop: tuple[str, ...] = (),
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: Callable[[Counts], None] | None = None,
) -> Answers:
    """Ask a model every prompt that did not lose its harm, greedily; what the store holds is not asked again.

    Raises:
        EndpointError: an endpoint refused the key or the model, or no request at all was answered.
        PolylectError: whatever the model or the store raise.
    """
    from polylect.models.engine import Job, run
    from polylect.models.store import Keys

    sampling = Sampling(max_tokens=max_tokens, stop=stop)
    requests = [Request(f"{one.item}/{one.language}", one.text, language=one.language) for one in prompts if not one.lost]
    counts = run([Job(model, requests, sampling)], store, limits=limits, retries=retries, progress=progress)
    keys = Keys(model.fingerprint, sampling)
    wanted = [keys.of(request)[0] for request in requests]
    found = store.get(wanted, sampling.max_tokens)
    notes = {
        "asked": counts.stored + counts.failed,
        "reused": counts.reused,
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
        "cost": counts.cost,
    }
    check_any(model.name, [found[key].reason for key in wanted])
    given = iter(found[key] for key in wanted)
    return Answers(tuple(Answer(reason=NOT_ASKED) if one.lost else _stored(next(given)) for one in prompts), notes=notes)


def check_any(name: str, failures: Sequence[str | None]) -> None:
    """Make sure that somebody answered at all: a document of nothing but failures would be finished, and never asked again.

    Args:
        name: of the model.
        failures: the reason of each request that failed, None of those that were answered.

    Raises:
        EndpointError: all failed.
    """
    if failures and None not in failures:
        reason, count = Counter(failures).most_common(1)[0]
        raise EndpointError(
            f"{name}: none of {len(failures):,} requests was answered ({count:,} times: {reason}). What was answered before is "
            "kept: see to it, and give the same command again."
        )


def _stored(found: Generated) -> Answer:
    return Answer(found.text, found.reason)


def read_answers(path: Path, prompts: Sequence[SafetyPrompt], model: str | None = None) -> Answers:
    """Read recorded answers: columns `item`, `language`, `answer` (or `output`, `text`, `completion`); maybe `reason`, `model`.

    XSTest's labelled answers are read in their own columns, as `--prompts` reads their prompts.

    The first of several answers to one prompt counts. An answer to a prompt that is not in the set is counted as unknown, a
    prompt without an answer as missing.

    Args:
        path: of the table.
        prompts: of the set.
        model: take the rows of this model only; None: the table must be of one model.

    Raises:
        DataError: the table cannot be read, lacks a column, holds answers of several models, or none that belongs to a prompt.
    """
    wanted = {prompt.key for prompt in prompts}
    found: dict[tuple[str, str], Answer] = {}
    names: Counter[str] = Counter()
    odd: dict[str, list[str]] = {"unknown": [], "twice": []}
    for row in rows_of(path):
        name = row.text("model") or ""
        if model is not None and name not in ("", model):
            continue
        names[name] += 1
        key = answer_key(row)
        if key not in wanted or key in found:
            odd["twice" if key in found else "unknown"].append(f"{key[0]} ({key[1]})")
        else:
            found[key] = _answer(row)
    _check(path, names, len(found), odd["unknown"], prompts)
    missing = [f"{prompt.item} ({prompt.language})" for prompt in prompts if prompt.key not in found]
    notes: dict[str, Any] = {"used": len(found)}
    notes |= {what: _first(rows) for what, rows in (*odd.items(), ("missing", missing)) if rows}
    answers = tuple(found.get(prompt.key, Answer(reason=MISSING)) for prompt in prompts)
    return Answers(answers, max(names), notes)


def _answer(row: Row) -> Answer:
    columns = [name for name in ("answer", "output", "text", "completion") if name in row.values]
    if not columns:
        row.required("answer", "output", "text", "completion")
    text = row.text(*columns)
    reason = row.text("reason")
    # The rows of an earlier evaluation say of an empty answer that it is one: that is no failure.
    return Answer(text or "", reason if text is None and reason != EMPTY else None)


def _check(path: Path, names: Counter[str], used: int, unknown: Sequence[str], prompts: Sequence[SafetyPrompt]) -> None:
    several = sorted(name for name in names if name)
    if len(several) > 1:
        raise DataError(f"{path}: answers of several models ({', '.join(several)}). Choose one with --name.")
    if not names:
        raise DataError(f"{path}: no answers of the model named. Name one that the table has, or leave --name out.")
    if not used:
        raise DataError(
            f"{path}: no answer belongs to a prompt of the set. The first is to {unknown[0]}; the set begins with "
            f"{prompts[0].item} ({prompts[0].language}). Items and languages must be those of --prompts."
        )


def _first(names: Sequence[str]) -> dict[str, Any]:
    return {"count": len(names), "first": list(names[:_SHOWN])}
