"""Four quadrants of languages, on axes that the document states.

**transfer** are the quadrants of Yuan et al. 2023, "How Multilingual is Multilingual LLM?" (arXiv 2311.09071; later "How
Vocabulary Sharing Facilitates Multilingualism in LLaMA?"): models are tuned on one language each, x is what that gains in the
language itself, y what it gains in the others. Reciprocal languages gain and give, altruistic ones give, selfish ones gain,
stagnant ones do neither; the paper finds the stagnant ones over-tokenized. It needs results of the base and of models
with the language that each was tuned on. **standing** needs one model: x is the score relative to English, y the
tokenization premium. It is no result of that paper, and has names of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from polylect.errors import DataError, nearest
from polylect.gap.performance.groups import Group
from polylect.gap.performance.numbers import ratio_to_english
from polylect.resampling import Estimate, percentiles

__all__ = ["NO_AXES", "standing", "standing_axes", "transfer", "transfer_axes"]

_TRANSFER = {"high_high": "reciprocal", "high_low": "selfish", "low_high": "altruistic", "low_low": "stagnant"}
_STANDING = {
    "high_low": "near English, cheap", "high_high": "near English, costly", "low_low": "behind, cheap",
    "low_high": "behind, costly",
}  # fmt: skip
NO_AXES: dict[str, Any] = {
    "mode": "none", "x": "", "y": "", "x_limit": None, "y_limit": None, "names": {},
    "source": "needs premiums (--tokenizer, --premiums), or a base and the language of each tuned model (--base, --tuned)",
}  # fmt: skip


def transfer_axes() -> dict[str, Any]:
    """Return the axes of the paper's quadrants."""
    return {
        "mode": "transfer", "x": "gain over the base in the language that a model was tuned on",
        "y": "mean gain over the base in all other languages", "x_limit": 0.0, "y_limit": 0.0, "names": _TRANSFER,
        "source": "Yuan et al. 2023, arXiv 2311.09071, with the score of these results in the place of translation quality",
    }  # fmt: skip


def standing_axes(theta: float, premiums: Mapping[str, float]) -> dict[str, Any]:
    """Return the axes for one model: the limit of the premium is the median of the languages other than English."""
    others = [value for tag, value in premiums.items() if tag != "en"]
    return {
        "mode": "standing", "x": "score over that of English", "y": "tokenization premium over English", "x_limit": theta,
        "y_limit": median(others) if others else None, "names": _STANDING,
        "source": "axes of this tool, not of Yuan et al. 2023: it needs no tuned models",
    }  # fmt: skip


def standing(group: Group, axes: Mapping[str, Any], premiums: Mapping[str, float]) -> dict[str, str]:
    """Return the quadrant of each language that has a score, an English score and a premium; English itself has none."""
    found = {}
    for tag in group.scored:
        ratio = ratio_to_english(group, tag).value
        if tag == "en" or ratio is None or tag not in premiums or axes["y_limit"] is None:
            continue
        x = "high" if ratio >= axes["x_limit"] else "low"
        y = "high" if premiums[tag] > axes["y_limit"] else "low"
        found[tag] = axes["names"][f"{x}_{y}"]
    return found


def transfer(groups: Sequence[Group], base: str, tuned: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return where each tuned model's language lies, on each benchmark that the base was measured on too.

    Args:
        groups: of all models.
        base: name of the untuned model.
        tuned: model -> tag of the language that it was tuned on.

    Raises:
        DataError: a name is that of no model here.
    """
    models = sorted({group.model for group in groups})
    for name in (base, *tuned):
        if name not in models:
            option = "--base" if name == base else "--tuned"
            raise DataError(f"{option} {name!r}: no such model here; there are {', '.join(models)}.{nearest(name, models)}")
    bases = {(group.benchmark, group.metric): group for group in groups if group.model == base}
    pairs = [(group, bases.get((group.benchmark, group.metric))) for group in groups if group.model in tuned]
    return [_placed(group, other, tuned[group.model]) for group, other in pairs if other is not None]


def _placed(group: Group, base: Group, tag: str) -> dict[str, Any]:
    """Return a model's gains in its own language and in the others, and the quadrant; "certain" where no interval holds 0."""
    both = [one for one in group.scored if one in base.scores]
    own = _gain(group, base, [tag]) if tag in both else Estimate(None, None, None)
    others = [one for one in both if one != tag]
    rest = _gain(group, base, others) if others else Estimate(None, None, None)
    quadrant = None
    if own.value is not None and rest.value is not None:
        quadrant = _TRANSFER[f"{'high' if own.value > 0 else 'low'}_{'high' if rest.value > 0 else 'low'}"]
    return {
        "model": group.model, "benchmark": group.benchmark, "metric": group.metric, "language": tag,
        "own": own.value, "own_low": own.low, "own_high": own.high,
        "others": rest.value, "others_low": rest.low, "others_high": rest.high, "other_languages": len(others),
        "quadrant": quadrant, "certain": all(_leaves_zero(one) for one in (own, rest)),
    }  # fmt: skip


def _gain(group: Group, base: Group, tags: Iterable[str]) -> Estimate:
    """Return the mean gain over languages; paired by item where both models saw the same items (the draws are the same)."""
    chosen = list(tags)
    value = float(np.mean([group.value(tag) - base.value(tag) for tag in chosen]))
    if not group.drawn or not base.drawn or group.all_items != base.all_items:
        return Estimate(value, None, None)
    drawn = np.mean([group.drawn[tag] - base.drawn[tag] for tag in chosen], axis=0)
    reach = group.bounds[1] - group.bounds[0]
    return percentiles(drawn, value, group.all_items, (-reach, reach), expanded=True)


def _leaves_zero(one: Estimate) -> bool:
    return one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)
