"""Checks that every answer passes before it is scored: whole, no copy, no refusal, no loop, in the language of its prompt.

An answer that fails keeps its row and gets the reason; the pipeline may ask the next teacher once. The checks read text only:
no model is called. Each is a heuristic with a setting of its own (`Checks`); docs/checks.md has their precision and recall.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache

from polylect.arbitrage.checks.language import language_finding
from polylect.arbitrage.checks.openings import echo_finding, refusal_finding, refusal_languages, truncation_finding
from polylect.arbitrage.checks.repetition import repetition_finding
from polylect.arbitrage.checks.settings import Checks, Finding
from polylect.records import Completion, Prompt
from polylect.verifiable import is_reference

__all__ = [
    "Checks",
    "Finding",
    "check",
    "check_many",
    "explain",
    "language_finding",
    "refusal_languages",
]

_DEFAULTS = Checks()


def check(completion: Completion, prompt: Prompt, settings: Checks = _DEFAULTS) -> str | None:
    """Return why an answer is refused, or None.

    The reasons are few and stable, so that they can be counted: "empty answer", "repetition", "truncated",
    "truncated: open end", "prompt echo", "refusal", "boilerplate", "wrong language: line in xx" (or "line in script Xxxx") and
    "wrong language: script Xxxx". `explain` says more. A completion that failed has its reason already, and gets None.

    Raises:
        LanguageError: the prompt's language is unknown.
    """
    finding = explain(completion, prompt, settings)
    return finding.reason if finding else None


def check_many(
    completions: Iterable[Completion], prompts: Mapping[str, Prompt], settings: Checks = _DEFAULTS
) -> list[str | None]:
    """Return the `check` of each answer; `prompts` by id hold those of all answers."""
    return [check(completion, prompts[completion.prompt_id], settings) for completion in completions]


def explain(completion: Completion, prompt: Prompt, settings: Checks = _DEFAULTS) -> Finding | None:
    """Return the first finding against an answer with its detail, or None.

    What equals an accepted reference is neither an echo nor in a wrong language, whatever it looks like.

    Raises:
        LanguageError: the prompt's language is unknown.
    """
    if completion.status == "failed":
        return None
    finding = next((found for look in _LOOKS if (found := look(completion, prompt, settings))), None)
    if finding and finding.reason != "empty answer" and is_reference(completion.text, prompt.references, prompt.language):
        return None
    return finding


def _empty(completion: Completion, prompt: Prompt, settings: Checks) -> Finding | None:
    return Finding("empty answer") if settings.empty and not any(map(_says, completion.text)) else None


@cache
def _says(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNSM"


def _repetition(completion: Completion, prompt: Prompt, settings: Checks) -> Finding | None:
    return repetition_finding(completion.text, settings) if settings.repetition else None


def _truncation(completion: Completion, prompt: Prompt, settings: Checks) -> Finding | None:
    return truncation_finding(completion, settings)


def _echo(completion: Completion, prompt: Prompt, settings: Checks) -> Finding | None:
    return echo_finding(completion.text, prompt, settings) if settings.echo else None


def _refusal(completion: Completion, prompt: Prompt, settings: Checks) -> Finding | None:
    return refusal_finding(completion.text, prompt) if settings.refusal else None


def _language(completion: Completion, prompt: Prompt, settings: Checks) -> Finding | None:
    return language_finding(completion.text, prompt, settings) if settings.language else None


_LOOKS: tuple[Callable[[Completion, Prompt, Checks], Finding | None], ...] = (
    _empty,
    _repetition,
    _truncation,
    _echo,
    _refusal,
    _language,
)
