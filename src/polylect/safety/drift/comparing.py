"""Two drift evaluations against each other: another model, another lexicon, or prompts of another date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from polylect import tables
from polylect.errors import DataError, EvaluationError
from polylect.safety.document import make_document, read_document
from polylect.safety.drift.drifting import SCORES, DriftRun
from polylect.safety.drift.estimates import differences, usable_k
from polylect.safety.drift.results import SampleScore, prompt_scores
from polylect.safety.folder import SafetyFolder, digest, write_json
from polylect.safety.mistakes import usable_again

__all__ = ["compare_drift"]


def compare_drift(older: Path, newer: Path, *, out: Path, seed: int = 0) -> DriftRun:
    """Write the figures of `newer` minus those of `older`, per language, with intervals.

    Both are taken over the same k, the smaller of the two. Prompts that both have are paired.

    Raises:
        DataError: a folder is no finished drift evaluation, or they share no language with a figure.
        EvaluationError: their thresholds differ.
        RunError: the folder is in use, or holds something else.
    """
    documents = [read_document(one, "drift") for one in (older, newer)]
    for one, document in zip((older, newer), documents, strict=True):
        if document["summary"]["what"] != "measured":
            raise DataError(f"{one}: is a comparison itself. Name two evaluations of `polylect safety drift`.")
    first, second = (document["summary"] for document in documents)
    if first["threshold"] != second["threshold"]:
        raise EvaluationError(
            f"{older} has the threshold {first['threshold']}, {newer} {second['threshold']}: evaluate one again with --threshold."
        )
    scores = [prompt_scores(tables.read(one / SCORES, SampleScore)) for one in (older, newer)]
    k = min(usable_k(own, document["summary"]["k"]) for own, document in zip(scores, documents, strict=True))
    with SafetyFolder(out, {"older": digest(older / SCORES), "newer": digest(newer / SCORES), "seed": seed}) as folder:
        if folder.finished is not None:
            return DriftRun(out, folder.read("safety.json"), folder.finished, "finished")
        rows = differences(*scores, k=k, threshold=first["threshold"], seed=seed)
        with usable_again(folder):
            if not rows:
                raise DataError(f"{older} and {newer} have no language in common in which both have a figure over {k} samples.")
        summary = {"what": "compared", "older": _named(older, first), "newer": _named(newer, second), "k": k}
        document = make_document("drift", rows, {**summary, "threshold": first["threshold"]}, _notes(first, second, k))
        write_json(out / "safety.json", document)
        return DriftRun(out, document, folder.finish("safety drift --compare", {"rows": len(rows)}))


def _named(folder: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("model", "prompts", "scorer", "k", "sets")
    return {"folder": str(folder), **{name: summary[name] for name in kept}}


def _notes(first: Mapping[str, Any], second: Mapping[str, Any], k: int) -> list[str]:
    return list(_differing(first, second, k))


def _differing(first: Mapping[str, Any], second: Mapping[str, Any], k: int) -> Iterator[str]:
    """Say what changed between two evaluations: a difference is due to all of it."""
    changed = [
        f"{name} ({first[name]}, then {second[name]})" for name in ("model", "prompts", "scorer") if first[name] != second[name]
    ]
    for what, name in (("prompts", "prompts"), ("lexicon", "scorer")):
        dates = [sorted({row["date"] or "undated" for row in side["sets"] if row["what"] == what}) for side in (first, second)]
        if dates[0] != dates[1] and first[name] == second[name]:
            changed.append(f"dates of the {what} ({', '.join(dates[0])}, then {', '.join(dates[1])})")
    if changed:
        yield f"what changed: {'; '.join(changed)}" + (". The difference is due to all of it" if len(changed) > 1 else "")
    if first["k"] != second["k"]:
        yield f"over {first['k']} and {second['k']} samples: both are taken over {k}"
