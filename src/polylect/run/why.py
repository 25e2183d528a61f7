"""Why a step is current, stale or absent, in sentences; and the state of every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.errors import RunError, nearest
from polylect.run.keys import Identity, identities
from polylect.run.outputs import Outputs
from polylect.run.steps import Step, checked_plan, log_name

__all__ = ["status", "why"]


def status(steps: Sequence[Step], folder: Path) -> dict[str, str]:
    """Return "current", "stale" or "absent" for each step, in the order of `steps`; nothing is changed on disk.

    Raises:
        RunError: the plan is not sound.
    """
    order = checked_plan(steps)
    states = Outputs(folder).states(order, identities(order))
    return {step.name: states[step.name] for step in steps}


def why(steps: Sequence[Step], folder: Path, name: str) -> list[str]:
    """Say why step `name` would or would not run: first its state, then each cause in a line of its own.

    Causes of other steps are indented below the input that brings them in.

    Raises:
        RunError: no step has this name (the message names what was meant, or all steps), or the plan is not sound.
    """
    order = checked_plan(steps)
    by_name = {step.name: step for step in order}
    outputs = Outputs(folder)
    if name not in by_name:
        raise RunError(f"{folder}: {_unknown(name, list(by_name), outputs)}")
    known = identities(order)
    case = _Case(by_name, known, outputs, outputs.states(order, known))
    lines = list(case.sentences(name))
    readers = [step.name for step in order if name in step.inputs.values()]
    if case.states[name] != "current" and readers:
        lines.append(f"Steps that read its output and will run after it: {', '.join(readers)}.")
    return lines


def _unknown(name: str, known: Sequence[str], outputs: Outputs) -> str:
    """Return what to say of a name that no step has: what it may stand for, else all steps."""
    plain, manifest = name.strip("/"), outputs.manifest(name) if name else None
    if manifest is not None and manifest.get("name") == name:
        return (
            f"{name!r} was made {manifest['started']}, but the recipe and options of the last run do not ask for it. "
            f"The steps are: {', '.join(known)}."
        )
    meant = [one for one in known if one.startswith(f"{plain}/")] or [one for one in known if one.endswith(f"/{plain}")]
    if meant:
        return f"no step is named {name!r}. Name one of: {', '.join(meant)}."
    hint = nearest(name, known) or f" The steps are: {', '.join(known)}."
    return f"no step is named {name!r}.{hint}"


@dataclass(frozen=True)
class _Case:
    """A plan held against a run folder."""

    steps: Mapping[str, Step]
    known: Mapping[str, Identity]
    outputs: Outputs
    states: Mapping[str, str]

    def sentences(self, name: str) -> Iterator[str]:
        """Yield the state of a step and its causes."""
        manifest = self.outputs.manifest(name)
        if manifest is None:
            yield f"{name} has no finished output: it never ran, was interrupted or failed (its log: logs/{log_name(name)})."
        elif self.states[name] == "current":
            yield f"{name} is current: made {manifest['started']} in {manifest['seconds']:.1f} s, key {manifest['key'][:12]}."
        else:
            yield f"{name} is stale: its output was made {manifest['started']} and does not fit the plan."
            yield from self.causes(name, manifest)

    def causes(self, name: str, manifest: Mapping[str, Any]) -> Iterator[str]:
        """Yield one line per difference between a finished output and the plan."""
        old, new = manifest["parts"], self.known[name].parts
        for part, label in (("function", "stage function"), ("version", "version of the stage"), ("seed", "seed")):
            yield from _differences(label, old.get(part), new[part])
        yield from _differences("setting", old.get("settings", {}), new["settings"])
        yield from _differences("file", old.get("files", {}), new["files"])
        yield from _differences("library", old.get("libraries", {}), new["libraries"])
        for role in sorted({*old.get("inputs", {}), *new["inputs"]}):
            yield from self.input_causes(role, old.get("inputs", {}).get(role), new["inputs"].get(role), manifest)

    def input_causes(self, role: str, old: Any, new: Any, manifest: Mapping[str, Any]) -> Iterator[str]:
        """Yield what an input has to do with it: another step, a stale one, or one that was made anew."""
        if old is None or new is None or old["step"] != new["step"]:
            yield f"- input {role!r} {_change(old and old['step'], new and new['step'])}"
            return
        source = new["step"]
        if self.states[source] != "current":
            yield f"- input {role!r} is the output of {source}, which has to run first:"
            yield from (f"  {line}" for line in self.sentences(source))
        elif old["key"] != new["key"]:
            yield f"- input {role!r}: {source} has been made with other settings since"
        elif manifest["inputs"].get(role) != (self.outputs.manifest(source) or {}).get("build"):
            yield f"- input {role!r}: {source} has been made anew since (by --force, or after its output was deleted)"


def _differences(label: str, old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yield one line per leaf in which two JSON values differ; `path` is the dotted way to it."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences(label, old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield f"- {label}{' ' + path if path else ''} {_change(old, new)}"


def _change(old: Any, new: Any) -> str:
    if old is None:
        return f"was added: {_short(new)}"
    if new is None:
        return f"was removed (it was {_short(old)})"
    return f"changed from {_short(old)} to {_short(new)}"


def _short(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
