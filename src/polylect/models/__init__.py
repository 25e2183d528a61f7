"""How to call a model: local checkpoints, bundled models, and the store that forgets no answer."""

from typing import TYPE_CHECKING, Any

from polylect.models.requests import Generated, Request, Sampling

if TYPE_CHECKING:
    from polylect.models.answers import Shots, answer, fingerprint
    from polylect.models.checkpoint import describe
    from polylect.models.hub import resolve
    from polylect.models.links import link_checkpoint
    from polylect.models.local import LocalModel
    from polylect.models.store import Store, answer_key

__all__ = [
    "Generated",
    "LocalModel",
    "Request",
    "Sampling",
    "Shots",
    "Store",
    "answer",
    "answer_key",
    "describe",
    "fingerprint",
    "link_checkpoint",
    "resolve",
]

_LAZY = {
    "LocalModel": "local",
    "Shots": "answers",
    "Store": "store",
    "answer": "answers",
    "answer_key": "store",
    "describe": "checkpoint",
    "fingerprint": "answers",
    "link_checkpoint": "links",
    "resolve": "hub",
}


def __getattr__(name: str) -> Any:
    """Import a part of the package when it is first asked for: the command line stays fast."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
