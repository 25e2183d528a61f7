"""How to call a model: local checkpoints, endpoints, pools of both, fakes for tests, and the store that forgets no answer."""

from typing import TYPE_CHECKING, Any

from polylect.models.requests import Generated, Request, Sampling

if TYPE_CHECKING:
    from polylect.models.answers import Shots, answer, fingerprint
    from polylect.models.checkpoint import describe
    from polylect.models.fakes import FakeModel
    from polylect.models.hub import resolve
    from polylect.models.links import link_checkpoint
    from polylect.models.local import LocalModel
    from polylect.models.pool import Pool, load_pool
    from polylect.models.served import ServedModel
    from polylect.models.spec import open_model
    from polylect.models.store import Store, answer_key

__all__ = [
    "FakeModel",
    "Generated",
    "LocalModel",
    "Pool",
    "Request",
    "Sampling",
    "ServedModel",
    "Shots",
    "Store",
    "answer",
    "answer_key",
    "describe",
    "fingerprint",
    "link_checkpoint",
    "load_pool",
    "open_model",
    "resolve",
]

_LAZY = {
    "FakeModel": "fakes",
    "LocalModel": "local",
    "Pool": "pool",
    "ServedModel": "served",
    "Shots": "answers",
    "Store": "store",
    "answer": "answers",
    "answer_key": "store",
    "describe": "checkpoint",
    "fingerprint": "answers",
    "link_checkpoint": "links",
    "load_pool": "pool",
    "open_model": "spec",
    "resolve": "hub",
}


def __getattr__(name: str) -> Any:
    """Import a part of the package when it is first asked for: the command line stays fast."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
