"""The verifiable judge: which of two stages answered a prompt better, by rule and not by a model."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from polylect.errors import EvaluationError, nearest
from polylect.evaluate.items import SUBSETS, base_metric
from polylect.records import Result, Verdict

__all__ = ["JUDGE", "TIE_MARGIN", "verdicts"]

JUDGE = "verifiable"

TIE_MARGIN = 5.0
"""Wrong answers tie when their chrF differs by at most this many points. One wrong character costs more than that in an
answer of up to about 24 characters, so what ties differs by less than a character, or by one in a long answer."""

_Row = dict[str, Result]
"""The results of one stage on one prompt, by metric without the subset's suffix."""


def verdicts(a_stage: str, b_stage: str, results: Iterable[Result], subset: str = "heldout") -> list[Verdict]:
    """Compare two stages on every prompt of a subset, in the order in which prompts appear.

    Three rules in turn decide: an answer found to be in a wrong language (`language_pass`) loses to one that is not; a
    right answer beats a wrong one and ties with a right one (`exact_match`); of two wrong answers the one with the higher
    `chrf` wins, unless they are within `TIE_MARGIN`. Right answers are not told apart by chrF because a full stop alone,
    which `normalise` ignores, costs a name of six letters 7 points.

    A prompt on which either stage is unscored gets an unscored verdict, with the reason.

    Raises:
        EvaluationError: an unknown subset, or a stage that has no results on it.
    """
    if subset not in SUBSETS:
        raise EvaluationError(f"subset {subset!r}: expected one of {', '.join(SUBSETS)}.{nearest(subset, SUBSETS)}")
    by_prompt: dict[str, dict[str, _Row]] = defaultdict(lambda: defaultdict(dict))
    stages = set()
    for result in results:
        if result.subset == subset:
            stages.add(result.stage)
            if result.stage in (a_stage, b_stage):
                by_prompt[result.prompt_id][result.stage][base_metric(result.metric)] = result
    for stage in (a_stage, b_stage):
        if stage not in stages:
            found = ", ".join(sorted(stages)) or "none"
            raise EvaluationError(
                f"stage {stage!r}: no results on the subset {subset!r}; stages found: {found}.{nearest(stage, stages)}"
            )
    return [_verdict(a_stage, b_stage, rows[a_stage], rows[b_stage]) for rows in by_prompt.values()]


def _verdict(a_stage: str, b_stage: str, a: _Row, b: _Row) -> Verdict:
    one = next(iter((a or b).values()))
    reason = _unscored(a_stage, a) or _unscored(b_stage, b)
    return Verdict(
        prompt_id=one.prompt_id,
        item=one.item,
        language=one.language,
        a=a_stage,
        b=b_stage,
        judge=JUDGE,
        winner=None if reason else _winner(a, b),
        reason=reason,
    )


def _unscored(stage: str, row: _Row) -> str | None:
    """Return why a stage cannot be compared on a prompt, or None when it can."""
    for metric in ("exact_match", "chrf"):
        if metric not in row:
            return f"{stage}: no result"
        if row[metric].value is None:
            return f"{stage}: {row[metric].reason or 'unscored'}"
    return None


def _winner(a: _Row, b: _Row) -> str:
    both_right = a["exact_match"].value == b["exact_match"].value == 1.0
    for metric, margin in (("language_pass", 0.0), ("exact_match", 0.0), ("chrf", math.inf if both_right else TIE_MARGIN)):
        left, right = (row[metric].value if metric in row else None for row in (a, b))
        if left is not None and right is not None and abs(left - right) > margin:
            return "a" if left > right else "b"
    return "tie"
