"""How far each language is behind: per model and benchmark, from any result tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.gap.document import make_document
from polylect.gap.language_names import display_name
from polylect.gap.performance import numbers
from polylect.gap.performance.correlation import spearman
from polylect.gap.performance.groups import ENGLISH, NOTHING, Group, groups_of
from polylect.gap.performance.premium_table import Premiums, premiums_of
from polylect.gap.performance.quadrants import NO_AXES, standing, standing_axes, transfer, transfer_axes
from polylect.gap.performance.sources import Results, read_results
from polylect.gap.tags import canonical_tag, known_language
from polylect.resampling import Estimate

__all__ = ["gap_performance"]

_NOTES = (
    "Scores are means over items, with 95 % intervals; a higher score is taken to be better. Items are resampled with all their "
    "languages, so a gap is paired wherever languages share items.",
    "absolute: score over that of English of the same model; equivalent: whether its interval lies above theta, below, or holds "
    "it (open). relative: score over the best of the models here in the same language. Definitions of this tool after Hu et al. "
    "2023 (arXiv 2310.12892).",
    "The best and the lowest languages are picked by their scores: chance takes part in it, and their intervals allow for it.",
    "Correlations are over languages, English among them; they say nothing of causes, and languages are no random sample.",
)


def gap_performance(
    results: Sequence[str | Path],
    *,
    metrics: Iterable[str] = (),
    theta: float = 0.9,
    worst: int = 3,
    tokenizer: str | Path | None = None,
    premiums: str | Path | None = None,
    base: str | None = None,
    tuned: Mapping[str, str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure the disparity between languages.

    Args:
        results: result folders of `polylect eval`, runs of `polylect run`, or tables with model, benchmark, language, score.
        metrics: those wanted; none: the main metric where the folder names it, else all.
        theta: share of the English score from which on a language is called equivalent.
        worst: number of languages in the mean of the worst.
        tokenizer: whose premium is set beside the scores.
        premiums: document of `polylect gap tokenizer` in its place.
        base: the untuned model, for the quadrants of transfer.
        tuned: model -> the language that it was tuned on, for the same.
        seed: of the bootstrap.

    Returns:
        A document of kind "performance" (`polylect.gap.document`); see docs/gap-performance.md for its fields.

    Raises:
        DataError: results cannot be read, hold an item twice, or options do not fit.
        LanguageError: a tag in `tuned` is not BCP-47.
        ModelError: the tokenizer cannot be used.
    """
    _check(theta, worst, base, tuned)
    read = read_results([Path(path) for path in results], metrics)
    groups = list(groups_of(read, seed))
    tags = {tag for group in groups for tag in group.languages}
    costs = premiums_of(tokenizer, None if premiums is None else Path(premiums), tags)
    moves = transfer(groups, base, {name: canonical_tag(tag) for name, tag in tuned.items()}) if base and tuned else []
    known = {tag: costs.values[tag] for tag in sorted(tags) if costs and tag in costs.values}
    axes = transfer_axes() if moves else standing_axes(theta, known) if known else NO_AXES
    best = _best_models(groups)
    placed = [_placed(group, moves, axes, known) for group in groups]
    rows = [
        _row(group, tag, best, theta, known, where)
        for group, where in zip(groups, placed, strict=True)
        for tag in group.languages
    ]
    facts = [_facts(group, worst, theta, known, where) for group, where in zip(groups, placed, strict=True)]
    summary = _summary(read, groups, costs, {"theta": theta, "worst_k": worst, "seed": seed})
    summary |= {"quadrants_axes": axes, "transfer": moves, "groups": facts}
    return make_document("performance", rows, _rounded(summary), [*_NOTES, *_remarks(groups), *read.left.notes])


def _check(theta: float, worst: int, base: str | None, tuned: Mapping[str, str] | None) -> None:
    if not 0 < theta <= 1:
        raise DataError(f"--theta {theta:g}: a share of the English score lies above 0 and at most at 1. Give for example 0.9.")
    if worst < 1:
        raise DataError(f"--worst {worst}: the mean of the worst languages needs at least one.")
    if bool(base) != bool(tuned):
        raise DataError("--base and --tuned go together: the untuned model, and MODEL=TAG for each tuned one.")


