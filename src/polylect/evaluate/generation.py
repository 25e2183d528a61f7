"""Answers of a model to tasks, through the request engine and its store: what is stored is never asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polylect.evaluate.task_types import GenerateTask
from polylect.models.requests import Generated, Request, Sampling
from polylect.progress import StepProgress

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.interface import Model
    from polylect.models.store import Store

__all__ = ["Answer", "Asker"]


@dataclass(frozen=True)
class Answer:
    """What a model said to one item: a text per turn of its conversation, or why there is none.

    Attributes:
        texts: one per turn that was answered; of a single question, one.
        reason: why the next turn has no answer; None where all are answered.
        choice: index of the option that recorded outputs name, where they name one so.
    """

    texts: tuple[str, ...] = ()
    reason: str | None = None
    choice: int | None = None

    @property
    def text(self) -> str:
        """The first answer; "" where there is none."""
        return self.texts[0] if self.texts else ""


class Asker:
    """Asks a model.

    Args:
        model: who answers.
        store: where answers are kept.
        limits: what the model may be asked at a time.
        retries: how to try again.
        seed: of sampling; answers are greedy, so that it matters to none of them yet.
        max_tokens: most new tokens of an answer; None: what each benchmark says.
    """

    def __init__(
        self,
        model: Model,
        store: Store,
        *,
        limits: Limits | None = None,
        retries: Retries | None = None,
        seed: int = 0,
        max_tokens: int | None = None,
    ) -> None:
        self.model, self._store = model, store
        self._limits, self._retries, self._seed, self._max_tokens = limits, retries, seed, max_tokens
        self.reused = self.asked = self.prompt_tokens = self.completion_tokens = 0
        self.cost = 0.0

    def answers(self, tasks: Sequence[GenerateTask], progress: StepProgress | None = None) -> list[Answer]:
        """Return the answer to each task, in order; conversations are held turn by turn, all at a time.

        A conversation ends with its first turn that has no answer.

        Raises:
            EndpointError: an endpoint refused the key or the model, or nothing works there any more.
            PolylectError: whatever the model or the store raise.
        """
        texts: list[list[str]] = [[] for _ in tasks]
        reasons: list[str | None] = [None] * len(tasks)
        turns = max((len(task.item.turns) or 1 for task in tasks), default=0)
        total, done = sum(len(task.item.turns) or 1 for task in tasks), 0
        for turn in range(turns):
            places = [p for p, task in enumerate(tasks) if turn < (len(task.item.turns) or 1) and reasons[p] is None]
            requests = [(_request(tasks[p], turn, texts[p]), tasks[p]) for p in places]
            for place, found in zip(places, self._ask(requests, done, total, progress), strict=True):
                if found.reason is None:
                    texts[place].append(found.text)
                else:
                    reasons[place] = found.reason
            done += len(places)
        return [Answer(tuple(said), reason) for said, reason in zip(texts, reasons, strict=True)]

    def _ask(
        self, asked: Sequence[tuple[Request, GenerateTask]], done: int, total: int, progress: StepProgress | None
    ) -> list[Generated]:
        from polylect.models.engine import Job, run
        from polylect.models.store import Keys

        samplings = [self._sampling(task) for _, task in asked]
        groups: dict[Sampling, list[Request]] = {}
        for (request, _), sampling in zip(asked, samplings, strict=True):
            groups.setdefault(sampling, []).append(request)
        jobs = [Job(self.model, requests, sampling) for sampling, requests in groups.items()]

        def show(counts: Counts) -> None:
            if progress is not None:
                progress(done + counts.done, total, counts.paid)

        counts = run(jobs, self._store, limits=self._limits, retries=self._retries, progress=show)
        self.asked += counts.stored + counts.failed
        self.reused += counts.reused
        self.prompt_tokens += counts.prompt_tokens
        self.completion_tokens += counts.completion_tokens
        self.cost += counts.cost
        found: dict[tuple[Sampling, str], Generated] = {}
        for sampling, requests in groups.items():
            keys = Keys(self.model.fingerprint, sampling)
            of = {request.key: keys.of(request)[0] for request in requests}
            stored = self._store.get(list(of.values()), sampling.max_tokens)
            found |= {(sampling, name): stored[key] for name, key in of.items()}
        return [found[sampling, request.key] for (request, _), sampling in zip(asked, samplings, strict=True)]

    def _sampling(self, task: GenerateTask) -> Sampling:
        return Sampling(max_tokens=self._max_tokens or task.max_tokens, temperature=0.0, stop=task.stop, seed=self._seed)


def _request(task: GenerateTask, turn: int, said: Sequence[str]) -> Request:
    """Return the request of a turn: what was said before stands in its history."""
    if not task.item.turns:
        return task.request
    before = tuple(
        part for asked, reply in zip(task.item.turns, said, strict=False) for part in (("user", asked.text), ("assistant", reply))
    )
    return replace(task.request, key=f"{task.request.key}/turn {turn + 1}", text=task.item.turns[turn].text, history=before)
