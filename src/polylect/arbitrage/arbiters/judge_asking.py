"""Questions to a judge through the request engine; what it said before comes from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from polylect.models.interface import Model
from polylect.models.requests import Generated, Request, Sampling

if TYPE_CHECKING:
    from polylect.models.store import Store

__all__ = ["Ask", "through_engine"]


class Ask(Protocol):
    """Gets the answers to requests."""

    def __call__(self, requests: Sequence[Request]) -> Mapping[str, Generated]:
        """Return the answer to each request by its key; a failure is an answer with a `reason`."""


def through_engine(model: Model, sampling: Sampling, store: Store) -> Ask:
    """Return a function that asks `model` what the store does not hold, and stores it."""

    def ask(requests: Sequence[Request]) -> Mapping[str, Generated]:
        from polylect.models.engine import Job, run
        from polylect.models.store import answer_key

        if not requests:
            return {}
        run([Job(model, list(requests), sampling)], store)
        keys = {request.key: answer_key(model.fingerprint, request, sampling, 0) for request in requests}
        found = store.get(list(keys.values()), sampling.max_tokens)
        lost = Generated("", 0, "", "", 0, 0, reason="no answer in the store")
        return {name: found.get(key, lost) for name, key in keys.items()}

    return ask
