"""A plan as text for people and as a dictionary for programs: what `--dry-run` prints."""

from __future__ import annotations

from typing import Any

from polylect.merge.costs import Estimate, estimate, groups
from polylect.merge.plan import MergePlan, TensorPlan

__all__ = ["Estimate", "as_dict", "describe", "estimate"]


def describe(plan: MergePlan) -> str:
    """Return the plan as a few aligned lines: models, tensors, vocabulary, files, notes, and what the merge will take."""
    settings, cost = plan.settings, estimate(plan)
    rows = [("method", f"{plan.method.name}: {plan.method.summary}{_numbers(plan)}")]
    weights = _weights(plan)
    for number, (label, folder) in enumerate(zip(plan.labels, settings.models, strict=True), start=1):
        weight = f"  weight {weights[number - 1]:g}" if weights else ""
        rows.append((f"model {number}", f"{label}{weight}  {folder}"))
    if settings.base is not None:
        rows.append(("base", str(settings.base)))
    parameters = sum(tensor.size for tensor in plan.tensors)
    told = ", ".join(f"{count:,} {what}" for what, count in plan.counts.items() if count and what != "vocabulary")
    rows.append(("tensors", f"{len(plan.tensors):,} with {parameters:,} parameters: {told}"))
    if "vocabulary" in plan.counts:
        rows.append(("vocabulary", f"{plan.counts['vocabulary']:,} rows ({settings.vocabulary})"))
    rows += [("files", ", ".join(file.name for file in plan.files)), *_costs(cost)]
    width = max(len(key) for key, _ in rows) + 2
    lines = [f"{key:<{width}}{value}" for key, value in rows]
    return "\n".join([*lines, "", *_table(plan), *_rules(plan), *(f"note: {note}" for note in plan.notes)])


def as_dict(plan: MergePlan) -> dict[str, Any]:
    """Return the plan as JSON types; `tensors` lists those that differ from the merge's own values or are copied."""
    settings, cost = plan.settings, estimate(plan)
    return {
        "method": plan.method.name,
        "models": [{"label": label, "path": str(folder)} for label, folder in zip(plan.labels, settings.models, strict=True)],
        "base": str(settings.base) if settings.base is not None else None,
        "weights": _weights(plan) or None,
        "dtype": settings.dtype,
        "vocabulary": settings.vocabulary,
        "tensors": len(plan.tensors),
        "parameters": sum(tensor.size for tensor in plan.tensors),
        "counts": dict(plan.counts),
        "groups": [vars(group) for group in groups(plan)],
        "copied": [tensor.name for tensor in plan.tensors if tensor.copy is not None],
        "files": [file.name for file in plan.files],
        "notes": list(plan.notes),
        "passes": cost.passes,
        "bytes_read": cost.bytes_read,
        "bytes_written": cost.bytes_written,
        "memory": cost.memory,
        "seconds": round(cost.seconds, 3),
        "rates": cost.rates,
    }


def _weights(plan: MergePlan) -> list[float]:
    """Return the weights of the models where the method has any."""
    count = len(plan.labels)
    return [] if plan.method.gram else list(plan.settings.weights or (1 / count,) * count)


def _numbers(plan: MergePlan) -> str:
    """Return the settings that the method uses, as they were given."""
    settings, method = plan.settings, plan.method
    said = []
    if method.inputs == (2, 2):
        said.append(f"t {settings.t:g}")
    if method.keep != "all":
        said.append(f"density {', '.join(f'{value:g}' for value in settings.density)}")
    if method.keep == "random":
        said.append(f"seed {settings.seed}")
    if method.task_vectors:
        said.append(f"lambda {settings.scale:g}")
    return f" ({', '.join(said)})" if said else ""


def _costs(cost: Estimate) -> list[tuple[str, str]]:
    rates = cost.rates
    times = f", {cost.passes} times" if cost.passes > 1 else ""
    how = f"{_size(int(rates['read']))}/s read, {rates['arithmetic']:.2f} ns per element, {rates['threads']:g} threads"
    return [
        ("reads", f"{_size(cost.bytes_read)}{times}"),
        ("writes", _size(cost.bytes_written)),
        ("memory", f"at most {_size(cost.memory)}"),
        ("time", f"about {cost.seconds:.1f} s ({how})"),
    ]


def _table(plan: MergePlan) -> list[str]:
    """Return the tensors by kind as an aligned table."""
    rows = [("kind", "tensors", "parameters", "dtype", "what")]
    rows += [(g.name, f"{g.tensors:,}", f"{g.parameters:,}", g.dtype, g.action) for g in groups(plan)]
    name, tensors, parameters, dtype, _ = (max(len(row[column]) for row in rows) for column in range(5))
    return [f"{r[0]:<{name}}  {r[1]:>{tensors}}  {r[2]:>{parameters}}  {r[3]:<{dtype}}  {r[4]}" for r in rows] + [""]


def _rules(plan: MergePlan) -> list[str]:
    """Return a line per rule: how many tensors' values it, with the others, makes differ from the merge's own."""
    if not plan.settings.rules:
        return []
    plain = _plain_values(plan)
    differing = sum(tensor.copy is not None or tensor.values != plain for tensor in plan.tensors)
    return [f"rules: {len(plan.settings.rules)}, which change {differing:,} of {len(plan.tensors):,} tensors", ""]


def _plain_values(plan: MergePlan) -> object:
    """Return the values of most tensors."""
    seen: dict[object, int] = {}
    tensor: TensorPlan
    for tensor in plan.tensors:
        seen[tensor.values] = seen.get(tensor.values, 0) + 1
    return max(seen, key=seen.__getitem__)


def _size(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} bytes"
