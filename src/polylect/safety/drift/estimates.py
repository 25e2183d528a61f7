"""Expected maximum toxicity and toxicity probability per language with intervals clustered by prompt, and their differences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polylect.records import MULTIPLE
from polylect.safety.drift.estimators import expected_maximum, probability

if TYPE_CHECKING:
    from polylect.resampling import Estimate

__all__ = ["METRICS", "PromptScores", "differences", "drift_rows", "usable_k", "value_of"]

METRICS = ("expected maximum", "probability")


@dataclass(frozen=True)
class PromptScores:
    """The scores of all samples of one prompt.

    Attributes:
        item: of the prompt.
        language: canonical tag.
        date: of the prompt as YEAR-MONTH-DAY, "" where nobody said.
        values: of the scored samples.
        unscored: samples without a score, by reason.
    """

    item: str
    language: str
    date: str
    values: tuple[float, ...]
    unscored: tuple[tuple[str, int], ...] = ()


def usable_k(prompts: Sequence[PromptScores], k: int) -> int:
    """Return the k that estimates are for: `k`, or the most scored samples that any prompt has where that is less."""
    return min(k, max((len(one.values) for one in prompts), default=0))


def value_of(prompt: PromptScores, metric: str, k: int, threshold: float) -> float | None:
    """Return a metric of one prompt; None where it has fewer than k scored samples."""
    if metric == METRICS[0]:
        return expected_maximum(prompt.values, k)
    return probability(prompt.values, threshold, k)


def drift_rows(prompts: Sequence[PromptScores], *, k: int, threshold: float, seed: int = 0) -> list[dict[str, Any]]:
    """Return one row per group of prompts, metric and language.

    Args:
        prompts: with their scores.
        k: samples that the maximum is over (`usable_k`).
        threshold: from which a score is toxic.
        seed: of the resamples.

    Returns:
        Rows with `by` ("all", or "date" where there are several), `group`, `metric`, `language` ("mul": the mean over
        languages), `k`, `value`, `low`, `high`, `n` (prompts), `too_few` (prompts with fewer than k scored samples),
        `languages` (that have a figure; the mean is over these), `samples` and `unscored` (samples by reason).
    """
    dates = sorted({one.date for one in prompts})
    groups = [("all", "", list(prompts))]
    groups += [("date", day, [one for one in prompts if one.date == day]) for day in dates] if len(dates) > 1 else []
    return [
        {"by": by, "group": group, "metric": metric, **row}
        for by, group, own in groups
        for metric in METRICS
        for row in _rows(own, metric, k, threshold, seed)
    ]


def _rows(prompts: Sequence[PromptScores], metric: str, k: int, threshold: float, seed: int) -> Iterator[dict[str, Any]]:
    from polylect.resampling import means, percentiles, replicates, tabulate, wilson

    values = _values(prompts, metric, k, threshold)
    tags = sorted({language for _, language, _ in values})
    table = tabulate(values, tags)
    known, drawn = (means(table), replicates(table, seed)) if tags else (None, None)
    for tag in sorted({one.language for one in prompts}):
        found = None
        if known is not None and drawn is not None and tag in tags:
            place = tags.index(tag)
            n = int((table.counts[:, place] > 0).sum())
            # Where every prompt is 0 or 1 (a lexicon without weights, n = k) the figure is a proportion.
            if table.binary(place):
                found = wilson(float(table.sums[:, place].sum()), n)
            else:
                found = percentiles(drawn[:, place], float(known[place]), n, (0.0, 1.0), expanded=True)
        yield _row(tag, [one for one in prompts if one.language == tag], k, found)
    if len(tags) > 1 and known is not None and drawn is not None:
        mean = percentiles(drawn.mean(axis=1), float(known.mean()), len(table.sums), (0.0, 1.0), expanded=True)
        yield _row(MULTIPLE, [one for one in prompts if one.language in tags], k, mean)


def _values(prompts: Sequence[PromptScores], metric: str, k: int, threshold: float) -> list[tuple[str, str, float]]:
    if k < 1:
        return []
    found = ((one.item, one.language, value_of(one, metric, k, threshold)) for one in prompts)
    return [(item, language, value) for item, language, value in found if value is not None]


def _row(tag: str, prompts: Sequence[PromptScores], k: int, found: Estimate | None) -> dict[str, Any]:
    value, low, high = found or (None, None, None)
    enough = [one for one in prompts if k and len(one.values) >= k]
    tags = sorted({one.language for one in enough})
    unscored: Counter[str] = Counter()
    for one in prompts:
        unscored.update(dict(one.unscored))
    return {
        "language": tag,
        "k": k,
        "value": value,
        "low": low,
        "high": high,
        "n": len(enough),
        "too_few": len(prompts) - len(enough),
        "languages": tags,
        "samples": sum(len(one.values) for one in enough),
        "unscored": dict(unscored.most_common()),
    }


def differences(
    older: Sequence[PromptScores], newer: Sequence[PromptScores], *, k: int, threshold: float, seed: int = 0
) -> list[dict[str, Any]]:
    """Return the metrics of `newer` minus those of `older`, per metric and language.

    The items of both are drawn together: a prompt that both have counts on both sides of a resample, so that the difference is
    paired as far as the sets share prompts, and that of two samples where they share none.

    Args:
        older: scores of the first set or evaluation.
        newer: of the second.
        k: samples that the maximum is over, the same for both.
        threshold: from which a score is toxic.
        seed: of the resamples.

    Returns:
        Rows with `metric`, `language` ("mul": the mean over the languages that both have), `k`, `older`, `newer`, `value` with
        `low` and `high`, `n_older`, `n_newer`, `shared` (prompts in both).
    """
    return [row for metric in METRICS for row in _difference(older, newer, metric, k, threshold, seed)]


def _difference(
    older: Sequence[PromptScores], newer: Sequence[PromptScores], metric: str, k: int, threshold: float, seed: int
) -> Iterator[dict[str, Any]]:
    import numpy as np

    from polylect.resampling import means, percentiles, replicates, tabulate

    sides = [_values(own, metric, k, threshold) for own in (older, newer)]
    items = [_items(side) for side in sides]
    tags = sorted(items[0].keys() & items[1].keys())
    columns = [f"{side}\t{tag}" for side in range(2) for tag in tags]
    rows = [(item, f"{side}\t{tag}", value) for side in range(2) for item, tag, value in sides[side] if tag in tags]
    if not rows:
        return
    table = tabulate(rows, columns)
    known, drawn = means(table).reshape(2, -1), replicates(table, seed).reshape(-1, 2, len(tags))
    gaps = drawn[:, 1] - drawn[:, 0]  # (resamples, languages)
    head = {"metric": metric, "k": k}
    for place, tag in enumerate(tags):
        both = [own[tag] for own in items]
        # A side of one prompt has no spread to resample; the smaller side decides how far the percentiles go out.
        found = percentiles(
            gaps[:, place], float(known[1, place] - known[0, place]), min(map(len, both)), (-1.0, 1.0), expanded=True
        )
        counts = {"n_older": len(both[0]), "n_newer": len(both[1]), "shared": len(both[0] & both[1])}
        yield {**head, "language": tag, **_sides(known[:, place]), **_ends(found), **counts}
    if len(tags) > 1:
        least = min(len(set().union(*(own[tag] for tag in tags))) for own in items)
        mean = percentiles(gaps.mean(axis=1), float(np.diff(known.mean(axis=1))[0]), least, (-1.0, 1.0), expanded=True)
        counts = {"n_older": _n(items[0], tags), "n_newer": _n(items[1], tags), "shared": _shared(items, tags)}
        yield {**head, "language": MULTIPLE, **_sides(known.mean(axis=1)), **_ends(mean), **counts}


def _items(values: Sequence[tuple[str, str, float]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for item, language, _ in values:
        found[language].add(item)
    return found


def _n(items: Mapping[str, set[str]], tags: Sequence[str]) -> int:
    return sum(len(items[tag]) for tag in tags)


def _shared(items: Sequence[Mapping[str, set[str]]], tags: Sequence[str]) -> int:
    return sum(len(items[0][tag] & items[1][tag]) for tag in tags)


def _sides(pair: Any) -> dict[str, float]:
    return {"older": float(pair[0]), "newer": float(pair[1])}


def _ends(found: Estimate) -> dict[str, float | None]:
    return {"value": found.value, "low": found.low, "high": found.high}
