"""Asking a model through the engine, and reading its answers back from the store in the order of the requests."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from polylect.models.requests import Generated, Request, Sampling
from polylect.prompts.output import ANSWERS, Output

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits
    from polylect.models.interface import Model
    from polylect.models.store import Store

__all__ = ["NOT_ANSWERED", "Asker", "Progress", "manifest"]

T = TypeVar("T")
Progress: TypeAlias = "Callable[[Counts], None]"
"""Called by the engine every now and then."""

NOT_ANSWERED = "not answered"
_WINDOW = 512


class Asker:
    """One model, one store, and the counts of all that was asked; use as a context manager, which closes the store.

    Args:
        model: who is asked.
        folder: where the store is made, unless `store` names its file.
        sampling: how to sample; one answer per request.
        store: file of a store to share with other runs.
        limits: of the engine.
        progress: called with the engine's counts.
    """

    def __init__(
        self,
        model: Model,
        folder: Path,
        sampling: Sampling,
        *,
        store: Path | None = None,
        limits: Limits | None = None,
        progress: Progress | None = None,
    ) -> None:
        from polylect.models.store import Store

        self.model, self.sampling = model, replace(sampling, samples=1)
        self._limits, self._progress = limits, progress
        self._store: Store = Store(store or folder / ANSWERS)
        self._totals: Counter[str] = Counter()
        self._began = time.monotonic()
        self.cost = 0.0

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def ask(self, requests: Iterable[Request], *, seed: int = 0) -> None:
        """Ask what the store does not hold yet; requests are read as answers come in. `seed` is added to that of the sampling."""
        from polylect.models.engine import Job, run

        counts = run([Job(self.model, requests, self._with(seed), self._limits)], self._store, progress=self._progress)
        names = ("asked", "stored", "reused", "failed", "retried", "prompt_tokens", "completion_tokens")
        self._totals.update({name: getattr(counts, name) for name in names})
        self.cost += counts.cost

    def answers(self, asked: Iterable[tuple[T, Request]], *, seed: int = 0) -> Iterator[tuple[T, Generated]]:
        """Yield the stored answer to each request with what belongs to it; one that is missing has the reason `NOT_ANSWERED`."""
        from polylect.models.store import Keys

        sampling = self._with(seed)
        keys = Keys(self.model.fingerprint, sampling)
        rest = iter(asked)
        while window := list(islice(rest, _WINDOW)):
            names = [keys.of(request)[0] for _, request in window]
            found = self._store.get(names, sampling.max_tokens)
            for name, (what, request) in zip(names, window, strict=True):
                yield what, found.get(name) or Generated(request.key, 0, "", "", 0, 0, NOT_ANSWERED)

    def counts(self) -> dict[str, Any]:
        """Return what was asked, for the manifest."""
        return {**self._totals, "cost": round(self.cost, 6), "seconds": round(time.monotonic() - self._began, 1)}

    def _with(self, seed: int) -> Sampling:
        return replace(self.sampling, seed=self.sampling.seed + seed)


def manifest(command: str, settings: dict[str, Any], asker: Asker, output: Output) -> dict[str, Any]:
    """Return the manifest of an output folder: what made it, of which model, how many rows, how many rejected and why."""
    from datetime import UTC, datetime

    from polylect import __version__

    model = asker.model
    return {
        "command": command,
        "settings": settings,
        "version": __version__,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "name": model.name,
            "fingerprint": model.fingerprint,
            "licence": model.licence,
            "may_train": model.may_train,
        },
        "rows": output.counts(),
        "requests": asker.counts(),
    }
