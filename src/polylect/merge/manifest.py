"""What a merge says of itself: its report, and the manifest.json that lies beside the weights."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_hexdigest

import polylect
from polylect.merge.statistics import Sums, distances, input_rows, pair_rows, summary
from polylect.models.checkpoint import origin

if TYPE_CHECKING:
    from polylect.merge.plan import MergePlan, Source, TensorPlan
    from polylect.merge.settings import Settings
    from polylect.merge.shards import Layout

__all__ = ["MANIFEST", "MergeReport", "Statistics", "finished", "write"]

MANIFEST = "manifest.json"
_LINE = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True)
class Statistics:
    """Makes the rows of a merge's tables, with the fields of `polylect.records.MergeInput` and `MergePair` (all but `id`).

    `sums` has those tensors that were merged.
    """

    labels: tuple[str, ...] = ()
    sums: tuple[tuple[TensorPlan, Sums], ...] = ()

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """One row per tensor and input."""
        return [row for tensor, found in self.sums for row in input_rows(tensor, self.labels, found)]

    @property
    def pairs(self) -> list[dict[str, Any]]:
        """One row per tensor and pair of inputs; none without a base."""
        return [row for tensor, found in self.sums for row in pair_rows(tensor, self.labels, found)]


@dataclass(frozen=True)
class MergeReport:
    """What a merge did.

    `weights` are those that counted, summing to 1 where the method normalises; `distance` is the mean over merged tensors of
    the relative L2 distance of each input to the merged model, from a sample of large tensors unless statistics are exact.
    `arithmetic` names what computed: the compiled kernel, NumPy (and why) or a torch device; the bits are the same.
    `bytes_read` and `bytes_written` count tensors once, `resumed` those of an earlier attempt that were kept. `peak_memory` is
    that of the process, in bytes. `hash`: XXH3-128 over names and hashes of all tensors.
    """

    tensors: int
    parameters: int
    weights: tuple[float, ...]
    distance: tuple[float, ...]
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    threads: int = 1
    arithmetic: str = ""
    peak_memory: int = 0
    resumed: int = 0
    hash: str = ""
    statistics: Statistics = field(default_factory=Statistics, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, without the rows of statistics."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "statistics"}

    def line(self) -> str:
        """Return the report as one line."""
        resumed = f", {self.resumed} of them kept from an earlier attempt" if self.resumed else ""
        return (
            f"{self.tensors:,} tensors, {self.parameters:,} parameters{resumed}: read {_size(self.bytes_read)}, "
            f"wrote {_size(self.bytes_written)} in {self.seconds:.1f} s, {_size(self.peak_memory)} of memory"
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def report(
    plan: MergePlan,
    entries: Mapping[str, Mapping[str, Any]],
    costs: Mapping[str, Any],
    fresh: Mapping[str, Sums] = MappingProxyType({}),
) -> MergeReport:
    """Return the report of a merge from its journal entries, by name.

    `costs` are the report's fields that come of the run; `fresh` are sums that need not be read from the entries.
    """
    sums = {name: fresh.get(name) or Sums.read(entry["sums"]) for name, entry in entries.items() if entry.get("sums")}
    present = [(tensor, sums[tensor.name]) for tensor in plan.tensors if tensor.name in sums]
    columns: list[list[float]] = [[] for _ in plan.labels]
    for tensor, found in present:
        models = [i for i, source in enumerate(tensor.inputs) if source is not None]
        for i, distance in zip(models, distances(found), strict=True):
            columns[i].append(distance)
    return MergeReport(
        tensors=len(plan.tensors),
        parameters=sum(tensor.size for tensor in plan.tensors),
        weights=_weights(plan),
        distance=tuple(math.fsum(column) / len(column) if column else 0.0 for column in columns),
        hash=_hash((tensor.name, entries[tensor.name]["hash"]) for tensor in plan.tensors),
        statistics=Statistics(plan.labels, tuple(present)),
        **costs,
    )


def _hash(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the XXH3-128 over names and hashes."""
    return xxh3_128_hexdigest("".join(f"{name}\n{digest}\n" for name, digest in pairs).encode())


def _weights(plan: MergePlan) -> tuple[float, ...]:
    settings, count = plan.settings, len(plan.labels)
    weights = settings.weights or (1 / count,) * count
    normalize = plan.method.normalize if settings.normalize is None else settings.normalize
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights) if normalize and total else tuple(weights)


