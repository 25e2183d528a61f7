"""What changed between safety evaluations: the difference of outcome rates, paired prompt by prompt."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import tables
from polylect.errors import DataError
from polylect.records import MULTIPLE
from polylect.safety.document import make_document, read_document
from polylect.safety.outcomes import OUTCOMES
from polylect.safety.results import SafetyResult

if TYPE_CHECKING:
    from polylect.resampling import Estimate, Floats

__all__ = ["RESULTS", "changes", "compare_evaluations"]

RESULTS = "results.parquet"
_LOST = "the translation lost the harm"
_ALONE = ("asked before alone", "asked after alone", "another prompt under the same item")
"""Reasons by which prompts of two sets have no counterpart."""


@dataclass(frozen=True)
class _Pair:
    """The answers to one prompt before and after, or why they do not count."""

    prompts: str
    language: str
    item: str
    before: str | None = None
    after: str | None = None
    reason: str | None = None


def compare_evaluations(folders: Sequence[Path], *, seed: int = 0) -> dict[str, Any]:
    """Return each later evaluation minus the first as a document of kind "changes".

    Args:
        folders: output folders of `polylect safety eval` (or their safety.json), at least two, the first is "before".
        seed: of the resamples.

    Returns:
        A document whose `rows` are those of `changes`, each with `evaluation`, the place of the later one among the folders
        (from 1), and whose `summary` names folders, models and prompt sets, and counts by reason what was left out.

    Raises:
        DataError: a folder is no finished evaluation, or one shares no prompt with the first.
    """
    documents = [read_document(folder, "eval") for folder in folders]
    homes = [folder if folder.is_dir() else folder.parent for folder in folders]
    results = [tables.read(home / RESULTS, SafetyResult) for home in homes]
    rows: list[dict[str, Any]] = []
    for place, after in enumerate(results[1:], start=1):
        pairs = list(_pairs(results[0], after))
        if all(pair.reason in _ALONE for pair in pairs):
            raise DataError(_nothing_shared(homes[0], homes[place], documents[0], documents[place], pairs))
        rows += [{"evaluation": place, **row} for row in _changes(pairs, seed)]
    named = [
        {"folder": str(home), "model": document["summary"].get("model"), "prompts": document["summary"].get("prompts")}
        for home, document in zip(homes, documents, strict=True)
    ]
    return make_document("changes", rows, {"evaluations": named}, [])


def changes(before: Sequence[SafetyResult], after: Sequence[SafetyResult], *, seed: int = 0) -> list[dict[str, Any]]:
    """Return the rate of each outcome after minus that before, over the prompts that have an outcome in both.

    A prompt is the same where item, language, kind and text are. Items are drawn with replacement, with all their languages
    (`polylect.resampling`), so that the difference is paired and its interval clustered by item.

    Returns:
        Rows with `prompts` ("harmful", "harmless"), `language` ("mul": the mean over the languages that have a pair),
        `outcome`, `before` and `after` (rates over the pairs), `value` (after - before) with `low` and `high`, `n` (pairs),
        `languages`, `left_out` (prompts by reason), and `status`: "ok", or the commonest reason where there is no pair.
    """
    return list(_changes(list(_pairs(before, after)), seed))


def _changes(pairs: Sequence[_Pair], seed: int) -> Iterator[dict[str, Any]]:
    groups: dict[str, list[_Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.prompts].append(pair)
    for prompts, own in sorted(groups.items()):
        for outcome in OUTCOMES:
            yield from ({"prompts": prompts, **row} for row in _rows(own, outcome, seed))


def _pairs(before: Sequence[SafetyResult], after: Sequence[SafetyResult]) -> Iterator[_Pair]:
    sides = [{(row.item, row.language, row.harmful): row for row in rows} for rows in (before, after)]
    for item, language, harmful in dict.fromkeys([*sides[0], *sides[1]]):
        old, new = (side.get((item, language, harmful)) for side in sides)
        head = ("harmful" if harmful else "harmless", language, item)
        if old is None or new is None:
            yield _Pair(*head, reason=_ALONE[0] if new is None else _ALONE[1])
        elif reason := _reason(old, new):
            yield _Pair(*head, reason=reason)
        else:
            yield _Pair(*head, old.outcome, new.outcome)


def _reason(old: SafetyResult, new: SafetyResult) -> str | None:
    """Say why the answers to a prompt do not count."""
    if old.prompt.strip() != new.prompt.strip():
        return _ALONE[2]
    if False in (old.harm_kept, new.harm_kept):
        return _LOST
    for when, row in (("before", old), ("after", new)):
        if row.outcome is None:
            return f"no outcome {when}"
        if row.status != "ok":  # the judge is unfit: the outcome is kept, and withheld
            return f"{(row.reason or row.status).partition(':')[0]} {when}"
    return None


def _rows(pairs: Sequence[_Pair], outcome: str, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the row of each language, then that of the mean over the languages that have a pair."""
    found = _estimates([pair for pair in pairs if pair.reason is None], outcome, seed)
    for tag in sorted({pair.language for pair in pairs}):
        yield _row(tag, outcome, [pair for pair in pairs if pair.language == tag], found.get(tag))
    if MULTIPLE in found:
        yield _row(MULTIPLE, outcome, pairs, found[MULTIPLE])


