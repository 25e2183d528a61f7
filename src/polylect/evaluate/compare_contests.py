"""Contests for a judge, made of prompts and the answers of two sides; models are asked through the request engine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import DataError, EvaluationError
from polylect.evaluate.compare_sources import Answer, Key, Side
from polylect.evaluate.judging.contests import Contest
from polylect.evaluate.judging.reading import rows_of
from polylect.models.interface import Model
from polylect.models.requests import Request, Sampling
from polylect.tables import language_at

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.store import Store

__all__ = ["Question", "answer_all", "make_contests", "read_benchmark", "read_questions"]

_FREE = frozenset({"translation", "translate"})
"""Kinds of prompt whose answers may be in any language."""


@dataclass(frozen=True)
class Question:
    """A prompt: its last turn, the turns before it, and whether its answer may be in any language."""

    text: str
    history: tuple[tuple[str, str], ...] = ()
    any_language: bool = False


def read_questions(path: Path, only: Collection[str] = ()) -> dict[Key, Question]:
    """Read a prompt table: item, language and text (or prompt, or messages), maybe subset and kind.

    Raises:
        DataError: the table breaks a rule, or an item has two prompts in one language.
    """
    found: dict[Key, Question] = {}
    for number, row in rows_of(path, ("item", "language", ("text", "prompt", "messages"))):
        where = f"{path}, row {number}"
        language = language_at(f"{where}, column 'language'", row["language"])
        if only and language not in only:
            continue
        key = (str(row.get("subset") or ""), language, str(row["item"]))
        question = _question(row, where)
        if found.setdefault(key, question) != question:
            raise DataError(
                f"{where}: item {key[2]!r} has another prompt in {language} already. An item has one: remove one of the two."
            )
    if not found:
        raise DataError(f"{path}: no prompts in {', '.join(only)}. Give a table that has some, or other languages.")
    return found


def _question(row: Mapping[str, Any], where: str) -> Question:
    free = str(row.get("kind") or "") in _FREE
    text, given = row.get("text") or row.get("prompt"), row.get("messages")
    if not given:
        return Question(str(text), (), free)
    try:
        turns = [tuple(turn) if isinstance(turn, list) else (turn["role"], turn["content"]) for turn in _list(given)]
        history, last = tuple((str(role), str(content)) for role, content in turns[:-1]), str(turns[-1][1])
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise DataError(
            f"{where}, column 'messages': not a list of [role, content] or of {{role, content}} ({error})."
        ) from error
    # A table of `Prompt` records keeps the last turn in `text`.
    return (
        Question(str(text), (*history, turns[-1]) if turns[-1][0] != "user" else history, free)
        if text
        else Question(last, history, free)
    )


def _list(given: Any) -> list[Any]:
    return list(json.loads(given)) if isinstance(given, str) else list(given)


def read_benchmark(name: str, data: Path | None, only: Collection[str]) -> dict[Key, Question]:
    """Return the prompts of a benchmark for pairwise judging.

    Raises:
        EvaluationError: the benchmark is unknown, or not one for judging.
        DataError: its data cannot be read.
    """
    from polylect.evaluate.benchmarks import resolve

    benchmark = resolve(name)
    if benchmark.kind != "pairwise":
        raise EvaluationError(f"benchmark {name!r} needs no judge. Run `polylect eval` for both models and compare the folders.")
    items = benchmark.load(data, sorted(only) or None)
    return {(item.subset, item.language, item.item): Question(item.text) for item in items}


def answer_all(
    model: Model,
    questions: Mapping[Key, Question],
    store: Store,
    *,
    max_tokens: int,
    limits: Limits | None,
    retries: Retries | None,
    progress: Callable[[Counts], None] | None,
) -> Side:
    """Let a model answer every prompt greedily; what it answered before comes from the store."""
    from polylect.models.engine import Job, run
    from polylect.models.store import Keys

    sampling = Sampling(max_tokens=max_tokens)
    requests = {key: Request("/".join(key), question.text, history=question.history) for key, question in questions.items()}
    run([Job(model, list(requests.values()), sampling)], store, limits=limits, retries=retries, progress=progress)
    keys = Keys(model.fingerprint, sampling)
    wanted = {key: keys.of(request)[0] for key, request in requests.items()}
    found = store.get(list(wanted.values()), max_tokens)
    side = Side(model.name)
    for key, stored in wanted.items():
        reply = found.get(stored)
        reason = "no answer in the store" if reply is None else reply.reason
        side.answers[key] = Answer(None if reply is None or reason else reply.text, reason=reason and f"no answer ({reason})")
        if reply is not None and reply.finish_reason == "length":
            side.notes[f"answers cut off at {max_tokens} tokens"] += 1
    return side


def make_contests(a: Side, b: Side, questions: Mapping[Key, Question] | None) -> tuple[list[Contest], Counter[str]]:
    """Return a contest per prompt, or per item that either side has where there is no prompt table; and notes, counted.

    A missing answer is a contest without a result, not one that is left out.

    Raises:
        EvaluationError: an item has a prompt neither in a table nor in the recorded outputs.
    """
    notes: Counter[str] = Counter()
    keys = sorted(questions if questions is not None else a.answers.keys() | b.answers.keys())
    contests = []
    for key in keys:
        left, right = a.answers.get(key), b.answers.get(key)
        if questions is not None:
            question = questions[key]
        else:
            question = Question((left.prompt if left else "") or (right.prompt if right else ""))
            if left and right and left.prompt and right.prompt and left.prompt != right.prompt:
                notes["contests whose recorded prompts differ; the judge was shown that of a"] += 1
        if not question.text:
            raise EvaluationError(
                f"item {key[2]!r} in {key[1]}: its prompt is not recorded. Give the prompts with --prompts TABLE."
            )
        contests.append(_contest(key, question, left, right))
    if questions is not None:
        for name, side in (("a", a), ("b", b)):
            if strange := len(side.answers.keys() - questions.keys()):
                notes[f"answers of {name} to prompts that are not in the table, left out"] += strange
    return contests, notes


def _contest(key: Key, question: Question, a: Answer | None, b: Answer | None) -> Contest:
    subset, language, item = key
    return Contest(
        item=item,
        language=language,
        subset=subset,
        text=question.text,
        history=question.history,
        any_language=question.any_language,
        a=a.text if a else None,
        b=b.text if b else None,
        a_reason=a.reason if a else "no answer to this item",
        b_reason=b.reason if b else "no answer to this item",
    )
