"""Games through the request engine: every contest in both orders before every judge, what was judged before from the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polylect.evaluate.judging.contests import Contest, Game
from polylect.evaluate.judging.instructions import compose
from polylect.evaluate.judging.parsing import Form, read_reply
from polylect.evaluate.judging.settings import JudgeSettings
from polylect.models.interface import Model
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import content_hash

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries
    from polylect.models.store import Store

__all__ = ["ORDERS", "Spent", "play"]

ORDERS = ("ab", "ba")
"""Judges favour a place (Zheng et al. 2023, arXiv 2306.05685), so each answer stands in both."""

_WINNERS = {("ab", "first"): "a", ("ab", "second"): "b", ("ba", "first"): "b", ("ba", "second"): "a"}
_LOST = Generated("", 0, "", "", 0, 0, reason="no verdict in the store")


@dataclass(frozen=True)
class Spent:
    """What the verdicts of one judge took.

    `games` were needed; `asked` of them were asked now, the others lay in the store. Tokens and `cost` (US dollars, as far as
    prices are known) are those of all games, `cost_now` of those asked now.
    """

    judge: str
    games: int
    asked: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    cost_now: float


def play(
    contests: Sequence[Contest],
    judges: Sequence[Model],
    store: Store,
    *,
    a: str,
    b: str,
    settings: JudgeSettings,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: Callable[[Counts], None] | None = None,
) -> tuple[list[Game], list[Spent]]:
    """Play every contest twice before every judge; return the games in the order judge, contest, order.

    A judge in this process is asked alone, endpoints side by side. An endpoint that refuses is an error of the engine's; a
    request that fails for good is a game without a winner.

    Raises:
        EndpointError: an endpoint refused the key or the model, or nothing works there any more.
    """
    from polylect.models.engine import Job, run

    sampling = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
    requests = [_request(contest, order, settings) for contest in contests for order in ORDERS]
    counts: dict[int, Any] = {}
    for number, judge in enumerate(judges):
        if requests:
            job = Job(judge, requests, sampling)
            counts[number] = run([job], store, limits=limits, retries=retries, progress=progress)
    games: list[Game] = []
    spent = []
    for number, judge in enumerate(judges):
        own = list(_games(contests, requests, judge, store, sampling, (a, b), settings.verdicts))
        tokens = sum(game.prompt_tokens for game in own), sum(game.completion_tokens for game in own)
        found = counts.get(number)
        now = (found.stored + found.failed, found.cost) if found else (0, 0.0)
        spent.append(Spent(judge.name, len(own), now[0], *tokens, judge.price.of(*tokens), now[1]))
        games += own
    return games, spent


def _request(contest: Contest, order: str, settings: JudgeSettings) -> Request:
    text = compose(contest, order, settings.instructions, settings.template, settings.verdicts)
    return Request(content_hash("game", *contest.key, order), text)


def _games(
    contests: Sequence[Contest],
    requests: Sequence[Request],
    judge: Model,
    store: Store,
    sampling: Sampling,
    names: tuple[str, str],
    form: Form,
) -> Iterator[Game]:
    from polylect.models.store import Keys

    keys = Keys(judge.fingerprint, sampling)
    wanted = [keys.of(request)[0] for request in requests]
    found = store.get(wanted, sampling.max_tokens)
    places = ((contest, order) for contest in contests for order in ORDERS)
    for (contest, order), key in zip(places, wanted, strict=True):
        reply = found.get(key, _LOST)
        reading, status = read_reply(reply, form)
        place = reading.place
        yield Game(
            judge=judge.name,
            a=names[0],
            b=names[1],
            language=contest.language,
            item=contest.item,
            subset=contest.subset,
            order=order,
            raw=reply.text,
            shown=place,
            winner=_WINNERS.get((order, place), "tie") if place else None,
            status=status,
            reason=reading.reason,
            battles=reading.battles,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
        )