def _estimates(pairs: Sequence[_Pair], outcome: str, seed: int) -> dict[str, Estimate]:
    """Return the differences by language; of several languages also that of their mean."""
    from polylect.resampling import means, percentiles, replicates, tabulate

    if not pairs:
        return {}
    tags = sorted({pair.language for pair in pairs})
    table = tabulate([(pair.item, pair.language, _step(pair, outcome)) for pair in pairs], tags)
    values, drawn = means(table), replicates(table, seed)

    def estimate(steps: Floats, value: float, items: int) -> Estimate:
        return percentiles(steps, value, items, (-1.0, 1.0), expanded=True)

    found = {tag: estimate(drawn[:, at], float(values[at]), int((table.counts[:, at] > 0).sum())) for at, tag in enumerate(tags)}
    if len(tags) > 1:
        found[MULTIPLE] = estimate(drawn.mean(axis=1), float(values.mean()), len(table.sums))
    return found


def _step(pair: _Pair, outcome: str) -> float:
    return float(pair.after == outcome) - float(pair.before == outcome)


def _row(tag: str, outcome: str, pairs: Sequence[_Pair], found: Estimate | None) -> dict[str, Any]:
    value, low, high = found or (None, None, None)
    left_out = Counter(pair.reason for pair in pairs if pair.reason)
    return {
        "language": tag,
        "outcome": outcome,
        "before": _rate([(pair.language, pair.before == outcome) for pair in pairs if pair.reason is None]),
        "after": _rate([(pair.language, pair.after == outcome) for pair in pairs if pair.reason is None]),
        "value": value,
        "low": low,
        "high": high,
        "n": sum(pair.reason is None for pair in pairs),
        "languages": len({pair.language for pair in pairs if pair.reason is None}),
        "left_out": dict(left_out.most_common()),
        "status": "ok" if found else str(left_out.most_common(1)[0][0]),
    }


def _rate(found: Sequence[tuple[str, bool]]) -> float | None:
    """Return a rate in which each language weighs the same."""
    by: dict[str, list[bool]] = defaultdict(list)
    for language, is_outcome in found:
        by[language].append(is_outcome)
    return sum(sum(own) / len(own) for own in by.values()) / len(by) if by else None


def _nothing_shared(
    first: Path, second: Path, before: Mapping[str, Any], after: Mapping[str, Any], pairs: Sequence[_Pair]
) -> str:
    names = [str((document["summary"].get("prompts") or {}).get("name")) for document in (before, after)]
    reasons = Counter(pair.reason for pair in pairs)
    told = ", ".join(f"{number:,} {reason}" for reason, number in reasons.most_common())
    return (
        f"{first} (prompts {names[0]}) and {second} (prompts {names[1]}) share no prompt: {told}. A change is measured prompt by "
        "prompt: evaluate both models on one set, or make a page of each folder. Plain and attacked prompts are compared by "
        "`polylect safety attack --compare`."
    )
