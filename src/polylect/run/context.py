"""What a stage function is given: its settings, where to read, where to write, and how to tell how far it is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from polylect.run.cluster import Cluster
from polylect.run.steps import JSON, Step

__all__ = ["Context"]

_INTERVAL = 0.2
"""Seconds between two progress messages of one step: enough for the eye, nothing for the processor."""


def _discard(_: Mapping[str, JSON]) -> None:
    return None


@dataclass(kw_only=True)
class Context:
    """Handed to a stage function in its worker process; a test may build one by itself.

    Args:
        step: the step that is carried out.
        inputs: role -> output folder of another step, to be read only.
        out: empty folder to write into; it gets its final name when the function returns.
        store: folder of the run that survives kills and reruns; a stage that asks for much keeps its answers there.
        send: receives progress messages; the default drops them.
        cluster: answers in place of this process (`runtime.executor: ray`); None: this process does.
    """

    step: Step
    inputs: Mapping[str, Path]
    out: Path
    store: Path
    send: Callable[[Mapping[str, JSON]], None] = _discard
    cluster: Cluster | None = None
    notes: dict[str, JSON] = field(default_factory=dict)
    _sent: float = field(default=-_INTERVAL, repr=False)

    @property
    def settings(self) -> Mapping[str, JSON]:
        """The settings of the step."""
        return self.step.settings

    @property
    def seed(self) -> int:
        """The seed of the step."""
        return self.step.seed

    @property
    def paths(self) -> dict[str, Path]:
        """Role -> where an outside input lies."""
        return {role: Path(path) for role, path in self.step.paths.items()}

    def progress(self, done: float, total: float | None = None, unit: str = "", note: str = "") -> None:
        """Tell how far the step is: `done` of `total` (None: unknown) `unit`s; call it as often as you like."""
        now = time.monotonic()
        if now - self._sent < _INTERVAL and done != total:
            return
        self._sent = now
        self.send({"type": "progress", "done": done, "total": total, "unit": unit, "note": note})

    def note(self, **facts: JSON) -> None:
        """Record facts in the manifest: tokens=..., rows=..., licences=...; a later fact of the same name wins.

        Raises:
            TypeError, ValueError: a fact that JSON cannot hold (NaN and infinity included).
        """
        for name, fact in facts.items():
            try:
                self.notes[name] = json.loads(json.dumps(fact, allow_nan=False, default=_scalar))
            except (TypeError, ValueError) as error:
                raise type(error)(f"note {name}={fact!r} cannot be written to the manifest: {error}") from error


def _scalar(value: JSON) -> JSON:
    """Turn a NumPy or torch scalar into a plain number."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a JSON value")
