"""Pairwise judging by language models, with a certificate of the judge in every language (docs/judging.md).

judging = judge(contests, [open_model("served:http://127.0.0.1:8000/v1#judge")], store, a="ours", b="theirs")
print(judging.rates.words)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from polylect.agreement import Agreement, cohen_kappa, gwet_ac1, krippendorff_alpha

if TYPE_CHECKING:
    from polylect.evaluate.judging.certificate import Certificate
    from polylect.evaluate.judging.contests import Contest, Game, Outcome
    from polylect.evaluate.judging.gate import in_right_language
    from polylect.evaluate.judging.parsing import read_verdict
    from polylect.evaluate.judging.rates import measurements
    from polylect.evaluate.judging.running import Judging, judge
    from polylect.evaluate.judging.settings import JudgeSettings, Thresholds
    from polylect.evaluate.judging.stages import StageJudging, explained, judge_stages
    from polylect.evaluate.judging.style import StyleFit, fit_style
    from polylect.evaluate.judging.votes import Votes, read_votes

_HOME = {
    "Certificate": "certificate",
    "Contest": "contests",
    "Game": "contests",
    "JudgeSettings": "settings",
    "Judging": "running",
    "Outcome": "contests",
    "StageJudging": "stages",
    "StyleFit": "style",
    "Thresholds": "settings",
    "Votes": "votes",
    "explained": "stages",
    "fit_style": "style",
    "in_right_language": "gate",
    "judge": "running",
    "judge_stages": "stages",
    "measurements": "rates",
    "read_verdict": "parsing",
    "read_votes": "votes",
}

__all__ = [
    "Agreement",
    "Certificate",
    "Contest",
    "Game",
    "JudgeSettings",
    "Judging",
    "Outcome",
    "StageJudging",
    "StyleFit",
    "Thresholds",
    "Votes",
    "cohen_kappa",
    "explained",
    "fit_style",
    "gwet_ac1",
    "in_right_language",
    "judge",
    "judge_stages",
    "krippendorff_alpha",
    "measurements",
    "read_verdict",
    "read_votes",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
