"""The stage of routers that write: a model writes one answer from those of the pool, which is scored beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.asking import Requests
from polylect.arbitrage.outputs import read_part, write_part
from polylect.arbitrage.routing import candidates
from polylect.arbitrage.teachers import Teacher, completion
from polylect.models.requests import Request
from polylect.records import Completion, Prompt, Score

if TYPE_CHECKING:
    from polylect.arbitrage.arbiters import Arbiter
    from polylect.arbitrage.router_base import BaseRouter
    from polylect.arbitrage.stages import Work

__all__ = ["fuse", "writer_of"]

PREFIX = "fused-"


def writer_of(work: Work, router: BaseRouter) -> Teacher | None:
    """Return the model that writes, open, under the name of its answers; None for routers that write nothing.

    Raises:
        ModelError: it cannot be had.
    """
    if router.writer is None:
        return None
    from polylect.models.engine import Limits
    from polylect.models.pool import Member
    from polylect.models.spec import open_model

    name = str(getattr(router, "fused", "fused"))
    known = next((teacher for teacher in work.teachers if router.writer in (teacher.member.spec, teacher.name)), None)
    model = known.model if known else open_model(router.writer)
    limits = known.member.limits if known else Limits()
    return Teacher(Member(name=name, spec=router.writer, limits=limits), model, work.settings.sampling)


def fuse(work: Work, router: BaseRouter, arbiter: Arbiter, writer: Teacher, prompts: int) -> dict[str, Any]:
    """Let the writer answer, and score its answers together with the others'; writes a second round of answers and scores."""
    from polylect.models.engine import Job, run

    jobs = [
        Job(
            writer.model,
            Requests(lambda: (one for _, _, found in _requests(work, router) for _, one in found), prompts),
            writer.sampling,
        )
    ]
    found = run(
        jobs, work.store, limits=work.limits, retries=work.retries, progress=lambda c: work.tell("fuse", c.done, prompts, "")
    )
    for stage in ("answers", "scores"):
        (work.folder.work / f"{PREFIX}{stage}").mkdir(exist_ok=True)
    for number, window, requests in _requests(work, router):
        if not work.part(f"{PREFIX}scores", number).exists():
            _score(work, arbiter, writer, number, window, requests)
    return {"asked": found.asked, "stored": found.stored, "reused": found.reused, "failed": found.failed}


def _requests(work: Work, router: BaseRouter) -> Iterator[tuple[int, Sequence[Prompt], list[tuple[Prompt, Request]]]]:
    """Yield (number, prompts, what the writer is asked about which) of each window."""
    for number, window in enumerate(work.prompts()):
        answers = read_part(work.part("answers", number), Completion)
        pools = candidates(answers, read_part(work.part("scores", number), Score))
        made = ((prompt, router.second(prompt, pools.get(prompt.id, ()))) for prompt in window)
        yield number, window, [(prompt, request) for prompt, request in made if request is not None]


def _score(
    work: Work,
    arbiter: Arbiter,
    writer: Teacher,
    number: int,
    window: Sequence[Prompt],
    requests: Sequence[tuple[Prompt, Request]],
) -> None:
    keys = [writer.keys.of(request) for _, request in requests]
    stored = work.store.get([key for own in keys for key in own], writer.sampling.max_tokens)
    written = [
        completion(prompt, writer, sample, stored.get(key))
        for (prompt, _), own in zip(requests, keys, strict=True)
        for sample, key in enumerate(own)
    ]
    by_id = {prompt.id: prompt for prompt in window}
    place = {prompt.id: at for at, prompt in enumerate(window)}
    found = [*read_part(work.part("answers", number), Completion), *work.checked(written, by_id)]
    found.sort(key=lambda one: place[one.prompt_id])
    scores = arbiter.score(by_id, found)
    write_part(work.part(f"{PREFIX}answers", number), found, Completion)
    write_part(work.part(f"{PREFIX}scores", number), scores, Score)