def finished(out: Path, key: str, plan: MergePlan, layout: Layout) -> MergeReport | None:
    """Return the report of the finished merge that lies in `out`, if it is one of the same plan and its files are all there."""
    try:
        content = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        if content["stage"] != "merge" or content["key"] != key or not layout.is_in(out):
            return None
        if not all((out / file.name).is_file() for file in plan.files):
            return None
        return report(plan, content["tensors"], content["costs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(folder: Path, plan: MergePlan, key: str, entries: Mapping[str, Mapping[str, Any]], made: MergeReport) -> None:
    """Write manifest.json, one line per tensor."""
    origins = [origin(model) for model in plan.settings.models]
    licences = sorted({found["licence"] for found in origins if found["licence"]})
    costs = ("bytes_read", "bytes_written", "seconds", "threads", "arithmetic", "peak_memory", "resumed")
    head = {
        "stage": "merge",
        "origin": f"{plan.method.name} merge of " + ", ".join(str(found["source"]) for found in origins),
        "licence": " AND ".join(licences) or None,
        "key": key,
        "polylect": polylect.__version__,
        "versions": _versions(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "method": plan.method.name,
        "settings": _settings(plan.settings),
        "seed": plan.settings.seed,
        "inputs": _inputs(plan, origins),
        "files": _files(plan, entries),
        "parameters": made.parameters,
        "weights": dict(zip(plan.labels, made.weights, strict=True)),
        "distance": made.distance,
        "counts": plan.counts,
        "notes": list(plan.notes),
        "hash": made.hash,
        "costs": {name: getattr(made, name) for name in costs},
    }
    text = json.dumps(head, ensure_ascii=False, indent=2, allow_nan=False).removesuffix("\n}")
    rows = ",\n".join(_tensor_lines(plan, entries, made))
    (folder / MANIFEST).write_text(f'{text},\n  "tensors": {{\n{rows}\n  }}\n}}\n', encoding="utf-8")


def _tensor_lines(plan: MergePlan, entries: Mapping[str, Mapping[str, Any]], made: MergeReport) -> Iterator[str]:
    """Yield one line of JSON per tensor: hash, statistics, and the sums that these come from."""
    known = {tensor.name: sums for tensor, sums in made.statistics.sums}
    for tensor in plan.tensors:
        entry = entries[tensor.name]
        content: dict[str, Any] = {"hash": entry["hash"]}
        if entry.get("sums"):
            present = [label for label, source in zip(plan.labels, tensor.inputs, strict=True) if source is not None]
            content |= {"parameters": tensor.size, "models": present}
            sums, packed = known[tensor.name], entry["sums"]
            content |= {"statistics": summary(tensor, sums), "sums": packed if isinstance(packed, str) else sums.packed()}
        yield f"    {_LINE.encode(tensor.name)}: {_LINE.encode(content)}"


def _versions() -> dict[str, str]:
    import numpy as np

    return {"python": platform.python_version(), "numpy": np.__version__}


def _settings(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON values, paths as they were given."""
    content: dict[str, Any] = json.loads(json.dumps(asdict(settings), default=str))
    return content


def _inputs(plan: MergePlan, origins: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = [
        {"model": label, "path": str(path), "licence": found["licence"], "origin": found["source"]}
        for label, path, found in zip(plan.labels, plan.settings.models, origins, strict=True)
    ]
    if plan.settings.base is not None:
        found = origin(plan.settings.base)
        rows.append({"model": "base", "path": str(plan.settings.base), "licence": found["licence"], "origin": found["source"]})
    return rows


def _files(plan: MergePlan, entries: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return size and hash of the weight files that were read.

    The hash is XXH3-128 over names and hashes of the tensors that were read in full, sorted by name; `hashed` counts them.
    """
    hashes: dict[str, dict[str, str]] = {}
    for entry in entries.values():
        for path, name, digest in entry["inputs"]:
            hashes.setdefault(path, {})[name] = digest
    rows = []
    for path in sorted({str(source.tensor.file) for tensor in plan.tensors for source in _sources(tensor)}):
        known = sorted(hashes.get(path, {}).items())
        row = {"path": path, "bytes": Path(path).stat().st_size, "hashed": len(known)}
        rows.append({**row, "hash": _hash(known) if known else None})
    return rows


def _sources(tensor: TensorPlan) -> list[Source]:
    return [source for source in (*tensor.inputs, tensor.base, tensor.copy) if source is not None]
