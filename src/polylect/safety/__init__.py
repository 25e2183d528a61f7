"""Safety in every language: how often a model complies with harm, refuses, talks past it or leaves the language."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.safety.certificate import Certificate, Thresholds
    from polylect.safety.changes import compare_evaluations
    from polylect.safety.distilling import Distillation, distil
    from polylect.safety.document import make_document, read_document
    from polylect.safety.estimates import rates
    from polylect.safety.evaluation import SafetyEvaluation, evaluate
    from polylect.safety.judge import Judge
    from polylect.safety.judge_formats import JudgeFormat
    from polylect.safety.mixing import mix
    from polylect.safety.outcomes import OUTCOMES, Outcome, Verdict
    from polylect.safety.prompts import PromptSet, SafetyPrompt, load_prompts, read_prompts, write_prompts
    from polylect.safety.results import SafetyResult
    from polylect.safety.verdicts import Judged, judge_answers, unfit_languages

__all__ = [
    "OUTCOMES",
    "Certificate",
    "Distillation",
    "Judge",
    "JudgeFormat",
    "Judged",
    "Outcome",
    "PromptSet",
    "SafetyEvaluation",
    "SafetyPrompt",
    "SafetyResult",
    "Thresholds",
    "Verdict",
    "compare_evaluations",
    "distil",
    "evaluate",
    "judge_answers",
    "load_prompts",
    "make_document",
    "mix",
    "rates",
    "read_document",
    "read_prompts",
    "unfit_languages",
    "write_prompts",
]

_HOME = {
    "OUTCOMES": "outcomes",
    "Certificate": "certificate",
    "Distillation": "distilling",
    "Judge": "judge",
    "JudgeFormat": "judge_formats",
    "Judged": "verdicts",
    "Outcome": "outcomes",
    "PromptSet": "prompts",
    "SafetyEvaluation": "evaluation",
    "SafetyPrompt": "prompts",
    "SafetyResult": "results",
    "Thresholds": "certificate",
    "Verdict": "outcomes",
    "compare_evaluations": "changes",
    "distil": "distilling",
    "evaluate": "evaluation",
    "judge_answers": "verdicts",
    "load_prompts": "prompts",
    "make_document": "document",
    "mix": "mixing",
    "rates": "estimates",
    "read_document": "document",
    "read_prompts": "prompts",
    "unfit_languages": "verdicts",
    "write_prompts": "prompts",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that `--help` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
