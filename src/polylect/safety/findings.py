"""What an evaluation found, as the documents that are written: rates with all that a reader has to know beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polylect.safety.answers import MISSING, NOT_ASKED
from polylect.safety.certificate import Certificate
from polylect.safety.decisions import JudgedAnswer, disagreement
from polylect.safety.document import make_document
from polylect.safety.estimates import rates
from polylect.safety.folder import MANIFEST
from polylect.safety.judge_formats import FORMATS, OWN
from polylect.safety.prompts import PromptSet
from polylect.safety.results import counts, pairs, summary_rows
from polylect.safety.verdict_reading import JUDGE_FAILED
from polylect.safety.verdicts import Judged, unfit_languages

__all__ = ["document_of", "summary_of"]

_MANY = 0.2
"""Share of answers without an outcome above which a note warns of it."""


def document_of(read: PromptSet, judged: Judged, names: Mapping[str, str | None], *, least: int, seed: int = 0) -> dict[str, Any]:
    """Return the document of an evaluation.

    Args:
        read: the prompt set, with what was found in it.
        judged: the answers.
        names: of "model", "judge" and its "judge_format", "detector" and "labels"; None for what there is not.
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
    notes = [*_judge_notes(names), *_notes(read, judged, least), *_hints(names, judged)]
    return make_document("eval", rows, summary, notes)


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
    return [*notes, *_gaps_in(judged), *_failed(judged)]


def _judge_notes(names: Mapping[str, str | None]) -> list[str]:
    form = FORMATS.get(names.get("judge_format") or "")
    if form is None or form.tells_refusals:
        return []
    return [
        f"{form.name} tells safe from unsafe and nothing else: what it calls safe is refused, irrelevant or in the wrong "
        f"language by the detector {names['detector']}, so that it shows nothing where the two agree on that"
    ]


def _hints(names: Mapping[str, str | None], judged: Judged) -> list[str]:
    """Say which format a judge may want that is named like a classifier, asked by our instructions, and cannot be read."""
    unread = any(one.source == "judge" and one.status == "unfit" and one.unscored for one in judged.certificates)
    said = re.sub(r"[^a-z0-9]", "", (names.get("judge") or "").lower())
    known = next((name for name in FORMATS if name.replace("-", "") in said), None)
    if not unread or known is None or names.get("judge_format") not in (None, OWN):
        return []
    return [f"the judge {names['judge']} is named like a classifier with a prompt of its own: try --judge-format {known}"]


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


def _failed(judged: Judged) -> Iterator[str]:
    """Say how requests that failed can be asked again: the folder is finished, and else they would stay as they are."""
    lost = sum(one.answer.reason not in (None, MISSING, NOT_ASKED) for one in judged.answers)
    lost += sum((one.final is not None and str(one.final.reason).startswith(JUDGE_FAILED)) for one in judged.answers)
    if lost:
        yield f"{lost:,} requests failed. To ask them once more, delete {MANIFEST} in the folder and give the same command again."


def _certified(one: Certificate) -> str:
    return f"{one.source} {one.name} is unfit in {one.language}: {'; '.join(one.why)}"
