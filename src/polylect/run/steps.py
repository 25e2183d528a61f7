"""What a run is made of: steps, what became of them, and the checks of a plan before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from polylect.errors import RunError, nearest

__all__ = [
    "JSON", "MODEL_LIBRARIES", "TRAIN_LIBRARIES", "Outcome", "Step", "StepReport", "ancestors", "checked_plan", "log_name",
    "select",
]  # fmt: skip

JSON = Any
"""A value that JSON can hold: text, number, true/false, null, list or mapping of such values."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")

MODEL_LIBRARIES = ("torch", "transformers")
"""Distributions whose versions change what a model answers."""

TRAIN_LIBRARIES = (*MODEL_LIBRARIES, "trl", "peft", "accelerate")
"""Distributions whose versions change what a training makes."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One piece of work that reads the outputs of other steps and writes one folder.

    Args:
        name: unique in the plan; the output is `steps/<name>`. "/" groups steps: "sft/europe".
        function: "package.module:callable", imported in the worker only and called with a `Context`.
        version: version of the stage's code; raise it whenever the same settings give another result.
        settings: everything that changes the result.
        inputs: role -> name of the step whose output folder is read.
        files: role -> SHA-256 of an outside input; part of the key.
        paths: role -> where an outside input lies; neither in the key nor in the manifest, so it may move.
        seed: seed of the step's random numbers.
        title: what the step does, for people.
        weight: expected cost relative to the other steps; orders them and shapes the overall ETA, nothing else.
        libraries: distributions whose installed versions change the result.
    """

    name: str
    function: str
    version: str = "1"
    settings: Mapping[str, JSON] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    title: str = ""
    weight: float = 1.0
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What is known of one finished step; of a skipped one, what its manifest says.

    `seconds` is wall time in the worker, `peak_memory_mb` the worker's peak resident memory in 10^6 bytes
    (pages shared with the server counted in full), `bytes` the size of the output folder.
    """

    name: str
    key: str
    seconds: float
    peak_memory_mb: float
    skipped: bool
    bytes: int
    notes: Mapping[str, JSON]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The reports of all selected steps in plan order.

    `seconds` is the wall time of the whole call; `peak_memory_mb` the largest sampled memory of the run's processes
    together (proportional set size, 10^6 bytes; 0.0 when nothing ran or the system does not tell).
    """

    steps: list[StepReport]
    seconds: float
    peak_memory_mb: float


def checked_plan(steps: Sequence[Step]) -> list[Step]:
    """Return the steps in an order in which every input comes first.

    Raises:
        RunError: a name that is not a relative path of plain segments, appears twice, lies inside another step's folder
            or shares its log; an input that is no step; a cycle.
    """
    by_name: dict[str, Step] = {}
    logs: dict[str, str] = {}
    for step in steps:
        _check_name(step, by_name, logs)
        by_name[step.name] = step
        logs[log_name(step.name)] = step.name
    for step in steps:
        _check_links(step, by_name)
    try:
        order = list(TopologicalSorter({step.name: set(step.inputs.values()) for step in steps}).static_order())
    except CycleError as error:
        raise RunError(f"plan: steps wait for each other in a circle: {' <- '.join(error.args[1])}. Remove one input.") from None
    return [by_name[name] for name in order]


def _check_name(step: Step, seen: Mapping[str, Step], logs: Mapping[str, str]) -> None:
    if not _NAME.fullmatch(step.name):
        raise RunError(f"plan: step name {step.name!r} is not made of letters, digits, '_', '-', '.' and '/'. Rename the step.")
    if step.name in seen:
        raise RunError(f"plan: two steps are named {step.name!r}. Every name is one output folder: rename one of them.")
    if log_name(step.name) in logs:
        raise RunError(f"plan: {step.name!r} and {logs[log_name(step.name)]!r} would share one log file. Rename one of them.")


def _check_links(step: Step, by_name: Mapping[str, Step]) -> None:
    if not re.fullmatch(r"[\w.]+:\w+", step.function):
        raise RunError(f"plan: step {step.name!r}: function {step.function!r} is not of the form 'package.module:callable'.")
    for role, source in step.inputs.items():
        if source not in by_name:
            hint = nearest(source, by_name)
            raise RunError(f"plan: step {step.name!r}: input {role!r} is the output of {source!r}, which is no step.{hint}")
    segments = step.name.split("/")
    for length in range(1, len(segments)):
        outer = "/".join(segments[:length])
        if outer in by_name:
            raise RunError(f"plan: step {step.name!r} would write into the output of step {outer!r}. Rename one of them.")


def log_name(name: str) -> str:
    """Return the file name of a step's log: "sft/europe" -> "sft-europe.log"."""
    return name.replace("/", "-") + ".log"


def select(pattern: str, names: Iterable[str], option: str) -> list[str]:
    """Return the step of that name, else the steps of that folder ("sft"), else those whose name starts so.

    Raises:
        RunError: nothing matches; the message names the nearest step.
    """
    names = list(names)
    if pattern in names:
        return [pattern]
    folder = pattern.rstrip("/") + "/"
    found = [name for name in names if name.startswith(folder)] or [
        name for name in names if pattern and name.startswith(pattern)
    ]
    if not found:
        groups = {name.rpartition("/")[0] for name in names} - {""}
        hint = nearest(pattern, [*names, *sorted(groups)]) or f" The steps are: {', '.join(names)}."
        raise RunError(f"{option} {pattern!r}: no step has this name or starts with it.{hint}")
    return found


def ancestors(targets: Iterable[str], steps: Sequence[Step]) -> set[str]:
    """Return `targets` and everything that they need, directly or not."""
    inputs = {step.name: step.inputs.values() for step in steps}
    needed: set[str] = set()
    open_names = list(targets)
    while open_names:
        name = open_names.pop()
        if name not in needed:
            needed.add(name)
            open_names.extend(inputs[name])
    return needed
