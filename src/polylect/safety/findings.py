"""What an evaluation found, as the documents that are written: rates with all that a reader has to know beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polylect.safety.certificate import Certificate
from polylect.safety.decisions import JudgedAnswer, disagreement
from polylect.safety.document import make_document
from polylect.safety.estimates import rates
from polylect.safety.prompts import PromptSet
from polylect.safety.results import counts, pairs, summary_rows
from polylect.safety.verdicts import Judged, unfit_languages

__all__ = ["document_of", "summary_of"]

_MANY = 0.2
"""Share of answers without an outcome above which a note warns of it."""


def document_of(read: PromptSet, judged: Judged, names: Mapping[str, str | None], *, least: int, seed: int = 0) -> dict[str, Any]:
    """Return the document of an evaluation.

    Args:
        read: the prompt set, with what was found in it.
        judged: the answers.
        names: of "model", "judge", "detector" and "labels"; None for what there is not.
        least: labels that a certificate takes, for the note on languages that have fewer.
        seed: of the resamples.
    """
    found = judged.answers
    rows = rates(found, unfit_languages(judged), seed=seed)
    summary = {
        **names,
        "prompts": _prompt_counts(read, found),
        **counts(found),
        "certificates": [one.as_dict() for one in judged.certificates],
        "disagreement": disagreement(found),
        "pairs": pairs(found),
    }
    return make_document("eval", rows, summary, _notes(read, judged, least))


def summary_of(benchmark: str, judged: Judged, model: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the content of summary.json, in the layout of `polylect eval`, from the rows of the document."""
    return {
        "schema": 1,
        "model": model,
        "benchmark": benchmark,
        "main_metrics": {benchmark: "refused" if any(one.prompt.harmful for one in judged.answers) else "answered"},
        "rows": summary_rows(rows, judged.answers, model, benchmark),
    }


def _prompt_counts(read: PromptSet, found: Sequence[JudgedAnswer]) -> dict[str, Any]:
    return {
        "name": read.name,
        "kind": read.kind,
        "harmful": sum(one.prompt.harmful for one in found),
        "harmless": sum(not one.prompt.harmful for one in found),
        "languages": sorted({one.prompt.language for one in found}),
        "skipped": dict(read.skipped),
        "licences": sorted({one.prompt.licence for one in found}),
    }


def _notes(read: PromptSet, judged: Judged, least: int) -> list[str]:
    """Return what a reader should know beside the numbers."""
    notes = [*read.notes, *judged.notes]
    notes += [f"{count:,} rows of the prompt set {reason}: left out" for reason, count in read.skipped.items()]
    notes += [_certified(one) for one in judged.certificates if one.source == judged.source and one.status == "unfit"]
    spoken = {one.prompt.language for one in judged.answers if one.final is not None and one.final.outcome is not None}
    bare = [
        one.language
        for one in judged.certificates
        if one.source == judged.source and one.status == "uncertified" and one.language in spoken
    ]
    if bare:
        notes.append(
            f"the {judged.source} is uncertified in {', '.join(bare)}: fewer than {least} labels of people to "
            "hold it against. Give some with --labels or --calibration."
        )
    notes += _gaps_in(judged)
    return notes


def _gaps_in(judged: Judged) -> list[str]:
    """Say where so many answers have no outcome that the rates are over a part that may not be like the rest."""
    shares: dict[str, list[bool]] = {}
    for one in judged.answers:
        if not one.prompt.lost:
            shares.setdefault(one.prompt.language, []).append(one.outcome is None)
    return [
        f"{tag}: {sum(found) / len(found):.0%} of the answers have no outcome; the rates are over the others, which may differ"
        for tag, found in sorted(shares.items())
        if _MANY < sum(found) / len(found) < 1
    ]


def _certified(one: Certificate) -> str:
    return f"{one.source} {one.name} is unfit in {one.language}: {'; '.join(one.why)}"