def _best_models(groups: Sequence[Group]) -> dict[tuple[str, str, str], tuple[str, float]]:
    """Return (benchmark, metric, language) -> the model with the highest score and that score, where there are two models."""
    found: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    for group in groups:
        for tag in group.scored:
            found.setdefault((group.benchmark, group.metric, tag), []).append((group.value(tag), group.model))
    best = {key: max(values, key=lambda one: one[0]) for key, values in found.items() if len(values) > 1}
    return {key: (model, value) for key, (value, model) in best.items()}


def _placed(
    group: Group, moves: Sequence[Mapping[str, Any]], axes: Mapping[str, Any], premiums: Mapping[str, float]
) -> dict[str, str]:
    if axes["mode"] == "standing":
        return standing(group, axes, premiums)
    key = (group.model, group.benchmark, group.metric)
    return {one["language"]: one["quadrant"] for one in moves if (one["model"], one["benchmark"], one["metric"]) == key}


def _row(
    group: Group, tag: str, best: Mapping[tuple[str, str, str], tuple[str, float]], theta: float,
    premiums: Mapping[str, float], quadrants: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    language = known_language(tag)
    score, absolute = group.scores.get(tag, NOTHING), numbers.ratio_to_english(group, tag)
    top = best.get((group.benchmark, group.metric, tag)) if score.value is not None else None
    row: dict[str, Any] = {"model": group.model, "benchmark": group.benchmark, "metric": group.metric, "language": tag}
    row |= {
        "name": display_name(tag),
        "script": language.script if language else None,
        "family": language.family if language else None,
        "resource_class": language.resource_class if language else None,
        "speakers": language.speakers if language else None,
    }
    row |= {
        "score": score.value,
        "low": score.low,
        "high": score.high,
        "n": group.n.get(tag),
        "items": (group.items or {}).get(tag),
    }
    row |= {"unscored": group.unscored.get(tag, 0)}
    row |= _ends("gap_english", numbers.gap_to_english(group, tag)) | _ends("gap_best", numbers.gap_to_best(group, tag))
    row |= {"shared": group.shared.get(tag)} | _ends("absolute", absolute)
    row |= {
        "equivalent": numbers.verdict(absolute, theta),
        "relative": score.value / top[1] if top and score.value is not None and top[1] > 0 <= score.value else None,
        "relative_to": top[0] if top else None,
        "premium": premiums.get(tag),
        "quadrant": quadrants.get(tag),
        "notes": "; ".join(_row_notes(group, tag)),
    }
    return {name: _rounded(value) for name, value in row.items()}


def _row_notes(group: Group, tag: str) -> list[str]:
    if tag not in group.scores:
        return ["nothing is scored"]
    notes = []
    if 0 < group.shared.get(tag, 1.0) < 1:
        notes.append(f"{group.shared[tag]:.0%} of its items are in English too")
    if group.items is not None and group.items[tag] < 2:
        notes.append("one item: no interval")
    if group.unscored.get(tag):
        notes.append(f"{group.unscored[tag]:,} rows without a score are not averaged")
    return notes


def _facts(group: Group, k: int, theta: float, premiums: Mapping[str, float], quadrants: Mapping[str, str]) -> dict[str, Any]:
    """Return what the summary says of a group."""
    lowest, lowest_score = numbers.worst(group)
    tags, worst_mean = numbers.worst_mean(group, k)
    (inequality, no_gini), (gap, no_gap) = numbers.gini(group), numbers.mean_gap(group)
    best = group.best
    return {
        "model": group.model, "benchmark": group.benchmark, "metric": group.metric, "bounds": list(group.bounds),
        "languages": len(group.languages), "scored_languages": len(group.scored),
        "n": sum(number or 0 for number in group.n.values()), "items": group.all_items or None,
        "unscored": sum(group.unscored.values()), "has_items": group.items is not None, "design": group.design,
        "english": numbers.as_dict(group.scores[ENGLISH]) if ENGLISH in group.scores else None,
        "macro": numbers.as_dict(numbers.macro(group)),
        "best": numbers.as_dict(group.scores[best] if best else NOTHING, language=best),
        "worst": numbers.as_dict(lowest_score, language=lowest),
        "worst_k": numbers.as_dict(worst_mean, k=k, languages=tags),
        "gini": numbers.as_dict(inequality, reason=no_gini),
        "gap_english": numbers.as_dict(gap, reason=no_gap),
        "equivalence": _equivalence(group, theta),
        "correlations": _correlations(group, premiums),
        "quadrants": _listed(quadrants),
        "unscored_languages": [tag for tag in group.languages if tag not in group.scores],
    }  # fmt: skip


def _listed(quadrants: Mapping[str, str]) -> dict[str, list[str]]:
    names = sorted({name for name in quadrants.values() if name})
    return {name: [tag for tag in quadrants if quadrants[tag] == name] for name in names}


def _equivalence(group: Group, theta: float) -> dict[str, Any]:
    verdicts = {tag: numbers.verdict(numbers.ratio_to_english(group, tag), theta) for tag in group.scored if tag != ENGLISH}
    return {"theta": theta} | {name: [tag for tag, one in verdicts.items() if one == name] for name in ("yes", "no", "open")}


def _correlations(group: Group, premiums: Mapping[str, float]) -> dict[str, Any]:
    scores = {tag: group.value(tag) for tag in group.scored}
    rows = {tag: known_language(tag) for tag in scores}
    classes = {tag: float(row.resource_class) for tag, row in rows.items() if row and row.resource_class is not None}
    return {"resource_class": spearman(scores, classes), "premium": spearman(scores, premiums)}


def _summary(read: Results, groups: Sequence[Group], costs: Premiums | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    reasons: Counter[str] = Counter()
    for group in groups:
        reasons.update(group.reasons)
    return {
        "reference": ENGLISH, **settings, "metrics_left_out": read.metrics_left_out, "sources": read.sources,
        "models": sorted({group.model for group in groups}), "benchmarks": sorted({group.benchmark for group in groups}),
        "rows_read": sum(source["rows"] for source in read.sources) + sum(read.left.rows.values()),
        "unscored": sum(sum(group.unscored.values()) for group in groups),
        "unscored_reasons": dict(reasons.most_common(50)), "left_out": dict(read.left.rows),
        "unresolved": [{"text": text, "source": where, "rows": rows} for (text, where), rows in read.left.unresolved.items()],
        "premiums": {"tokenizer": costs.tokenizer, "source": costs.source} if costs else None,
    }  # fmt: skip


def _remarks(groups: Sequence[Group]) -> list[str]:
    """Return what a reader must know of single groups, counted."""

    def named(test: Sequence[Group]) -> str:
        names = [f"{group.model} on {group.benchmark}" for group in test]
        return "; ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

    cases = {
        "No score in English, so no gap to it": [group for group in groups if ENGLISH not in group.scores],
        "Only one language has a score, so there is nothing to compare": [group for group in groups if len(group.scored) == 1],
        "Nothing is scored": [group for group in groups if not group.scored],
        "All languages have the same score": [
            group for group in groups if len(group.scored) > 1 and len({group.value(tag) for tag in group.scored}) == 1
        ],
        "Languages share no items, so gaps are not paired": [
            group for group in groups if group.design == "separate" and len(group.scored) > 1 and ENGLISH in group.scores
        ],
        "Summaries without items: intervals only where they are given": [group for group in groups if group.items is None],
    }
    return [f"{text}: {named(found)}." for text, found in cases.items() if found]


def _ends(name: str, estimate: Estimate) -> dict[str, float | None]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _rounded(value: Any) -> Any:
    """Keep six digits of numbers, inside lists and dictionaries too."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
